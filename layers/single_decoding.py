"""Sequences decoded each by itself: the most likely tokens, or drawn ones."""

import math

import keras
from keras import ops

from .decoding_rules import (
    Decoded,
    Rules,
    as_number,
    check_logits,
    check_range,
    start,
    written,
    zero,
)


def greedy_search(step, state, tokens, *, end, length, length_penalty=0.7, pad=0):
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
    rules = Rules(end, length, 1, 1, length_penalty, pad)
    return _single(step, state, tokens, rules, _most_likely)


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
    rules = Rules(end, length, samples, 1, length_penalty, pad)
    check_range("temperature", temperature, 0 < as_number(temperature) < math.inf)
    whole = type(top_k) is int and top_k > 0
    check_range("top_k", top_k, top_k is None or whole)
    check_range("top_p", top_p, top_p is None or 0 < as_number(top_p) <= 1)
    batch = ops.shape(ops.convert_to_tensor(tokens))[0]
    # one number a token decides, so that no random state goes through the loop
    draws = keras.random.uniform((batch, samples, length), seed=seed)

    def choose(logits, index):
        return _drawn(
            logits / temperature, ops.take(draws, index, axis=2), top_k, top_p
        )

    return _single(step, state, tokens, rules, choose)


def _single(step, state, tokens, rules, choose):
    """Decode sequences that know nothing of each other."""
    last, state = start(tokens, state, rules)
    batch, width = ops.shape(last)[0], rules.width
    shape = (batch, width, rules.length)
    ancestors = ops.arange(width, dtype="int32")[None, :, None]
    ancestors = ops.broadcast_to(ancestors, shape)

    def on(index, last, state, history, total, lengths, done):
        return (index < rules.length) & ops.logical_not(ops.all(done))

    def look(index, last, state, history, total, lengths, done):
        logits, state = step(last, state, index, ancestors)
        check_logits(logits, rules)
        logits = ops.cast(logits, "float32")
        words = ops.cast(choose(logits, index), "int32")
        value = ops.take_along_axis(logits, words[..., None], axis=2)[..., 0]
        value = value - ops.logsumexp(logits, axis=2)
        total = total + ops.where(done, 0, value)
        lengths = lengths + ops.cast(ops.logical_not(done), "int32")
        words = ops.where(done, rules.pad, words)
        history = written(history, words, index)
        done = done | ops.equal(words, rules.end)
        return index + 1, words, state, history, total, lengths, done

    zeros = ops.zeros((batch, width), "int32")
    begin = (
        zero(),
        last,
        state,
        ops.full(shape, rules.pad, "int32"),
        ops.zeros((batch, width), "float32"),
        zeros,
        ops.cast(zeros, "bool"),
    )
    _, _, _, history, total, lengths, _ = ops.while_loop(on, look, begin)
    scores = total / ops.cast(lengths, "float32") ** rules.length_penalty
    return Decoded(history, scores, lengths)


def _most_likely(logits, index):
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
