"""Comparisons of two embeddings, against their formulas in plain NumPy and SciPy."""

import keras
import numpy as np
import pytest
from conformance.gradients import directions_for, gradients, slope
from scipy.spatial import distance as theirs

from kerasmith import layers

DISTANCES = {
    "euclidean": theirs.euclidean,
    "squared": theirs.sqeuclidean,
    "cosine": theirs.cosine,
}
DTYPES = ("float32", "mixed_float16", "mixed_bfloat16")
every_kind = pytest.mark.parametrize("kind", list(DISTANCES))
every_feature = pytest.mark.parametrize("kind", ["absolute", "chi_square"])


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def slopes(layer, *arrays):
    """Give the gradients of the sum of what a layer gives."""
    found = gradients(lambda pair: keras.ops.sum(layer(pair)), list(arrays))
    return [np.asarray(gradient) for gradient in found]


@every_kind
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 3)], ids=str)
def test_distances_are_those_of_scipy(kind, shape):
    a, b = drawn(*shape), drawn(*shape, seed=1)
    found = numbers(layers.PairDistance(kind)([a, b]))
    assert found.shape == (*shape[:-1], 1)
    for place in np.ndindex(shape[:-1]):
        exact = DISTANCES[kind](a[place].astype(float), b[place].astype(float))
        assert found[place][0] == pytest.approx(exact, rel=1e-5, abs=1e-6)


def test_features_are_those_of_deep_face():
    a, b = np.abs(drawn(3, 7)), np.abs(drawn(3, 7, seed=1))
    a[0, :3] = b[0, 1:4] = 0
    found = [
        numbers(layers.PairFeatures(k)([a, b])) for k in ("absolute", "chi_square")
    ]
    for i, j in np.ndindex(3, 7):
        one, other = float(a[i, j]), float(b[i, j])
        assert found[0][i, j] == pytest.approx(abs(one - other), rel=1e-6)
        square = (one - other) ** 2
        chi = square / (one + other) if one + other else 0.0
        assert found[1][i, j] == pytest.approx(chi, rel=1e-5)


def test_the_chi_square_of_signed_features_is_bounded_by_their_sizes():
    a, b = drawn(40, 7), drawn(40, 7, seed=1)
    b[:20] = -a[:20] * np.float32(1 + 1e-6)  # sums near 0
    found = numbers(layers.PairFeatures("chi_square")([a, b]))
    sizes = np.abs(a) + np.abs(b)
    np.testing.assert_allclose(found, (a - b) ** 2 / sizes, rtol=1e-4)


def test_the_cosine_of_a_small_angle_keeps_its_digits():
    angles = np.array([0.0, 1e-4, 1e-3])
    a = np.repeat([[1.0, 0.0]], 3, axis=0)
    b = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = numbers(layers.PairDistance("cosine")([a, b]))[:, 0]
    np.testing.assert_allclose(found, 2 * np.sin(angles / 2) ** 2, rtol=1e-3)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_the_cosine_knows_no_size(size):
    a, b = drawn(3, 7), drawn(3, 7, seed=1)
    layer = layers.PairDistance("cosine")
    found = numbers(layer([(size * a.astype(float)).astype("float32"), b]))
    np.testing.assert_allclose(found, numbers(layer([a, b])), rtol=1e-5)


@every_kind
def test_equal_embeddings_have_no_distance_and_no_slope(kind):
    a = drawn(3, 7)
    a[0] = 0
    layer = layers.PairDistance(kind)
    zero = [[1.0], [0], [0]] if kind == "cosine" else np.zeros((3, 1))
    np.testing.assert_allclose(numbers(layer([a, a])), zero, atol=1e-12)
    for found in slopes(layer, a, a.copy()):
        np.testing.assert_array_equal(found, 0)


def test_zeros_have_the_cosine_distance_1_of_everything():
    a, b = np.zeros((2, 5), "float32"), drawn(2, 5)
    layer = layers.PairDistance("cosine")
    np.testing.assert_allclose(numbers(layer([a, b])), 1, rtol=1e-6)
    of_zeros, of_others = slopes(layer, a, b)
    np.testing.assert_array_equal(of_zeros, 0)
    np.testing.assert_allclose(of_others, 0, atol=1e-6)


@every_kind
def test_the_gradient_of_a_distance_is_its_slope(kind):
    arrays = [drawn(3, 7), drawn(3, 7, seed=1)]

    def function(pair):
        distances = layers.PairDistance(kind)(pair)
        return keras.ops.sum(keras.ops.multiply(distances, drawn(3, 1, seed=2)))

    check_slope(function, arrays)


@every_feature
def test_the_gradient_of_features_is_their_slope(kind):
    arrays = [drawn(3, 7), drawn(3, 7, seed=1)]
    arrays = [np.abs(array) + np.float32(0.2) for array in arrays]
    arrays[0] += (np.abs(arrays[0] - arrays[1]) < 0.1) * np.float32(0.2)  # no corner

    def function(pair):
        features = layers.PairFeatures(kind)(pair)
        return keras.ops.sum(keras.ops.multiply(features, drawn(3, 7, seed=2)))

    check_slope(function, arrays, 1e-3)


def check_slope(function, arrays, step=1e-2):
    found = gradients(function, arrays)
    for seed in range(3):
        along = directions_for(arrays, seed)
        total = sum(np.sum(g * d) for g, d in zip(found, along, strict=True))
        expected = slope(function, arrays, along, step)
        assert total == pytest.approx(expected, rel=5e-3, abs=5e-3)


def test_the_chi_square_has_finite_slopes_at_and_near_nothing():
    a = np.array([[0.0, 0, 0, 1e-16, 1e-10, 1e-10, 2]], "float32")
    b = np.array([[0.0, 3, 1e-30, 0, 0, 1e-10, 0]], "float32")
    # r (2 - r) of r = (a - b) / (a + b), and the same turned round
    expected = [[0, -3, 0, 0, 1, 0, 1]], [[0, 1, 0, 0, -3, 0, -3]]
    found = slopes(layers.PairFeatures("chi_square"), a, b)
    np.testing.assert_allclose(np.stack(found), expected, atol=1e-5)


def test_equal_features_have_no_slope():
    a = np.abs(drawn(3, 7))
    for kind in ("absolute", "chi_square"):
        for found in slopes(layers.PairFeatures(kind), a, a.copy()):
            np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.mark.parametrize("policy", DTYPES[1:])
def test_half_precision_squares_neither_overflow_nor_vanish(policy):
    large = np.full((1, 3), 300, "float32"), np.zeros((1, 3), "float32")
    small = np.full((1, 3), 3e-4, "float32"), np.zeros((1, 3), "float32")
    for pair, length in ((large, 300 * 3**0.5), (small, 3e-4 * 3**0.5)):
        layer = layers.PairDistance(dtype=policy)
        found = layer(list(pair))
        assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
        np.testing.assert_allclose(numbers(found), length, rtol=0.01)
    chi = layers.PairFeatures("chi_square", dtype=policy)
    np.testing.assert_allclose(numbers(chi(list(large))), 300, rtol=0.01)


@pytest.mark.parametrize("layer", [layers.PairDistance, layers.PairFeatures])
@pytest.mark.parametrize(
    "inputs",
    [
        np.ones((2, 3)),
        [np.ones((2, 3))],
        [np.ones((2, 3))] * 3,
        [np.ones((2, 3)), np.ones((2, 4))],
        [np.ones((2, 3)), np.ones((2, 1, 3))],
    ],
    ids=["one", "list_of_one", "three", "widths", "ranks"],
)
def test_anything_but_two_alike_is_refused(layer, inputs):
    with pytest.raises(ValueError, match="call it on a list of two such tensors"):
        layer()(inputs)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'squared', 'cosine', received kind='l1'"):
        layers.PairDistance("l1")
    with pytest.raises(ValueError, match="'chi_square', received kind='product'"):
        layers.PairFeatures("product")
