"""Batches for networks that compare: several examples of several classes, and pairs.

The order of an epoch follows from the seed and its number alone, as everywhere here.
"""

import numpy as np
import tensorflow as tf

from . import order
from .augmentation import Augmentation


def class_batches(
    images, labels, *, classes, examples, seed=0, augment=None, repeat=False
):
    """Make batches of several examples of several classes, for losses on triplets.

    An epoch goes through the classes in a random order, again and again, and through
    the examples of each in a random order: within it the classes differ by one batch
    at the most, and so do the examples of one class, whatever the number of examples.
    No example is twice in a batch.

    Args:
        images: Array of shape `(n, height, width, channels)`, or of other examples.
        labels: Whole numbers of shape `(n,)`, the classes.
        classes: Number of classes in a batch, at least 2.
        examples: Number of examples of each of them, at least 2.
        seed: Integer that everything random follows from.
        augment: Keras layers for the images, or `None`.
        repeat: Whether each iteration gives the same batches, as for validation.

    Returns:
        `tf.data.Dataset` of images `(classes * examples, ...)` and int32 labels
        `(classes * examples,)`, as many batches as hold the number of examples once.

    Raises:
        ValueError: If there are fewer classes, a class has fewer examples, or the
            shapes do not fit.
        TypeError: If labels are no whole numbers.

    Example:

    >>> images, labels = np.arange(12.0), np.repeat([3, 5, 8], 4)
    >>> batches = class_batches(images, labels, classes=2, examples=3)
    >>> len(batches), sorted(set(next(iter(batches))[1].numpy().tolist()))[:1] in (
    ...     [3], [5])
    (2, True)

    Reference:
        Hermans et al., 2017, https://arxiv.org/abs/1703.07737, section 2: P classes,
        K examples of each
    """
    how = {"classes": classes, "examples": examples, "augment": augment}
    return sampled(images, labels, seed=seed, repeat=repeat, **how)[0]


def pairs(images, labels, *, batch_size, seed=0, augment=None, repeat=False):
    """Make pairs of images, half of them of one class, for networks of two inputs.

    In an epoch each example comes first in one pair; the second is drawn from the same
    class, but not the same example, or evenly from all of the others.

    Args:
        images: Array of shape `(n, height, width, channels)`, or of other examples.
        labels: Whole numbers of shape `(n,)`, the classes.
        batch_size: Pairs in a batch, the last of an epoch may be smaller.
        seed: Integer that everything random follows from.
        augment: Keras layers for the images, or `None`.
        repeat: Whether each iteration gives the same batches, as for validation.

    Returns:
        `tf.data.Dataset` of `((first, second), same)`, where `same` has the shape
        `(batch, 1)`: 1.0 for pairs of one class, 0.0 for others.

    Raises:
        ValueError: If there is but one class, a class has one example, or the shapes
            do not fit.
        TypeError: If labels are no whole numbers.

    Example:

    >>> images, labels = np.arange(12.0), np.repeat([3, 5, 8], 4)
    >>> (first, second), same = next(iter(pairs(images, labels, batch_size=6)))
    >>> ((first.numpy() // 4 == second.numpy() // 4) == (same.numpy()[:, 0] == 1)).all()
    np.True_
    """
    how = {"batch_size": batch_size, "augment": augment}
    return paired(images, labels, seed=seed, repeat=repeat, **how)[0]


def sampled(images, labels, *, classes, examples, seed, augment=None, repeat=False):
    """Make `class_batches`, and the counter of its epochs.

    Args:
        images: As there.
        labels: As there.
        classes: As there.
        examples: As there.
        seed: As there.
        augment: As there.
        repeat: As there.

    Returns:
        `tf.data.Dataset`, and the `tf.Variable` that names the epoch to come.

    Raises:
        ValueError: As there.

    Example:

    >>> options = {"classes": 2, "examples": 2, "seed": 0}
    >>> batches, counter = sampled(np.arange(8.0), np.arange(8) % 2, **options)
    >>> len(list(batches)), int(counter)
    (2, 1)
    """
    held, begins, counts = _grouped(images, labels)
    for name, value in (("classes", classes), ("examples", examples)):
        if type(value) is not int or value < 2:
            raise ValueError(f"{name} needs to be 2, 3, ..., received {value!r}.")
    if classes > len(counts):
        raise ValueError(
            f"batches of {classes} classes need as many, and there are {len(counts)}: "
            "take fewer."
        )
    if examples > min(counts):
        label = held[1][begins[np.argmin(counts)]]
        raise ValueError(
            f"batches of {examples} examples of a class need as many of each, and "
            f"class {int(label)} has {min(counts)}: add examples, or leave it out."
        )
    most, sizes = len(counts), counts
    begins, counts = tf.constant(begins, tf.int32), tf.constant(counts, tf.int32)

    def rows(seed, step):
        slots = step * classes + tf.range(classes)
        chosen = order.shuffled(slots % most, most, order.derive(seed, 0))

        def of_one(slot_and_class):
            slot, number = slot_and_class[0], slot_and_class[1]
            count = counts[number]
            places = (slot // most * examples + tf.range(examples)) % count
            own = order.derive(seed, 1, number)
            return begins[number] + order.shuffled(places, count, own)

        found = tf.map_fn(of_one, tf.stack([slots, chosen], 1))
        return tf.reshape(found, [classes * examples])

    def pick(seed, step):
        at = rows(seed, step)
        return tf.gather(held[0], at), tf.gather(held[1], at)

    steps = -(-sum(sizes) // (classes * examples))
    return _in_epochs(pick, held[0], steps, seed, augment, repeat)


def paired(images, labels, *, batch_size, seed, augment=None, repeat=False):
    """Make `pairs`, and the counter of its epochs.

    Args:
        images: As there.
        labels: As there.
        batch_size: As there.
        seed: As there.
        augment: As there.
        repeat: As there.

    Returns:
        `tf.data.Dataset`, and the `tf.Variable` that names the epoch to come.

    Raises:
        ValueError: As there.

    Example:

    >>> images, options = np.arange(8.0), {"batch_size": 3, "seed": 0}
    >>> batches, counter = paired(images, np.arange(8) % 2, **options)
    >>> len(list(batches)), int(counter)
    (3, 1)
    """
    held, begins, counts = _grouped(images, labels)
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"batch_size needs to be 1, 2, ..., received {batch_size!r}.")
    if len(counts) < 2 or min(counts) < 2:
        label = held[1][begins[np.argmin(counts)]]
        raise ValueError(
            "pairs need two classes and two examples of each, received "
            f"{len(counts)} classes, of which {int(label)} has {min(counts)}."
        )
    total = sum(counts)
    own = np.repeat(np.arange(len(counts)), counts)
    begin = tf.constant(np.array(begins)[own], tf.int32)
    count = tf.constant(np.array(counts)[own], tf.int32)

    def pick(seed, step):
        slots = tf.range(step * batch_size, tf.minimum((step + 1) * batch_size, total))
        first = order.shuffled(slots, total, order.derive(seed, 0))
        from_, many = tf.gather(begin, first), tf.gather(count, first)
        share = tf.random.stateless_uniform(
            tf.shape(slots), order.derive(seed, 1, step)
        )
        # a whole number below a bound, which rounding may reach
        inside = tf.minimum(
            tf.cast(share * tf.cast(many - 1, tf.float32), tf.int32), many - 2
        )
        others = total - many
        outside = tf.minimum(
            tf.cast(share * tf.cast(others, tf.float32), tf.int32), others - 1
        )
        alike = from_ + (first - from_ + 1 + inside) % many
        apart = tf.where(outside < from_, outside, outside + many)
        same = slots % 2 == 0
        second = tf.where(same, alike, apart)
        two = tuple(tf.gather(held[0], rows) for rows in (first, second))
        return two, tf.cast(same, tf.float32)[:, None]

    return _in_epochs(pick, held[0], -(-total // batch_size), seed, augment, repeat)


def _grouped(images, labels):
    """Sort examples by class; give them, where each class begins, and its size."""
    images, labels = np.asarray(images), np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"labels need to be whole numbers, received {labels.dtype}: pass "
            "labels.astype('int32')."
        )
    if labels.ndim != 1 or len(images) != len(labels) or not len(labels):
        raise ValueError(
            "every example needs one label, received images of shape "
            f"{images.shape} and labels of shape {labels.shape}."
        )
    by_class = np.argsort(labels, kind="stable")
    labels = labels[by_class].astype("int32")
    _, begins, counts = np.unique(labels, return_index=True, return_counts=True)
    with tf.device("CPU:0"):
        held = tf.constant(images[by_class]), tf.constant(labels)
    return held, begins.tolist(), counts.tolist()


def _in_epochs(pick, images, steps, seed, augment, repeat):
    """Make the batches of each epoch, augmented."""
    seed, counter = order.root_seed(seed), order.epoch_counter()
    augmentation = None
    if augment:
        span = float(tf.reduce_min(images)), float(tf.reduce_max(images))
        augmentation = Augmentation(augment, tuple(images.shape[1:]), span)

    def one(epoch, step):
        inputs, target = pick(order.derive(seed, epoch), step)
        if augmentation is not None:
            own = order.derive(seed, epoch, 1, step)
            both = tf.nest.flatten(inputs)
            moved = [augmentation(x, order.derive(own, n)) for n, x in enumerate(both)]
            inputs = tf.nest.pack_sequence_as(inputs, moved)
        return epoch, step, inputs, target

    clock = tf.data.Dataset.range(steps, output_type=tf.int32)
    if repeat:
        zero = tf.constant(0, tf.int64)
        batches = clock.map(lambda step: one(zero, step)[2:])
        return batches.prefetch(tf.data.AUTOTUNE), counter
    # what reads a variable cannot run in parallel; the rest can
    clock = clock.map(lambda step: (counter.read_value(), step))
    parallel = None if augmentation and not augmentation.parallel else tf.data.AUTOTUNE
    batches = clock.map(one, num_parallel_calls=parallel)
    return order.hand_out(batches, counter, steps), counter
