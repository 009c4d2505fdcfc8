"""A loop of known length that a gradient can go through, compiled by XLA too."""

import tensorflow as tf


def repeat(function, state, times):
    """Apply a function to a state again and again.

    Args:
        function: Takes the number of the round, from 0, and the state; gives the next
            state, of the same structure and shapes.
        state: Nested lists of tensors.
        times: Number of rounds, an integer.

    Returns:
        The last state.

    Example:

    >>> repeat(lambda i, state: [state[0] * 2], [tf.constant(1)], 3)[0].numpy()
    np.int32(8)
    """
    _, state = tf.while_loop(
        lambda index, state: index < times,
        lambda index, state: (index + 1, function(index, state)),
        (tf.constant(0), state),
        parallel_iterations=1,
        maximum_iterations=times,  # without it XLA refuses to differentiate
    )
    return state
