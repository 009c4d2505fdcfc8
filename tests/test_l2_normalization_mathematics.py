"""Scaling to length 1, in plain NumPy, and where there is no length."""

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_every_vector_is_divided_by_its_length():
    x = drawn(3, 5, 7)
    found = numbers(layers.L2Normalization()(x))
    across = numbers(layers.L2Normalization(axis=1)(x))
    for i, j in np.ndindex(3, 5):
        length = sum(float(v) ** 2 for v in x[i, j]) ** 0.5
        np.testing.assert_allclose(found[i, j], x[i, j] / length, rtol=1e-5)
    for i, j in np.ndindex(3, 7):
        length = sum(float(v) ** 2 for v in x[i, :, j]) ** 0.5
        np.testing.assert_allclose(across[i, :, j], x[i, :, j] / length, rtol=1e-5)


def test_the_gradient_is_what_is_square_to_the_vector():
    """(g - u (u . g)) / length, for u = x / length and a gradient g of the result."""
    x, g = drawn(3, 7), drawn(3, 7, seed=1)
    layer = layers.L2Normalization()
    (found,) = gradients(
        lambda held: keras.ops.sum(keras.ops.multiply(layer(held[0]), g)), [x]
    )
    length = np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    u = x / length
    expected = (g - u * np.sum(u * g, axis=1, keepdims=True)) / length
    np.testing.assert_allclose(np.asarray(found), expected, 1e-4, 1e-5)


def test_a_vector_of_zeros_stays_so_and_spoils_nothing():
    x = drawn(3, 7)
    x[1] = 0
    layer = layers.L2Normalization()
    assert np.all(numbers(layer(x))[1] == 0)
    (found,) = gradients(lambda held: keras.ops.sum(layer(held[0])), [x])
    found = np.asarray(found)
    assert np.all(np.isfinite(found)) and np.all(found[1] == 0)
    assert np.all(np.any(found != 0, axis=1) == [True, False, True])


@pytest.mark.parametrize("size", [1e-30, 1e-4, 300, 1e30])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_lengths_of_any_size_become_1(policy, size):
    size = np.clip(size, 1e-4, 300) if policy == "mixed_float16" else size
    x = np.full((1, 9), size, "float32")
    layer = layers.L2Normalization(dtype=policy)
    found = layer(x)
    assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    np.testing.assert_allclose(numbers(found), 1 / 3, rtol=0.004)


@pytest.mark.parametrize("axis", [0, 1.0, None, [1], True])
def test_an_axis_that_is_none_is_refused(axis):
    with pytest.raises(ValueError, match="whole number other than 0"):
        layers.L2Normalization(axis)


@pytest.mark.parametrize("axis", [2, -2])
def test_an_axis_that_the_inputs_have_not_is_refused(axis):
    with pytest.raises(ValueError, match=r"received shape \(3, 7\)"):
        layers.L2Normalization(axis)(drawn(3, 7))
