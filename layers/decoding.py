"""Decoding: sequences from a network that gives the next token's logits.

A step function of any network, one token in and logits out, goes through one compiled
loop: greedily, by sampling, or by beam search.
"""

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
    rules = _Rules(end, length, 1, 1, length_penalty, pad)
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
    rules = _Rules(end, length, samples, 1, length_penalty, pad)
    _check_range("temperature", temperature, 0 < _number(temperature) < math.inf)
    whole = type(top_k) is int and top_k > 0
    _check_range("top_k", top_k, top_k is None or whole)
    _check_range("top_p", top_p, top_p is None or 0 < _number(top_p) <= 1)
    batch = ops.shape(ops.convert_to_tensor(tokens))[0]
    # one number a token decides, so that no random state goes through the loop
    draws = keras.random.uniform((batch, samples, length), seed=seed)

    def choose(logits, index):
        return _drawn(
            logits / temperature, ops.take(draws, index, axis=2), top_k, top_p
        )

    return _single(step, state, tokens, rules, choose)


def beam_search(
    step,
    state,
    tokens,
    *,
    end,
    length,
    width=4,
    best=1,
    length_penalty=0.7,
    pad=0,
):
    """Keep the most likely beginnings, and find the best sequences among theirs.

    Each step looks at all continuations of the `width` beams. Those among the `width`
    most likely that end are found; the most likely others go on. A sentence is
    finished when `width` sequences were found, or no beam can become better than the
    `best` found; the loop when all are. With `width=1` it is `greedy_search`; with
    enough beams it finds what an exhaustive search finds.

    Args:
        step: Function of `tokens`, int32 `(batch, width)`, the state, the `index`, an
            int32 scalar from 0, and `ancestors`, int32 `(batch, width, length)`: which
            beam held a beam's own sequence at each step up to this; gives logits
            `(batch, width, vocabulary)` and the next state of the same structure.
        state: `DecodingState`, or nested tensors of shape `(batch, ...)` that follow.
        tokens: int32 tensor of shape `(batch,)`, what stands before the first token.
        end: The token that ends a sequence.
        length: Tokens that a sequence has at most, the end token included. What has
            not ended then is found as it is.
        width: Number of beams.
        best: Number of sequences to give, at most `width`.
        length_penalty: Exponent of the length in the scores, at least 0.
        pad: The token behind the end.

    Returns:
        `Decoded` of `best` sequences each.

    Raises:
        ValueError: If an argument is out of its range, the vocabulary has no end
            token or fewer sequences than beams, or shapes do not fit.

    Example:

    >>> def chain(tokens, state, index, ancestors):
    ...     table = ops.log([[0.5, 0.4, 0.1], [0.3, 0.1, 0.6], [0.1, 0.1, 0.8]])
    ...     return ops.take(table, tokens, axis=0), state
    >>> found = beam_search(chain, (), [0], end=2, length=3, width=3, best=2)
    >>> ops.convert_to_numpy(found.tokens)[0].tolist()
    [[1, 2, 0], [0, 0, 0]]

    Reference:
        Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 7
    """
    rules = _Rules(end, length, width, best, length_penalty, pad)
    tokens, state = _start(tokens, state, rules)
    batch, beams = ops.shape(tokens)[0], ops.arange(width, dtype="int32")
    shape = (batch, width, length)
    first = ops.cast(beams[None] > 0, "float32") * _LOWEST  # all begin alike
    empty = {
        "tokens": ops.full(shape, pad, "int32"),
        "scores": ops.full((batch, width), -math.inf, "float32"),
        "lengths": ops.zeros((batch, width), "int32"),
    }
    going = {
        "last": tokens,
        "total": ops.broadcast_to(first, (batch, width)),
        "tokens": empty["tokens"],
        "ancestors": ops.zeros(shape, "int32"),
    }

    def on(index, going, found, state, done):
        return (index < length) & ops.logical_not(ops.all(done))

    def look(index, going, found, state, done):
        here = ops.broadcast_to(beams[None, :, None], (batch, width, 1))
        ancestors = ops.slice_update(going["ancestors"], (0, 0, index), here)
        logits, state = step(going["last"], state, index, ancestors)
        _check_logits(logits, rules)
        _check_width(logits.shape[2], rules)
        total, parents, words = _continue(logits, going["total"], width)
        number = index + 1
        ends = ops.equal(words, end) | (number == length)
        history = _written(_of_parents(going["tokens"], parents), words, index)
        heads = ops.arange(ops.shape(total)[1]) < width
        counts = ends & heads[None] & (total > _LOWEST / 2)
        counts = counts & ops.logical_not(done)[:, None]
        found = _merge(found, total, history, counts, number, rules)
        total, chosen = ops.top_k(ops.where(ends, -math.inf, total), width)
        chosen = ops.cast(chosen, "int32")
        parents = ops.take_along_axis(parents, chosen, axis=1)
        done = done | _is_done(found["scores"], total[:, 0], rules)
        going = {
            "last": ops.take_along_axis(words, chosen, axis=1),
            "total": ops.where(done[:, None], -math.inf, total),
            "tokens": _of_parents(history, chosen),
            "ancestors": _of_parents(ancestors, parents),
        }
        follows = keras.tree.map_structure(
            lambda part: _of_parents(part, parents), state.follows
        )
        return number, going, found, DecodingState(follows, state.stays), done

    _, _, found, _, _ = ops.while_loop(
        on, look, (_zero(), going, empty, state, ops.zeros((batch,), "bool"))
    )
    return Decoded(
        found["tokens"][:, :best], found["scores"][:, :best], found["lengths"][:, :best]
    )


# stands for minus infinity where sums are made: it stays a number
_LOWEST = -1e30


class _Rules(NamedTuple):
    """What holds for every search."""

    end: int
    length: int
    width: int
    best: int
    length_penalty: float
    pad: int


def _start(tokens, state, rules):
    """Check what a search begins with, and give each beam its part."""
    for name in ("length", "width", "best"):
        value = getattr(rules, name)
        _check_range(name, value, type(value) is int and value > 0)
    _check_range("end", rules.end, type(rules.end) is int and rules.end >= 0)
    penalty = _number(rules.length_penalty)
    _check_range("length_penalty", rules.length_penalty, 0 <= penalty < math.inf)
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
    follows = keras.tree.map_structure(lambda x: _for_each(x, width), state.follows)
    return _for_each(tokens, width), DecodingState(follows, state.stays)


def _for_each(part, width):
    part = ops.convert_to_tensor(part)
    return ops.repeat(part[:, None], width, axis=1)


def _zero():
    return ops.convert_to_tensor(0, dtype="int32")


def _number(value):
    return float(value) if isinstance(value, numbers.Real) else math.nan


def _check_range(name, value, right):
    if not right:
        raise ValueError(f"decoding cannot work with {name}={value!r}.")


def _check_logits(logits, rules):
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


def _check_width(vocabulary, rules):
    if rules.width > vocabulary**rules.length:
        raise ValueError(
            f"there are fewer than {rules.width} sequences of {rules.length} tokens of "
            f"{vocabulary}: take fewer beams."
        )


def _continue(logits, total, width):
    """Give the most likely continuations, with their beams and last tokens."""
    count = min(2 * width, logits.shape[2])
    # the order of logits is that of probabilities
    values, words = ops.top_k(logits, count)
    totals = ops.logsumexp(ops.cast(logits, "float32"), axis=2, keepdims=True)
    values = ops.cast(values, "float32") - totals + total[..., None]
    both = (ops.shape(values)[0], width * count)
    total, places = ops.top_k(ops.reshape(values, both), min(2, count) * width)
    places = ops.cast(places, "int32")
    words = ops.cast(ops.reshape(words, both), "int32")
    return total, places // count, ops.take_along_axis(words, places, axis=1)


def _of_parents(part, parents):
    """Give what belongs to the beams that were chosen."""
    batch, width, *rest = ops.shape(part)
    rows = ops.arange(batch, dtype="int32")[:, None] * width + parents
    return ops.take(ops.reshape(part, (-1, *rest)), rows, axis=0)


def _written(history, words, index):
    return ops.slice_update(history, (0, 0, index), words[..., None])


def _merge(found, total, history, counts, number, rules):
    """Keep the best of what was found before and now."""
    scores = total / ops.cast(number, "float32") ** rules.length_penalty
    scores = ops.where(counts, scores, -math.inf)
    lengths = ops.broadcast_to(number, ops.shape(scores))
    scores = ops.concatenate([found["scores"], scores], axis=1)
    scores, chosen = ops.top_k(scores, rules.width)
    chosen = ops.cast(chosen, "int32")
    lengths = ops.concatenate([found["lengths"], lengths], axis=1)
    tokens = ops.concatenate([found["tokens"], history], axis=1)
    return {
        "tokens": _of_parents(tokens, chosen),
        "scores": scores,
        "lengths": ops.take_along_axis(lengths, chosen, axis=1),
    }


def _is_done(scores, total, rules):
    """Tell which sentences have found all, or cannot find any better."""
    full = (scores[:, -1] > -math.inf) | (total < _LOWEST / 2)
    # a sum falls with each token, and is divided by the length at the most
    reach = total / rules.length**rules.length_penalty
    return full | (reach <= scores[:, rules.best - 1])


def _single(step, state, tokens, rules, choose):
    """Decode sequences that know nothing of each other."""
    last, state = _start(tokens, state, rules)
    batch, width = ops.shape(last)[0], rules.width
    shape = (batch, width, rules.length)
    ancestors = ops.arange(width, dtype="int32")[None, :, None]
    ancestors = ops.broadcast_to(ancestors, shape)

    def on(index, last, state, history, total, lengths, done):
        return (index < rules.length) & ops.logical_not(ops.all(done))

    def look(index, last, state, history, total, lengths, done):
        logits, state = step(last, state, index, ancestors)
        _check_logits(logits, rules)
        logits = ops.cast(logits, "float32")
        words = ops.cast(choose(logits, index), "int32")
        value = ops.take_along_axis(logits, words[..., None], axis=2)[..., 0]
        value = value - ops.logsumexp(logits, axis=2)
        total = total + ops.where(done, 0, value)
        lengths = lengths + ops.cast(ops.logical_not(done), "int32")
        words = ops.where(done, rules.pad, words)
        history = _written(history, words, index)
        done = done | ops.equal(words, rules.end)
        return index + 1, words, state, history, total, lengths, done

    zeros = ops.zeros((batch, width), "int32")
    begin = (
        _zero(),
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
