"""Keys or values of past steps, written in place where TensorFlow runs the graph."""

import tensorflow as tf

from .xla import is_compiling


def write(cache, new, index):
    """Write new steps to a cache. Whoever still holds the old one sees them, too.

    No gradient goes through this but where XLA compiles it.

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
    batch, heads, length, size = tf.unstack(tf.shape(cache))
    places = tf.range(batch * heads)[:, None] * length
    places += index + tf.range(tf.shape(new)[2])
    places, rows = tf.reshape(places, (-1,)), tf.reshape(cache, (-1, size))
    new = tf.reshape(new, (-1, size))
    if is_compiling():  # which does it in place, and does not know the other
        rows = tf.tensor_scatter_nd_update(rows, places[:, None], new)
    else:  # tf.tensor_scatter_nd_update copies all of it, even if nobody holds it
        rows = tf.raw_ops.InplaceUpdate(x=rows, i=places, v=new)
    rows = tf.reshape(rows, tf.shape(cache))
    rows.set_shape(cache.shape)
    return rows


def lengthened(cache, length):
    """Give a cache more room.

    Args:
        cache: Tensor of shape `(batch, heads, less, ...)`.
        length: Length that it has at least.

    Returns:
        Tensor of shape `(batch, heads, length, ...)`, with zeros behind what was there.

    Example:

    >>> lengthened(tf.ones((1, 1, 1, 1)), 3).numpy().ravel().tolist()
    [1.0, 0.0, 0.0]
    """
    more = tf.maximum(length - tf.shape(cache)[2], 0)
    behind = [[0, more if axis == 2 else 0] for axis in range(cache.shape.rank)]
    return tf.pad(cache, behind)
