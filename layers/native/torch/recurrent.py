"""Loops over time, and draws inside them, on PyTorch."""

import keras
import torch


def begin(coins):
    """Prepare draws inside a loop that is about to begin.

    Args:
        coins: `keras.random.SeedGenerator`.

    Returns:
        What `uniform` and `end` need to know: nothing here, where loops are Python's.

    Example:

    >>> coins = keras.random.SeedGenerator(1)
    >>> loop = begin(coins)
    >>> uniform((2, 3), coins, loop).shape == (2, 3)
    True
    >>> end(coins, loop)
    """


def end(coins, loop):
    """Close what `begin` has opened.

    Args:
        coins: `keras.random.SeedGenerator`.
        loop: What `begin` gave.

    Example:

    >>> coins = keras.random.SeedGenerator(1)
    >>> loop = begin(coins)
    >>> end(coins, loop)
    """


def uniform(shape, coins, loop):
    """Draw from [0, 1), anew at each step of a loop.

    Args:
        shape: Shape of the result.
        coins: `keras.random.SeedGenerator`.
        loop: What `begin` gave.

    Returns:
        Tensor in float32.

    Example:

    >>> coins = keras.random.SeedGenerator(1)
    >>> loop = begin(coins)
    >>> uniform((2, 3), coins, loop).shape == (2, 3)
    True
    """
    return keras.random.uniform(shape, dtype="float32", seed=coins)


def scan(step, states, sequences):
    """Go through sequences, carrying states along.

    Args:
        step: Function of the tuple of states and the tuple of the sequences' entries
            that gives an output and the tuple of new states.
        states: Tuple of tensors.
        sequences: Tuple of tensors with the time on the first axis.

    Returns:
        Structure of the outputs of all steps, stacked, and the tuple of last states.

    Example:

    >>> def step(states, entries):
    ...     total = states[0] + entries[0]
    ...     return total, (total,)
    >>> ones = keras.ops.ones((3, 2))
    >>> outputs, last = scan(step, (0 * ones[0],), (ones,))
    >>> [float(output[0]) for output in outputs], float(last[0][0])
    ([1.0, 2.0, 3.0], 3.0)
    """
    outputs = []
    for entries in zip(*(torch.unbind(x) for x in sequences), strict=True):
        output, states = step(tuple(states), entries)
        outputs.append(output)
    stacked = keras.tree.map_structure(lambda *steps: torch.stack(steps), *outputs)
    return stacked, tuple(states)


def recur(step, slopes, kernel, bias, states, inputs, kept):
    """Go through inputs with a step of known slopes, and keep units as they are.

    Args:
        step: Function of an entry of the inputs, the product of the first state and
            the kernel, and the tuple of states, that gives the tuple of new states and
            a tuple of what the slopes need.
        slopes: The slopes of the step, for backends whose own take longer.
        kernel: Matrix.
        bias: Vector that is added to the product, or `None`.
        states: Tuple of tensors of shape `(batch, units)`.
        inputs: Tensor of shape `(time, batch, width)`.
        kept: For each state a boolean tensor of shape `(time, batch, units)`, true
            where a unit keeps its value of the step before.

    Returns:
        The first state of all steps, stacked, and the tuple of last states.

    Example:

    >>> def step(entry, product, states):
    ...     return (entry + product,), ()
    >>> def slopes(saved, states, slopes):
    ...     return slopes[0], None, (None,)
    >>> ones, kept = keras.ops.ones((3, 1, 1)), keras.ops.zeros((3, 1, 1), "bool")
    >>> outputs, _ = recur(step, slopes, ones[0], None, (ones[0],), ones, (kept,))
    >>> [float(output[0, 0]) for output in outputs]
    [2.0, 3.0, 4.0]
    """

    def one(states, entries):
        entry, *kept = entries
        product = states[0] @ kernel
        product = product if bias is None else product + bias
        new, _ = step(entry, product, states)
        triples = zip(kept, states, new, strict=True)
        states = tuple(torch.where(*triple) for triple in triples)
        return states[0], states

    return scan(one, states, (inputs, *kept))
