"""Epochs whose order follows from seed and epoch alone.

An epoch's number stands in a variable. Every batch that is made reads it, and the
last batch that is handed out moves it on: so the next iteration is the next epoch,
a look at the first batch changes nothing, and setting the variable repeats any
epoch, in this process or another.
"""

from typing import Any

import tensorflow as tf

# what stands under `experimental` is not in the type stubs
_random: Any = tf.random


def epoch_counter():
    """Make the variable that names the epoch to come.

    Returns:
        `tf.Variable` on the processor, where pipelines run.

    Example:

    >>> int(epoch_counter())
    0
    """
    with tf.device("CPU:0"):
        start = tf.constant(0, tf.int64)
        return tf.Variable(start, trainable=False, name="epoch")


def root_seed(seed):
    """Turn a Python integer into the seed that everything else is folded into.

    Args:
        seed: Any integer.

    Returns:
        Two `int32` values as a tensor.

    Example:

    >>> root_seed(7).numpy().tolist()
    [7, 0]
    """
    with tf.device("CPU:0"):
        return tf.constant([seed & 0x7FFFFFFF, seed >> 31 & 0x7FFFFFFF], tf.int32)


def derive(seed, *numbers):
    """Derive a seed from a seed and numbers.

    Args:
        seed: Two `int32` values.
        *numbers: Integers, as numbers or tensors.

    Returns:
        Two `int32` values.

    Example:

    >>> bool((derive(root_seed(0), 1, 2) == derive(root_seed(0), 2, 1)).numpy().all())
    False
    """
    for number in numbers:
        seed = _random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32))
    return seed


def shuffled(positions, count, seed):
    """Tell which examples stand at these positions of a shuffled set.

    No list of all examples is made: each position is enciphered by itself.

    Args:
        positions: `int32` tensor of positions in `[0, count)`.
        count: Number of examples.
        seed: Two `int32` values.

    Returns:
        `int32` tensor of example numbers.

    Example:

    >>> sorted(shuffled(tf.range(5), 5, root_seed(0)).numpy().tolist())
    [0, 1, 2, 3, 4]
    """
    return _random.experimental.index_shuffle(positions, seed, count - 1)


def hand_out(dataset, counter, steps):
    """Move the counter on with the last batch of an epoch.

    Args:
        dataset: Gives `(epoch, step, images, labels)`, `steps` times.
        counter: What `epoch_counter` made.
        steps: Batches an epoch.

    Returns:
        `tf.data.Dataset` of `(images, labels)`; it knows its length.

    Example:

    >>> counter = epoch_counter()
    >>> clock = tf.data.Dataset.range(3).map(lambda step: (counter.read_value(), step))
    >>> batches = hand_out(clock.map(lambda e, s: (e, s, s, s)), counter, 3)
    >>> len(list(batches.take(2))), int(counter), len(list(batches)), int(counter)
    (2, 0, 3, 1)
    """

    def finish(epoch, step, images, labels):
        tf.cond(
            tf.equal(step, steps - 1),
            lambda: counter.assign(epoch + 1),
            lambda: tf.identity(epoch),
        )
        return images, labels

    # behind the prefetch, so that what was only made in advance does not count
    dataset = dataset.prefetch(tf.data.AUTOTUNE).map(finish)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps))
