"""What `kerasmith bench` measures of U-Net, and of losses and metrics of masks."""

import functools

from kerasmith.scripts.bench import Pair

BATCH, SIDE, CLASSES = 8, 128, 11
WIDTH, DEPTH = 16, 3
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
AGAINST = (("float32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"))
WORK = {"training": "a training step", "inference": "inference"}


def unet():
    """Time training steps and inference of U-Net against the same in Keras layers.

    Batches of 8 grey images of 128 x 128, 16 filters at their size and three halvings,
    batch norm; both compiled as Keras does it.

    Returns:
        List of `Pair`.

    Example:

    >>> len(unet())
    6
    """
    sides = functools.cache(_work)
    return [
        Pair(
            f"U-Net in {ours}, {what} of {BATCH} images of {SIDE} x {SIDE}, against "
            f"plain Keras layers in {theirs}",
            lambda kind=kind, dtype=ours: sides(kind, _ours, dtype)(),
            lambda kind=kind, dtype=theirs: sides(kind, _plain, dtype)(),
        )
        for kind, what in WORK.items()
        for ours, theirs in AGAINST
    ]


def mask_losses():
    """Time losses of masks with their gradients, and the update of a metric.

    Ours take masks of whole numbers and logits. The peers are those of Keras, for which
    the masks become one-hot rows and the logits probabilities.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label.split(",")[0] for pair in mask_losses()]
    ['SoftDice', 'Focal', 'MeanIoU']
    """
    shape = f"{BATCH} masks of {SIDE} x {SIDE} with {CLASSES} classes"
    names = {"SoftDice": "Dice", "Focal": "CategoricalFocalCrossentropy"}
    pairs = [
        Pair(
            f"{ours}, forward and backward of {shape}, against keras.losses.{theirs}",
            lambda name=ours: _loss("ours", name)(),
            lambda name=theirs: _loss("theirs", name)(),
        )
        for ours, theirs in names.items()
    ]
    metric = Pair(
        f"MeanIoU, an update by {shape}, against keras.metrics.MeanIoU",
        lambda: _metric("ours")(),
        lambda: _metric("theirs")(),
    )
    return [*pairs, metric]


def _work(kind, make, dtype):
    """Give a function that takes a training step, or predicts, each time."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[dtype])
    try:
        model = make()
    finally:
        keras.config.set_dtype_policy(before)
    images, masks = _scenes()
    if kind == "inference":
        return lambda: model.predict_on_batch(images)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    return lambda: model.train_on_batch(images, masks)


@functools.cache
def _scenes():
    import numpy as np

    random = np.random.default_rng(0)
    images = random.normal(size=(BATCH, SIDE, SIDE, 1)).astype("float32")
    return images, random.integers(0, CLASSES, (BATCH, SIDE, SIDE)).astype("int32")


def _ours():
    from kerasmith import zoo

    return zoo.unet(
        "unet_same",
        classes=CLASSES,
        input_shape=(SIDE, SIDE, 1),
        width=WIDTH,
        depth=DEPTH,
        norm="batch",
        dropout=None,
    )


def _plain():
    import keras
    from keras import layers

    def block(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        return x

    image = keras.Input((SIDE, SIDE, 1))
    skips, x = [], image
    for stage in range(DEPTH):
        skips.append(block(x, WIDTH * 2**stage))
        x = layers.MaxPooling2D()(skips[-1])
    x = block(x, WIDTH * 2**DEPTH)
    for stage in reversed(range(DEPTH)):
        x = layers.Conv2DTranspose(WIDTH * 2**stage, 2, strides=2)(x)
        x = block(layers.Concatenate()([skips[stage], x]), WIDTH * 2**stage)
    return keras.Model(image, layers.Conv2D(CLASSES, 1, dtype="float32")(x))


@functools.cache
def _loss(side, name):
    """Compile a loss with the gradient of the logits."""
    import keras
    from keras import ops

    from kerasmith import layers
    from kerasmith.zoo.tools.training_step import training_step

    masks = _scenes()[1]
    if side == "ours":
        loss = getattr(layers, name)(from_logits=True)
    else:
        loss = getattr(keras.losses, name)()

    class Values(keras.layers.Layer):
        def call(self, logits):
            if side == "ours":
                return loss(masks, logits)
            truth = ops.one_hot(masks, CLASSES)
            return loss(truth, ops.softmax(logits))

    return training_step([Values()], (BATCH, SIDE, SIDE, CLASSES))


@functools.cache
def _metric(side):
    """Compile the update of a metric by logits."""
    import keras
    from keras import ops

    from kerasmith import layers
    from kerasmith.zoo.tools.forward_step import forward_step

    masks = _scenes()[1]
    if side == "ours":
        metric = layers.MeanIoU(CLASSES)
    else:
        metric = keras.metrics.MeanIoU(CLASSES, sparse_y_pred=False)

    def update(logits):
        state = metric.stateless_reset_state()
        return metric.stateless_update_state(state, masks, logits)

    shape = (BATCH, SIDE, SIDE, CLASSES)
    return forward_step(update, ops.convert_to_tensor(keras.random.normal(shape)))


ROWS = {"unet": unet, "mask_losses": mask_losses}
