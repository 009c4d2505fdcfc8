"""What every way of decoding starts from: its state, its rules, its results."""

import math
import numbers
from typing import Any, NamedTuple

import keras
from keras import ops


class Decoded(NamedTuple):
    """Sequences, and how likely the network finds them.

    Args:
        tokens: int32 tensor of shape `(batch, sequences, length)`, the best first; the
            end token stands in it, and `pad` behind it.
        scores: float32 tensor of shape `(batch, sequences)`,
            `log P / T ** length_penalty`; minus infinity where fewer were found.
        lengths: int32 tensor of shape `(batch, sequences)`, `T`, the end token
            included.

    Example:

    >>> Decoded([[[5, 1, 0]]], [[-0.7]], [[2]]).lengths
    [[2]]
    """

    tokens: Any
    scores: Any
    lengths: Any


class DecodingState(NamedTuple):
    """What a step function remembers, by how it is brought along when beams change.

    Args:
        follows: Nested tensors of shape `(batch, ...)`; in the loop
            `(batch, beams, ...)`, gathered each time beams are chosen: the state of a
            recurrent network.
        stays: Nested tensors of shape `(batch, ...)` that nobody moves: a cache of the
            keys and values of all beams, or what the encoder gave. The step function
            finds in `ancestors` which entries are a beam's own.

    Example:

    >>> DecodingState(follows=ops.zeros((2, 7)), stays=()).stays
    ()
    """

    follows: Any
    stays: Any


class Rules(NamedTuple):
    """What holds for every search."""

    end: int
    length: int
    width: int
    best: int
    length_penalty: float
    pad: int


def start(tokens, state, rules):
    """Check what a search begins with, and give each beam its part."""
    for name in ("length", "width", "best"):
        value = getattr(rules, name)
        check_range(name, value, type(value) is int and value > 0)
    check_range("end", rules.end, type(rules.end) is int and rules.end >= 0)
    penalty = as_number(rules.length_penalty)
    check_range("length_penalty", rules.length_penalty, 0 <= penalty < math.inf)
    if rules.best > rules.width:
        raise ValueError(
            f"decoding gives the best of {rules.width} beams at the most, received "
            f"best={rules.best}: take more beams."
        )
    tokens = ops.cast(ops.convert_to_tensor(tokens), "int32")
    if len(tokens.shape) != 1 or tokens.shape[0] == 0:
        raise ValueError(
            "decoding needs the token before the first of each sequence, of shape "
            f"(batch,) with one sequence or more, received {tuple(tokens.shape)}."
        )
    if not isinstance(state, DecodingState):
        state = DecodingState(state, ())
    width = rules.width
    follows = keras.tree.map_structure(lambda x: for_each(x, width), state.follows)
    return for_each(tokens, width), DecodingState(follows, state.stays)


def for_each(part, width):
    """Repeat what belongs to a sentence for each of its beams."""
    part = ops.convert_to_tensor(part)
    return ops.repeat(part[:, None], width, axis=1)


def zero():
    """Give the index of the first step."""
    return ops.convert_to_tensor(0, dtype="int32")


def as_number(value):
    """Give a number as it is, and NaN for anything else."""
    return float(value) if isinstance(value, numbers.Real) else math.nan


def check_range(name, value, right):
    """Refuse a value that is not right."""
    if not right:
        raise ValueError(f"decoding cannot work with {name}={value!r}.")


def check_logits(logits, rules):
    """Refuse logits of another shape, as far as it is known."""
    shape = tuple(logits.shape)
    if len(shape) != 3 or shape[1] not in (None, rules.width):
        raise ValueError(
            "decoding needs a step that gives logits of shape (batch, beams, "
            f"vocabulary) with {rules.width} beams, received {shape}."
        )
    if shape[2] is None:
        raise ValueError("decoding needs to know the size of the vocabulary.")
    if rules.end >= shape[2]:
        raise ValueError(
            f"the vocabulary has the tokens 0 to {shape[2] - 1}, and not the end token "
            f"{rules.end}: no sequence would ever end."
        )


def written(history, words, index):
    """Write the tokens of a step."""
    return ops.slice_update(history, (0, 0, index), words[..., None])
