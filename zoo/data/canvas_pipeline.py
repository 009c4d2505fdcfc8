"""Batches of a digits canvas for `fit`."""

import numpy as np
import tensorflow as tf

from ..choices import choose
from . import order, pipeline

TARGETS = {
    "masks": lambda arrays: arrays["masks"],
    "boxes": lambda arrays: {
        "boxes": arrays["boxes"].astype("float32"),
        "classes": arrays["classes"],
    },
    "text": lambda arrays: arrays["classes"],
}


def batches(canvas, batch_size, what, shuffle):
    """Make all scenes of a canvas and give them in batches.

    Args:
        canvas: `Canvas`.
        batch_size: Scenes in a batch.
        what: `"masks"`, `"boxes"` or `"text"`.
        shuffle: Whether each pass is in another order.

    Returns:
        `tf.data.Dataset`, as `Canvas.dataset` tells.

    Raises:
        ValueError: If an argument cannot be right, or the images need too much memory.

    Example:

    >>> from kerasmith.zoo import data
    >>> canvas = data.digits_canvas("train", 20, size=(40, 64))
    >>> images, targets = next(iter(batches(canvas, 8, "boxes", True)))
    >>> targets["boxes"].shape.as_list()
    [8, 6, 4]
    """
    target = choose("target", what, TARGETS)
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"batch_size needs to be 1, 2, ..., received {batch_size!r}.")
    _check_memory(canvas)
    arrays = canvas.arrays()
    with tf.device("CPU:0"):
        held = tf.nest.map_structure(
            tf.convert_to_tensor, (arrays["images"], target(arrays))
        )
        rows = tf.range(canvas.count)

    def look_up(rows, _):
        images, targets = tf.nest.map_structure(
            lambda part: tf.gather(part, rows), held
        )
        if what == "masks":
            targets = tf.cast(targets, tf.int32)
        return tf.cast(images, tf.float32) / 255, targets

    part = pipeline.Split(
        canvas.count, lambda: tf.data.Dataset.from_tensor_slices(rows)
    )
    if shuffle:
        seed, counter = order.root_seed(canvas.seed), order.epoch_counter()
        numbers = pipeline.in_epochs(
            part, (rows, rows), None, batch_size, seed, counter
        )
    else:
        numbers = pipeline.in_order(part, (rows, rows), None, batch_size)
    return numbers.map(look_up)


def _check_memory(canvas):
    size = canvas.count * float(np.prod(canvas.size))
    if size > pipeline.HELD_BYTES:
        raise ValueError(
            f"{canvas.count} images of {canvas.size} need {size / 2**30:.1f} GiB, and "
            f"{pipeline.HELD_BYTES / 2**30:.0f} are held in memory at most: ask for "
            "fewer or smaller scenes, or make each when it is wanted with canvas[i]."
        )
