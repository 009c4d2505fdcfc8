"""Writing to a cache of keys or values; a compiled loop does it in place."""

import jax


def write(cache, new, index):
    """Write new steps to a cache.

    Args:
        cache: Array of shape `(batch, heads, length, size)`.
        new: Array of shape `(batch, heads, steps, size)`.
        index: Position of the first of them, an int32 scalar.

    Returns:
        The cache with the new steps in it.

    Example:

    >>> ones, zeros = jax.numpy.ones((1, 1, 1, 1)), jax.numpy.zeros((1, 1, 3, 1))
    >>> write(zeros, ones, 1).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    return jax.lax.dynamic_update_slice(cache, new, (0, 0, index, 0))


def lengthened(cache, length):
    """Give a cache more room.

    Args:
        cache: Array of shape `(batch, heads, less, ...)`.
        length: Length that it has at least, an integer.

    Returns:
        Array of shape `(batch, heads, length, ...)`, with zeros behind what was there.

    Example:

    >>> lengthened(jax.numpy.ones((1, 1, 1, 1)), 3).ravel().tolist()
    [1.0, 0.0, 0.0]
    """
    more = max(length - cache.shape[2], 0)
    behind = [(0, more if axis == 2 else 0) for axis in range(cache.ndim)]
    return jax.numpy.pad(cache, behind)
