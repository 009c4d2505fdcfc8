"""What LSTM and GRU compute at a step, and the slopes of it.

A step gets its entry, which is the inputs times the kernel plus the bias, and the
product of the previous hidden state and the recurrent kernel. The slopes are those
for tanh and the logistic sigmoid.
"""

from keras import ops


def lstm_step(activation, recurrent_activation, entry, product, states):
    """Compute a step of an LSTM.

    Args:
        activation: Function of the candidate and of the output.
        recurrent_activation: Function of the gates.
        entry: Tensor of shape `(batch, 4 * units)`.
        product: Tensor of the same shape.
        states: The hidden and the cell state.

    Returns:
        The new states, and what `lstm_slopes` needs.

    Example:

    >>> zeros = ops.zeros((2, 3))
    >>> gates = ops.zeros((2, 12))
    >>> states, saved = lstm_step(ops.tanh, ops.sigmoid, gates, gates, (zeros, zeros))
    >>> len(states), len(saved)
    (2, 5)
    """
    enter, stay, fresh, leave = ops.split(entry + product, 4, axis=-1)
    enter, stay = recurrent_activation(enter), recurrent_activation(stay)
    fresh, leave = activation(fresh), recurrent_activation(leave)
    carried = stay * states[1] + enter * fresh
    shown = activation(carried)
    return (leave * shown, carried), (enter, stay, fresh, leave, shown)


def lstm_slopes(saved, states, slopes):
    """Lead the slopes by the new states of `lstm_step` back.

    Args:
        saved: What `lstm_step` gave.
        states: The states before the step.
        slopes: By the new hidden and the new cell state.

    Returns:
        The slopes by the entry, by the product (`None`: the same), and by the states
        besides what the product brings.

    Example:

    >>> ones = ops.ones((2, 3))
    >>> by_entry, _, _ = lstm_slopes((ones,) * 5, (ones, ones), (ones, ones))
    >>> by_entry.shape == (2, 12)
    True
    """
    enter, stay, fresh, leave, shown = saved
    hidden, carried = slopes
    # in brackets what may be computed before the slopes of this step are there
    carried = carried + hidden * (leave * (1 - shown * shown))
    by_entry = ops.concatenate(
        [
            carried * (fresh * enter * (1 - enter)),
            carried * (states[1] * stay * (1 - stay)),
            carried * (enter * (1 - fresh * fresh)),
            hidden * (shown * leave * (1 - leave)),
        ],
        axis=-1,
    )
    return by_entry, None, (None, carried * stay)


def gru_step(activation, recurrent_activation, entry, product, states):
    """Compute a step of a GRU that resets behind the product.

    Args:
        activation: Function of the candidate.
        recurrent_activation: Function of the gates.
        entry: Tensor of shape `(batch, 3 * units)`.
        product: Tensor of the same shape, with the recurrent bias.
        states: The hidden state, alone in a tuple.

    Returns:
        The new state in a tuple, and what `gru_slopes` needs.

    Example:

    >>> gates = ops.zeros((2, 9))
    >>> states, _ = gru_step(ops.tanh, ops.sigmoid, gates, gates, (ops.ones((2, 3)),))
    >>> float(states[0][0, 0])  # half of the state stays, and the candidate is 0
    0.5
    """
    stay, reset, fresh = ops.split(entry, 3, axis=-1)
    by_stay, by_reset, by_fresh = ops.split(product, 3, axis=-1)
    stay = recurrent_activation(stay + by_stay)
    reset = recurrent_activation(reset + by_reset)
    fresh = activation(fresh + reset * by_fresh)
    new = stay * states[0] + (1 - stay) * fresh
    return (new,), (stay, reset, fresh, by_fresh)


def gru_slopes(saved, states, slopes):
    """Lead the slope by the new state of `gru_step` back.

    Args:
        saved: What `gru_step` gave.
        states: The state before the step, in a tuple.
        slopes: By the new state, in a tuple.

    Returns:
        The slopes by the entry, by the product, and by the state besides what the
        product brings.

    Example:

    >>> ones = ops.ones((2, 3))
    >>> by_entry, by_product, _ = gru_slopes((ones,) * 4, (ones,), (ones,))
    >>> by_entry.shape == (2, 9), by_product.shape == (2, 9)
    (True, True)
    """
    stay, reset, fresh, by_fresh = saved
    (hidden,) = slopes
    # in brackets what may be computed before the slope of this step is there
    of_fresh = hidden * ((1 - stay) * (1 - fresh * fresh))
    of_stay = hidden * ((states[0] - fresh) * (stay * (1 - stay)))
    of_reset = of_fresh * (by_fresh * (reset * (1 - reset)))
    by_entry = ops.concatenate([of_stay, of_reset, of_fresh], axis=-1)
    by_product = ops.concatenate([of_stay, of_reset, of_fresh * reset], axis=-1)
    return by_entry, by_product, (hidden * stay,)
