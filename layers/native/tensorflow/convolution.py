"""Convolutions on TensorFlow's CPU by the road that is fastest for their size."""

import functools
import math
from typing import Any

import keras
import tensorflow as tf

from .xla import is_compiling

# oneDNN has kernels for depthwise filter gradients of at most so many columns
COLUMNS = 3


def convolve(x, kernel, *, strides, padding):
    """Convolve two-dimensional maps, channels last.

    Args:
        x: Tensor of shape `(batch, height, width, channels)`.
        kernel: Tensor of shape `(rows, columns, channels, filters)`.
        strides: Steps down and to the right.
        padding: `"same"` or `"valid"`.

    Returns:
        Tensor of shape `(batch, new height, new width, filters)`.
    """
    # Keras would leave its variables as they are
    kernel = tf.convert_to_tensor(kernel)
    shape: Any = kernel.shape
    size, (channels, filters) = shape[:2], shape[2:]
    one_position = size == (1, 1)
    if _is_plain(x):
        return _convolve(x, kernel, strides, padding)
    outputs = _positions(x, size, strides, padding)
    count = math.prod(outputs) * (x.shape[0] or math.inf)
    # each call brings the kernel into another order first: for a few positions that
    # is most of the work, and a product of matrices does without
    if one_position and count < max(channels, filters):
        return _multiply(_every(x, strides), kernel, outputs)
    if max(strides) == 1 and count < filters:
        return _multiply(_patches(x, size, outputs, padding), kernel, outputs)
    if one_position and x.dtype == tf.bfloat16:
        return _convolve_positions(x, kernel, strides)
    return _convolve(x, kernel, strides, padding)


def convolve_depthwise(x, kernel, *, strides, padding):
    """Convolve each channel by itself, channels last.

    Args:
        x: Tensor of shape `(batch, height, width, channels)`.
        kernel: Tensor of shape `(rows, columns, channels, multiplier)`.
        strides: Steps down and to the right, equal.
        padding: `"same"` or `"valid"`.

    Returns:
        Tensor of shape `(batch, new height, new width, channels * multiplier)`.
    """
    # Keras would leave its variables as they are
    kernel = tf.convert_to_tensor(kernel)
    shape: Any = kernel.shape
    wide, strided = shape[1] > COLUMNS, max(strides) > 1
    slow = wide or (strided and x.dtype == tf.bfloat16)
    if not slow or _is_plain(x):
        return _depthwise(x, kernel, strides, padding)

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(dy):
            return (
                _slope_of_maps(x, kernel, dy, strides, padding),
                _slope_by_columns(x, kernel, dy, strides, padding),
            )

        return _depthwise(x, kernel, strides, padding), gradient

    return convolve(x, kernel)


def _convolve(x, kernel, strides, padding):
    return keras.ops.conv(x, kernel, list(strides), padding, "channels_last")


def _depthwise(x, kernel, strides, padding):
    return keras.ops.depthwise_conv(x, kernel, strides, padding, "channels_last")


@functools.cache
def _has_accelerator():
    return len(tf.config.list_physical_devices()) > len(
        tf.config.list_physical_devices("CPU")
    )


def _is_plain(x):
    """Tell whether the one operation is the best there is, or sizes are unknown."""
    if x.dtype not in (tf.float32, tf.bfloat16) or None in x.shape[1:]:
        return True
    return _has_accelerator() or is_compiling()


def _positions(x, size, strides, padding):
    """Give the height and the width of the results."""
    reach = (1, 1) if padding == "same" else size
    return tuple(
        max(0, -((r - 1 - n) // s))
        for n, r, s in zip(x.shape[1:3], reach, strides, strict=True)
    )


def _every(x, strides):
    """Keep every so many rows and columns: a strided slice takes ten times as long."""
    return x if max(strides) == 1 else tf.nn.avg_pool2d(x, 1, strides, "VALID")


def _paddings(x, size, strides, outputs):
    """Give the zeros that surround maps for results of these sizes."""
    missing = [
        max(0, (n_out - 1) * s + k - n)
        for n, k, s, n_out in zip(x.shape[1:3], size, strides, outputs, strict=True)
    ]
    return [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]


def _patches(x, size, outputs, padding):
    """Lay the window of each position along the channels."""
    height, width = outputs
    if padding == "same":
        x = tf.pad(x, _paddings(x, size, (1, 1), outputs))
    shifted = [
        x[:, i : i + height, j : j + width]
        for i in range(size[0])
        for j in range(size[1])
    ]
    return tf.concat(shifted, -1)


def _multiply(x, kernel, outputs):
    filters = kernel.shape[-1]
    rows = tf.reshape(x, (-1, x.shape[-1]))
    product = tf.matmul(rows, tf.reshape(kernel, (-1, filters)))
    return tf.reshape(product, (-1, *outputs, filters))


def _convolve_positions(x, kernel, strides):
    """Convolve with a kernel of one position; its gradient is a product of matrices.

    In bfloat16 that takes half to a quarter of the time of the convolution's own.
    """

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(dy):
            dx = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=kernel,
                out_backprop=dy,
                strides=[1, *strides, 1],
                padding="VALID",
            )
            channels, filters = kernel.shape[2:]
            rows = tf.reshape(_every(x, strides), (-1, channels))
            slopes = tf.reshape(dy, (-1, filters))
            dk = tf.matmul(rows, slopes, transpose_a=True)
            return dx, tf.reshape(dk, kernel.shape)

        return _convolve(x, kernel, strides, "valid"), gradient

    return convolve(x, kernel)


def _slope_of_maps(x, kernel, dy, strides, padding):
    """Give the gradient of the maps; with strides, in float32: there is a kernel."""
    dtype = tf.float32 if max(strides) > 1 else x.dtype
    slope = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(x),
        filter=tf.cast(kernel, dtype),
        out_backprop=tf.cast(dy, dtype),
        strides=[1, *strides, 1],
        padding=padding.upper(),
    )
    return tf.cast(slope, x.dtype)


def _slope_by_columns(x, kernel, dy, strides, padding):
    """Give the gradient of a depthwise kernel, a few of its columns at a time."""
    size, outputs = kernel.shape[:2], dy.shape[1:3]
    if padding == "same":
        x = tf.pad(x, _paddings(x, size, strides, outputs))
    slopes = []
    for j in range(0, size[1], COLUMNS):
        columns = min(COLUMNS, size[1] - j)
        reach = (outputs[1] - 1) * strides[1] + columns
        slopes.append(
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x[:, :, j : j + reach],
                filter_sizes=(size[0], columns, *kernel.shape[2:]),
                out_backprop=dy,
                strides=[1, *strides, 1],
                padding="VALID",
            )
        )
    return tf.concat(slopes, 1)
