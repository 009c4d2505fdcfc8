"""Attention by PyTorch's fused kernel, in blocks of queries where that has no form.

The kernel keeps no table of scores, but it takes a mask as a table, and drops weights
only from a table. There, blocks of queries go one by one, and the backward pass
computes each anew (Rabe, Staats, 2021).
"""

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from ...attention_pairs import Pairs
from ...attention_table import attend_by_table

# scores in a block, over all examples and heads
BLOCK = 2**24
# up to so many scores a head the table is no matter
TABLE = 2**18


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
    job = _Job(pairs, scale, dropout, seed.next() if dropout else None)
    if block is None and not dropout and job.is_causal_alone():
        return _fused(query, key, value, scale, is_causal=pairs.causal)
    small = query.shape[1] * key.shape[1] <= TABLE
    one_row = not pairs.causal and pairs.window is None and pairs.attention_mask is None
    if block is None and (small or (one_row and not dropout)):
        return job.attend_block(query, key, value, 0)
    return _by_blocks(query, key, value, job, block or BLOCK)


@dataclasses.dataclass(frozen=True)
class _Job:
    """What all blocks of one attention share."""

    pairs: Pairs
    scale: float
    dropout: float
    seed: Any

    def is_causal_alone(self):
        """Tell whether no mask is needed beside the kernel's own."""
        pairs = self.pairs
        starts = isinstance(pairs.start, int) and pairs.start == 0
        masks = pairs.window, pairs.key_mask, pairs.attention_mask
        return all(mask is None for mask in masks) and (starts or not pairs.causal)

    def attend_block(self, query, key, value, first):
        """Attend with rows from `first` on."""
        rows = query.shape[1]
        if not self.pairs.causal and self.pairs.window is None:
            rows = rows if self.pairs.attention_mask is not None else 1
        allowed = self.pairs.allowed(rows, key.shape[1], first)
        if self.dropout:
            return attend_by_table(
                query,
                key,
                value,
                scale=self.scale,
                allowed=allowed,
                drop=lambda weights: self._drop(weights, first),
            )[0]
        if allowed is not None:  # the kernel has no answer for a row without keys
            allowed = allowed | ~allowed.any(-1, keepdim=True)
        return _fused(query, key, value, self.scale, attn_mask=allowed)

    def _drop(self, weights, first):
        if weights.device.type == "meta":
            return weights
        kept = torch.rand(
            weights.shape, generator=self._generator(first), device=weights.device
        )
        return weights * (kept >= self.dropout) / (1 - self.dropout)

    def _generator(self, first):
        """Give the same numbers for the same block each time."""
        number = 0
        for part in (*self.seed.tolist(), first):
            number = (number * 1000003 + int(part)) % 2**63
        generator = torch.Generator(device=self.seed.device)
        return generator.manual_seed(number)


def _fused(query, key, value, scale, **keywords):
    size, heads = value.shape[-1], query.shape[2]
    query, key, value = (x.transpose(1, 2) for x in _of_one_size(query, key, value))
    if key.shape[1] != heads:
        groups = heads // key.shape[1]
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    result = F.scaled_dot_product_attention(query, key, value, scale=scale, **keywords)
    result = result if result.shape[-1] == size else result[..., :size]
    return result.transpose(1, 2)


def _of_one_size(query, key, value):
    """Fill with zeros: the kernel wants keys and values of one size."""
    missing = value.shape[-1] - query.shape[-1]
    if missing > 0:
        query, key = F.pad(query, (0, missing)), F.pad(key, (0, missing))
    elif missing < 0:
        value = F.pad(value, (0, -missing))
    return query, key, value


def _by_blocks(query, key, value, job, block):
    batch, queries, heads, _ = query.shape
    keys, pairs = key.shape[1], job.pairs
    rows = max(1, min(queries, block // max(1, batch * heads * keys)))
    results = []
    for first in range(0, queries, rows):
        block_of_queries = query[:, first : first + rows]
        shown = keys
        if pairs.causal and isinstance(pairs.start, int):
            shown = min(keys, pairs.start + first + rows)
        results.append(
            checkpoint(
                job.attend_block,
                block_of_queries,
                key[:, :shown],
                value[:, :shown],
                first,
                use_reentrant=False,
                preserve_rng_state=False,
            )
        )
    return torch.cat(results, 1)
