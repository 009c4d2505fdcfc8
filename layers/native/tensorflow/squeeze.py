"""Means over positions on TensorFlow, in one pass where numbers have half the bits."""

import tensorflow as tf

from .xla import is_compiling


def mean_of_positions(x):
    """Average maps over their positions.

    Args:
        x: Tensor of shape `(batch, ..., channels)`.

    Returns:
        Tensor of shape `(batch, channels)` in float32.
    """
    axes = list(range(1, x.shape.rank - 1))
    on_gpu = tf.config.list_logical_devices("GPU")
    if x.dtype != tf.bfloat16 or is_compiling() or on_gpu:
        # a sum in half precision could overflow
        return tf.reduce_mean(tf.cast(x, tf.float32), axes)
    # a product with ones reads bfloat16 as it is, and adds up in float32
    shape = tf.shape(x)
    positions = tf.reduce_prod(shape[1:-1])
    ones = tf.ones((shape[0], 1, positions), x.dtype)
    total = tf.matmul(ones, tf.reshape(x, (shape[0], positions, x.shape[-1])))
    return tf.cast(total[:, 0], tf.float32) / tf.cast(positions, tf.float32)
