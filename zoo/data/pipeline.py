"""From the examples of a set to batches for `fit`."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from . import order

HELD_BYTES = 2 * 2**30  # sets up to this size, preprocessed, stay in memory
_MANY = 256  # examples copied into memory at once


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a set, as its source knows it.

    Args:
        count: Number of examples.
        read: Gives unbatched `(uint8 image, label)`, or a mask of the image's height
            and width instead of the label; with a seed (two `int32` values), in an
            order that follows from it.

    Example:

    >>> images = tf.zeros((3, 8, 8, 1), tf.uint8)
    >>> part = Split(3, lambda seed=None: tf.data.Dataset.from_tensor_slices(
    ...     (images, [0, 1, 2])))
    >>> part.count
    3
    """

    count: int
    read: Callable[..., tf.data.Dataset]


def preprocessed(examples, preprocess):
    """Apply a layer on batches to single examples.

    Args:
        examples: Unbatched `(uint8 image, label)`.
        preprocess: Keras layer on batches of raw images.

    Returns:
        `tf.data.Dataset` of `(float32 image, int32 label)`; a mask is brought to the
        size of its image, each place having the nearest class.

    Example:

    >>> import keras
    >>> raw = tf.data.Dataset.from_tensors((tf.ones((8, 8, 1), tf.uint8), 0))
    >>> next(iter(preprocessed(raw, keras.layers.Rescaling(2.0))))[0].numpy().max()
    np.float32(2.0)
    """

    def one(image, label):
        batch = tf.cast(preprocess(image[None]), tf.float32)
        if label.shape.rank == 2:
            size = tf.shape(batch)[1:3]
            label = tf.image.resize(label[..., None], size, "nearest")[..., 0]
            label = tf.ensure_shape(label, batch.shape[1:3])
        return batch[0], tf.cast(label, tf.int32)

    return examples.map(one, num_parallel_calls=tf.data.AUTOTUNE)


def hold(split, preprocess, input_shape, masks=False):
    """Decode and preprocess a split once and keep it in memory.

    Args:
        split: `Split`.
        preprocess: Keras layer on batches of raw images.
        input_shape: Shape of one image behind it.
        masks: Whether there are masks instead of labels.

    Returns:
        Images and labels as tensors on the processor.

    Raises:
        ValueError: If the source gives another number of examples than it said.

    Example:

    >>> import keras
    >>> part = Split(3, lambda: tf.data.Dataset.from_tensor_slices(
    ...     (tf.zeros((3, 8, 8, 1), tf.uint8), [0, 1, 2])))
    >>> hold(part, keras.layers.Rescaling(1.0), (8, 8, 1))[1].numpy()
    array([0, 1, 2], dtype=int32)
    """
    images = np.empty((split.count, *input_shape), "float32")
    labels = np.empty((split.count, *input_shape[: 2 * masks]), "int32")
    filled = 0
    batches = preprocessed(split.read(), preprocess).batch(_MANY)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    for some_images, some_labels in batches.as_numpy_iterator():
        end = filled + len(some_labels)
        if end <= split.count:
            images[filled:end], labels[filled:end] = some_images, some_labels
        filled = end
    if filled != split.count:
        raise ValueError(
            f"the set promised {split.count} examples and gave {filled}: its files "
            "changed or are damaged. Prepare it again."
        )
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(images), tf.convert_to_tensor(labels)


def in_order(split, held, preprocess, batch_size):
    """Give a split's batches in the order of its source.

    Args:
        split: `Split`.
        held: Images and labels in memory, or `None`.
        preprocess: Keras layer on batches of raw images.
        batch_size: Images in a batch.

    Returns:
        `tf.data.Dataset` of `(images, labels)`; it knows its length.

    Example:

    >>> import keras
    >>> part = Split(3, lambda: tf.data.Dataset.from_tensor_slices(
    ...     (tf.zeros((3, 8, 8, 1), tf.uint8), [0, 1, 2])))
    >>> layer = keras.layers.Rescaling(1.0)
    >>> [y.numpy().tolist() for _, y in in_order(part, None, layer, 2)]
    [[0, 1], [2]]
    """
    steps = -(-split.count // batch_size)
    if held is None:
        batches = preprocessed(split.read(), preprocess).batch(batch_size)
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    else:
        images, labels = held

        def cut(step):
            begin = step * batch_size
            return (
                images[begin : begin + batch_size],
                labels[begin : begin + batch_size],
            )

        batches = tf.data.Dataset.range(steps).map(cut)
    return batches.prefetch(tf.data.AUTOTUNE)


def in_epochs(split, held, preprocess, batch_size, seed, counter, augmentation=None):
    """Give a split's batches in another order each epoch, augmented.

    Args:
        split: `Split`.
        held: Images and labels in memory, or `None`.
        preprocess: Keras layer on batches of raw images.
        batch_size: Images in a batch.
        seed: What `order.root_seed` made.
        counter: What `order.epoch_counter` made.
        augmentation: `Augmentation`, or `None`.

    Returns:
        `tf.data.Dataset` of `(images, labels)`; it knows its length. Everything in
        it follows from the seed, the epoch and the place in the epoch.

    Example:

    >>> import keras
    >>> part = Split(5, lambda: tf.data.Dataset.from_tensor_slices(
    ...     (tf.zeros((5, 8, 8, 1), tf.uint8), tf.range(5))))
    >>> layer = keras.layers.Rescaling(1.0)
    >>> batches = in_epochs(part, hold(part, layer, (8, 8, 1)), layer, 2,
    ...     order.root_seed(0), order.epoch_counter())
    >>> sorted(np.concatenate([y for _, y in batches.as_numpy_iterator()]).tolist())
    [0, 1, 2, 3, 4]
    """
    steps = -(-split.count // batch_size)
    if held is None:
        batches = _read_epoch(split, preprocess, batch_size, seed, counter)
    else:
        batches = _pick_epoch(held, split.count, batch_size, seed, counter)
    if augmentation is not None:

        def augment(epoch, step, images, labels):
            own_seed = order.derive(seed, epoch, 1, step)
            if labels.shape.rank == 3:
                return epoch, step, *augmentation.with_masks(images, labels, own_seed)
            return epoch, step, augmentation(images, own_seed), labels

        parallel = tf.data.AUTOTUNE if augmentation.parallel else None
        batches = batches.map(augment, num_parallel_calls=parallel)
    return order.hand_out(batches, counter, steps)


def _pick_epoch(held, count, batch_size, seed, counter):
    """Gather each batch from memory."""
    images, labels = held

    def pick(epoch, step):
        end = tf.minimum((step + 1) * batch_size, count)
        positions = tf.range(step * batch_size, end)
        rows = order.shuffled(positions, count, order.derive(seed, epoch, 0))
        return epoch, step, tf.gather(images, rows), tf.gather(labels, rows)

    clock = tf.data.Dataset.range(-(-count // batch_size), output_type=tf.int32)
    # what reads a variable cannot run in parallel; the rest can
    clock = clock.map(lambda step: (counter.read_value(), step))
    return clock.map(pick, num_parallel_calls=tf.data.AUTOTUNE)


def _read_epoch(split, preprocess, batch_size, seed, counter):
    """Read each epoch from its source in an order of its own."""
    steps = -(-split.count // batch_size)

    # nothing in it branches on tensors, and of what reads it AutoGraph would warn
    @tf.autograph.experimental.do_not_convert
    def start(epoch):
        examples = split.read(order.derive(seed, epoch, 0))
        batches = preprocessed(examples, preprocess).batch(batch_size)
        clock = tf.data.Dataset.range(steps, output_type=tf.int32)
        return tf.data.Dataset.zip(clock, batches).map(
            lambda step, batch: (epoch, step, *batch)
        )

    once = tf.data.Dataset.from_tensors(0).map(lambda _: counter.read_value())
    return once.flat_map(start)
