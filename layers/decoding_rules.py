"""What every way of decoding starts from: its state, its rules, its results."""

import math
import numbers
from typing import Any, NamedTuple

import keras
from keras import ops

from . import native


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
        grows: Nested tensors of shape `(batch, n, entries, ...)` that nobody moves
            either, such as a cache, with any number of entries in the beginning. Before
            a step the search gives them room, zeros, for `beams` entries of each step
            up to this at least.

    Example:

    >>> DecodingState(follows=ops.zeros((2, 7)), stays=()).stays
    ()
    """

    follows: Any
    stays: Any
    grows: Any = ()


class Rules(NamedTuple):
    """What holds for every search."""

    end: int
    length: int
    width: Any
    best: Any
    length_penalty: float
    pad: int
    forbidden: tuple


def rules_of(end, length, width, best, length_penalty, pad, forbidden):
    """Check what holds for a search."""
    check_range("length", length, type(length) is int and length > 0)
    width, best = _count("width", width), _count("best", best)
    check_range("end", end, type(end) is int and end >= 0)
    penalty = as_number(length_penalty)
    check_range("length_penalty", length_penalty, 0 <= penalty < math.inf)
    forbidden = tuple(dict.fromkeys(forbidden))
    right = all(_is_whole(word, 0) for word in forbidden)
    check_range("forbidden", forbidden, right)
    forbidden = tuple(map(int, forbidden))
    rules = Rules(end, length, width, best, length_penalty, pad, forbidden)
    if isinstance(best, int) and isinstance(width, int) and best > width:
        raise ValueError(
            f"decoding gives the best of {rules.width} beams at the most, received "
            f"best={rules.best}: take more beams."
        )
    return rules


def _count(name, value):
    """Give a number of beams, a tensor if it is known only to the running graph."""
    if ops.is_tensor(value):
        whole = "int" in keras.backend.standardize_dtype(value.dtype)
        check_range(name, value, whole and len(value.shape) == 0)
        value = native.of("decoding").known(value)
        if ops.is_tensor(value):
            return ops.cast(value, "int32")
    check_range(name, value, _is_whole(value, 1))
    return int(value)


def _is_whole(value, lowest):
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and int(value) >= lowest


def start(tokens, state, rules):
    """Check what a search begins with, and give each beam its part."""
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
    stays, grows = keras.tree.map_structure(
        ops.convert_to_tensor, (state.stays, state.grows)
    )
    return for_each(tokens, width), DecodingState(follows, stays, grows)


def for_each(part, width):
    """Repeat what belongs to a sentence for each of its beams."""
    part = ops.convert_to_tensor(part)
    return ops.repeat(part[:, None], width, axis=1)


def as_number(value):
    """Give a number as it is, and NaN for anything else."""
    return float(value) if isinstance(value, numbers.Real) else math.nan


def check_range(name, value, right):
    """Refuse a value that is not right."""
    if not right:
        raise ValueError(f"decoding cannot work with {name}={value!r}.")


def check_logits(logits, sentences, rules):
    """Refuse logits of another shape, as far as it is known."""
    shape, width = tuple(logits.shape), rules.width
    known = (None, width) if isinstance(width, int) else shape[1:2]
    if len(shape) != 3 or shape[1] not in known:
        raise ValueError(
            "decoding needs a step that gives logits of shape (batch, beams, "
            f"vocabulary) with {rules.width} beams, received {shape}."
        )
    _check_sentences(shape[0], sentences)
    if shape[2] is None:
        raise ValueError("decoding needs to know the size of the vocabulary.")
    if rules.end >= shape[2]:
        raise ValueError(
            f"the vocabulary has the tokens 0 to {shape[2] - 1}, and not the end token "
            f"{rules.end}: no sequence would ever end."
        )
    if len([word for word in rules.forbidden if word < shape[2]]) == shape[2]:
        raise ValueError("all tokens of the vocabulary are forbidden.")


def _check_sentences(given, asked):
    """Refuse logits of other sentences than those that go on."""
    if isinstance(given, int) and isinstance(asked, int) and given != asked:
        raise ValueError(
            f"decoding asked for the next tokens of {asked} sentences, and the step "
            f"gave those of {given}. Finished sentences leave the batch: put all that "
            "belongs to a sentence into the state, or say leave=False."
        )


def written(history, words, index):
    """Write the tokens of a step."""
    # TensorFlow would compile slice_update by XLA, in the midst of a graph
    here = ops.equal(ops.arange(history.shape[2], dtype="int32"), index)
    return ops.where(here, words[..., None], history)
