"""A loop of known length that a gradient can go through."""


def repeat(function, state, times):
    """Apply a function to a state again and again.

    Args:
        function: Takes the number of the round, from 0, and the state; gives the next
            state.
        state: Nested lists of tensors.
        times: Number of rounds, an integer.

    Returns:
        The last state.

    Example:

    >>> repeat(lambda i, state: [state[0] * 2], [1], 3)
    [8]
    """
    for index in range(times):
        state = function(index, state)
    return state
