"""Layers against the formulas of their papers, written out in NumPy."""

import keras
import numpy as np
import pytest
from draws import check_mean, check_variance

from kerasmith import layers

TABLE = [(0, 2), (1,), (3, 1, 0), (2, 3)]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def squash(a):
    return 1.7159 * np.tanh(2 / 3 * a)


def with_weights(layer, inputs, **weights):
    """Build a layer and give it weights by name."""
    layer.build(inputs.shape)
    for name, value in weights.items():
        getattr(layer, name).assign(value)
    return layer


# Convolution by a connection table


def convolve_by_table(x, table, kernel, bias):
    """Equation of C3: each filter sums over the input maps that it is connected to."""
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    y = np.zeros((len(x), rows, columns, len(table)))
    connection = 0
    for filter_, row in enumerate(table):
        y[..., filter_] = bias[filter_]
        for channel in row:
            for i in range(height):
                for j in range(width):
                    window = x[:, i : i + rows, j : j + columns, channel]
                    y[..., filter_] += window * kernel[i, j, connection]
            connection += 1
    return y


@pytest.mark.parametrize("size", [(3, 2), (1, 1), (2, 5)])
def test_a_connection_table_connects(size):
    x, kernel, bias = drawn(2, 7, 5, 4), drawn(*size, 8, seed=1), drawn(4, seed=2)
    layer = layers.ConnectionTableConv2D(TABLE, size)
    y = numbers(with_weights(layer, x, kernel=kernel, bias=bias)(x))
    np.testing.assert_allclose(y, convolve_by_table(x, TABLE, kernel, bias), 1e-4, 1e-5)


@pytest.mark.parametrize("size", [(3, 3), (2, 5), (4, 1)])
def test_same_padding_puts_the_odd_zero_behind(size):
    x, kernel = drawn(2, 6, 5, 4), drawn(*size, 8, seed=1)
    layer = layers.ConnectionTableConv2D(TABLE, size, padding="same")
    y = numbers(with_weights(layer, x, kernel=kernel)(x))
    around = [(0, 0), *(((n - 1) // 2, n // 2) for n in size), (0, 0)]
    expected = convolve_by_table(np.pad(x, around), TABLE, kernel, np.zeros(4))
    np.testing.assert_allclose(y, expected, 1e-4, 1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_it_is_a_convolution_with_zeros_where_nothing_is_connected(padding):
    x, bias = drawn(3, 7, 5, 4), drawn(4, seed=2)
    layer = layers.ConnectionTableConv2D(TABLE, (3, 2), padding=padding)
    with_weights(layer, x, bias=bias)
    whole = np.zeros((3, 2, 4, 4), "float32")
    pairs = [(channel, f) for f, row in enumerate(TABLE) for channel in row]
    for connection, (channel, filter_) in enumerate(pairs):
        whole[:, :, channel, filter_] = numbers(layer.kernel)[..., connection]
    other = keras.layers.Conv2D(4, (3, 2), padding=padding)
    with_weights(other, x, kernel=whole, bias=bias)
    np.testing.assert_allclose(numbers(layer(x)), numbers(other(x)), 1e-4, 1e-5)


def test_the_activation_comes_behind_the_bias():
    x, bias = drawn(1, 3, 3, 4), drawn(4, seed=2)
    plain, active = (
        with_weights(
            layers.ConnectionTableConv2D(
                TABLE, 2, activation=activation, kernel_initializer="ones"
            ),
            x,
            bias=bias,
        )
        for activation in (None, layers.scaled_tanh)
    )
    np.testing.assert_allclose(
        numbers(active(x)), squash(numbers(plain(x))), 1e-4, 1e-5
    )


def test_only_connections_are_penalised():
    layer = layers.ConnectionTableConv2D(TABLE, 3, kernel_regularizer="l2")
    layer.build((None, 5, 5, 4))
    assert layer.kernel.shape == (3, 3, 8)
    expected = 0.01 * np.sum(numbers(layer.kernel) ** 2)
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


# Initial weights


def limits(layer):
    """Give the limit of each connection's weights: 2.4 over its filter's inputs."""
    area = np.prod(layer.kernel_size)
    return np.array([2.4 / (area * len(row)) for row in layer.table for _ in row])


def test_each_filter_is_drawn_by_its_own_number_of_inputs():
    table = [(0,), (1, 2), (0, 1, 2, 3), (2,), (3, 0)]
    layer = layers.ConnectionTableConv2D(
        table, (9, 11), kernel_initializer=layers.FanInUniform(seed=1)
    )
    layer.build((None, 15, 15, 4))
    share = np.abs(numbers(layer.kernel)).max((0, 1)) / limits(layer)
    assert np.all((share <= 1) & (share > 0.9))


@pytest.mark.parametrize("seed", [None, 3])
def test_no_connection_repeats_another(seed):
    layer = layers.ConnectionTableConv2D(
        TABLE, 5, kernel_initializer=layers.FanInUniform(seed=seed)
    )
    layer.build((None, 9, 9, 4))
    unscaled = np.sort((numbers(layer.kernel) / limits(layer)).reshape(-1))
    assert np.diff(unscaled).min() > 3e-7


def test_a_full_table_starts_like_a_convolution():
    table = [(0, 1, 2)] * 5
    ours = layers.ConnectionTableConv2D(
        table, (3, 2), kernel_initializer=keras.initializers.GlorotUniform(seed=1)
    )
    other = keras.layers.Conv2D(
        5, (3, 2), kernel_initializer=keras.initializers.GlorotUniform(seed=1)
    )
    ours.build((None, 7, 7, 3))
    other.build((None, 7, 7, 3))
    whole = numbers(ours.kernel).reshape(3, 2, 5, 3).swapaxes(2, 3)
    np.testing.assert_array_equal(whole, numbers(other.kernel))


@pytest.mark.parametrize("shape, inputs", [((40, 50), 40), ((5, 3, 8, 20), 120)])
def test_fan_in_uniform_is_uniform_within_its_limits(shape, inputs):
    weights = numbers(layers.FanInUniform(seed=2)(shape)).reshape(-1)
    limit = 2.4 / inputs
    assert limit * 0.99 < np.abs(weights).max() <= limit
    check_mean(weights, 0)
    check_variance(weights, limit**2 / 3)
    # uniform: a quarter of them in each quarter of the interval
    quarters = np.digitize(weights, [-limit / 2, 0, limit / 2])
    for quarter in range(4):
        check_mean(quarters == quarter, 0.25)


def test_fan_in_uniform_serves_layers_of_keras():
    dense = keras.layers.Dense(50, kernel_initializer=layers.FanInUniform(seed=2))
    dense.build((None, 30))
    assert 0.97 * 2.4 / 30 < np.abs(numbers(dense.kernel)).max() <= 2.4 / 30
    wide = keras.layers.Dense(50, kernel_initializer=layers.FanInUniform(4.8, seed=2))
    wide.build((None, 30))
    np.testing.assert_allclose(numbers(wide.kernel), 2 * numbers(dense.kernel), 1e-5)


# Sub-sampling


def subsample(x, window, coefficient, bias):
    height, width = window
    rows, columns = x.shape[1] // height, x.shape[2] // width
    y = np.zeros((len(x), rows, columns, x.shape[3]))
    for i in range(rows):
        for j in range(columns):
            part = x[:, i * height : (i + 1) * height, j * width : (j + 1) * width]
            y[:, i, j] = coefficient * part.sum((1, 2)) + bias
    return y


@pytest.mark.parametrize("window", [(2, 2), (3, 1), (2, 3), (7, 5)])
def test_subsampling_sums_scales_and_shifts(window):
    x, coefficient, bias = drawn(2, 7, 5, 3), drawn(3, seed=1), drawn(3, seed=2)
    layer = layers.Subsampling2D(window, activation=layers.scaled_tanh)
    with_weights(layer, x, coefficient=coefficient, bias=bias)
    expected = squash(subsample(x, window, coefficient, bias))
    np.testing.assert_allclose(numbers(layer(x)), expected, 1e-4, 1e-5)


def test_subsampling_starts_as_an_average():
    x = drawn(2, 6, 9, 3)
    found = numbers(layers.Subsampling2D((2, 3))(x))
    average = numbers(keras.layers.AveragePooling2D((2, 3))(x))
    np.testing.assert_allclose(found, average, 1e-5, 1e-6)


def test_subsampling_has_two_weights_a_channel():
    layer = layers.Subsampling2D(2)
    layer.build((None, 4, 4, 6))
    assert [w.shape for w in layer.trainable_weights] == [(6,), (6,)]


# Radial basis outputs


def test_radial_basis_gives_minus_the_squared_distance():
    x, codes = drawn(3, 7), drawn(4, 7, seed=1)
    expected = np.zeros((3, 4))
    for sample in range(3):
        for code in range(4):
            for feature in range(7):
                expected[sample, code] -= (
                    x[sample, feature] - codes[code, feature]
                ) ** 2
    found = numbers(layers.RadialBasis(codes)(x))
    np.testing.assert_allclose(found, expected, 1e-5)


def test_its_softmax_is_the_posterior_of_gaussians():
    x, codes = drawn(3, 2), drawn(4, 2, seed=1)
    found = numbers(keras.ops.softmax(layers.RadialBasis(codes)(x)))
    density = np.exp(-((x[:, None] - codes) ** 2).sum(-1))
    np.testing.assert_allclose(found, density / density.sum(1, keepdims=True), 1e-5)


def test_the_codes_are_fixed_unless_asked_otherwise():
    for trainable in (False, True):
        layer = layers.RadialBasis([[1.0, -1.0]], trainable=trainable)
        layer.build((None, 2))
        assert len(layer.trainable_weights) == trainable
        assert layer.trainable is trainable


def test_distances_are_not_summed_in_half_precision():
    layer = layers.RadialBasis(np.zeros((1, 3000)), dtype="mixed_bfloat16")
    found = keras.ops.cast(layer(np.ones((1, 3000), "float32")), "float32")
    assert numbers(found).item() == pytest.approx(-3000, rel=2**-8)


# The loss of the paper's equation 9


def equation_9(penalties, labels, j):
    right = penalties[np.arange(len(labels)), labels]
    return right + np.log(np.exp(-j) + np.exp(-penalties).sum(1))


@pytest.mark.parametrize("j", [0.1, 1.0, 5.0])
def test_maximum_a_posteriori_is_equation_9(j):
    penalties = 5 * np.abs(drawn(6, 4)).astype("float64")
    labels = np.array([0, 3, 2, 1, 0, 3])
    found = layers.MaximumAPosteriori(j, reduction=None)(labels, -penalties)
    np.testing.assert_allclose(numbers(found), equation_9(penalties, labels, j), 1e-5)


def test_it_pushes_wrong_classes_hardly_beyond_j():
    def loss(wrong):
        return equation_9(np.array([[0.0, wrong]]), np.array([0]), 1.0).item()

    rubbish = layers.MaximumAPosteriori(1.0)
    found = [float(rubbish(np.array([0]), np.array([[0.0, -w]]))) for w in (0, 1, 9)]
    assert found == pytest.approx([loss(0), loss(1), loss(9)], rel=1e-5)
    assert found[2] == pytest.approx(np.log(1 + np.exp(-1)), abs=1e-3)


# The activation


def test_scaled_tanh_is_the_paper_s():
    a = np.linspace(-5, 5, 101, dtype="float32")
    np.testing.assert_allclose(numbers(layers.scaled_tanh(a)), squash(a), 1e-5, 1e-6)
    # f(1) = 1, and the second derivative is largest there
    assert squash(1.0) == pytest.approx(1, abs=1e-4)
    fine = np.linspace(0, 3, 3001)
    bend = np.abs(np.gradient(np.gradient(squash(fine), fine), fine))
    assert fine[bend.argmax()] == pytest.approx(1, abs=0.02)


# Stochastic depth


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_drop_path_keeps_the_mean_and_has_the_variance_of_a_coin(rate):
    layer = layers.DropPath(rate, seed=4)
    kept = numbers(layer(np.ones((20000, 2), "float32"), training=True))[:, 0]
    check_mean(kept > 0, 1 - rate)
    check_mean(kept, 1)
    check_variance(kept, rate / (1 - rate))
    np.testing.assert_allclose(np.unique(kept), [0, 1 / (1 - rate)], rtol=1e-6)


def test_drop_path_tosses_one_coin_a_sample():
    x = np.ones((2000, 3, 5, 2), "float32")
    kept = numbers(layers.DropPath(0.5, seed=4)(x, training=True)) > 0
    assert np.all(kept == kept[:, :1, :1, :1])
    coins = kept[:, 0, 0, 0]
    check_mean(coins[1:] == coins[:-1], 0.5)


def test_drop_path_tosses_anew_at_every_call():
    layer, x = layers.DropPath(0.5, seed=4), np.ones((2000, 1), "float32")
    first, second = (numbers(layer(x, training=True))[:, 0] > 0 for _ in range(2))
    check_mean(first == second, 0.5)


def test_drop_path_is_nothing_at_inference_and_at_rate_0():
    x = drawn(3, 5, 2)
    np.testing.assert_array_equal(numbers(layers.DropPath(0.9)(x)), x)
    np.testing.assert_array_equal(numbers(layers.DropPath(0.0)(x, training=True)), x)


class SetRate(keras.callbacks.Callback):
    """Sets the rate behind the first epoch, as a schedule would."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("drop").rate.assign(0.75)


def test_the_rate_acts_inside_a_compiled_fit():
    image = keras.Input((4,))
    x = keras.layers.Dense(4, kernel_initializer="identity")(image)
    model = keras.Model(image, layers.DropPath(0.0, seed=1, name="drop")(x))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    ones = np.ones((400, 4), "float32")
    history = model.fit(
        ones, 0 * ones, batch_size=400, epochs=3, verbose=0, callbacks=[SetRate()]
    )
    before, *after = history.history["loss"]
    assert before == pytest.approx(1)
    # kept samples are four times as large: the mean of their squares is four
    assert after == pytest.approx([4, 4], abs=5 * np.sqrt(16 * 3 / 400))
    assert model.get_layer("drop").get_config()["rate"] == 0.75


# What cannot be


@pytest.mark.parametrize(
    "build, told",
    [
        (lambda: layers.DropPath(1.0), r"\[0, 1\).*1\.0"),
        (lambda: layers.DropPath(-0.1), r"\[0, 1\).*-0\.1"),
        (lambda: layers.DropPath(float("nan")), r"\[0, 1\).*nan"),
        (lambda: layers.FanInUniform(0), "above 0.*0"),
        (lambda: layers.MaximumAPosteriori(0), "positive.*0"),
        (lambda: layers.MaximumAPosteriori(float("inf")), "positive.*inf"),
        (lambda: layers.RadialBasis([1.0, 2.0]), r"\(classes, features\).*\(2,\)"),
        (lambda: layers.RadialBasis([]), r"\(classes, features\)"),
        (lambda: layers.Subsampling2D(0), "at least 1 x 1.*0"),
        (lambda: layers.Subsampling2D((2, -1)), "at least 1 x 1"),
        (lambda: layers.ConnectionTableConv2D([], 3), "at least one filter"),
        (lambda: layers.ConnectionTableConv2D([(0,), ()], 3), "at least one input"),
        (lambda: layers.ConnectionTableConv2D([(0, 0)], 3), "filter 0.*once"),
        (lambda: layers.ConnectionTableConv2D([(0,), (-1,)], 3), "filter 1.*negative"),
        (lambda: layers.ConnectionTableConv2D([(0,)], 3, padding="full"), "'full'"),
    ],
)
def test_what_cannot_be_built_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()


@pytest.mark.parametrize(
    "layer, shape, told",
    [
        (layers.ConnectionTableConv2D(TABLE, 3), (1, 9, 9, 3), "channel 3.*3 channels"),
        (layers.ConnectionTableConv2D(TABLE, 3), (1, 9, 4), "ndim=4.*ndim=3"),
        (layers.Subsampling2D(2), (1, 9, 4), "ndim=4.*ndim=3"),
        (layers.RadialBasis([[1.0, 2.0]]), (1, 3), r"2 features.*\(1, 3\)"),
        (layers.RadialBasis([[1.0, 2.0]]), (1, 3, 2), r"2 features.*\(1, 3, 2\)"),
    ],
)
def test_inputs_that_do_not_fit_are_told(layer, shape, told):
    with pytest.raises(ValueError, match=told):
        layer(np.zeros(shape, "float32"))
