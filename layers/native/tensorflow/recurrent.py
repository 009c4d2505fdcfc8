"""Loops over time, and draws inside them, on TensorFlow."""

import keras
import tensorflow as tf


def begin(coins):
    """Prepare draws inside a loop that is about to begin.

    Args:
        coins: `keras.random.SeedGenerator`.

    Returns:
        What `uniform` and `end` need to know: the seed before the loop, in a graph.

    Example:

    >>> coins = keras.random.SeedGenerator(1)
    >>> loop = begin(coins)
    >>> uniform((2, 3), coins, loop).shape == (2, 3)
    True
    >>> end(coins, loop)
    """
    if tf.executing_eagerly():
        return None
    return tf.identity(coins.state.value)


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
    if loop is None:
        return
    state = coins.state.value
    if not isinstance(state, tf.Tensor):
        return
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if state.graph is graph:
            return
        graph = getattr(graph, "outer_graph", None)
    # in a stateless scope the seed is now a tensor from within the loop, which is of
    # no use outside: go on with a series of its own
    coins.state.assign(loop + tf.constant([1, 0], loop.dtype))


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
    length = _length(sequences[0])
    entries = [_array(x.dtype, length, x.shape[1:]).unstack(x) for x in sequences]
    # what the step gives is known before the loop by doing it once for nothing
    sample, _ = step(states, tuple(sequence[0] for sequence in sequences))
    kept = [_array(x.dtype, length, x.shape) for x in keras.tree.flatten(sample)]

    def body(time, kept, *states):
        output, states = step(states, tuple(entry.read(time) for entry in entries))
        kept = _write(kept, time, keras.tree.flatten(output))
        return (time + 1, kept, *states)

    kept, *states = _loop(body, length, kept, *states)
    outputs = [array.stack() for array in kept]
    return keras.tree.pack_sequence_as(sample, outputs), tuple(states)


def recur(step, slopes, kernel, bias, states, inputs, kept):
    """Go through inputs with a step of known slopes, and keep units as they are.

    The way back is written out, and shorter than what TensorFlow makes of a loop: the
    kernel's gradient is one product over all steps, and nothing is copied in between.

    Args:
        step: Function of an entry of the inputs, the product of the first state and
            the kernel, and the tuple of states, that gives the tuple of new states and
            a tuple of what the slopes need.
        slopes: Function of what the step has saved, the tuple of states before it, and
            the tuple of slopes by the new states. It gives the slopes by the entry, by
            the product (`None` if the same), and by the states besides (or `None`).
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

    count = len(states)

    @tf.custom_gradient
    def run(inputs, kernel, *rest):
        states, bias = rest[:count], rest[count:]
        saved, before, along, last = _forward(step, kernel, bias, states, inputs, kept)

        def back(by_along, *by_last):
            found = _back(slopes, kernel, saved, before, kept, by_along, by_last)
            by_entries, by_kernel, by_bias, *by_first = found
            return by_entries, by_kernel, *by_first, *([by_bias] if bias else [])

        return (along, *last), back

    bias = () if bias is None else (bias,)
    # a custom gradient takes tensors only
    tensors = [tf.convert_to_tensor(x) for x in (inputs, kernel, *states, *bias)]
    along, *last = run(*tensors)
    return along, tuple(last)


def _forward(step, kernel, bias, states, inputs, kept):
    """Give what the steps saved, the states before them, the first ones, the last."""
    length = _length(inputs)
    _, sample = step(inputs[0], inputs[0], states)
    saved = [_array(x.dtype, length, x.shape) for x in sample]
    before = [_array(x.dtype, length, x.shape) for x in states]
    along = _array(states[0].dtype, length, states[0].shape)

    def body(time, saved, before, along, *states):
        product = tf.matmul(states[0], kernel)
        product = product + bias[0] if bias else product
        new, values = step(inputs[time], product, states)
        saved = _write(saved, time, values)
        before = _write(before, time, states)
        states = [
            tf.where(keep[time], *pair)
            for keep, *pair in zip(kept, states, new, strict=True)
        ]
        return (time + 1, saved, before, along.write(time, states[0]), *states)

    saved, before, along, *last = _loop(body, length, saved, before, along, *states)
    return saved, before, along.stack(), last


def _back(slopes, kernel, saved, before, kept, by_along, by_last):
    """Give the gradients by inputs, kernel, product's bias and first states."""
    length, transposed = _length(by_along), tf.transpose(kernel)
    shape = (by_along.shape[1], kernel.shape[1])

    def at(time, given):
        values, states = ([a.read(time) for a in arrays] for arrays in (saved, before))
        return slopes(values, states, given)

    def body(behind, by_entries, by_products, *given):
        time = length - 1 - behind
        given = (given[0] + by_along[time], *given[1:])
        pairs = zip(kept, given, strict=True)
        moved = [tf.where(keep[time], tf.zeros_like(x), x) for keep, x in pairs]
        by_entry, by_product, besides = at(time, moved)
        by_entries = by_entries.write(time, by_entry)
        if by_product is None:
            by_product = by_entry
        else:
            by_products = by_products.write(time, by_product)
        given = [x - y for x, y in zip(given, moved, strict=True)]
        given = [x if y is None else x + y for x, y in zip(given, besides, strict=True)]
        given[0] = given[0] + tf.matmul(by_product, transposed)
        return (behind + 1, by_entries, by_products, *given)

    by_entries, by_products = (_array(kernel.dtype, length, shape) for _ in "ep")
    by_entries, by_products, *by_first = _loop(
        body, length, by_entries, by_products, *by_last
    )
    apart = at(0, by_last)[1] is not None
    by_entries = by_entries.stack()
    by_products = by_products.stack() if apart else by_entries
    by_products = tf.reshape(by_products, (-1, kernel.shape[1]))
    hidden = tf.reshape(before[0].stack(), (-1, kernel.shape[0]))
    by_kernel = tf.matmul(hidden, by_products, transpose_a=True)
    return by_entries, by_kernel, tf.reduce_sum(by_products, 0), *by_first


def _loop(body, length, *variables):
    _, *last = tf.while_loop(
        lambda time, *_: time < length,
        body,
        (0, *variables),
        maximum_iterations=length,
        parallel_iterations=32,
    )
    return last


def _length(sequence):
    length = sequence.shape[0]
    return tf.shape(sequence)[0] if length is None else length


def _array(dtype, length, shape):
    return tf.TensorArray(
        dtype, size=length, element_shape=shape, clear_after_read=False
    )


def _write(arrays, time, values):
    pairs = zip(arrays, values, strict=True)
    return [array.write(time, value) for array, value in pairs]
