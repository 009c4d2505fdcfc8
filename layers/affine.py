"""Layers that multiply by a kernel, add a bias and apply an activation, taken apart."""

import math

import keras
from keras import ops

from .weight_wrapper import TransparentWrapper, kernels_to_change

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
AFFINE = (keras.layers.Dense, keras.layers.EinsumDense, *CONVOLUTIONS)


class AffineWrapper(TransparentWrapper):
    """Base of wrappers that compute what the layer would, in their own way.

    Args:
        layer: Dense, EinsumDense, Conv1D, Conv2D or Conv3D.

    Raises:
        ValueError: If the layer is of another kind.
    """

    def __init__(self, layer, **kwargs):
        if isinstance(layer, keras.layers.Layer):
            check_affine(type(self).__name__, layer)
            # the layer itself is not called
            kwargs = {"activity_regularizer": layer.activity_regularizer, **kwargs}
        super().__init__(layer, **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        kernels_to_change(self, self.layer)

    def get_config(self):
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config


def check_affine(wrapper, layer):
    """Refuse a layer that cannot be taken apart into product, bias and activation.

    Args:
        wrapper: Name of the wrapper's class, for the message.
        layer: The layer to wrap.

    Raises:
        ValueError: If the layer is not Dense, EinsumDense or Conv1D to Conv3D, or is a
            subclass that computes something else.

    Example:

    >>> check_affine("Shakeout", keras.layers.Dense(3))
    >>> check_affine("Shakeout", keras.layers.Flatten())
    Traceback (most recent call last):
    ValueError: Shakeout wraps Dense, EinsumDense and Conv1D, Conv2D, Conv3D, ...
    """
    for kind in AFFINE:
        if isinstance(layer, kind) and type(layer).call is kind.call:
            return
    raise ValueError(
        f"{wrapper} wraps Dense, EinsumDense and Conv1D, Conv2D, Conv3D, which "
        "multiply their inputs by one kernel, add a bias and apply an activation, "
        f"received {type(layer).__name__}. For other layers with a kernel take "
        "WeightNoise."
    )


def product(layer, inputs, kernel):
    """Multiply inputs by a kernel as the layer would by its own.

    Args:
        layer: A layer that `check_affine` lets pass.
        inputs: Inputs of the layer.
        kernel: Tensor of the shape and place of its kernel, of the inputs' dtype.

    Returns:
        The layer's outputs before the bias.

    Example:

    >>> import numpy as np
    >>> ones = np.ones((2, 2), "float32")
    >>> float(product(keras.layers.Dense(2), ones, 3 * ones)[0, 0])
    6.0
    """
    if isinstance(layer, keras.layers.Dense):
        return ops.matmul(inputs, kernel)
    if isinstance(layer, keras.layers.EinsumDense):
        return ops.einsum(layer.equation, inputs, kernel)
    padding = layer.padding
    if padding == "causal":
        before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
        around = [[0, 0], [0, 0], [0, 0]]
        around[2 if is_channels_first(layer) else 1][0] = before
        inputs, padding = ops.pad(inputs, around), "valid"
    return ops.conv(
        inputs,
        kernel,
        strides=list(layer.strides),
        padding=padding,
        dilation_rate=layer.dilation_rate,
        data_format=layer.data_format,
    )


def outcome(layer, products):
    """Add the layer's bias to products, and apply its activation."""
    outputs = with_bias(layer, products)
    return outputs if layer.activation is None else layer.activation(outputs)


def with_bias(layer, products):
    """Add the layer's bias to products, in their dtype."""
    if layer.bias is None:
        return products
    bias = ops.cast(ops.convert_to_tensor(layer.bias), products.dtype)
    return products + beside(layer, bias)


def beside(layer, vector):
    """Shape a tensor with an entry for each unit so that it broadcasts to outputs."""
    if is_channels_first(layer):
        return ops.reshape(vector, (1, -1, *(1,) * layer.rank))
    return vector


def is_channels_first(layer):
    """Tell whether the units of a layer's outputs lie on axis 1, not on the last."""
    return getattr(layer, "data_format", "channels_last") == "channels_first"


def multiplications(layer, output_shape):
    """Count the multiplications of one product for one example.

    Each weight that comes into a unit meets each output of that unit once.

    Args:
        layer: A built layer that `check_affine` lets pass.
        output_shape: Shape of its outputs, the batch first.

    Example:

    >>> layer = keras.layers.Conv2D(5, (3, 2))
    >>> layer.build((None, 9, 9, 4))
    >>> multiplications(layer, (None, 7, 8, 5)) == 7 * 8 * 5 * 3 * 2 * 4
    True
    """
    shape = tuple(layer.kernel.shape)
    if isinstance(layer, keras.layers.EinsumDense):
        operands, results = layer.equation.replace(" ", "").split("->")
        labels = operands.split(",")[1]
        summed = [
            n for n, name in zip(shape, labels, strict=True) if name not in results
        ]
    else:
        summed = shape[:-1]
    return math.prod(output_shape[1:]) * math.prod(summed)
