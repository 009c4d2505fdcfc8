"""Activations on TensorFlow, with gradients that read and write memory once."""

import functools

import tensorflow as tf

from .xla import is_compiling


def silu(x):
    """Multiply inputs by their sigmoid.

    Args:
        x: Tensor.

    Returns:
        Tensor of the same shape.
    """
    return tf.nn.silu(x) if is_compiling() else _silu(x)


def relu(x):
    """Give the positive part.

    Args:
        x: Tensor.

    Returns:
        Tensor of the same shape.
    """
    # in other types than this one the operations are as fast as memory
    if x.dtype != tf.bfloat16 or is_compiling():
        return tf.nn.relu(x)
    return _relu(x)


def relu6(x):
    """Give the positive part, at most 6.

    Args:
        x: Tensor.

    Returns:
        Tensor of the same shape.
    """
    if x.dtype != tf.bfloat16 or is_compiling():
        return tf.nn.relu6(x)
    return _relu6(x)


# Fused by XLA: operation by operation each would be several passes through memory,
# and in bfloat16 each pass is slow besides.
_fused = functools.partial(tf.function, jit_compile=True, autograph=False)


@tf.custom_gradient
def _silu(x):
    return tf.nn.silu(x), functools.partial(_silu_slope, x)


@tf.custom_gradient
def _relu(x):
    y = tf.nn.relu(x)
    return y, functools.partial(_relu_slope, y)


@tf.custom_gradient
def _relu6(x):
    y = _fused_relu6(x)
    return y, functools.partial(_relu6_slope, y)


@_fused
def _fused_relu6(x):
    return tf.nn.relu6(x)


@_fused
def _silu_slope(x, dy):
    dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
    wide, slopes = tf.cast(x, dtype), tf.cast(dy, dtype)
    gate = tf.sigmoid(wide)
    return tf.cast(slopes * gate * (1 + wide * (1 - gate)), dy.dtype)


@_fused
def _relu_slope(y, dy):
    return tf.where(y > 0, dy, tf.zeros_like(dy))


@_fused
def _relu6_slope(y, dy):
    return tf.where((y > 0) & (y < 6), dy, tf.zeros_like(dy))
