"""Writing to a cache of keys or values, in place where nobody else holds it."""

import tensorflow as tf


def write(cache, new, index):
    """Write new steps to a cache.

    Args:
        cache: Tensor of shape `(batch, heads, length, size)`.
        new: Tensor of shape `(batch, heads, steps, size)`.
        index: Position of the first of them, an int32 scalar.

    Returns:
        The cache with the new steps in it.

    Example:

    >>> write(tf.zeros((1, 1, 3, 1)), tf.ones((1, 1, 1, 1)), 1).numpy().ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    batch, heads, steps, _ = tf.unstack(tf.shape(new))
    places = tf.meshgrid(
        tf.range(batch), tf.range(heads), index + tf.range(steps), indexing="ij"
    )
    return tf.tensor_scatter_nd_update(cache, tf.stack(places, axis=-1), new)
