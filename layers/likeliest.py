"""The likeliest tokens of many, and the sum that makes probabilities of logits."""

import math

from keras import ops

# a vocabulary below is sorted as fast as it is looked through by blocks
_SMALL = 2048
_BLOCKS = range(64, 513)


def likeliest(logits, count, forbidden=()):
    """Give the likeliest tokens of each row, and the logarithm of the row's sum.

    The order of logits is that of probabilities. A large vocabulary is looked through
    by blocks: the `count` likeliest tokens stand in the blocks with the `count`
    largest maxima, and only these few blocks are sorted.

    Args:
        logits: Tensor `(batch, beams, vocabulary)`.
        count: Number of tokens, at most those that are not forbidden.
        forbidden: Tokens that are left out; the sum has them in it.

    Returns:
        Their logits, float32 `(batch, beams, count)`; the tokens, int32, likewise; and
        the logarithm of the sum of all exponentials, float32 `(batch, beams, 1)`.

    Example:

    >>> values, words, sums = likeliest(ops.log([[[0.2, 0.5, 0.3]]]), 2, forbidden=[1])
    >>> ops.convert_to_numpy(words).tolist(), abs(float(sums[0, 0, 0])) < 1e-6
    ([[[2, 0]]], True)
    """
    values, words = _largest(logits, count + len(forbidden))
    values = ops.cast(values, "float32")
    highest = values[..., :1]
    shares = ops.exp(ops.cast(logits, "float32") - highest)
    sums = highest + ops.log(ops.sum(shares, axis=-1, keepdims=True))
    if forbidden:
        left_out = ops.any(ops.equal(words[..., None], list(forbidden)), axis=-1)
        values, places = ops.top_k(ops.where(left_out, -math.inf, values), count)
        words = ops.take_along_axis(words, ops.cast(places, "int32"), axis=-1)
    return values, words, sums


def smaller(one, other):
    """Give the smaller of two numbers, of which any may be a tensor.

    Args:
        one: Integer, or int32 scalar.
        other: Likewise.

    Returns:
        The smaller; an integer if both are.

    Example:

    >>> smaller(3, 2)
    2
    """
    if isinstance(one, int) and isinstance(other, int):
        return min(one, other)
    return ops.minimum(one, other)


def _largest(logits, count):
    batch, beams, vocabulary = ops.shape(logits)
    if vocabulary < _SMALL or (isinstance(count, int) and count > vocabulary // 256):
        values, words = ops.top_k(logits, count)
        return values, ops.cast(words, "int32")
    values, words = _by_blocks(ops.reshape(logits, (-1, vocabulary)), count)
    shape = (batch, beams, count)
    return ops.reshape(values, shape), ops.reshape(words, shape)


def _by_blocks(rows, count):
    """Give the largest of each row, and their columns."""
    columns = rows.shape[1]
    size = _block_size(columns)
    blocks = -(-columns // size)
    if blocks * size > columns:
        behind = ((0, 0), (0, blocks * size - columns))
        rows = ops.pad(rows, behind, constant_values=-math.inf)
    rows = ops.reshape(rows, (-1, blocks, size))
    looked_at = smaller(count, blocks)
    _, chosen = ops.top_k(ops.max(rows, axis=2), looked_at)
    # in their order, so that of equals the first is taken, as top_k does
    chosen = ops.sort(ops.cast(chosen, "int32"), axis=1)
    above = ops.arange(ops.shape(rows)[0], dtype="int32")[:, None] * blocks
    few = ops.take(ops.reshape(rows, (-1, size)), above + chosen, axis=0)
    values, places = ops.top_k(ops.reshape(few, (-1, looked_at * size)), count)
    places = ops.cast(places, "int32")
    first = ops.take_along_axis(chosen * size, places // size, axis=1)
    return values, first + places % size


def _block_size(columns):
    """Give the number of columns of a block: one that needs no padding, if any."""
    even = [size for size in _BLOCKS if columns % size == 0]
    return min(even, key=lambda size: abs(size - math.sqrt(columns)), default=128)
