"""Sequences decoded each by itself: the most likely tokens, or drawn ones."""

import math

import keras
import numpy as np
from keras import ops

from .decoding_loop import Carried, decode
from .decoding_rules import (
    Decoded,
    as_number,
    check_logits,
    check_range,
    rules_of,
    start,
    written,
)


def greedy_search(
    step,
    state,
    tokens,
    *,
    end,
    length,
    length_penalty=0.7,
    pad=0,
    forbidden=(),
    leave=True,
):
    """Take the most likely token, again and again.

    Args:
        step: Function of `tokens`, int32 `(batch, 1)`, the state, the `index`, an int32
            scalar from 0, and `ancestors`, int32 `(batch, 1, length)` of zeros; gives
            logits `(batch, 1, vocabulary)` and the next state of the same structure.
        state: `DecodingState`, or nested tensors of shape `(batch, ...)` that follow.
        tokens: int32 tensor of shape `(batch,)`, what stands before the first token.
        end: The token that ends a sequence.
        length: Tokens that a sequence has at most, the end token included.
        length_penalty: Exponent of the length in the scores, at least 0.
        pad: The token behind the end.
        forbidden: Tokens that no sequence has. Scores stay those of the network's
            own probabilities.
        leave: Whether finished sentences leave the batch, so that the step is asked
            about fewer and fewer; all that belongs to a sentence is in the state then.
            With JAX and XLA, whose shapes do not change, they stay.

    Returns:
        `Decoded` of one sequence each.

    Raises:
        ValueError: If an argument is out of its range, the vocabulary has no end
            token, or shapes do not fit.

    Example:

    >>> def count(tokens, state, index, ancestors):
    ...     return 9.0 * ops.one_hot(tokens + 1, 6), state
    >>> found = greedy_search(count, (), [1, 2], end=4, length=3)
    >>> ops.convert_to_numpy(found.tokens)[:, 0].tolist()
    [[2, 3, 4], [3, 4, 0]]
    """
    rules = rules_of(end, length, 1, 1, length_penalty, pad, forbidden)
    return _single(step, state, tokens, rules, _most_likely, leave=leave)


def sample_sequences(
    step,
    state,
    tokens,
    *,
    end,
    length,
    samples=1,
    temperature=1.0,
    top_k=None,
    top_p=None,
    seed=None,
    length_penalty=0.7,
    pad=0,
    forbidden=(),
    leave=True,
):
    """Draw sequences.

    Args:
        step: As for `greedy_search`, with `samples` in the place of 1.
        state: As there.
        tokens: As there.
        end: As there.
        length: As there.
        samples: Sequences to draw for each of the batch, independently.
        temperature: Divides the logits; below 1 likely tokens become more likely.
        top_k: Draw from as many of the most likely tokens only; all if `None`.
        top_p: Draw from the fewest of the most likely tokens only that are at least as
            likely together (nucleus); all if `None`.
        seed: Integer or `keras.random.SeedGenerator`.
        length_penalty: As there.
        pad: As there.
        forbidden: As there.
        leave: As there.

    Returns:
        `Decoded` of `samples` sequences each, in the order in which they were drawn.
        Scores are of the network's own probabilities, whatever they were drawn by.

    Raises:
        ValueError: If an argument is out of its range, the vocabulary has no end
            token, or shapes do not fit.

    Example:

    >>> def coin(tokens, state, index, ancestors):
    ...     return ops.zeros((*tokens.shape, 3)), state
    >>> found = sample_sequences(coin, (), [0], end=2, length=4, samples=5, seed=0)
    >>> found.scores.shape == (1, 5)
    True

    Reference:
        Holtzman et al., 2020, https://arxiv.org/abs/1904.09751 (nucleus)
    """
    check_range("samples", samples, type(samples) is int and samples > 0)
    rules = rules_of(end, length, samples, 1, length_penalty, pad, forbidden)
    check_range("temperature", temperature, 0 < as_number(temperature) < math.inf)
    whole = type(top_k) is int and top_k > 0
    check_range("top_k", top_k, top_k is None or whole)
    check_range("top_p", top_p, top_p is None or 0 < as_number(top_p) <= 1)
    batch = ops.shape(ops.convert_to_tensor(tokens))[0]
    # one number a token decides, so that no random state goes through the loop
    draws = keras.random.uniform((batch, samples, length), seed=seed)

    def choose(logits, index, draws):
        draws = ops.take(draws, index, axis=2)
        return _drawn(logits / temperature, draws, top_k, top_p)

    return _single(step, state, tokens, rules, choose, draws, leave)


def _single(step, state, tokens, rules, choose, draws=(), leave=True):
    """Decode sequences that know nothing of each other."""
    last, state = start(tokens, state, rules)
    batch, width = ops.shape(last)[0], rules.width
    beams = ops.arange(width, dtype="int32")[None, :, None]

    def look(index, carried):
        done, found, going, state = carried
        batch = ops.shape(done)[0]
        ancestors = ops.broadcast_to(beams, (batch, width, rules.length))
        logits, state = step(going["last"], state, index, ancestors)
        check_logits(logits, batch, rules)
        logits = ops.cast(logits, "float32")
        chosen_of = _without(logits, rules.forbidden)
        words = ops.cast(choose(chosen_of, index, going["draws"]), "int32")
        value = ops.take_along_axis(logits, words[..., None], axis=2)[..., 0]
        value = value - ops.logsumexp(logits, axis=2)
        ended = going["ended"]
        words = ops.where(ended, rules.pad, words)
        found = {
            "tokens": written(found["tokens"], words, index),
            "total": found["total"] + ops.where(ended, 0.0, value),
            "lengths": found["lengths"] + ops.cast(ops.logical_not(ended), "int32"),
        }
        ended = ended | ops.equal(words, rules.end)
        going = {"last": words, "ended": ended, "draws": going["draws"]}
        return Carried(ops.all(ended, axis=1), found, going, state)

    found, ended = _nothing(batch, rules)
    going = {"last": last, "ended": ended, "draws": draws}
    carried = Carried(ops.all(ended, axis=1), found, going, state)
    found = decode(look, carried, rules.length, width, leave)
    lengths = found["lengths"]
    scores = found["total"] / ops.cast(lengths, "float32") ** rules.length_penalty
    return Decoded(found["tokens"], scores, lengths)


def _nothing(batch, rules):
    """Give what was found before the first step, and that nothing has ended."""
    zeros = ops.zeros((batch, rules.width), "int32")
    tokens = ops.full((batch, rules.width, rules.length), rules.pad, "int32")
    total = ops.zeros((batch, rules.width), "float32")
    found = {"tokens": tokens, "total": total, "lengths": zeros}
    return found, ops.cast(zeros, "bool")


def _without(logits, forbidden):
    """Make forbidden tokens impossible."""
    if not forbidden:
        return logits
    allowed = np.ones(logits.shape[2], "bool")
    allowed[[word for word in forbidden if word < allowed.size]] = False
    return ops.where(allowed, logits, -math.inf)


def _most_likely(logits, index, draws):
    return ops.argmax(logits, axis=2)


def _drawn(logits, draws, top_k, top_p):
    """Draw a token each by a number between 0 and 1."""
    order = None
    if top_k is not None or top_p is not None:
        count = min(top_k or logits.shape[2], logits.shape[2])
        logits, order = ops.top_k(logits, count)
    shares = ops.softmax(logits, axis=2)
    sums = ops.cumsum(shares, axis=2)
    mass = sums[..., -1:]
    if top_p is not None:
        # those before which less than that was reached
        kept = ops.where(sums - shares < top_p * mass, sums, 0)
        mass = ops.max(kept, axis=2, keepdims=True)
    place = ops.sum(ops.cast(sums <= draws[..., None] * mass, "int32"), axis=2)
    place = ops.minimum(place, logits.shape[2] - 1)
    if order is None:
        return place
    return ops.take_along_axis(order, place[..., None], axis=2)[..., 0]
