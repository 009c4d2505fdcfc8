"""Attention in blocks of queries, so that no table of scores is kept.

A block holds whole rows of scores: its softmax needs no other block. The backward pass
computes the weights of each block anew instead of keeping them (Rabe, Staats, 2021).
"""

import dataclasses
from typing import Any

import tensorflow as tf

from ...attention_pairs import Pairs, is_half, wide
from ...attention_table import HIDDEN, attend_by_table

# scores in a block: 16 MiB of float32; blocks half or twice as large are not faster
BLOCK = 2**22
# up to so many scores a head the table is faster, and hardly larger than the rest
TABLE = 2**18
# rows are cut into so many bands, each of which skips the keys behind its last query
BANDS = 4


@tf.autograph.experimental.do_not_convert
def attend(
    query, key, value, pairs, *, scale, dropout=0.0, seed: Any = None, block=None
):
    """Attend, in memory linear in the number of queries and of keys.

    Args:
        query: Tensor of shape `(batch, queries, heads, key_dim)`.
        key: Tensor of shape `(batch, keys, key_heads, key_dim)`.
        value: Tensor of shape `(batch, keys, key_heads, value_dim)`.
        pairs: `Pairs`: which query may attend to which key.
        scale: What scores are multiplied by.
        dropout: Rate of dropping weights.
        seed: `keras.random.SeedGenerator` of the dropping.
        block: Scores to hold at a time; `None` for the fastest, which may be all.

    Returns:
        Tensor of shape `(batch, queries, heads, value_dim)`.
    """
    queries, keys = _length(query), _length(key)
    base = None
    if dropout:
        base = tf.random.stateless_uniform(
            (2,), tf.cast(seed.next(), tf.int32), 0, 2**30, tf.int32
        )
    job = _Job(pairs, dropout, base, block or BLOCK)

    def by_blocks():
        return _by_blocks(query * tf.cast(scale, query.dtype), key, value, job)

    def by_table():
        allowed = pairs.allowed(queries, keys)
        drop = (lambda weights: job.drop(weights, 0, 0)) if dropout else None
        return attend_by_table(
            query, key, value, scale=scale, allowed=allowed, drop=drop
        )[0]

    if block:
        return by_blocks()
    small = queries * keys <= TABLE
    if isinstance(small, bool):
        return by_table() if small else by_blocks()
    return tf.cond(small, by_table, by_blocks)


def _length(tensor):
    return tensor.shape[1] if tensor.shape[1] is not None else tf.shape(tensor)[1]


@dataclasses.dataclass(frozen=True)
class _Job:
    """What all blocks of one attention share."""

    pairs: Pairs
    dropout: float
    base: Any
    block: int
    heads: int = 0
    together: Any = 1

    def weights(self, query, key, chunk, first):
        """Give a block's weights, `wide`: rows from `first` on, all keys."""
        scores = tf.matmul(query, key, transpose_b=True)
        scores = tf.cast(scores, wide(query))
        chunks = self.heads // self.together  # of an example
        head = chunk % chunks * self.together
        part = self.pairs.part(chunk // chunks, head, self.together)
        allowed = part.allowed(_length(query), _length(key), first)
        if allowed is not None:
            scores = tf.where(allowed[0], scores, HIDDEN)
        return tf.nn.softmax(scores)

    def drop(self, tensor, chunk, first):
        """Drop of a block's weights, or of their gradient, the same each time."""
        if not self.dropout:
            return tensor
        seed = self.base + tf.stack([chunk, first])
        kept = tf.random.stateless_uniform(tf.shape(tensor), seed) >= self.dropout
        return tensor * tf.cast(kept, tensor.dtype) / (1 - self.dropout)


@dataclasses.dataclass(frozen=True)
class _Band:
    """Queries that need only the first keys, cut into blocks of equal size.

    Its sizes are integers where they are known, tensors elsewhere.
    """

    first: Any
    queries: Any
    keys: Any
    count: Any  # of blocks

    @property
    def rows(self):
        """Queries in a block."""
        return -(-self.queries // self.count)

    @property
    def spare(self):
        """Rows of the last block that hold no query."""
        return self.rows * self.count - self.queries

    def cut(self, tensor):
        """Give the blocks, of shape `(count, heads, rows, size)`."""
        tensor = tensor[:, self.first : self.first + self.queries]
        tensor = tf.pad(tensor, ((0, 0), (0, self.spare), (0, 0)))
        shape = (-1, self.count, self.rows, tensor.shape[-1])
        return tf.transpose(tf.reshape(tensor, shape), (1, 0, 2, 3))

    def join(self, blocks):
        """Give the queries' rows again."""
        tensor = tf.transpose(blocks, (1, 0, 2, 3))
        shape = (tf.shape(tensor)[0], self.count * self.rows, tensor.shape[-1])
        return tf.reshape(tensor, shape)[:, : self.queries]


def _bands(queries, keys, job):
    """Cut the queries so that each band can skip the keys behind its last query."""
    pairs, edges = job.pairs, [0, queries]
    if pairs.causal and isinstance(pairs.start, int):
        edges = [queries * i // BANDS for i in range(BANDS + 1)]
    bands = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        needed = keys if len(edges) == 2 else _smaller(pairs.start + high, keys)
        count = -(-job.together * (high - low) * needed // job.block)
        bands.append(_Band(low, high - low, needed, _larger(count, 1)))
    return [band for band in bands if not isinstance(band.queries, int) or band.queries]


def _smaller(one, two):
    integers = isinstance(one, int) and isinstance(two, int)
    return min(one, two) if integers else tf.minimum(one, two)


def _larger(one, two):
    return -_smaller(-one, -two)


def _heads_together(heads, table, block):
    """Give how many heads of an example fit in a block, at least one."""
    counts = [n for n in range(1, heads + 1) if heads % n == 0]
    if isinstance(table, int):
        return max([n for n in counts if n * table <= block], default=1)
    return tf.reduce_max(tf.where(tf.constant(counts) * table <= block, counts, 1))


def _by_blocks(query, key, value, job):
    """Attend chunk by chunk: a chunk is some heads of one example."""
    dtype = query.dtype
    if is_half(query):
        query, key, value = (tf.cast(x, tf.float32) for x in (query, key, value))
    heads, queries, keys = query.shape[2], _length(query), _length(key)
    together = _heads_together(heads, queries * keys, job.block)
    job = dataclasses.replace(job, heads=heads, together=together)
    bands = _bands(queries, keys, job)
    job = dataclasses.replace(job, pairs=job.pairs.padded(bands[-1].spare))

    def fold(tensor):
        shape = (-1, together, _length(tensor), tensor.shape[-1])
        if tensor.shape[2] != heads:
            tensor = tf.repeat(tensor, heads // tensor.shape[2], axis=2)
        return tf.reshape(tf.transpose(tensor, (0, 2, 1, 3)), shape)

    result = _attend(fold(query), fold(key), fold(value), bands, job)
    result = tf.reshape(result, (-1, heads, queries, value.shape[-1]))
    return tf.cast(tf.transpose(result, (0, 2, 1, 3)), dtype)


def _attend(query, key, value, bands, job):
    @tf.custom_gradient
    def attend_folded(query, key, value):
        chunks = tf.range(tf.shape(query)[0])
        result = tf.map_fn(
            lambda chunk: _forward(chunk, bands, job),
            (chunks, query, key, value),
            parallel_iterations=1,
            fn_output_signature=query.dtype,
        )

        def gradient(upstream):
            means = tf.cast(upstream, wide(result)) * tf.cast(result, wide(result))
            means = tf.reduce_sum(means, -1, keepdims=True)
            return tf.map_fn(
                lambda chunk: _backward(chunk, bands, job),
                (chunks, query, key, value, upstream, means),
                parallel_iterations=1,
                fn_output_signature=(query.dtype,) * 3,
            )

        return result, gradient

    folded: Any = attend_folded
    return folded(query, key, value)


def _forward(chunk, bands, job):
    """Attend with some heads of one example, of shape `(heads, length, size)`."""
    chunk, query, key, value = chunk

    def attend_band(band):
        keys, values = key[:, : band.keys], value[:, : band.keys]

        def attend_block(block):
            number, queries = block
            first = band.first + number * band.rows
            weights = job.weights(queries, keys, chunk, first)
            weights = job.drop(weights, chunk, first)
            return tf.matmul(tf.cast(weights, values.dtype), values)

        blocks = tf.map_fn(
            attend_block,
            (tf.range(band.count), band.cut(query)),
            parallel_iterations=1,
            fn_output_signature=query.dtype,
        )
        return band.join(blocks)

    return tf.concat([attend_band(band) for band in bands], 1)


def _backward(chunk, bands, job):
    """Give the gradients of query, key and value of some heads of one example."""
    chunk, query, key, value, upstream, means = chunk
    by_query = []
    by_key, by_value = (tf.zeros(tf.shape(x), wide(x)) for x in (key, value))
    for band in bands:
        shown = key[:, : band.keys], value[:, : band.keys]
        blocks = [band.cut(tensor) for tensor in (query, upstream, means)]
        found, *sums = _backward_band(chunk, blocks, *shown, band, job)
        by_query.append(found)
        behind = ((0, 0), (0, _length(key) - band.keys), (0, 0))
        by_key, by_value = (
            by_key + tf.pad(sums[0], behind),
            by_value + tf.pad(sums[1], behind),
        )
    sums = tf.cast(by_key, key.dtype), tf.cast(by_value, value.dtype)
    return tf.concat(by_query, 1), *sums


def _backward_band(chunk, blocks, key, value, band, job):
    def add_block(number, by_query, by_key, by_value):
        query, upstream, mean = (tensor[number] for tensor in blocks)
        first = band.first + number * band.rows
        weights = job.weights(query, key, chunk, first)
        slopes = tf.matmul(upstream, value, transpose_b=True)
        slopes = job.drop(tf.cast(slopes, wide(slopes)), chunk, first)
        slopes = tf.cast(weights * (slopes - mean), key.dtype)
        weights = tf.cast(job.drop(weights, chunk, first), value.dtype)
        by_query = by_query.write(number, tf.matmul(slopes, key))
        by_key += _product(slopes, query)
        by_value += _product(weights, upstream)
        return number + 1, by_query, by_key, by_value

    _, by_query, by_key, by_value = tf.while_loop(
        lambda number, *_: number < band.count,
        add_block,
        (
            0,
            tf.TensorArray(key.dtype, band.count),
            tf.zeros(tf.shape(key), wide(key)),
            tf.zeros(tf.shape(value), wide(value)),
        ),
        parallel_iterations=1,
    )
    return band.join(by_query.stack()), by_key, by_value


def _product(one, two):
    return tf.cast(tf.matmul(one, two, transpose_a=True), wide(one))
