"""From tokens to batches for `fit`, texts of like lengths together.

What a batch is padded to decides what it costs, so each is cut to its longest text.
Lengths are rounded up, so that what compiles a step for each shape has few to compile.
"""

import numpy as np
import tensorflow as tf

from . import order

ROUND = 8  # tokens
WINDOW = 50  # batches among which texts of like lengths are found


def in_order(inputs, targets, batch_size):
    """Give batches of which each text stands in one, from short to long.

    Args:
        inputs: Nested arrays, all with as many examples; tokens are padded with 0.
        targets: The same for what is to be found.
        batch_size: Examples in a batch.

    Returns:
        `tf.data.Dataset` of `(inputs, targets)`; it knows its length.

    Example:

    >>> texts = np.array([[5, 6, 7], [8, 0, 0], [9, 9, 0]])
    >>> [len(x) for x, _ in in_order(texts, np.arange(3), 2)]
    [2, 1]
    """
    rows = np.argsort(_lengths(inputs), kind="stable")
    ordered = tf.nest.map_structure(lambda x: np.asarray(x)[rows], (inputs, targets))
    batches = tf.data.Dataset.from_tensor_slices(ordered).batch(batch_size)
    return batches.map(_cut).prefetch(tf.data.AUTOTUNE)


def in_epochs(inputs, targets, batch_size, seed):
    """Give batches in another order each epoch, texts of like lengths together.

    Each epoch the texts are shuffled; among so many as make 50 batches they are sorted
    by length; the order of the batches is shuffled.

    Args:
        inputs: Nested arrays, all with as many examples; tokens are padded with 0.
        targets: The same for what is to be found.
        batch_size: Examples in a batch; one has fewer where they do not divide.
        seed: Integer behind every order.

    Returns:
        `tf.data.Dataset` of `(inputs, targets)` that knows its length, and the
        `tf.Variable` that names the epoch to come.

    Example:

    >>> texts = np.array([[5, 6, 7], [8, 0, 0], [9, 9, 0]])
    >>> batches, counter = in_epochs(texts, np.arange(3), 2, seed=0)
    >>> sorted(np.concatenate([y for _, y in batches.as_numpy_iterator()]).tolist())
    [0, 1, 2]
    >>> int(counter)
    1
    """
    lengths = _lengths(inputs)
    with tf.device("CPU:0"):
        held = tf.nest.map_structure(tf.convert_to_tensor, (inputs, targets))
    count, steps = len(lengths), -(-len(lengths) // batch_size)
    seed, counter = order.root_seed(seed), order.epoch_counter()

    # nothing in it branches on tensors, and of what reads it AutoGraph would warn
    @tf.autograph.experimental.do_not_convert
    def start(epoch):
        own = order.derive(seed, epoch)
        rows = order.shuffled(tf.range(count), count, order.derive(own, 0))
        window = tf.range(count) // (WINDOW * batch_size)
        key = tf.gather(lengths, rows) + window * (int(lengths.max()) + 1)
        rows = tf.gather(rows, tf.argsort(key, stable=True))

        def pick(step):
            place = order.shuffled(step[None], steps, order.derive(own, 1))[0]
            begin = place * batch_size
            some = rows[begin : tf.minimum(begin + batch_size, count)]
            batch = tf.nest.map_structure(lambda x: tf.gather(x, some), held)
            return epoch, step, *_cut(*batch)

        return tf.data.Dataset.range(steps, output_type=tf.int32).map(pick)

    # what reads a variable cannot run in parallel; the rest can
    once = tf.data.Dataset.from_tensors(0).map(lambda _: counter.read_value())
    return order.hand_out(once.flat_map(start), counter, steps), counter


def trimmed(tokens, multiple=1):
    """Take off the padding behind the longest of a batch.

    Args:
        tokens: int32 tensor `(batch, time)`, padded behind with 0.
        multiple: The width is rounded up to a multiple of this, where there is room.

    Returns:
        int32 tensor `(batch, less time)`, with one column at least.

    Example:

    >>> trimmed(tf.constant([[5, 6, 0, 0], [7, 0, 0, 0]])).numpy().tolist()
    [[5, 6], [7, 0]]
    """
    counts = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
    longest = tf.reduce_max(tf.concat([[1], counts], axis=0))
    return tokens[:, : -(-longest // multiple) * multiple]


def _lengths(inputs):
    """Give the lengths of texts, those of the longest side where there are several."""
    sides = [np.count_nonzero(side, axis=1) for side in tf.nest.flatten(inputs)]
    return np.max(sides, axis=0).astype("int32")


@tf.autograph.experimental.do_not_convert
def _cut(inputs, targets):
    """Cut tokens to what the longest text of a batch needs."""

    def cut(tokens):
        return trimmed(tokens, ROUND) if tokens.shape.rank == 2 else tokens

    return tf.nest.map_structure(cut, (inputs, targets))
