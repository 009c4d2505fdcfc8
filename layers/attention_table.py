"""Attention with the whole table of scores, and without."""

from keras import ops

from . import native
from .attention_pairs import conjunction, is_half, mean_where_blind, wide

# what a score that is not allowed becomes: it absorbs any score, and a row of nothing
# but these gives each key the same weight, as with Keras' layer
HIDDEN = -1e30


def attend_by_table(query, key, value, *, scale, allowed=None, drop=None):
    """Attend by the whole table of scores.

    Args:
        query: Tensor of shape `(batch, queries, heads, key_dim)`.
        key: Tensor of shape `(batch, keys, key_heads, key_dim)`; the heads are a
            multiple of the key heads, each of which serves as many heads of queries.
        value: Tensor of shape `(batch, keys, key_heads, value_dim)`.
        scale: What scores are multiplied by.
        allowed: Boolean tensor that broadcasts to `(batch, heads, queries, keys)`, or
            `None`.
        drop: Function applied to the weights before they meet the values, or `None`.

    Returns:
        The result, of shape `(batch, queries, heads, value_dim)`, and the weights, of
        shape `(batch, heads, queries, keys)`.

    Example:

    >>> q, k = ops.ones((3, 5, 4, 2)), ops.ones((3, 7, 2, 2))
    >>> result, weights = attend_by_table(q, k, ops.ones((3, 7, 2, 6)), scale=1.0)
    >>> result.shape == (3, 5, 4, 6), weights.shape == (3, 4, 5, 7)
    (True, True)
    """
    if is_half(query):
        query, key = ops.cast(query, "float32"), ops.cast(key, "float32")
    query = query * ops.cast(scale, query.dtype)
    batch, queries, heads, _ = ops.shape(query)
    groups = (key.shape[2], heads // key.shape[2])
    query = ops.reshape(query, (batch, queries, *groups, query.shape[-1]))
    scores = ops.einsum("bqhgd,bkhd->bhgqk", query, key)
    scores = ops.cast(scores, wide(scores))
    keys = ops.shape(scores)[-1]
    scores = ops.reshape(scores, (batch, heads, queries, keys))
    if allowed is not None:
        scores = ops.where(allowed, scores, HIDDEN)
    weights = ops.cast(ops.softmax(scores), value.dtype)
    dropped = weights if drop is None else drop(weights)
    dropped = ops.reshape(dropped, (batch, *groups, queries, keys))
    result = ops.einsum("bhgqk,bkhd->bqhgd", dropped, value)
    shape = (batch, queries, heads, value.shape[-1])
    return ops.reshape(result, shape), weights


def attend_with_scores(query, key, value, pairs, query_mask=None, drop=None):
    """Attend and give the weights.

    Args:
        query: Tensor of shape `(batch, queries, heads, key_dim)`.
        key: Tensor of shape `(batch, keys, key_heads, key_dim)`.
        value: Tensor of shape `(batch, keys, key_heads, value_dim)`.
        pairs: `Pairs`: which query may attend to which key.
        query_mask: Boolean tensor of shape `(batch, queries)`: false for a query that
            may attend to nothing.
        drop: `keras.layers.Dropout` to apply to the weights, or `None`.

    Returns:
        The result, of shape `(batch, queries, heads, value_dim)`, and the weights, of
        shape `(batch, heads, queries, keys)`.

    Example:

    >>> from .attention_pairs import Pairs
    >>> q, k = ops.ones((3, 5, 4, 2)), ops.ones((3, 7, 4, 2))
    >>> result, weights = attend_with_scores(q, k, k, Pairs())
    >>> weights.shape == (3, 4, 5, 7)
    True
    """
    allowed = pairs.allowed(ops.shape(query)[1], ops.shape(key)[1])
    if query_mask is not None:
        allowed = conjunction([allowed, query_mask[:, None, :, None]])
    return attend_by_table(
        query,
        key,
        value,
        scale=query.shape[-1] ** -0.5,
        allowed=allowed,
        drop=None if drop is None else lambda weights: drop(weights, training=True),
    )


def attend_without_scores(query, key, value, pairs, query_mask=None, drop=None):
    """Attend, in memory linear in the lengths, and give the result alone.

    Args:
        query: As for `attend_with_scores`, like all others.
        key: Likewise.
        value: Likewise.
        pairs: Likewise.
        query_mask: Likewise.
        drop: Likewise.

    Returns:
        A tuple of the result, of shape `(batch, queries, heads, value_dim)`, alone.

    Example:

    >>> from .attention_pairs import Pairs
    >>> q, k = ops.ones((3, 5, 4, 2)), ops.ones((3, 7, 2, 2))
    >>> (result,) = attend_without_scores(q, k, k, Pairs())
    >>> result.shape == (3, 5, 4, 2)
    True
    """
    result = native.of("attention").attend(
        query,
        key,
        value,
        pairs,
        scale=query.shape[-1] ** -0.5,
        dropout=0.0 if drop is None else drop.rate,
        seed=None if drop is None else drop.seed_generator,
    )
    blind = pairs.blind(ops.shape(query)[1], ops.shape(key)[1])
    if query_mask is not None:
        padding = ops.logical_not(ops.cast(query_mask, "bool"))[:, None]
        blind = padding if blind is None else ops.logical_or(blind, padding)
    return (result if blind is None else mean_where_blind(result, value, blind),)
