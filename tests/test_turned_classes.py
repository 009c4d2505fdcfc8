"""Turned and mirrored images as classes of their own, against PIL's transpositions."""

import numpy as np
import PIL.Image
import pytest

from kerasmith import zoo
from kerasmith.zoo.data import turned_classes
from kerasmith.zoo.recipes.siamese_digits import turned

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 5, 1)).astype("uint8")
LABELS = np.array([2, 0, 1, 2, 0, 0])
T = PIL.Image.Transpose
# what PIL has a word of its own for, by the number that is added for each class
WORDS = {
    1: T.ROTATE_90,
    2: T.ROTATE_180,
    3: T.ROTATE_270,
    4: T.FLIP_LEFT_RIGHT,
    5: T.TRANSPOSE,
    6: T.FLIP_TOP_BOTTOM,
    7: T.TRANSVERSE,
}


def test_each_way_is_that_of_pil_and_has_labels_of_its_own():
    images, labels = turned_classes(IMAGES, LABELS, mirror=True)
    assert images.shape == (48, 5, 5, 1) and images.dtype == "uint8"
    np.testing.assert_array_equal(images[:6], IMAGES)
    np.testing.assert_array_equal(labels[:6], LABELS)
    for way, word in WORDS.items():
        for image, label in zip(IMAGES, LABELS, strict=True):
            picture = PIL.Image.fromarray(image[..., 0]).transpose(word)
            same = np.all(images[..., 0] == np.asarray(picture), axis=(1, 2))
            assert labels[same].tolist() == [label + 3 * way]


def test_by_default_there_are_the_three_turns():
    images, labels = turned_classes(IMAGES, LABELS)
    assert len(images) == 24 and sorted(set(labels)) == list(range(12))


def test_the_digits_recipe_makes_no_nine_of_a_six():
    data = zoo.data.load("digits_unseen", input_shape=(8, 8, 1))
    images, labels = data.arrays("train")
    more, classes = turned(images, labels)
    half = np.asarray(images)[np.asarray(labels) == 6][:, ::-1, ::-1]
    assert not any(np.any(np.all(more == one, axis=(1, 2, 3))) for one in half)
    assert len(set(classes)) == 48


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"images": IMAGES[:, :4]}, ValueError, r"as high as wide.*\(6, 4, 5, 1\)"),
        ({"images": IMAGES[..., 0]}, ValueError, r"received \(6, 5, 5\)"),
        ({"labels": LABELS[:4]}, ValueError, r"6 images.*\(4,\)"),
        ({"labels": LABELS / 2}, TypeError, "whole numbers, received float64"),
        ({"labels": LABELS - 1}, ValueError, "0, 1, .*received -1"),
        ({"turns": (1, 4)}, ValueError, "of 1, 2 and 3, received 4"),
    ],
)
def test_what_does_not_fit_is_told(change, error, message):
    with pytest.raises(error, match=message):
        turned_classes(**{"images": IMAGES, "labels": LABELS, **change})
