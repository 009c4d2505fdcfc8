"""Weights of pixels against the paper's formula, by brute force over all pixels."""

import math

import numpy as np
import pytest
import tensorflow as tf

from kerasmith.zoo import data


def drawn(*shape, objects=4, seed=0):
    """Draw objects of a few pixels each at random places."""
    draw = np.random.default_rng(seed)
    instances = np.zeros(shape, int)
    for number in range(1, objects + 1):
        top, left = (draw.integers(0, max(size - 2, 1)) for size in shape)
        instances[top : top + 2, left : left + 3] = number
    return instances


def by_brute_force(instances, w0, sigma):
    """Give the second term at each pixel of the background."""
    numbers = sorted(set(instances.flat) - {0})
    term = np.zeros(instances.shape)
    for at in np.ndindex(instances.shape):
        if instances[at] or len(numbers) < 2:
            continue
        nearest = []
        for number in numbers:
            pixels = zip(*np.where(instances == number), strict=True)
            nearest.append(min(math.dist(at, pixel) for pixel in pixels))
        first, second = sorted(nearest)[:2]
        term[at] = w0 * math.exp(-((first + second) ** 2) / (2 * sigma**2))
    return term


@pytest.mark.parametrize("shape", [(7, 11), (1, 13), (9, 4), (15, 15)], ids=str)
@pytest.mark.parametrize("w0, sigma", [(10.0, 5.0), (3.5, 1.2)])
def test_the_formula_with_instances(shape, w0, sigma):
    for seed in range(3):
        instances = drawn(*shape, seed=seed)
        mask = (instances > 0) * (1 + instances % 2)
        found = data.boundary_weights(mask, instances, w0=w0, sigma=sigma)
        expected = 1 + by_brute_force(instances, w0, sigma)
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def components(mask):
    """Number what hangs together of one class, over sides, by filling."""
    objects, number = np.zeros(mask.shape, int), 0
    for start in np.ndindex(mask.shape):
        if not mask[start] or objects[start]:
            continue
        number += 1
        todo = [start]
        while todo:
            row, column = todo.pop()
            inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
            if inside and mask[row, column] == mask[start] and not objects[row, column]:
                objects[row, column] = number
                todo += [(row - 1, column), (row + 1, column)]
                todo += [(row, column - 1), (row, column + 1)]
    return objects


def test_without_instances_the_objects_are_what_hangs_together():
    for seed in range(5):
        mask = np.random.default_rng(seed).choice([0, 1, 2], (6, 9), p=[0.7, 0.2, 0.1])
        expected = 1 + by_brute_force(components(mask), 10, 5)
        np.testing.assert_allclose(data.boundary_weights(mask), expected, rtol=1e-5)


@pytest.mark.parametrize("mask", [np.zeros((3, 5), int), np.eye(1, 7, 3, dtype=int)])
def test_fewer_than_two_objects_leave_the_weights_of_the_classes(mask):
    np.testing.assert_array_equal(data.boundary_weights(mask), 1)
    found = data.boundary_weights(mask, class_weights=[0.5, 3.0])
    np.testing.assert_array_equal(found, np.where(mask == 1, 3.0, 0.5))


def test_balanced_classes_weigh_alike():
    mask = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 3, 0]])
    weights = data.boundary_weights(mask, w0=0, class_weights="balanced")
    sums = [weights[mask == c].sum() for c in (0, 1, 3)]
    np.testing.assert_allclose(sums, 10 / 3, rtol=1e-6)


def test_ignored_pixels_have_weight_0_and_are_no_object():
    mask = np.array([[1, 0, 0, 2, 0, 255, 255]])
    instances = np.array([[1, 0, 0, 2, 0, 3, 0]])
    rest = mask * (mask < 255)
    for given in ((), (instances,)):
        found = data.boundary_weights(mask, *given, ignore_class=255)
        expected = data.boundary_weights(rest)
        np.testing.assert_array_equal(found[0, :5], expected[0, :5])
        assert np.all(found[0, 5:] == 0)
    found = data.boundary_weights(
        mask, ignore_class=255, class_weights="balanced", w0=0
    )
    assert found.sum() == pytest.approx(5)


def test_a_pipeline_gives_them_for_one_mask_and_for_batches():
    canvas = data.digits_canvas("train", 5, size=(33, 48))
    masks = canvas.arrays()["masks"]
    expected = [data.boundary_weights(mask, sigma=3.0) for mask in masks]
    add = data.with_boundary_weights(sigma=3.0)
    seen = []
    for _, mask, weights in canvas.dataset(2, "masks").map(add):
        assert weights.shape == mask.shape
        seen += list(weights.numpy())
    np.testing.assert_array_equal(seen, expected)
    columns = tf.data.Dataset.from_tensor_slices((masks, masks[..., None]))
    for pipeline in (columns.map(add), columns.batch(3).map(add).unbatch()):
        found = [weights.numpy() for _, _, weights in pipeline]
        np.testing.assert_array_equal(found, expected)


def test_a_pipeline_hands_on_the_instances():
    canvas = data.digits_canvas("train", 3, size=(33, 48), digits=(4, 6))
    arrays = canvas.arrays()
    parts = arrays["images"], arrays["masks"], arrays["instances"]
    pipeline = tf.data.Dataset.from_tensor_slices(parts)
    for number, (_, mask, weights) in enumerate(
        pipeline.map(data.with_boundary_weights())
    ):
        expected = data.boundary_weights(mask.numpy(), arrays["instances"][number])
        np.testing.assert_array_equal(weights, expected)


def test_unknown_sizes_stay_unknown():
    spec = tf.TensorSpec((None, None, 1), tf.uint8)
    source = tf.data.Dataset.from_generator(
        lambda: iter([np.eye(3, 5, dtype="uint8")[..., None]]), output_signature=spec
    )
    pipeline = source.map(lambda m: (m, m)).map(data.with_boundary_weights())
    assert pipeline.element_spec[2].shape.as_list() == [None, None]
    ((_, _, weights),) = pipeline
    expected = data.boundary_weights(np.eye(3, 5, dtype=int))
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    "arguments, keywords, message",
    [
        ([np.zeros((2, 3))], {}, "whole numbers of shape.*received float64"),
        ([np.zeros((1, 2, 3), int)], {}, r"received int64 of shape \(1, 2, 3\)"),
        ([np.zeros((2, 3), int), np.zeros((3, 2), int)], {}, "the same pixels"),
        ([np.zeros((2, 3), int)], {"sigma": 0}, "sigma above 0, received w0=10.0, s"),
        ([np.full((2, 3), 2)], {"class_weights": [1, 2]}, r"2 class_weights.*\[2\]"),
        ([np.zeros((2, 3), int)], {"class_weights": "equal"}, "received 'equal'"),
    ],
)
def test_what_cannot_be_right_is_refused(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        data.boundary_weights(*arguments, **keywords)


def test_masks_of_a_shape_that_cannot_be_are_refused():
    for shape, message in (((2, 3, 5, 4), "not one-hot rows"), ((5,), "received")):
        pairs = tf.data.Dataset.from_tensors((0, np.zeros(shape, "int32")))
        with pytest.raises(ValueError, match=message):
            pairs.map(data.with_boundary_weights())
