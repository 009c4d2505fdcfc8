"""Squeeze and excitation against its paper's equations, written out in NumPy."""

import keras
import numpy as np
import pytest

from kerasmith import layers

FORMATS = ("channels_last", "channels_first")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def randomized(layer, x):
    """Build a layer and draw all its weights, biases too."""
    layer.build(x.shape)
    weights = [drawn(*w.shape, seed=i) for i, w in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    return layer, weights


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def relu(a):
    return np.maximum(a, 0)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("positions", [(7,), (5, 3), (1, 1), (4, 3, 2)], ids=str)
def test_it_computes_equations_2_to_4(positions, data_format):
    x = drawn(3, *positions, 12)
    means = x.reshape(3, -1, 12).mean(1)
    layer = layers.SqueezeExcite(4, data_format=data_format)
    shown = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    layer, (narrow, b1, wide, b2) = randomized(layer, shown)
    assert narrow.shape == (12, 3) and wide.shape == (3, 12)
    gate = sigmoid(relu(means @ narrow + b1) @ wide + b2)
    expected = x * gate.reshape(3, *(1 for _ in positions), 12)
    y = numbers(layer(shown))
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    np.testing.assert_allclose(y, expected, 1e-4, 1e-5)


def test_the_gate_of_mobile_net_v3():
    x = drawn(2, 5, 4, 6)
    layer = layers.SqueezeExcite(units=2, gate_activation="hard_sigmoid")
    layer, (narrow, b1, wide, b2) = randomized(layer, x)
    gate = relu(x.mean((1, 2)) @ narrow + b1) @ wide + b2
    expected = x * np.clip(gate / 6 + 0.5, 0, 1)[:, None, None]
    np.testing.assert_allclose(numbers(layer(x)), expected, 1e-4, 1e-5)


@pytest.mark.parametrize("shape", [(3, 7, 5), (3, 7, 4, 5)], ids=str)
@pytest.mark.parametrize("data_format", FORMATS)
def test_masked_positions_count_in_no_mean(data_format, shape):
    x = drawn(*shape)
    layer = layers.SqueezeExcite(units=3, data_format=data_format)
    shown = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    randomized(layer, shown)
    mask = np.ones(shape[:2], bool)
    mask[:, 4:] = False
    cut = [slice(None)] * x.ndim
    cut[1 if data_format == "channels_last" else 2] = slice(4)
    found = numbers(layer(shown, mask=keras.ops.convert_to_tensor(mask)))
    np.testing.assert_allclose(
        found[tuple(cut)], numbers(layer(shown[tuple(cut)])), 1e-4, 1e-5
    )


def test_a_mask_over_all_positions_is_like_one_over_time():
    x = drawn(2, 4, 3, 5)
    layer, _ = randomized(layers.SqueezeExcite(units=2), x)
    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    whole = np.broadcast_to(mask[..., None], x.shape[:-1])
    np.testing.assert_allclose(
        *(numbers(layer(x, mask=keras.ops.convert_to_tensor(m))) for m in (mask, whole))
    )


def test_an_example_of_nothing_but_padding_is_finite():
    x = drawn(2, 4, 5)
    layer, (_, b1, wide, b2) = randomized(layers.SqueezeExcite(units=2), x)
    mask = keras.ops.convert_to_tensor(np.array([[True] * 4, [False] * 4]))
    gate = sigmoid(relu(b1) @ wide + b2)
    np.testing.assert_allclose(numbers(layer(x, mask=mask))[1], x[1] * gate, 1e-4, 1e-5)


@pytest.mark.parametrize(
    "channels, ratio, units", [(64, 16, 4), (40, 16, 2), (9, 16, 1), (7, 2.5, 2)]
)
def test_the_narrow_layer_has_the_ratio_but_a_unit_at_least(channels, ratio, units):
    layer = layers.SqueezeExcite(ratio)
    layer.build((None, None, None, channels))
    assert layer.reduce.units == units


def test_the_parameters_of_se_resnet_50():
    """Section 3: 2 / r sum_s N_s C_s^2, about 2.5 million on top of ResNet-50's."""
    total = 0
    for blocks, channels in zip((3, 4, 6, 3), (256, 512, 1024, 2048), strict=True):
        layer = layers.SqueezeExcite(16, use_bias=False)
        layer.build((None, None, None, channels))
        assert layer.count_params() == 2 * channels**2 // 16
        total += blocks * layer.count_params()
    assert total == 2_514_944


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_means_in_half_precision_do_not_overflow(policy):
    """The sum over the map is far above the largest number of float16."""
    x = np.full((1, 120, 100, 4), 100, "float32")
    layer = layers.SqueezeExcite(
        units=2, dtype=policy, activation="linear", gate_activation="linear"
    )
    layer.build(x.shape)
    layer.reduce.kernel.assign(np.full((4, 2), 1e-3))
    layer.expand.kernel.assign(np.full((2, 4), 0.5))
    np.testing.assert_allclose(numbers(layer(x)), 40, rtol=0.01)


def test_two_kernels_of_one_shape_do_not_start_alike():
    layer = layers.SqueezeExcite(units=6, kernel_initializer="he_normal")
    layer.build((None, 5, 6))
    assert np.all(numbers(layer.reduce.kernel) != numbers(layer.expand.kernel))


def test_both_kernels_are_regularized_and_constrained():
    layer = layers.SqueezeExcite(
        units=2, kernel_regularizer="l2", kernel_constraint="non_neg"
    )
    layer.build((None, 5, 6))
    squares = sum(np.sum(numbers(d.kernel) ** 2) for d in (layer.reduce, layer.expand))
    assert float(sum(layer.losses)) == pytest.approx(0.01 * squares, rel=1e-5)
    assert layer.reduce.kernel.constraint is layer.expand.kernel.constraint is not None


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"ratio": 0}, "ratio of at least 1, received ratio=0"),
        ({"ratio": "16"}, "ratio of at least 1"),
        ({"units": 0}, "units of at least 1, a whole number, received units=0"),
        ({"units": 2.5}, "received units=2.5"),
        ({"data_format": "first"}, "'channels_last' or 'channels_first'.*'first'"),
    ],
)
def test_bad_arguments_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        layers.SqueezeExcite(**keywords)


def test_an_unknown_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="needs to know the number of channels"):
        layers.SqueezeExcite().build((None, 5, 5, None))
