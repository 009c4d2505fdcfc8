"""What `kerasmith bench` measures of normalisation, against Keras' own layers."""

import functools
import math

from kerasmith.scripts.bench import Pair

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
BYTES = {"float32": 4, "bfloat16": 2}
# forward: read for the mean, read for the variance or for its shift, read and write;
# backward: read inputs and slopes for the sums, read both again and write
PASSES = 8
BATCH_NORM = ((16, 56, 56, 64),)
GROUP_NORM = ((16, 56, 56, 64), (16, 28, 28, 256), (8, 112, 112, 64))
BATCH, SIDE = 16, 128


def batch_norm():
    """Time batch norm alone, forward and backward.

    Each side is compiled as the backend does it.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label.split()[-3] for pair in batch_norm()]
    ['float32,', 'bfloat16,']
    """
    return _alone("BatchNormalization", BATCH_NORM)


def group_norm():
    """Time group norm with 32 groups, forward and backward.

    Each side is compiled as the backend does it.

    Returns:
        List of `Pair`.

    Example:

    >>> len(group_norm())
    6
    """
    return _alone("GroupNormalization", GROUP_NORM)


def batch_norm_resnet50():
    """Time training steps of ResNet-50 with our batch norm in place of Keras'.

    Batches of 16 images of 128 x 128, stochastic gradient descent, compiled without
    XLA. On TensorFlow only: the others have no faster kernel there, or no compiled step
    on the CPU that is worth comparing.

    Returns:
        List of `Pair`, empty on other backends.

    Example:

    >>> len(batch_norm_resnet50()) in (0, 2)
    True
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    return [
        Pair(
            f"ResNet-50 with BatchNormalization in {dtype}, a step of {BATCH} images "
            f"of {SIDE} x {SIDE}, against Keras'",
            _resnet_step(policy, ours=True),
            _resnet_step(policy, ours=False),
        )
        for dtype, policy in POLICIES.items()
    ]


def _alone(name, shapes):
    import keras

    from kerasmith import layers

    return [
        Pair(
            f"{name} at {shape} in {dtype}, against Keras'",
            _step(getattr(layers, name), policy, shape, dtype),
            _step(getattr(keras.layers, name), policy, shape, dtype),
            bytes_moved=PASSES * BYTES[dtype] * math.prod(shape),
        )
        for shape in shapes
        for dtype, policy in POLICIES.items()
    ]


def _step(build, policy, shape, dtype):
    """Compile at the first call, so that a list of pairs costs nothing."""

    @functools.cache
    def compiled():
        from kerasmith.zoo.tools.training_step import training_step

        return training_step([build(dtype=policy)], shape, dtype)

    return lambda: compiled()()


def _resnet_step(policy, ours):
    @functools.cache
    def compiled():
        import keras

        model = _resnet(policy, ours)
        model.compile(
            keras.optimizers.SGD(0.01),
            "sparse_categorical_crossentropy",
            jit_compile=False,
        )
        images = keras.random.normal((BATCH, SIDE, SIDE, 3), seed=1)
        labels = keras.ops.arange(BATCH)
        return lambda: model.train_on_batch(images, labels)

    return lambda: compiled()()


def _resnet(policy, ours):
    import keras

    from kerasmith import layers

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.applications.ResNet50(weights=None, input_shape=(SIDE, SIDE, 3))
    finally:
        keras.config.set_dtype_policy(before)
    if not ours:
        return model

    def exchange(layer):
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = layers.BatchNormalization
        return kind.from_config(layer.get_config())

    clone = keras.models.clone_model(model, clone_function=exchange)
    clone.set_weights(model.get_weights())
    return clone


ROWS = {
    "batch_norm": batch_norm,
    "batch_norm_resnet50": batch_norm_resnet50,
    "group_norm": group_norm,
}
