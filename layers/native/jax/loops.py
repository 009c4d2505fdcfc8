"""A loop of known length that a gradient can go through."""

import jax


def repeat(function, state, times):
    """Apply a function to a state again and again.

    Args:
        function: Takes the number of the round, from 0, and the state; gives the next
            state, of the same structure and shapes.
        state: Nested lists of arrays.
        times: Number of rounds, an integer.

    Returns:
        The last state.

    Example:

    >>> int(repeat(lambda i, state: [state[0] * 2], [jax.numpy.array(1)], 3)[0])
    8
    """
    return jax.lax.fori_loop(0, times, function, state)
