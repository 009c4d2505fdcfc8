"""What `kerasmith bench` measures of callbacks, against `fit` without them."""

import functools
import tempfile
import time

import numpy as np

from kerasmith.scripts.bench import Pair

BATCH, STEPS = 32, 101  # the state is saved before the last step
LIMIT = 1.0  # of the norm of all gradients


def resume_resnet20():
    """Time steps of ResNet-20 with a state saved every 100 of them, and without.

    Batches of 32 images of 32 x 32, stochastic gradient descent with momentum.

    Returns:
        List of `Pair`.

    Example:

    >>> len(resume_resnet20())
    1
    """
    label = f"{STEPS} steps of ResNet-20 with a state saved every 100, against none"
    return [Pair(label, _resnet20_run(True), _resnet20_run(False))]


def _resnet20_run(saving):
    @functools.cache
    def prepared():
        from kerasmith import callbacks

        model, data = _resnet20_training()

        def fit():
            with tempfile.TemporaryDirectory() as folder:
                resume = callbacks.Resume(folder, data=data, every=100, by="step")
                model.fit(data, callbacks=[resume] if saving else None, verbose=0)

        return fit

    return lambda: prepared()()


def _resnet20_training(**optimizer):
    """Give a compiled ResNet-20 and its data, `STEPS` batches."""
    import keras

    from kerasmith import callbacks

    model = resnet20()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, **optimizer)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(BATCH * STEPS, 32, 32, 3)).astype("float32")
    labels = generator.integers(0, 10, len(images))
    return model, callbacks.ShuffledBatches(images, labels, batch_size=BATCH)


def clipping_resnet20():
    """Time steps of ResNet-20 whose gradients are clipped by the callback.

    By the global norm against the same optimizer with Keras' `global_clipnorm`, and
    adaptively against no clipping.

    Returns:
        List of `Pair`.

    Example:

    >>> len(clipping_resnet20())
    2
    """
    what = f"{STEPS} steps of ResNet-20 with gradients clipped"
    return [
        Pair(
            f"{what} by GradientClipping(by='global_norm'), against global_clipnorm",
            _clipping_run({"threshold": LIMIT, "by": "global_norm"}),
            _clipping_run(None, global_clipnorm=LIMIT),
        ),
        Pair(
            f"{what} by GradientClipping(by='adaptive'), against none",
            _clipping_run({"by": "adaptive"}),
            _clipping_run(None),
        ),
    ]


def _clipping_run(clipping, **optimizer):
    @functools.cache
    def prepared():
        from kerasmith import callbacks

        model, data = _resnet20_training(**optimizer)
        if clipping:
            # begun once: otherwise each training would compile its step anew
            callback = callbacks.GradientClipping(**clipping)
            callback.set_model(model)
            callback.on_train_begin()
        return lambda: model.fit(data, verbose=0)

    return lambda: prepared()()


def monitor_resnet20():
    """Time steps of ResNet-20 with `TrainingMonitor` every 50 of them, and without.

    The activations of a batch at the end of the epoch count with it; the compilation
    at the beginning of `fit`, which falls into an epoch before, does not.

    Returns:
        List of `Pair`.

    Example:

    >>> monitor_resnet20()[0].unit
    'ms a step'
    """
    label = "ResNet-20 with TrainingMonitor every 50 steps, against none"
    return [Pair(label, _monitored(True), _monitored(False), unit="ms a step")]


def _monitored(monitoring):
    @functools.cache
    def prepared():
        import keras

        from kerasmith import callbacks

        model, data = _resnet20_training()

        def fit():
            times = []
            clock = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: times.append(time.perf_counter()),
                on_train_end=lambda logs: times.append(time.perf_counter()),
            )
            monitor = callbacks.TrainingMonitor(data=data[0][0])
            kept = [clock, monitor] if monitoring else [clock]
            model.fit(data, epochs=2, callbacks=kept, verbose=0)
            return 1e3 * (times[2] - times[1]) / STEPS

        return fit

    return lambda: prepared()()


def resnet20():
    """Build the ResNet-20 of He et al. (2015) for images of 32 x 32.

    Returns:
        Model.

    Example:

    >>> resnet20().count_params()  # 1,376 of them the moving statistics
    271098
    """
    import keras

    layers = keras.layers

    def norm_and_relu(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    def convolution(x, filters, stride=1):
        return layers.Conv2D(
            filters, 3, strides=stride, padding="same", use_bias=False
        )(x)

    def shortcut(x, filters, stride):
        if stride == 1:
            return x
        width = filters // 4
        padded = layers.Lambda(
            lambda y: keras.ops.pad(
                y[:, ::2, ::2], [(0, 0), (0, 0), (0, 0), (width, width)]
            )
        )
        return padded(x)

    inputs = keras.Input((32, 32, 3))
    x = norm_and_relu(convolution(inputs, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            stride = 2 if stage and not block else 1
            branch = norm_and_relu(convolution(x, filters, stride))
            branch = layers.BatchNormalization()(convolution(branch, filters))
            x = layers.ReLU()(layers.Add()([branch, shortcut(x, filters, stride)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


ROWS = {
    "resume_resnet20": resume_resnet20,
    "clipping_resnet20": clipping_resnet20,
    "monitor_resnet20": monitor_resnet20,
}
