"""The 1,797 handwritten digits that scikit-learn carries, as a builder of
tensorflow-datasets.

Import this module only where the set is wanted: it imports tensorflow-datasets.
"""

import numpy as np
import tensorflow_datasets as tfds

from .digit_splits import digit_splits


class Digits(tfds.core.GeneratorBasedBuilder):
    """Builder of `digits`: 8x8 grey images of ten digits, no network needed.

    The splits are stratified and fixed: within each class the images are ordered by
    the hash of their pixels; the first 30 are for testing, the next 30 for
    validation. So 1,197 / 300 / 300, whatever the versions of the libraries.

    Example:

    >>> import tempfile
    >>> Digits(data_dir=tempfile.mkdtemp()).info.features["label"].num_classes
    10

    Reference:
        Alpaydin and Kaynak, 1998, Optical Recognition of Handwritten Digits,
        https://doi.org/10.24432/C50P49
    """

    # which classes, from 0 on, and how many images of each to train and choose by
    DIGITS, SHOTS = 10, None

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Fixed stratified splits of 1,197 / 300 / 300."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Handwritten digits of 13 people, 32x32 bitmaps counted in blocks of "
                "4x4 into 8x8 images of 17 grey levels: the test part of the UCI set, "
                "as scikit-learn carries it."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=self.DIGITS),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://doi.org/10.24432/C50P49",
            citation=(
                "Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of "
                "Handwritten Digits. UCI Machine Learning Repository."
            ),
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager):
        images, labels, members = digit_splits()
        chosen = {
            split: self._choose(split, labels, members[split]) for split in members
        }
        return {
            "validation" if split == "dev" else split: self._generate_examples(
                images[numbers], labels[numbers]
            )
            for split, numbers in chosen.items()
        }

    def _choose(self, split, labels, members):
        """Take the first images of each digit that this set has."""
        shots = None if split == "test" else self.SHOTS
        of_digits = [members[labels[members] == n][:shots] for n in range(self.DIGITS)]
        return np.concatenate(of_digits)

    def _generate_examples(self, images, labels):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": image, "label": int(label)}


class DigitsSeven(Digits):
    """Builder of `digits_seven`: the images of `digits` that show 0 to 6.

    Example:

    >>> import tempfile
    >>> builder = DigitsSeven(data_dir=tempfile.mkdtemp())
    >>> builder.info.features["label"].num_classes
    7
    """

    DIGITS = 7
    RELEASE_NOTES = {"1.0.0": "The splits of digits 1.0.0 without 7, 8 and 9."}


class DigitsUnseen(Digits):
    """Builder of `digits_unseen`: 0 to 6 to learn from, 7 to 9 to be tested by.

    Training and validation are those of `digits` for 0 to 6; the test split is every
    image of 7, 8 and 9, of which none is in the others.

    Example:

    >>> import tempfile
    >>> builder = DigitsUnseen(data_dir=tempfile.mkdtemp())
    >>> builder.info.features["label"].num_classes
    10
    """

    SEEN = 7
    RELEASE_NOTES = {"1.0.0": "0 to 6 of digits 1.0.0, tested by all of 7 to 9."}

    def _split_generators(self, dl_manager):
        images, labels, members = digit_splits()
        every = np.concatenate([members[split] for split in ("train", "dev", "test")])
        chosen = {
            "train": members["train"][labels[members["train"]] < self.SEEN],
            "validation": members["dev"][labels[members["dev"]] < self.SEEN],
            "test": every[labels[every] >= self.SEEN],
        }
        return {
            split: self._generate_examples(images[numbers], labels[numbers])
            for split, numbers in chosen.items()
        }


class DigitsFew(Digits):
    """Builder of `digits_few`: five images of each digit to train on.

    They are the first of the training split of `digits`; as many of its validation
    split are there to choose by, and the whole test split.

    Example:

    >>> import tempfile
    >>> DigitsFew(data_dir=tempfile.mkdtemp()).SHOTS
    5
    """

    SHOTS = 5
    RELEASE_NOTES = {"1.0.0": "Splits of 50 / 50 / 300, from those of digits 1.0.0."}
