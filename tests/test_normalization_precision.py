"""Normalisation of numbers that are hard for their dtype, and gradients twice."""

import keras
import numpy as np
import pytest
from normalized import (
    drawn,
    grouped,
    numbers,
    outcome,
    standardized,
    with_drawn_weights,
)

from kerasmith import layers

BUILT = {
    "group": lambda **keywords: layers.GroupNormalization(2, epsilon=1e-5, **keywords),
    "instance": layers.InstanceNormalization,
    "batch": lambda **keywords: layers.BatchNormalization(epsilon=1e-5, **keywords),
}
AXES = {"instance": (1, 2), "batch": (0, 1, 2)}


def expected_of(name, x):
    if name == "group":
        return grouped(x, 2, 1e-5)
    return standardized(x, AXES[name], 1e-5)


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_large_mean_cancels_no_digits(name, compiled):
    x = drawn(8, 32, 32, 4, mean=1e4, deviation=1.0)
    layer = BUILT[name]()
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    if compiled and keras.backend.backend() == "torch":
        pytest.skip("torch.compile translates for minutes what XLA does in seconds")
    y = trained_outputs(model, x, compiled)
    # batch norm sums without a shift; 1e4 has three digits behind the point
    tolerance = 0.05 if name == "batch" else 2e-3
    np.testing.assert_allclose(y, expected_of(name, x), 0, tolerance)
    assert np.std(y) == pytest.approx(1, abs=2e-3)


def trained_outputs(model, x, compiled):
    """Give what comes out in training, under XLA if compiled."""
    if not compiled or keras.backend.backend() == "jax":
        return numbers(model(x, training=True))
    import tensorflow as tf

    return numbers(tf.function(model, jit_compile=True)(x, training=True))


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_overflow(name, policy):
    half = policy.removeprefix("mixed_")
    signs = np.sign(drawn(4, 8, 6, 4, mean=0))
    x = keras.ops.cast(6e4 * signs + drawn(4, 8, 6, 4, deviation=100), half)
    layer = BUILT[name](dtype=policy)
    y = numbers(layer(x, training=True))
    np.testing.assert_allclose(y, expected_of(name, numbers(x)), 0, 0.02)
    if name == "batch":
        variance = numbers(x).var((0, 1, 2), ddof=1)
        moved = numbers(layer.moving_variance)
        np.testing.assert_allclose(moved, 0.99 + 0.01 * variance, 1e-3)


@pytest.mark.parametrize("name", ["group", "instance"])
def test_gradients_of_a_large_mean_are_right(name):
    x = drawn(4, 16, 16, 4, mean=1e4, deviation=1.0)
    # what float32 keeps of x, about 0: the gradient is the same
    moved = (x.astype("float64") - 1e4).astype("float32")
    layer = with_drawn_weights(BUILT[name](), x.shape)
    far, near = (outcome(layer, inputs)[1:4] for inputs in (x, moved))
    for one, other in zip(far, near, strict=True):
        np.testing.assert_allclose(one, other, 0, 0.02 * np.max(np.abs(other)))


# Gradients of gradients


@pytest.mark.parametrize("name", BUILT)
def test_a_penalty_on_the_gradient_can_be_differentiated(name):
    x = drawn(3, 4, 3, 4)
    peers = {
        "group": keras.layers.GroupNormalization(2, epsilon=1e-5),
        "instance": keras.layers.GroupNormalization(-1, epsilon=1e-5),
        "batch": keras.layers.BatchNormalization(epsilon=1e-5),
    }
    found, expected = (
        penalty_slope(lambda x, layer=layer: layer(x, training=True), layer, x)
        for layer in (BUILT[name](), peers[name])
    )
    np.testing.assert_allclose(found, expected, 1e-3, 1e-3 * np.max(np.abs(expected)))


def penalty_slope(function, layer, x):
    """Differentiate the squared norm of the slope of the sum of the outputs' cubes."""
    layer.build(x.shape)

    def scalar(x):
        with keras.StatelessScope():
            return keras.ops.sum(function(x) ** 3)

    return numbers(_SECOND[keras.backend.backend()](scalar, x))


def _second_tensorflow(scalar, x):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = scalar(x)
        penalty = keras.ops.sum(keras.ops.square(inner.gradient(value, x)))
    return outer.gradient(penalty, x)


def _second_jax(scalar, x):
    import jax

    return jax.grad(lambda x: (jax.grad(scalar)(x) ** 2).sum())(jax.numpy.asarray(x))


def _second_torch(scalar, x):
    import torch  # pyright: ignore[reportMissingImports]

    x = torch.tensor(x, requires_grad=True)
    (slope,) = torch.autograd.grad(scalar(x), x, create_graph=True)
    return torch.autograd.grad((slope**2).sum(), x)[0]


_SECOND = {
    "tensorflow": _second_tensorflow,
    "jax": _second_jax,
    "torch": _second_torch,
}
