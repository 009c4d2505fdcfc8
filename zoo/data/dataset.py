"""A data set ready for a model."""

import dataclasses
from typing import Any

import keras
import numpy as np

from .description import Description

SPLITS = ("train", "dev", "test")


@dataclasses.dataclass(eq=False)
class Data:
    """A data set ready for a model; `load` makes it.

    `train`, `dev` and `test` are batched `tf.data` pipelines of float32 images and
    int32 labels, or masks of shape `(batch, height, width)`. `train` is shuffled, in
    another order at each iteration, and augmented; the last batch of an epoch may be
    smaller. Sets of up to 2 GiB behind the preprocessing are decoded once and stay in
    memory; larger ones are read anew in each epoch.

    An epoch counts once its last batch was taken. Its order and augmentation follow
    from the seed and its number alone: `seek` makes a resumed run see what the
    uninterrupted one would have seen.

    Args:
        train: Batches for training.
        dev: Batches for choosing, in the order of the source.
        test: Batches for judging, in the order of the source.
        description: `Description`.
        preprocess: Keras layer from raw `uint8` images `(batch, any height, any
            width, channels)` to what the pipelines give; export it with the model.
        steps: Training batches an epoch.
        resized: Whether images have another size than in their source.

    Example:

    >>> from kerasmith.zoo import data
    >>> digits = data.load("digits", batch_size=100)
    >>> digits.steps
    12
    >>> digits.seek(4)  # the next iteration is epoch 4
    >>> images, labels = next(iter(digits.train))
    >>> images.shape.as_list()
    [100, 8, 8, 1]
    """

    train: Any
    dev: Any
    test: Any
    description: Description
    preprocess: keras.Layer
    steps: int
    resized: bool
    _splits: dict = dataclasses.field(repr=False)
    _held: dict = dataclasses.field(repr=False)
    _counter: Any = dataclasses.field(repr=False)
    _ordered: dict = dataclasses.field(repr=False)

    def seek(self, epoch):
        """Choose the epoch that the next iteration over `train` gives.

        Args:
            epoch: Its number, from 0.

        Raises:
            ValueError: If it is negative.
        """
        if epoch < 0:
            raise ValueError(f"epochs count from 0, received epoch={epoch}.")
        self._counter.assign(epoch)

    def raw(self, split):
        """Give the images of a split as they are, for pictures and export checks.

        Args:
            split: `"train"`, `"dev"` or `"test"`.

        Returns:
            Unbatched `tf.data.Dataset` of `uint8` images in their own size, with the
            channels that the model takes, and labels, in the order of `arrays`.

        Raises:
            ValueError: If there is no such split.
        """
        return self._splits[_check_split(split)].read()

    def arrays(self, split):
        """Give a whole split as arrays, in the order of its source, not augmented.

        Args:
            split: `"train"`, `"dev"` or `"test"`.

        Returns:
            Images, float32, and labels, int32.

        Raises:
            ValueError: If there is no such split, or the set is too large to be held
                in memory.
        """
        held = self._held.get(_check_split(split))
        if held is None:
            shape = self.description.input_shape
            size = self.description.counts[split] * float(np.prod(shape)) * 4 / 2**30
            raise ValueError(
                f"the {split} images of {self.description.name} need {size:.1f} GiB "
                "as arrays and are not held in memory: iterate over "
                f"Data.{split}, or load the set with a smaller input_shape."
            )
        images, labels = held
        return images.numpy(), labels.numpy()

    def batches(self, split):
        """Give the batches of a split in the order of its source, not augmented.

        Args:
            split: `"train"`, `"dev"` or `"test"`.

        Returns:
            Batched `tf.data.Dataset`; for `"dev"` and `"test"` those attributes.

        Raises:
            ValueError: If there is no such split.
        """
        return self._ordered[_check_split(split)]

    @property
    def held(self):
        """Whether the set is in memory."""
        return bool(self._held)


def assemble(
    splits,
    description,
    preprocess,
    batch_size,
    seed,
    augment=None,
    hold=True,
    masks=False,
    resized=False,
):
    """Build the pipelines of a set.

    Args:
        splits: `Split` for each of `"train"`, `"dev"` and `"test"`.
        description: `Description`.
        preprocess: Keras layer on batches of raw images.
        batch_size: Images in a batch.
        seed: Integer behind every order and augmentation.
        augment: Keras layers for the training images, or `None`.
        hold: Whether a set that fits is taken into memory.
        masks: Whether there are masks instead of labels.
        resized: Whether images have another size than in their source.

    Returns:
        `Data`.

    Raises:
        ValueError: If `preprocess` gives another shape than described, or a layer of
            `augment` does not fit.

    Example:

    >>> import numpy as np, tensorflow as tf
    >>> from kerasmith.zoo.data import Description
    >>> from kerasmith.zoo.data.pipeline import Split
    >>> part = Split(4, lambda seed=None: tf.data.Dataset.from_tensor_slices(
    ...     (tf.zeros((4, 8, 8, 1), tf.uint8), [0, 1, 0, 1])))
    >>> known = Description("mine", (8, 8, 1), 2, ("a", "b"),
    ...     {"train": 4, "dev": 4, "test": 4}, "", "")
    >>> splits = {"train": part, "dev": part, "test": part}
    >>> assemble(splits, known, keras.layers.Rescaling(1.0), 2, seed=0).steps
    2
    """
    from . import order, pipeline
    from .augmentation import Augmentation
    from .preprocessing import value_range

    shape = description.input_shape
    augmentation = None
    if augment:
        augmentation = Augmentation(
            augment, shape, value_range(preprocess, shape[2]), masks
        )
    held = _hold(splits, preprocess, shape, masks) if hold else {}
    ordered = {
        name: pipeline.in_order(split, held.get(name), preprocess, batch_size)
        for name, split in splits.items()
    }
    counter = order.epoch_counter()
    train = pipeline.in_epochs(
        splits["train"],
        held.get("train"),
        preprocess,
        batch_size,
        order.root_seed(seed),
        counter,
        augmentation,
    )
    return Data(
        train=train,
        dev=ordered["dev"],
        test=ordered["test"],
        description=description,
        preprocess=preprocess,
        steps=-(-splits["train"].count // batch_size),
        resized=resized,
        _splits=splits,
        _held=held,
        _counter=counter,
        _ordered=ordered,
    )


def _hold(splits, preprocess, shape, masks):
    """Take a set into memory where it fits."""
    from . import pipeline

    images = sum(split.count for split in splits.values())
    values = float(np.prod(shape)) + masks * float(np.prod(shape[:2]))
    if images * values * 4 > pipeline.HELD_BYTES:
        return {}
    return {
        name: pipeline.hold(split, preprocess, shape, masks)
        for name, split in splits.items()
    }


def _check_split(split):
    from ..choices import choose

    return choose("split", split, SPLITS)
