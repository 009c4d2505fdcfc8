"""Alignments: how much each token that a network says looks at each of its source."""

from typing import NamedTuple

import numpy as np
from keras import ops

from ..transformer_steps import TransformerSteps


class Alignment(NamedTuple):
    """Two texts as tokens, and how the tokens of one look at those of the other.

    Args:
        source_tokens: Tuple of texts, the end token included.
        target_tokens: Tuple of texts, the end token included where it was said.
        weights: float32 array `(target tokens, source tokens)`; each row sums to 1.

    Example:

    >>> alignment = Alignment(("a", "b"), ("B",), np.array([[0.1, 0.9]]))
    >>> alignment.source_tokens[int(alignment.weights[0].argmax())]
    'b'
    """

    source_tokens: tuple
    target_tokens: tuple
    weights: np.ndarray


def align(steps, source, seen):
    """Give the weights with which a network looks at its source.

    Those of a recurrent network are its attention's; those of a Transformer are the
    mean over the heads of its last block's attention to the memory.

    Args:
        steps: What `steps_of` gave of the network.
        source: int32 tensor of tokens `(batch, source tokens)`, padded with 0.
        seen: int32 tensor of tokens `(batch, target tokens)`: what stands before each
            token that is said.

    Returns:
        float32 tensor `(batch, target tokens, source tokens)`, 0 at the source's
        padding.

    Example:

    >>> from ..steps import steps_of
    >>> from ..transformer import transformer
    >>> steps = steps_of(transformer("transformer_tiny", vocabulary=30))
    >>> source = ops.convert_to_tensor([[5, 6, 7], [8, 9, 0]])
    >>> align(steps, source, ops.full((2, 4), 2, "int32")).shape == (2, 4, 3)
    True
    """
    look = _by_heads if isinstance(steps, TransformerSteps) else _by_cell
    there = ops.not_equal(source, 0)
    return ops.cast(look(steps, source, there, seen), "float32")


def _by_cell(steps, source, there, seen):
    """Go through the target with an attention cell."""
    memory, *ends = steps.encoder(source, training=False)
    states = steps.cell.initial_state(memory, there, ends)
    return steps.cell.align(steps.embedding(seen), states)[1]


def _by_heads(steps, source, there, seen):
    """Go through the blocks of a decoder up to where the last looks at the memory."""
    memory = steps.encoder(source, training=False)
    x = steps.positions(steps.embedding(seen))
    *blocks, last = steps.blocks
    for block in blocks:
        x = block(x, memory, memory_mask=there, training=False)
    first = last.norm_first
    y = last.attention_norm(x) if first else x
    x = x + last.attention(y, y, use_causal_mask=True, training=False)
    x = last.memory_norm(x) if first else last.attention_norm(x)
    _, weights = last.memory_attention(
        x, memory, value_mask=there, return_attention_scores=True, training=False
    )
    return ops.mean(ops.cast(weights, "float32"), axis=1)
