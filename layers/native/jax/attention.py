"""Attention in blocks of queries, so that no table of scores is kept.

A block holds whole rows of scores: its softmax needs no other block. The backward pass
computes the weights of each block anew instead of keeping them (Rabe, Staats, 2021).
On a GPU cuDNN's fused kernel does the same where it has a form for the case.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from ...attention_pairs import is_half, wide
from ...attention_table import HIDDEN, attend_by_table

# scores in a block: 2 MiB of float32, half or four times as many are slower
BLOCK = 2**19
# up to so many scores a head the table is faster, and hardly larger than the rest
TABLE = 2**18
# rows are cut into so many bands, each of which skips the keys behind its last query
BANDS = 4


def attend(
    query, key, value, pairs, *, scale, dropout=0.0, seed: Any = None, block=None
):
    """Attend, in memory linear in the number of queries and of keys.

    Args:
        query: Array of shape `(batch, queries, heads, key_dim)`.
        key: Array of shape `(batch, keys, key_heads, key_dim)`.
        value: Array of shape `(batch, keys, key_heads, value_dim)`.
        pairs: `Pairs`: which query may attend to which key.
        scale: What scores are multiplied by.
        dropout: Rate of dropping weights.
        seed: `keras.random.SeedGenerator` of the dropping.
        block: Scores to hold at a time; `None` for the fastest, which may be all.

    Returns:
        Array of shape `(batch, queries, heads, value_dim)`.
    """
    queries, keys = query.shape[1], key.shape[1]
    random = seed.next() if dropout else None
    if block is None and is_fused(jax.default_backend(), query, value, pairs, dropout):
        return jax.nn.dot_product_attention(
            query,
            key,
            value,
            scale=scale,
            is_causal=pairs.causal,
            implementation="cudnn",
        )
    if block is None and (not _known(queries, keys) or queries * keys <= TABLE):
        drop = (lambda weights: _drop(weights, dropout, random)) if dropout else None
        return attend_by_table(
            query,
            key,
            value,
            scale=scale,
            allowed=pairs.allowed(queries, keys),
            drop=drop,
        )[0]
    query = query * jnp.asarray(scale, query.dtype)
    return _by_blocks(query, key, value, pairs, dropout, random, block or BLOCK)


def is_fused(platform, query, value, pairs, dropout):
    """Tell whether cuDNN has a fused kernel for a case.

    Args:
        platform: What the arrays live on, such as `"gpu"`.
        query: Array of queries.
        value: Array of values.
        pairs: `Pairs`.
        dropout: Rate of dropping weights.

    Returns:
        Whether `jax.nn.dot_product_attention` may be asked for cuDNN.
    """
    plain = (
        pairs.key_mask is None
        and pairs.attention_mask is None
        and pairs.window is None
        and isinstance(pairs.start, int)
        and (pairs.start == 0 or not pairs.causal)
    )
    size = query.shape[-1]
    fits = size == value.shape[-1] and size % 8 == 0 and size <= 128
    half = query.dtype in (jnp.float16, jnp.bfloat16)
    return platform == "gpu" and plain and fits and half and not dropout


def _known(*sizes):
    return all(isinstance(size, int) for size in sizes)


def _drop(weights, dropout, random):
    kept = jax.random.bernoulli(random, 1 - dropout, weights.shape)
    return jnp.where(kept, weights / (1 - dropout), 0).astype(weights.dtype)


@dataclasses.dataclass(frozen=True)
class _Band:
    """Queries that need only the first keys, cut into blocks of equal size."""

    first: int
    queries: int
    keys: int
    count: int  # of blocks

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
        tensor = jnp.pad(tensor, ((0, 0), (0, self.spare), (0, 0)))
        shape = (len(tensor), self.count, self.rows, tensor.shape[-1])
        return tensor.reshape(shape).swapaxes(0, 1)

    def join(self, blocks):
        """Give the queries' rows again."""
        tensor = blocks.swapaxes(0, 1)
        shape = (len(tensor), self.count * self.rows, tensor.shape[-1])
        return tensor.reshape(shape)[:, : self.queries]


def _bands(queries, keys, pairs, together, block):
    """Cut the queries so that each band can skip the keys behind its last query."""
    edges = [0, queries]
    if pairs.causal and isinstance(pairs.start, int):
        edges = sorted({queries * i // BANDS for i in range(BANDS + 1)})
    bands = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        needed = keys if len(edges) == 2 else min(pairs.start + high, keys)
        count = -(-together * (high - low) * needed // block)
        bands.append(_Band(low, high - low, needed, min(count, high - low)))
    return bands


def _by_blocks(query, key, value, pairs, dropout, random, block):
    """Attend chunk by chunk: a chunk is some heads of one example."""
    dtype = query.dtype
    if is_half(query):
        query, key, value = (x.astype("float32") for x in (query, key, value))
    batch, queries, heads, _ = query.shape
    keys = key.shape[1]
    counts = [n for n in range(1, heads + 1) if heads % n == 0]
    together = max([n for n in counts if n * queries * keys <= block], default=1)
    bands = _bands(queries, keys, pairs, together, block)
    pairs = pairs.padded(bands[-1].spare)

    def fold(tensor):
        tensor = jnp.repeat(tensor, heads // tensor.shape[2], axis=2).swapaxes(1, 2)
        return tensor.reshape(-1, together, *tensor.shape[2:])

    def attend_chunk(chunk):
        number, query, key, value = chunk
        example, head = number // (heads // together), number % (heads // together)
        part = pairs.part(example, head * together, together)
        own = None if random is None else jax.random.fold_in(random, number)
        results = [
            _attend_band(band, query, key, value, part, dropout, own) for band in bands
        ]
        return jnp.concatenate(results, axis=1)

    folded = [fold(tensor) for tensor in (query, key, value)]
    result = jax.lax.map(attend_chunk, (jnp.arange(len(folded[0])), *folded))
    result = result.reshape(batch, heads, queries, value.shape[-1])
    return result.swapaxes(1, 2).astype(dtype)


def _attend_band(band, query, key, value, pairs, dropout, random):
    key, value = key[:, : band.keys], value[:, : band.keys]

    @jax.checkpoint
    def attend_block(first, query, key, value):
        scores = jnp.einsum(
            "hqd,hkd->hqk", query, key, preferred_element_type=wide(query)
        )
        allowed = pairs.allowed(band.rows, band.keys, first)
        if allowed is not None:
            scores = jnp.where(allowed[0], scores, HIDDEN)
        weights = jax.nn.softmax(scores)
        if random is not None:
            weights = _drop(weights, dropout, jax.random.fold_in(random, first))
        weights = weights.astype(value.dtype)
        return jnp.einsum("hqk,hkd->hqd", weights, value)

    firsts = band.first + band.rows * jnp.arange(band.count)
    blocks = jax.lax.map(
        lambda block: attend_block(*block, key, value), (firsts, band.cut(query))
    )
    return band.join(blocks)
