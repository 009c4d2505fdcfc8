"""Beam search over the sequences that a step function makes likely."""

import functools
import math

import keras
from keras import ops

from .decoding_loop import Carried, decode
from .decoding_rules import (
    Decoded,
    check_logits,
    rules_of,
    start,
    written,
)
from .likeliest import likeliest, smaller

# stands for minus infinity where sums are made: it stays a number
_LOWEST = -1e30


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
    forbidden=(),
    leave=True,
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
        width: Number of beams: an integer, or on TensorFlow, in a graph that XLA does
            not compile, an int32 scalar that is known only when the graph runs.
        best: Number of sequences to give, at most `width`; likewise.
        length_penalty: Exponent of the length in the scores, at least 0.
        pad: The token behind the end.
        forbidden: Tokens that no sequence has. Scores stay those of the network's
            own probabilities.
        leave: Whether finished sentences leave the batch, so that the step is asked
            about fewer and fewer; all that belongs to a sentence is in the state then.
            With JAX and XLA, whose shapes do not change, they stay.

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
    rules = rules_of(end, length, width, best, length_penalty, pad, forbidden)
    tokens, state = start(tokens, state, rules)
    batch = ops.shape(tokens)[0]
    going, empty = _begin(tokens, batch, rules)
    carried = Carried(ops.zeros((batch,), "bool"), empty, going, state)
    look = functools.partial(_look, step, rules)
    found = decode(look, carried, length, rules.width, leave)
    return Decoded(*(found[name][:, : rules.best] for name in Decoded._fields))


def _look(step, rules, index, carried):
    """Continue all beams by a token; give what was found, and what goes on."""
    done, found, going, state = carried
    batch, width, number = ops.shape(done)[0], rules.width, index + 1
    here = ops.broadcast_to(ops.arange(width, dtype="int32"), (batch, width))
    ancestors = written(going["ancestors"], here, index)
    logits, state = step(going["last"], state, index, ancestors)
    check_logits(logits, batch, rules)
    _check_width(logits.shape[2], rules)
    total, parents, words = _continue(logits, going["total"], rules)
    ends = ops.equal(words, rules.end) | (number == rules.length)
    history = written(_of_parents(going["tokens"], parents), words, index)
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
    return Carried(done, found, going, state._replace(follows=follows))


def _begin(tokens, batch, rules):
    """Give the beams before the first step, and that nothing was found yet."""
    both = (batch, rules.width)
    nothing = ops.full((*both, rules.length), rules.pad, "int32")
    first = ops.arange(rules.width)[None] > 0
    total = ops.cast(first, "float32") * _LOWEST  # all begin alike
    going = {
        "last": tokens,
        "total": ops.broadcast_to(total, both),
        "tokens": nothing,
        "ancestors": ops.zeros_like(nothing),
    }
    found = {
        "tokens": nothing,
        "scores": ops.full(both, -math.inf, "float32"),
        "lengths": ops.zeros(both, "int32"),
    }
    return going, found


def _check_width(vocabulary, rules):
    allowed = _allowed(vocabulary, rules)
    if isinstance(rules.width, int) and rules.width > allowed**rules.length:
        raise ValueError(
            f"there are fewer than {rules.width} sequences of {rules.length} tokens of "
            f"{allowed}: take fewer beams."
        )


def _allowed(vocabulary, rules):
    return vocabulary - sum(word < vocabulary for word in rules.forbidden)


def _continue(logits, total, rules):
    """Give the most likely continuations, with their beams and last tokens."""
    width, allowed = rules.width, _allowed(logits.shape[2], rules)
    forbidden = [word for word in rules.forbidden if word < logits.shape[2]]
    count = smaller(2 * width, allowed)
    values, words, sums = likeliest(logits, count, forbidden)
    values = values - sums + total[..., None]
    both = (ops.shape(values)[0], width * count)
    total, places = ops.top_k(ops.reshape(values, both), smaller(2, count) * width)
    places = ops.cast(places, "int32")
    words = ops.reshape(words, both)
    return total, places // count, ops.take_along_axis(words, places, axis=1)


def _of_parents(part, parents):
    """Give what belongs to the beams that were chosen."""
    batch, width, *rest = ops.shape(part)
    rows = ops.arange(batch, dtype="int32")[:, None] * width + parents
    return ops.take(ops.reshape(part, (-1, *rest)), rows, axis=0)


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
