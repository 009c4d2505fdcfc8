"""The loop that all ways of decoding share."""

from typing import Any, NamedTuple

import keras
from keras import ops

from . import native

# steps that keys and values have room for, before they get more
BLOCK = 16


class Carried(NamedTuple):
    """What a step hands on to the next; all tensors have the batch first.

    Args:
        done: Boolean tensor `(batch,)`, which sentences are finished.
        found: Nested tensors, the results; those of a finished sentence stay.
        going: Nested tensors of the sequences that go on.
        state: `DecodingState` of the step function.

    Example:

    >>> Carried(ops.zeros((2,), "bool"), (), (), ()).done.shape == (2,)
    True
    """

    done: Any
    found: Any
    going: Any
    state: Any


def decode(look, carried, length, width, leave):
    """Look again and again, until all sentences are finished.

    Where shapes may change, finished sentences leave the batch as soon as they are a
    quarter of it, and what grows gets room a few steps at a time.

    Args:
        look: Function of the index and `Carried`; gives the next `Carried`.
        carried: What the first step begins with.
        length: Number of steps at the most.
        width: Number of sequences of a sentence.
        leave: Whether finished sentences leave the batch.

    Returns:
        `found` of all sentences, in their order.

    Example:

    >>> from .decoding_rules import DecodingState
    >>> def look(index, carried):
    ...     count = carried.found + 1
    ...     return carried._replace(found=count, done=count >= carried.going)
    >>> goals, state = ops.convert_to_tensor([2, 5]), DecodingState((), ())
    >>> begin = Carried(ops.zeros((2,), "bool"), ops.zeros((2,), "int32"), goals, state)
    >>> ops.convert_to_numpy(decode(look, begin, 3, 1, True)).tolist()
    [2, 3]
    """
    if native.of("decoding").shapes_may_change():
        return _in_blocks(look, carried, length, width, leave)
    carried = _with_room(carried, length * width)
    return _steps(look, 0, carried, length, 0)[1].found


def _steps(look, index, carried, last, fewest):
    """Go on until a step, or until few sentences are left."""

    def on(index, carried):
        return (index < last) & (_left(carried.done) > fewest)

    def on_to(index, carried):
        return index + 1, look(index, carried)

    return ops.while_loop(on, on_to, (ops.cast(index, "int32"), carried))


def _in_blocks(look, carried, length, width, leave):
    results, carried = carried.found, _loose(carried)
    rows = ops.arange(ops.shape(carried.done)[0], dtype="int32")
    rows = native.of("decoding").loose(rows, (0,))

    def on(index, rows, carried, results):
        return (index < length) & (_left(carried.done) > 0)

    def on_to(index, rows, carried, results):
        last = ops.minimum((index // BLOCK + 1) * BLOCK, length)
        carried = _with_room(carried, last * width)
        # no fewer than one less than there are
        fewest = 3 * ops.shape(rows)[0] // 4 if leave else 0
        index, carried = _steps(look, index, carried, last, fewest)
        results = keras.tree.map_structure(
            lambda all, some: ops.scatter_update(all, rows[:, None], some),
            results,
            carried.found,
        )
        if leave:
            rows, carried = _without_finished(rows, carried)
        return index, rows, carried, results

    begin = (ops.convert_to_tensor(0, "int32"), rows, carried, results)
    return ops.while_loop(on, on_to, begin)[3]


def _left(done):
    return ops.sum(ops.cast(ops.logical_not(done), "int32"))


def _without_finished(rows, carried):
    """Take the sentences that are not finished out of the batch."""

    def some():
        left = ops.nonzero(ops.logical_not(carried.done))[0]
        return keras.tree.map_structure(
            lambda part: ops.take(part, left, axis=0), (rows, carried)
        )

    return ops.cond(ops.any(carried.done), some, lambda: (rows, carried))


def _with_room(carried, entries):
    """Give what grows room for entries."""
    lengthened = native.of("cache").lengthened
    grows = keras.tree.map_structure(
        lambda part: lengthened(part, entries), carried.state.grows
    )
    return carried._replace(state=carried.state._replace(grows=grows))


def _loose(carried):
    """Let a graph expect other numbers of sentences, and of entries of what grows."""
    loose = native.of("decoding").loose
    grows = carried.state.grows
    carried = keras.tree.map_structure(lambda part: loose(part, (0,)), carried)
    grows = keras.tree.map_structure(lambda part: loose(part, (0, 2)), grows)
    return carried._replace(state=carried.state._replace(grows=grows))
