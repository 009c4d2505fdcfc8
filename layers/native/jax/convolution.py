"""Convolutions on JAX: its own are the fastest."""

from keras import ops


def convolve(x, kernel, *, strides, padding):
    """Convolve two-dimensional maps, channels last.

    Args:
        x: Array of shape `(batch, height, width, channels)`.
        kernel: Array of shape `(rows, columns, channels, filters)`.
        strides: Steps down and to the right.
        padding: `"same"` or `"valid"`.

    Returns:
        Array of shape `(batch, new height, new width, filters)`.
    """
    return ops.conv(x, kernel, list(strides), padding, "channels_last")


def convolve_depthwise(x, kernel, *, strides, padding):
    """Convolve each channel by itself, channels last.

    Args:
        x: Array of shape `(batch, height, width, channels)`.
        kernel: Array of shape `(rows, columns, channels, multiplier)`.
        strides: Steps down and to the right, equal.
        padding: `"same"` or `"valid"`.

    Returns:
        Array of shape `(batch, new height, new width, channels * multiplier)`.
    """
    return ops.depthwise_conv(x, kernel, strides, padding, "channels_last")
