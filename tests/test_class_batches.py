"""Batches of several classes, and pairs: counted, and the same for the same seed."""

import collections

import keras
import numpy as np
import pytest

from kerasmith.zoo import data
from kerasmith.zoo.data.class_batches import paired, sampled

# classes of unequal size that are no 0, 1, 2 ...
COUNTS = {3: 5, 4: 9, 11: 4, 12: 13, 40: 7}
LABELS = np.random.default_rng(0).permutation(
    np.repeat(list(COUNTS), list(COUNTS.values()))
)
IMAGES = np.arange(len(LABELS), dtype="float32")  # each is its own number


def epoch(batches):
    return [(x.numpy().astype(int), y.numpy()) for x, y in batches]


def test_a_batch_has_so_many_of_so_many():
    batches = data.class_batches(IMAGES, LABELS, classes=3, examples=4)
    assert len(batches) == -(-len(LABELS) // 12)
    for numbers, labels in epoch(batches):
        assert sorted(collections.Counter(labels).values()) == [4, 4, 4]
        assert len(set(numbers)) == 12
        np.testing.assert_array_equal(LABELS[numbers], labels)


def test_classes_and_examples_take_turns():
    """Over five epochs of four batches: 60 places for classes, 5 of them."""
    batches = data.class_batches(IMAGES, LABELS, classes=3, examples=2)
    for _ in range(5):
        seen = epoch(batches)
        classes = collections.Counter(c for _, y in seen for c in set(y))
        assert max(classes.values()) - min(classes.values()) <= 1
        examples = collections.Counter(n for x, _ in seen for n in x)
        for label in COUNTS:
            times = [examples[n] for n in np.flatnonzero(LABELS == label)]
            assert max(times) - min(times) <= 1


def test_each_epoch_is_another_and_may_be_sought():
    options = {"classes": 2, "examples": 3, "seed": 7}
    batches, counter = sampled(IMAGES, LABELS, **options)
    first, second = epoch(batches), epoch(batches)
    assert any((a[0] != b[0]).any() for a, b in zip(first, second, strict=True))
    again, counter = sampled(IMAGES, LABELS, **options)
    counter.assign(1)
    for a, b in zip(epoch(again), second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    other = data.class_batches(IMAGES, LABELS, **{**options, "seed": 8})
    assert any((a[0] != b[0]).any() for a, b in zip(epoch(other), first, strict=True))


@pytest.mark.parametrize("make", ["class_batches", "pairs"])
def test_for_validation_they_are_the_same_each_time(make):
    how = (
        {"classes": 2, "examples": 2} if make == "class_batches" else {"batch_size": 9}
    )
    batches = getattr(data, make)(IMAGES, LABELS, repeat=True, **how)
    for a, b in zip(batches, batches, strict=True):
        for x, y in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_pairs_are_alike_and_apart():
    batches, counter = paired(IMAGES, LABELS, batch_size=8, seed=1)
    assert len(batches) == -(-len(LABELS) // 8)
    seconds = {True: collections.Counter(), False: collections.Counter()}
    for _ in range(40):
        firsts = []
        for (first, second), same in batches:
            first, second = (x.numpy().astype(int) for x in (first, second))
            assert same.shape[1:] == (1,) and (first != second).all()
            np.testing.assert_array_equal(LABELS[first] == LABELS[second], same[:, 0])
            firsts += first.tolist()
            for kind, n in zip(same.numpy()[:, 0], second, strict=True):
                seconds[bool(kind)][n] += 1
        assert sorted(firsts) == list(range(len(LABELS)))
    assert int(counter) == 40
    # of 19 pairs of one class an epoch each example is second once in 38 / 19 epochs
    for kind in (True, False):
        times = np.array([seconds[kind][n] for n in range(len(LABELS))])
        assert times.sum() == 40 * 19
        assert 5 < times.min() and times.max() < 45


def test_images_are_augmented_anew_and_alike_for_the_same_seed():
    images = np.tile(np.eye(8, dtype="float32")[None, ..., None], (10, 1, 1, 1))
    labels = np.arange(10) % 2

    def make():
        options = {
            "classes": 2,
            "examples": 4,
            "augment": [keras.layers.RandomRotation(0.3)],
        }
        return data.class_batches(images, labels, **options)

    one, other = make(), make()
    first = [x.numpy() for x, _ in one]
    for a, (b, _) in zip(first, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first[0] - images[:8]).max() > 0.1
    assert np.abs(first[0] - next(iter(one))[0].numpy()).max() > 0.1


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: data.class_batches(IMAGES, LABELS, classes=6, examples=2),
            "as many, and there are 5",
        ),
        (
            lambda: data.class_batches(IMAGES, LABELS, classes=2, examples=5),
            "class 11 has 4",
        ),
        (
            lambda: data.class_batches([1, 2, 3], [0, 0, 1], classes=2, examples=2),
            "class 1 has 1",
        ),
        (
            lambda: data.class_batches(IMAGES, LABELS, classes=2, examples=1),
            "examples needs to be 2, 3, ..., received 1",
        ),
        (
            lambda: data.class_batches(IMAGES[1:], LABELS, classes=2, examples=2),
            "every example needs one label",
        ),
        (
            lambda: data.class_batches(IMAGES, LABELS / 2, classes=2, examples=2),
            "whole numbers",
        ),
        (lambda: data.pairs([1, 2, 3], [0, 0, 1], batch_size=2), "of which 1 has 1"),
        (lambda: data.pairs([1, 2], [0, 0], batch_size=2), "received 1 classes"),
        (lambda: data.pairs(IMAGES, LABELS, batch_size=0), "batch_size needs"),
    ],
)
def test_what_cannot_be_sampled_is_told(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
