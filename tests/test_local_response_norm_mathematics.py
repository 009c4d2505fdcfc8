"""Local response normalisation against the paper's formula, and against PyTorch."""

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers


def drawn(*shape, scale=1.0):
    values = scale * np.random.default_rng(0).normal(size=shape)
    return values.astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def of_the_paper(x, n=5, k=2.0, alpha=1e-4, beta=0.75):
    """Compute the equation of section 3.3, channel by channel."""
    count = x.shape[-1]
    result = np.empty(x.shape)
    for i in range(count):
        first, last = max(0, i - n // 2), min(count - 1, i + n // 2)
        squares = sum(x[..., j].astype("float64") ** 2 for j in range(first, last + 1))
        result[..., i] = x[..., i] / (k + alpha * squares) ** beta
    return result


@pytest.mark.parametrize("shape", [(2, 5, 3, 9), (1, 7, 4), (3, 2), (2, 3, 1)])
def test_it_computes_the_equation_of_section_3_3(shape):
    x = drawn(*shape, scale=60.0)
    found = numbers(layers.LocalResponseNormalization()(x))
    np.testing.assert_allclose(found, of_the_paper(x), rtol=1e-5)


@pytest.mark.parametrize(
    "n, k, alpha, beta",
    [(1, 1.0, 0.3, 1.0), (3, 0.5, 0.2, 0.5), (7, 2.0, 1.0, 0.75), (3, 2.0, 0.0, 0.0)],
)
def test_every_number_of_the_equation_counts(n, k, alpha, beta):
    x = drawn(2, 4, 6)
    layer = layers.LocalResponseNormalization(n, k=k, alpha=alpha, beta=beta)
    expected = of_the_paper(x, n, k, alpha, beta)
    np.testing.assert_allclose(numbers(layer(x)), expected, rtol=1e-5)


def test_it_normalizes_over_the_axis_it_is_given():
    x = drawn(2, 6, 3, 4, scale=60.0)
    found = numbers(layers.LocalResponseNormalization(axis=1)(x))
    expected = np.moveaxis(of_the_paper(np.moveaxis(x, 1, -1)), -1, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_results_and_gradients_are_those_of_torch():
    torch = pytest.importorskip("torch")

    x, upstream = drawn(2, 5, 3, 9), drawn(2, 5, 3, 9)[::-1].copy()
    peer = torch.nn.LocalResponseNorm(5, alpha=5 * 0.3, beta=0.75, k=2.0)
    theirs = torch.tensor(x, requires_grad=True)
    expected = peer(theirs.movedim(-1, 1)).movedim(1, -1)
    (expected * torch.tensor(upstream)).sum().backward()

    layer = layers.LocalResponseNormalization(alpha=0.3)
    weights = keras.ops.convert_to_tensor(upstream)
    [slopes] = gradients(lambda inputs: keras.ops.sum(layer(inputs[0]) * weights), [x])
    np.testing.assert_allclose(
        numbers(layer(x)), expected.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(slopes, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_squares_in_half_precision_do_not_overflow(policy):
    x = drawn(2, 5, 3, 9, scale=400.0)  # squares are above 65,504
    layer = layers.LocalResponseNormalization(dtype=policy)
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    np.testing.assert_allclose(numbers(y), of_the_paper(x), rtol=0.02, atol=1e-3)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"size": 4}, "odd size.*size=4"),
        ({"size": 0}, "odd size.*size=0"),
        ({"k": 0}, "k > 0.*k=0"),
        ({"alpha": -1}, "alpha=-1"),
        ({"beta": float("nan")}, "beta=nan"),
    ],
)
def test_bad_arguments_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        layers.LocalResponseNormalization(**keywords)


@pytest.mark.parametrize(
    "axis, shape, message",
    [
        (-1, (3, None), "size of axis -1"),
        (0, (3, 4), "axis=0"),
        (3, (3, 4), "axis=3"),
    ],
)
def test_channels_that_cannot_be_found_are_refused(axis, shape, message):
    with pytest.raises(ValueError, match=message):
        layers.LocalResponseNormalization(axis=axis)(keras.Input(shape))
