"""Wrappers that change kernels against their papers, written out in NumPy."""

import keras
import numpy as np
import pytest
from draws import check_mean, check_variance

from kerasmith import layers, zoo

MANY = 20000


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def rows_of_kernel(wrap, *values):
    """Give what many units compute with, whose rows of weights start as told.

    One draw a unit: each column is a kernel of its own.
    """
    start = np.repeat(np.array([values], "float32").T, MANY, axis=1)
    wrapper = wrap(keras.layers.Dense(MANY, use_bias=False))
    wrapper.build((None, len(values)))
    wrapper.layer.kernel.assign(start)
    return numbers(wrapper(np.eye(len(values), dtype="float32"), training=True)).T


# Noise


def test_weight_noise_is_unbiased_and_has_its_variance():
    found = rows_of_kernel(lambda x: layers.WeightNoise(x, 0.3, seed=1), 0.0, -2.0, 0.1)
    check_mean(found, [0.0, -2.0, 0.1])
    check_variance(found, 0.09)


def test_weight_noise_is_one_draw_for_a_batch_and_another_for_the_next():
    layer = layers.WeightNoise(keras.layers.Dense(4), 0.3, seed=1)
    inputs = np.repeat(drawn(1, 5), 3, axis=0)
    first, second = (numbers(layer(inputs, training=True)) for _ in range(2))
    np.testing.assert_allclose(first[1:], first[:-1], 1e-6)
    assert np.all(first != second)


def test_weight_noise_falls_on_both_kernels_of_a_recurrent_layer():
    inputs = drawn(2, 4, 3)
    layer = layers.WeightNoise(keras.layers.SimpleRNN(2), 0.1)
    layer.build(inputs.shape)
    assert [k.path for k in layer.kernels] == ["cell.kernel", "cell.recurrent_kernel"]
    for silent in ("kernel", "recurrent_kernel"):
        # without input or without state the other kernel alone counts
        quiet = inputs * (silent != "kernel")
        getattr(layer.layer.cell, silent).assign_add(0.5)
        assert np.any(
            numbers(layer(quiet + 1, training=True)) != numbers(layer(quiet + 1))
        )


WHITEOUT = {"variance": 0.02, "gamma": 0.8, "extra": 0.01, "floor": 0.05, "seed": 1}


@pytest.mark.parametrize("form", ["additive", "multiplicative"])
def test_whiteout_is_unbiased_and_has_its_variance(form):
    weights = np.array([-1.5, 0.3, 0.06, 0.01, 0.0])
    found = rows_of_kernel(
        lambda x: layers.Whiteout(x, form=form, **WHITEOUT), *weights
    )
    variance = 0.02 * np.maximum(np.abs(weights), 0.05) ** -0.8 + 0.01
    if form == "multiplicative":
        variance = variance * weights**2
    check_mean(found, weights)
    check_variance(found, variance)


def test_whiteout_without_noise_is_the_layer():
    layer = layers.Whiteout(keras.layers.Dense(4), 0.0)
    inputs = drawn(3, 5)
    np.testing.assert_allclose(
        numbers(layer(inputs, training=True)), numbers(layer(inputs)), 1e-6
    )


def switched(batch, strength, rate=0.3):
    """Give the weight that each example meets, for a positive and a negative one."""
    layer = layers.Shakeout(
        keras.layers.Dense(2, use_bias=False), rate, strength, seed=1
    )
    layer.build((None, 3))
    layer.layer.kernel.assign([[0.5, -0.2], [7.0, 7.0], [7.0, 7.0]])
    inputs = np.zeros((batch, 3), "float32")
    inputs[:, 0] = 1
    return numbers(layer(inputs, training=True))


def test_shakeout_is_unbiased():
    check_mean(switched(MANY, strength=0.4), [0.5, -0.2])


def test_shakeout_enhances_or_reverses():
    found = switched(1000, strength=0.4)
    on = [(0.5 + 0.4 * 0.3) / 0.7, -(0.2 + 0.4 * 0.3) / 0.7]
    is_on = np.isclose(found, on, atol=1e-5)
    is_off = np.isclose(found, [-0.4, 0.4], atol=1e-5)
    assert np.all(is_on ^ is_off)
    # a switch belongs to an input: both units see the same
    np.testing.assert_array_equal(is_on[:, 0], is_on[:, 1])
    check_mean(is_on[:, 0], 0.7)


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: keras.layers.Dense(4, activation="tanh"), (3, 7, 5)),
        (lambda: keras.layers.Conv1D(4, 2, padding="causal"), (3, 7, 5)),
        (lambda: keras.layers.Conv2D(4, (3, 2), strides=2), (3, 7, 6, 2)),
        (lambda: keras.layers.EinsumDense("abc,cd->abd", (7, 4)), (3, 7, 5)),
    ],
    ids=["dense", "causal", "conv", "einsum"],
)
def test_shakeout_without_strength_is_dropout_of_inputs(make, shape, strength):
    """With strength, what the sign adds has the kernel's sign and the same switches."""
    inputs = drawn(*shape)
    layer = layers.Shakeout(make(), 0.4, strength, seed=3)
    layer.build(shape)
    found = numbers(layer(inputs, training=True))
    switches = keras.random.uniform(shape, seed=keras.random.SeedGenerator(3))
    r = (numbers(switches) < 0.6) / np.float32(0.6)
    inner = layer.layer
    kernel, activation = numbers(inner.kernel), inner.activation
    inner.activation, products = None, []
    for weights, seen in [(kernel, r * inputs), (np.sign(kernel), (r - 1) * inputs)]:
        inner.kernel.assign(weights)
        products.append(numbers(inner(seen)))
    expected = activation(products[0] + np.float32(strength) * products[1])
    np.testing.assert_allclose(found, numbers(expected), 1e-4, 1e-5)


# Standardisation and normalisation


KINDS = {
    "dense": (lambda: keras.layers.Dense(4), (3, 5), {"kernel": (0,)}),
    "conv": (lambda: keras.layers.Conv2D(4, 3), (2, 6, 5, 3), {"kernel": (0, 1, 2)}),
    "grouped": (
        lambda: keras.layers.Conv1D(4, 3, groups=2),
        (2, 6, 6),
        {"kernel": (0, 1)},
    ),
    "transposed": (
        lambda: keras.layers.Conv2DTranspose(4, 3),
        (2, 5, 4, 3),
        {"kernel": (0, 1, 3)},
    ),
    "depthwise": (
        lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        (2, 5, 4, 3),
        {"kernel": (0, 1)},
    ),
    "separable": (
        lambda: keras.layers.SeparableConv1D(4, 3, depth_multiplier=2),
        (2, 6, 3),
        {"depthwise_kernel": (0,), "pointwise_kernel": (0, 1)},
    ),
    "einsum": (
        lambda: keras.layers.EinsumDense("abc,dce->abde", (6, 4, 2)),
        (2, 6, 3),
        {"kernel": (1,)},
    ),
    "recurrent": (
        lambda: keras.layers.LSTM(3),
        (2, 6, 4),
        {"kernel": (0,), "recurrent_kernel": (0,)},
    ),
}
every_kind = pytest.mark.parametrize(
    "make, shape, axes", list(KINDS.values()), ids=list(KINDS)
)


def check_kernels(wrapper, make, shape, expected_kernels):
    """Fail unless a wrapper computes like its layer with other kernels."""
    inputs, bare = drawn(*shape), make()
    bare.build(shape)
    bare.set_weights(wrapper.layer.get_weights())
    owner = getattr(bare, "cell", bare)
    for name, value in expected_kernels.items():
        getattr(owner, name).assign(value)
    for training in (False, True):
        found = numbers(wrapper(inputs, training=training))
        np.testing.assert_allclose(found, numbers(bare(inputs)), 1e-4, 1e-5)


@pytest.mark.parametrize("scaled", [False, True])
@every_kind
def test_standardised_kernels(make, shape, axes, scaled):
    layer = layers.WeightStandardization(make(), epsilon=1e-3, scaled=scaled)
    layer.build(shape)
    owner, expected = getattr(layer.layer, "cell", layer.layer), {}
    for name, summed in axes.items():
        getattr(owner, name).assign_add(0.3)
        w = numbers(getattr(owner, name)).astype("float64")
        standard = w - w.mean(summed, keepdims=True)
        standard /= np.sqrt(w.var(summed, keepdims=True) + 1e-3)
        fan_in = np.prod([w.shape[axis] for axis in summed])
        expected[name] = standard / np.sqrt(fan_in) if scaled else standard
    check_kernels(layer, make, shape, expected)


@every_kind
def test_normalised_kernels(make, shape, axes):
    layer = layers.WeightNormalization(make())
    layer.build(shape)
    owner, expected = getattr(layer.layer, "cell", layer.layer), {}
    for (name, summed), gain in zip(axes.items(), layer.gains.values(), strict=True):
        v = numbers(getattr(owner, name))
        lengths = np.sqrt((v**2).sum(summed, keepdims=True))
        np.testing.assert_allclose(numbers(gain), lengths, 1e-5)
        gain.assign(gain * 3.0)
        getattr(owner, name).assign(v * 5.0)
        expected[name] = 3 * v
    check_kernels(layer, make, shape, expected)


@every_kind
def test_a_normalised_layer_starts_as_the_layer_alone(make, shape, axes):
    layer = layers.WeightNormalization(make())
    inputs = drawn(*shape)
    found = numbers(layer(inputs))
    np.testing.assert_allclose(found, numbers(layer.layer(inputs)), 1e-4, 1e-5)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: keras.layers.Dense(4), (50, 5)),
        (lambda: keras.layers.Conv2D(4, (3, 2)), (9, 6, 5, 2)),
    ],
    ids=["dense", "conv"],
)
def test_initialisation_by_data_standardises_each_unit(make, shape):
    layer, inputs = layers.WeightNormalization(make()), 3 * drawn(*shape) + 2
    layer.build(shape)
    layer.initialize(inputs)
    outputs = numbers(layer(inputs)).reshape(-1, 4)
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=0), 1, 1e-4)


def test_statistics_are_taken_before_rounding_to_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    layer = layers.WeightStandardization(keras.layers.Dense(3, use_bias=False))
    layer.build((None, 8))
    w = 40 + 0.01 * drawn(8, 3)  # all of them 40 in float16
    layer.layer.kernel.assign(w)
    found = numbers(layer(np.eye(8, dtype="float16"))).astype("float32")
    expected = (w - w.mean(0)) / np.sqrt(w.astype("float64").var(0) + 1e-5)
    np.testing.assert_allclose(found, expected, 0.01, 0.01)


def test_the_count_of_multiplications_is_that_of_the_layer():
    image = keras.Input((8, 7, 3))

    def count(wrap):
        model = keras.Model(
            image, wrap(keras.layers.Conv2D(4, (3, 2), activation="relu"))(image)
        )
        return zoo.card(model).multiply_accumulates

    alone = count(lambda layer: layer)
    assert count(lambda layer: layers.WeightStandardization(layer)) == alone
    assert count(lambda layer: layers.Shakeout(layer, 0.1)) == alone
    assert count(lambda layer: layers.DropConnect(layer, 0.1)) == 2 * alone
    assert count(lambda layer: layers.DropConnect(layer, inference="mean")) == alone
