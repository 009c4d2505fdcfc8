"""DropConnect against its paper, written out in NumPy."""

import keras
import numpy as np
import pytest
from draws import check_mean, check_variance

from kerasmith import layers

MANY = 20000


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def built(inner, shape, rate=0.3, **keywords):
    layer = layers.DropConnect(inner, rate, seed=1, **keywords)
    layer.build(shape)
    inner.bias.assign(drawn(*inner.bias.shape, seed=2))
    return layer


def moments(v, layer, keep):
    """Give mean and variance over all masks."""
    kernel, bias = map(numbers, layer.layer.weights)
    return keep * v @ kernel + bias, keep * (1 - keep) * v**2 @ kernel**2


@pytest.fixture(params=["at once", "one by one"])
def way(request, monkeypatch):
    if request.param == "one by one":
        monkeypatch.setattr("kerasmith.layers.drop_connect.SMALL", 0)
    return request.param


def test_training_has_the_mean_and_variance_of_masks(way):
    v = drawn(1, 4)
    count = MANY if way == "at once" else 1000
    layer = built(keras.layers.Dense(3), v.shape)
    found = numbers(layer(np.repeat(v, count, axis=0), training=True))
    mean, variance = moments(v, layer, 0.7)
    check_mean(found, mean[0])
    check_variance(found, variance[0])


def test_each_weight_of_each_example_is_dropped_by_itself(way):
    """With powers of 2 the sum tells which weights are left."""
    layer = built(keras.layers.Dense(5, use_bias=True), (None, 6))
    layer.layer.kernel.assign(np.repeat(2.0 ** np.arange(6)[:, None], 5, axis=1))
    layer.layer.bias.assign(np.full(5, 0.5))
    found = numbers(layer(np.ones((400, 6), "float32"), training=True)) - 0.5
    kept = (found[..., None].astype(int) >> np.arange(6)) & 1
    assert np.all(found == found.astype(int))
    check_mean(kept.reshape(400, -1), 0.7)
    together = np.corrcoef(kept.reshape(400, -1).T) - np.eye(30)
    assert np.max(np.abs(together)) < 5 / np.sqrt(400)
    # nor do examples share masks
    assert len(np.unique(found, axis=0)) == 400


def test_two_steps_share_no_mask(way):
    layer = built(keras.layers.Dense(30), (None, 6))
    inputs = np.repeat(drawn(1, 6), 8, axis=0)
    steps = [numbers(layer(inputs, training=True)) for _ in range(3)]
    assert len(np.unique(np.concatenate(steps), axis=0)) == 24


def test_a_mask_for_the_batch_serves_all_its_examples():
    layer = built(keras.layers.Dense(30), (None, 6), per_example=False)
    inputs = np.repeat(drawn(1, 6), 8, axis=0)
    first, second = (numbers(layer(inputs, training=True)) for _ in range(2))
    np.testing.assert_allclose(first[1:], first[:-1], 1e-5)
    assert np.any(first != second)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: keras.layers.Conv1D(2, 3, padding="causal"), (6, 3)),
        (lambda: keras.layers.Conv2D(2, (3, 2), strides=2), (5, 6, 2)),
        (lambda: keras.layers.Conv3D(2, 2, padding="same"), (3, 4, 2, 2)),
        (lambda: keras.layers.EinsumDense("ab,bcd->acd", (2, 3), bias_axes="d"), (4,)),
        (lambda: keras.layers.EinsumDense("...b,bc->...c", 3, bias_axes="c"), (2, 4)),
        (lambda: keras.layers.Dense(3), (2, 2, 4)),
    ],
    ids=["conv1", "conv2", "conv3", "einsum", "ellipsis", "dense_rank_4"],
)
def test_every_kind_has_its_mean(make, shape):
    x = drawn(1, *shape)
    layer = built(make(), x.shape)
    found = numbers(layer(np.repeat(x, 400, axis=0), training=True))
    inner = layer.layer
    inner.kernel.assign(inner.kernel * 0.7)
    check_mean(found, numbers(inner(x))[0])
    # one mask for all positions of an example, another for the next example
    assert len(np.unique(found.reshape(400, -1), axis=0)) > 300


# Inference


def expectation(mean, variance, activation):
    """Integrate an activation over a normal distribution (Gauss and Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = activation(mean[..., None] + np.sqrt(variance)[..., None] * nodes)
    return values @ weights / np.sqrt(2 * np.pi)


ACTIVATIONS = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_inference_is_the_expectation_of_the_activation(activation):
    v = drawn(7, 20)
    layer = built(keras.layers.Dense(6, activation=activation), v.shape)
    mean, variance = moments(v, layer, 0.7)
    expected = expectation(mean, variance, ACTIVATIONS[activation])
    # what the default number of samples leaves, in standard deviations
    error = np.abs(numbers(layer(v)) - expected) / np.sqrt(variance)
    assert np.sqrt(np.mean(error**2)) < 0.015
    plain = np.abs(ACTIVATIONS[activation](mean) - expected) / np.sqrt(variance)
    assert np.sqrt(np.mean(plain**2)) > 0.05


def test_inference_is_what_many_masks_give_on_average():
    v = drawn(3, 60)
    layer = built(keras.layers.Dense(2, activation="tanh"), v.shape, 0.5, samples=200)
    kernel, bias = map(numbers, layer.layer.weights)
    masks = np.random.default_rng(5).random((MANY, 60, 2)) < 0.5
    z = np.einsum("bi,mij->mbj", v, masks * kernel) + bias
    np.testing.assert_allclose(numbers(layer(v)), np.tanh(z).mean(0), atol=0.01)


def test_softmax_sees_independent_units():
    v = drawn(3, 20)
    inner = keras.layers.Dense(3, activation="softmax")
    layer = built(inner, v.shape, samples=2000)
    mean, variance = moments(v, layer, 0.7)
    z = mean + np.sqrt(variance) * np.random.default_rng(5).normal(size=(MANY, 3, 3))
    expected = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    np.testing.assert_allclose(numbers(layer(v)), expected.mean(0), atol=0.01)


def test_without_activation_the_mean_is_exact():
    v = drawn(3, 5)
    layer = built(keras.layers.Dense(4), v.shape)
    mean, _ = moments(v, layer, 0.7)
    np.testing.assert_allclose(numbers(layer(v)), mean, 1e-4, 1e-5)


def test_inference_by_the_mean():
    v = drawn(3, 5)
    inner = keras.layers.Dense(4, activation="tanh")
    layer = built(inner, v.shape, inference="mean")
    mean, _ = moments(v, layer, 0.7)
    np.testing.assert_allclose(numbers(layer(v)), np.tanh(mean), 1e-4, 1e-5)


def test_a_convolution_infers_like_a_dense_layer_on_its_window():
    x = drawn(4, 3, 2, 5)
    conv = built(keras.layers.Conv2D(6, (3, 2), activation="tanh"), x.shape)
    dense = built(keras.layers.Dense(6, activation="tanh"), (4, 30))
    dense.layer.kernel.assign(numbers(conv.layer.kernel).reshape(30, 6))
    np.testing.assert_allclose(
        numbers(conv(x))[:, 0, 0], numbers(dense(x.reshape(4, 30))), 1e-4, 1e-5
    )


def test_an_einsum_infers_like_a_dense_layer():
    x = drawn(4, 3, 5)
    einsum = built(
        keras.layers.EinsumDense(
            "abc,cde->abde", (3, 2, 3), activation="tanh", bias_axes="de"
        ),
        x.shape,
    )
    dense = built(keras.layers.Dense(6, activation="tanh"), x.shape)
    dense.layer.kernel.assign(numbers(einsum.layer.kernel).reshape(5, 6))
    dense.layer.bias.assign(numbers(einsum.layer.bias).reshape(6))
    found = numbers(einsum(x)).reshape(4, 3, 6)
    np.testing.assert_allclose(found, numbers(dense(x)), 1e-4, 1e-5)


def test_the_seed_decides_on_the_samples():
    v = drawn(3, 5)
    inner = keras.layers.Dense(4, activation="relu")
    results = [
        numbers(layers.DropConnect(inner, seed=seed)(v)) for seed in (1, 1, 2, None, 0)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert np.any(results[0] != results[2])
    np.testing.assert_array_equal(results[3], results[4])


def test_variances_of_large_inputs_do_not_overflow_in_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    layer = layers.DropConnect(keras.layers.Dense(3, activation="tanh"), seed=1)
    inputs = 1000 * drawn(4, 5)
    assert np.all(np.isfinite(numbers(layer(inputs))))


# Bad input


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"rate": 1.0}, r"rate in \[0, 1\)"),
        ({"rate": -0.1}, r"rate in \[0, 1\)"),
        ({"inference": "median"}, "received inference='median'"),
        ({"samples": 0}, "number of samples"),
        ({"samples": 2.5}, "number of samples"),
    ],
)
def test_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        layers.DropConnect(keras.layers.Dense(3), **keywords)


@pytest.mark.parametrize("equation", ["ab,bc->ca", "ab,ac->abc"])
def test_an_equation_without_examples_is_refused(equation):
    with pytest.raises(ValueError, match="keeps the batch first"):
        layers.DropConnect(keras.layers.EinsumDense(equation, (3,)))
