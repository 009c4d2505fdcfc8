"""Keys and values of an attention, kept for the steps to come."""

from keras import ops


def cache_shape(layer, length):
    """Give the shape of a layer's cache, without the batch.

    Args:
        layer: A `MultiHeadAttention`.
        length: Number of positions.

    Returns:
        Tuple `(2, length, key and value heads, key_dim)`.

    Raises:
        ValueError: If `key_dim` and `value_dim` differ.

    Example:

    >>> from .multi_head_attention import MultiHeadAttention
    >>> cache_shape(MultiHeadAttention(4, 8, num_key_value_heads=2), 5)
    (2, 5, 2, 8)
    """
    if layer.key_dim != layer.value_dim:
        raise ValueError(
            "a cache holds keys and values of equal size: MultiHeadAttention needs "
            f"value_dim to be key_dim, received key_dim={layer.key_dim} and "
            f"value_dim={layer.value_dim}."
        )
    return (2, length, layer.num_key_value_heads or layer.num_heads, layer.key_dim)


def check_cache(layer, cache, steps, index):
    """Refuse a cache that is not of a layer, or that new steps do not fit into.

    Args:
        layer: A `MultiHeadAttention`.
        cache: The tensor.
        steps: Number of new steps, `None` where unknown.
        index: Position of the first of them, or `None`.

    Raises:
        ValueError: If the shape is not one of `cache_shape`, or the steps end behind
            the cache as far as this can be told beforehand.

    Example:

    >>> from .multi_head_attention import MultiHeadAttention
    >>> check_cache(MultiHeadAttention(4, 8), ops.zeros((1, 2, 5, 4, 8)), 2, index=4)
    Traceback (most recent call last):
    ValueError: 2 new steps from cache_index=4 on do not fit into a cache of 5 ...
    """
    shape = tuple(cache.shape)
    length = shape[2] if len(shape) == 5 else None
    expected = cache_shape(layer, length)
    if len(shape) != 5 or shape[1:] != expected:
        raise ValueError(
            "MultiHeadAttention needs a cache of shape (batch, 2, length, "
            f"{expected[2]}, {expected[3]}), received {shape}. make_cache makes one."
        )
    known = isinstance(index, int) and None not in (length, steps)
    if known and not 0 <= index <= length - steps:
        raise ValueError(
            f"{steps} new steps from cache_index={index} on do not fit into a cache of "
            f"{length} steps: make_cache a longer one."
        )


def write_cache(cache, keys, values, index):
    """Write new steps to a cache.

    Args:
        cache: Tensor of shape `(batch, 2, length, heads, size)`.
        keys: Tensor of shape `(batch, steps, heads, size)`.
        values: Likewise.
        index: Position of the first new step.

    Returns:
        The new cache; the old one stays as it is.

    Example:

    >>> cache, new = ops.zeros((1, 2, 3, 1, 1)), ops.ones((1, 2, 1, 1))
    >>> cache = write_cache(cache, new, 2 * new, index=1)
    >>> ops.convert_to_numpy(cache)[0, :, :, 0, 0].tolist()
    [[0.0, 1.0, 1.0], [0.0, 2.0, 2.0]]
    """
    new = ops.cast(ops.stack([keys, values], axis=1), cache.dtype)
    return ops.slice_update(cache, [0, 0, index, 0, 0], new)


def written_mask(key_mask, length, start, steps):
    """Hide what has not yet been written to a cache.

    Args:
        key_mask: Boolean tensor of shape `(batch, steps)`, for the new steps, or
            `(batch, length)`, for the whole cache, or `None`.
        length: Positions of the cache.
        start: Position of the first new step.
        steps: Number of new steps.

    Returns:
        Boolean tensor of shape `(batch or 1, length)`.

    Example:

    >>> ops.convert_to_numpy(written_mask(None, 4, 1, 2)).tolist()
    [[True, True, True, False]]
    """
    written = (ops.arange(length, dtype="int32") < start + steps)[None]
    if key_mask is None:
        return written
    key_mask = ops.cast(key_mask, "bool")
    if key_mask.shape[1] != length:
        before = ops.ones((ops.shape(key_mask)[0], length), "bool")
        key_mask = ops.slice_update(before, [0, start], key_mask)
    return ops.logical_and(written, key_mask)
