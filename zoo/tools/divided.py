"""Batches divided among the replicas of `tf.distribute`."""

from typing import Any

import keras
import tensorflow as tf

_STANDARD = 32  # what Keras takes where nobody says how many examples a batch has


def divided(batches, strategy):
    """Divide each batch among the replicas as evenly as can be.

    Every worker reads all batches and keeps its part, so that the examples of a step
    are those that one device would see.

    Args:
        batches: Batched `tf.data.Dataset` that knows its length.
        strategy: The strategy.

    Returns:
        What `fit` takes; it has as many steps as there are batches.

    Example:

    >>> batches = tf.data.Dataset.range(5).batch(2)
    >>> batches = divided(batches, tf.distribute.get_strategy())
    >>> len(batches), [part.numpy().tolist() for part in batches]
    (3, [[0, 1], [2, 3], [4]])
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return batches

    def parts(context):
        here = count // context.num_input_pipelines
        first = here * context.input_pipeline_id

        def divide(*batch):
            numbers = tf.data.Dataset.range(first, first + here, output_type=tf.int32)
            return numbers.map(lambda number: _part(batch, number, count))

        # tuned while it runs, a pipeline may take a minute to end
        options = tf.data.Options()
        options.autotune.enabled = False
        return batches.flat_map(divide).prefetch(2).with_options(options)

    spread = strategy.distribute_datasets_from_function(parts)
    # it would count a step for each replica
    length = {"cardinality": property(lambda self: batches.cardinality())}
    spread.__class__ = type(type(spread).__name__, (type(spread),), length)
    return spread


def _part(batch, number, count):
    """Give one of `count` parts of a batch, whose sizes differ by one at most."""
    size = tf.shape(keras.tree.flatten(batch)[0])[0]
    begin, end = size * number // count, size * (number + 1) // count
    batch = keras.tree.map_structure(lambda leaf: leaf[begin:end], batch)
    return batch if len(batch) > 1 else batch[0]


def as_batches(x, y=None, sample_weight=None, batch_size=None):
    """Give data as batches of TensorFlow.

    Args:
        x: A `tf.data.Dataset` of batches, a `keras.utils.PyDataset`, or arrays; what
            is divided already is given back as it is.
        y: Labels, with arrays.
        sample_weight: Weights, with arrays.
        batch_size: Examples in a batch, with arrays.

    Returns:
        `tf.data.Dataset` that knows its length.

    Example:

    >>> import numpy as np
    >>> [x.shape[0] for x, _ in as_batches(np.ones((5, 2)), np.ones(5), batch_size=3)]
    [3, 2]
    """
    distributed: Any = tf.distribute
    if isinstance(x, (tf.data.Dataset, distributed.DistributedDataset)):
        return x
    if isinstance(x, keras.utils.PyDataset):
        return _in_turn(x)
    arrays = tuple(part for part in (x, y, sample_weight) if part is not None)
    arrays = keras.tree.map_structure(_in_precision, arrays)
    arrays = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size or _STANDARD)


def _in_precision(array):
    tensor = tf.convert_to_tensor(array)
    return (
        tf.cast(tensor, keras.config.floatx()) if tensor.dtype.is_floating else tensor
    )


def _in_turn(data):
    """Give the batches of a `PyDataset`, which is told where an epoch ends."""

    def batches():
        for number in range(data.num_batches):
            yield keras.tree.map_structure(tf.convert_to_tensor, data[number])
        data.on_epoch_end()

    specs = keras.tree.map_structure(
        lambda leaf: tf.TensorSpec([None, *leaf.shape[1:]], leaf.dtype), data[0]
    )
    made = tf.data.Dataset.from_generator(batches, output_signature=specs)
    return made.apply(tf.data.experimental.assert_cardinality(data.num_batches))
