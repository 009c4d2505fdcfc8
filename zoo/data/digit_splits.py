"""The fixed splits of the 1,797 handwritten digits that scikit-learn carries."""

import functools
import hashlib

import numpy as np

HELD_OUT = 30  # images of each class, for dev and again for test


@functools.cache
def digit_splits():
    """Read the digits and divide them into train, dev and test.

    Within each class the images are ordered by the hash of their pixels; the first
    30 are for testing, the next 30 for choosing. So 1,197 / 300 / 300, whatever the
    versions of the libraries.

    Returns:
        Images, `uint8` of shape `(1797, 8, 8, 1)` and values 0 to 255; labels,
        `int64`; and the numbers of the images in `"train"`, `"dev"` and `"test"`,
        class by class. All arrays are shared and read-only.

    Example:

    >>> images, labels, members = digit_splits()
    >>> {split: len(numbers) for split, numbers in members.items()}
    {'train': 1197, 'dev': 300, 'test': 300}
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # 0..16 to 0..255
    images = np.round(np.asarray(images) * (255 / 16)).astype("uint8")
    images, labels = images.reshape(-1, 8, 8, 1), np.asarray(labels, "int64")
    parts = {"train": [], "dev": [], "test": []}
    for digit in range(10):
        ordered = sorted(
            np.flatnonzero(labels == digit),
            key=lambda index: hashlib.sha256(images[index].tobytes()).digest(),
        )
        parts["test"] += ordered[:HELD_OUT]
        parts["dev"] += ordered[HELD_OUT : 2 * HELD_OUT]
        parts["train"] += ordered[2 * HELD_OUT :]
    members = {split: np.array(numbers) for split, numbers in parts.items()}
    for array in (images, labels, *members.values()):
        array.flags.writeable = False
    return images, labels, members
