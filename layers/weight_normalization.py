"""Weight normalisation."""

import keras
from keras import ops

from . import affine
from .weight_wrapper import WeightWrapper


@keras.saving.register_keras_serializable("kerasmith")
class WeightNormalization(WeightWrapper):
    """Let a layer learn the direction and the length of each unit's weights apart.

    `w = g v / ||v||` for each unit. The layer's own kernel is `v`; `g` is a trainable
    variable of its own with an entry for each unit, in `layer.gains` by the kernel's
    path. It starts as `||v||`, so that the layer starts with the kernel that its
    initialiser gave. Training and inference compute the same.

    A regulariser or constraint of the kernel acts on `v`, whose length has no effect on
    what is computed: regularise the outputs instead, or `layer.gains["kernel"]`.

    Args:
        layer: A layer with a kernel, see `WeightNoise`. Its kernels must not start as
            zeros, which have no direction.

    Call arguments:
        inputs: What the layer takes.
        training: Passed on.
        mask: Passed on if the layer takes one.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If the layer has no kernel.

    Example:

    >>> import numpy as np
    >>> layer = WeightNormalization(keras.layers.Dense(3))
    >>> layer.build((None, 4))
    >>> [tuple(gain.shape) for gain in layer.gains.values()]
    [(1, 3)]

    Reference:
        Salimans, Kingma, 2016, https://arxiv.org/abs/1602.07868
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.gains = {
            kernel.path: self.add_weight(
                shape=_one_per_unit(kernel),
                initializer=_LengthOf(kernel),
                dtype="float32",
                autocast=False,
                name=f"gain_of_{kernel.path.replace('.', '_')}",
            )
            for kernel in self.kernels
        }

    def change(self, kernel, value, training):
        gain = ops.convert_to_tensor(self.gains[kernel.path])
        return value * (gain / _length(kernel, value))

    def initialize(self, inputs):
        """Set gains and biases so that outputs before the activation are standard.

        The initialisation by data of the paper, section 3: on these inputs each unit
        then has mean 0 and variance 1 before its activation. Call it once before
        training, layer by layer in the order of the network.

        Args:
            inputs: A batch of inputs of this layer.

        Raises:
            ValueError: If the layer is not Dense or Conv1D to Conv3D with a bias, is
                not built, or a unit gives the same for all inputs.

        Example:

        >>> import numpy as np
        >>> inputs = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> layer = WeightNormalization(keras.layers.Dense(3))
        >>> layer.build(inputs.shape)
        >>> layer.initialize(inputs)
        >>> outputs = keras.ops.convert_to_numpy(layer(inputs))
        >>> bool(np.allclose(outputs.std(axis=0), 1, atol=1e-4))
        True
        """
        layer = self.layer
        affine.check_affine("WeightNormalization.initialize", layer)
        if not self.built or layer.bias is None or hasattr(layer, "equation"):
            raise ValueError(
                "WeightNormalization.initialize needs a built Dense, Conv1D, Conv2D or "
                f"Conv3D with a bias, received {layer!r}."
            )
        (kernel,) = self.kernels
        value = ops.convert_to_tensor(kernel.variable)
        inputs = ops.convert_to_tensor(inputs, dtype="float32")
        outputs = affine.product(layer, inputs, value / _length(kernel, value))
        axes = list(range(len(outputs.shape)))
        del axes[1 if affine.is_channels_first(layer) else -1]
        mean, variance = ops.moments(outputs, axes=axes)
        if not bool(ops.all(variance > 0)):
            raise ValueError(
                "WeightNormalization.initialize needs inputs on which each unit "
                "varies, received a batch of shape "
                f"{tuple(inputs.shape)} on which some do not."
            )
        gain = 1 / ops.sqrt(variance)
        self.gains[kernel.path].assign(ops.reshape(gain, _one_per_unit(kernel)))
        layer.bias.assign(-mean * gain)


class _LengthOf(keras.initializers.Initializer):
    """Gives the length of each unit's weights, read when it is asked for."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __call__(self, shape, dtype=None):
        value = ops.convert_to_tensor(self.kernel.variable)
        return ops.cast(_length(self.kernel, ops.cast(value, "float32")), dtype)


def _one_per_unit(kernel):
    shape = kernel.variable.shape
    return tuple(1 if a in kernel.axes else int(n) for a, n in enumerate(shape))


def _length(kernel, value):
    squares = ops.sum(ops.square(value), axis=kernel.axes, keepdims=True)
    # the least is there for the square root, which has no slope at 0
    return ops.sqrt(ops.maximum(squares, 1e-30))
