"""The 1,797 handwritten digits that scikit-learn carries, as a builder of
tensorflow-datasets.

Import this module only where the set is wanted: it imports tensorflow-datasets.
"""

import hashlib

import numpy as np
import tensorflow_datasets as tfds

HELD_OUT = 30  # images of each class, for validation and again for testing


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
        images, labels = _images_and_labels()
        parts = {"train": [], "validation": [], "test": []}
        for digit in range(self.DIGITS):
            members = sorted(
                np.flatnonzero(labels == digit),
                key=lambda index: hashlib.sha256(images[index].tobytes()).digest(),
            )
            parts["test"] += members[:HELD_OUT]
            parts["validation"] += members[HELD_OUT : 2 * HELD_OUT][: self.SHOTS]
            parts["train"] += members[2 * HELD_OUT :][: self.SHOTS]
        return {
            name: self._generate_examples(images[members], labels[members])
            for name, members in parts.items()
        }

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


def _images_and_labels():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # 0..16 to 0..255
    images = np.round(np.asarray(images) * (255 / 16)).astype("uint8")
    return images.reshape(-1, 8, 8, 1), np.asarray(labels)
