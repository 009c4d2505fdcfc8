"""Wrappers that change kernels: losses, states, masks, training, bad input."""

import keras
import numpy as np
import pytest

from kerasmith import layers

# wrappers with which the layer computes as if it were alone
IDLE = {
    "weight_noise": lambda layer: layers.WeightNoise(layer, 0.0),
    "whiteout": lambda layer: layers.Whiteout(layer, 0.0),
    "shakeout": lambda layer: layers.Shakeout(layer, 0.0, 0.0),
    "drop_connect": lambda layer: layers.DropConnect(layer, 0.0),
    "drop_connect_in_a_loop": lambda layer: layers.DropConnect(layer, 0.0),
}
every_idle = pytest.mark.parametrize("wrap", list(IDLE.values()), ids=list(IDLE))
INPUTS = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def dense():
    return keras.layers.Dense(
        3,
        activation="tanh",
        kernel_initializer=keras.initializers.GlorotUniform(seed=1),
        kernel_regularizer=keras.regularizers.L2(0.1),
        activity_regularizer=keras.regularizers.L1(0.05),
    )


def trained(layer):
    """Give the losses of some steps of a compiled training, and the weights after."""
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    targets = np.ones((8, 3), "float32")
    fit = model.fit(INPUTS, targets, batch_size=8, epochs=3, verbose=0)
    return fit.history["loss"], layer.get_weights()[-2:]


@every_idle
def test_an_idle_wrapper_trains_like_the_layer_alone(wrap, request, monkeypatch):
    """Each penalty counts once, and gradients reach the kernel that is kept."""
    if "loop" in request.node.name:
        monkeypatch.setattr("kerasmith.layers.drop_connect.SMALL", 0)
    expected, weights = trained(dense())
    found, after = trained(wrap(dense()))
    np.testing.assert_allclose(found, expected, 1e-5)
    for ours, theirs in zip(after, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-4, 1e-6)


def test_penalties_of_parts_count_once():
    inner = keras.Sequential([keras.Input((5,)), dense(), dense()])
    expected, _ = trained(keras.models.clone_model(inner))
    found, _ = trained(layers.WeightNoise(inner, 0.0))
    np.testing.assert_allclose(found, expected, 1e-5)


def test_a_regulariser_sees_the_kernel_that_is_kept():
    layer = layers.WeightNoise(
        keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1)), 9.0
    )
    layer(INPUTS, training=True)
    (loss,) = layer.losses
    expected = 0.1 * np.sum(numbers(layer.layer.kernel) ** 2)
    assert float(numbers(loss)) == pytest.approx(expected, rel=1e-5)


class Counting(keras.layers.Layer):
    """Counts its calls, and draws."""

    kernel_axes = {"kernel": (0,)}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.coins = keras.random.SeedGenerator(1)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2))
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.calls.assign_add(1.0)
        coins = keras.random.uniform((2,), seed=self.coins)
        return keras.ops.matmul(inputs, self.kernel) + coins


def test_what_the_layer_writes_and_draws_lives_on():
    layer = layers.WeightStandardization(Counting())
    first, second = (numbers(layer(INPUTS)) for _ in range(2))
    assert np.all(first != second)
    assert float(numbers(layer.layer.calls)) == 2


def test_what_the_layer_writes_lives_on_in_a_compiled_training():
    counting = Counting()
    model = keras.Sequential([keras.Input((5,)), layers.WeightNoise(counting, 0.1)])
    model.compile("sgd", "mse")
    before = float(numbers(counting.calls))
    model.fit(INPUTS, np.ones((8, 2)), batch_size=4, epochs=3, verbose=0)
    assert float(numbers(counting.calls)) == before + 6


def test_wrappers_can_be_nested():
    once = layers.WeightStandardization(keras.layers.Dense(3))
    twice = layers.WeightNoise(once, 0.5)
    expected = numbers(once(INPUTS))
    np.testing.assert_allclose(numbers(twice(INPUTS)), expected, 1e-6)
    twice.stddev.assign(0.0)
    np.testing.assert_allclose(
        numbers(twice(INPUTS, training=True)), expected, 1e-5, 1e-6
    )


def test_a_layer_in_float32_stays_so_in_a_mixed_wrapper():
    keras.config.set_dtype_policy("mixed_float16")
    inner = keras.layers.Conv1D(3, 2, dtype="float32")
    layer = layers.WeightNoise(inner, 0.1)
    outputs = layer(INPUTS[:, :, None], training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"


def test_a_mask_reaches_a_recurrent_layer():
    inputs = np.random.default_rng(1).normal(size=(3, 6, 2)).astype("float32")
    inputs[:, 4:] = 0
    recurrent = keras.layers.GRU(4)
    layer = layers.WeightNoise(recurrent, 0.0)
    masked = keras.layers.Masking()(inputs)
    found = numbers(layer(masked, training=True))
    np.testing.assert_allclose(found, numbers(recurrent(inputs[:, :4])), 1e-4, 1e-5)


class Turned(keras.callbacks.Callback):
    """Assigns a variable of the first layer before the second epoch."""

    def __init__(self, name, value):
        super().__init__()
        self.name, self.value = name, value

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            getattr(self.model.layers[0], self.name).assign(self.value)


@pytest.mark.parametrize(
    "name, variable, value, rate",
    [
        ("weight_noise", "stddev", 5.0, None),
        ("whiteout", "variance", 5.0, None),
        ("whiteout", "extra", 25.0, None),
        ("shakeout", "rate", 0.9, None),
        ("shakeout", "strength", 50.0, 0.5),
        ("drop_connect", "rate", 0.9, None),
    ],
)
def test_what_is_assigned_acts_inside_a_compiled_fit(name, variable, value, rate):
    layer = IDLE[name](keras.layers.Dense(3))
    if rate is not None:
        layer.rate.assign(rate)
    model = keras.Sequential([keras.Input((5,)), layer])
    targets = numbers(model(INPUTS))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    turned = [Turned(variable, value)]
    fit = model.fit(INPUTS, targets, 8, epochs=3, verbose=0, callbacks=turned)
    before, *after = fit.history["loss"]
    assert min(after) > 10 * before
    assert after[0] != after[1]


@pytest.mark.parametrize("batch", [1, 2])
@every_idle
def test_small_batches(wrap, batch):
    layer = wrap(keras.layers.Dense(3))
    assert layer(INPUTS[:batch], training=True).shape == (batch, 3)


NOISY = [
    lambda layer: layers.WeightNoise(layer, 0.1),
    lambda layer: layers.Whiteout(layer, 0.1),
    layers.WeightStandardization,
    layers.WeightNormalization,
]


@pytest.mark.parametrize("wrap", NOISY)
def test_a_layer_without_a_kernel_is_refused(wrap):
    with pytest.raises(ValueError, match="cannot wrap LeakyReLU.*has no kernel"):
        wrap(keras.layers.LeakyReLU()).build((None, 3))
    with pytest.raises(ValueError, match="received Embedding, which only looks"):
        wrap(keras.layers.Embedding(3, 4)).build((None, 3))
    with pytest.raises(ValueError, match="takes query, value"):
        wrap(keras.layers.MultiHeadAttention(2, 3))
    with pytest.raises(ValueError, match="takes inputs, states.*RNN for a cell"):
        wrap(keras.layers.LSTMCell(3))
    with pytest.raises(ValueError, match="supported layer type"):
        wrap("dense")


@pytest.mark.parametrize(
    "wrap", [lambda x: layers.Shakeout(x, 0.1), layers.DropConnect]
)
def test_a_layer_that_cannot_be_taken_apart_is_refused(wrap):
    for layer in (keras.layers.LSTM(3), keras.layers.SeparableConv2D(3, 3)):
        with pytest.raises(ValueError, match="wraps Dense.*received"):
            wrap(layer)


DENSE = keras.layers.Dense(3)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: layers.WeightNoise(DENSE, -1), "stddev of at least 0"),
        (lambda: layers.Whiteout(DENSE, -1), "variance and extra of at least 0"),
        (lambda: layers.Whiteout(DENSE, 1, extra=-1), "variance and extra"),
        (lambda: layers.Whiteout(DENSE, 1, 2), r"gamma in \(0, 2\)"),
        (lambda: layers.Whiteout(DENSE, 1, form="both"), "received form='both'"),
        (lambda: layers.Whiteout(DENSE, 1, floor=0), "floor above 0"),
        (lambda: layers.Shakeout(DENSE, 1), r"rate in \[0, 1\)"),
        (lambda: layers.Shakeout(DENSE, 0.1, -1), "strength of at least 0"),
        (lambda: layers.WeightStandardization(DENSE, epsilon=0), "epsilon above 0"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_unit_with_one_weight_cannot_be_standardised():
    layer = layers.WeightStandardization(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="at least two weights"):
        layer.build((None, 1))


def test_initialisation_by_data_needs_units_that_vary():
    layer = layers.WeightNormalization(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="needs a built Dense"):
        layer.initialize(INPUTS)
    layer.build((None, 5))
    with pytest.raises(ValueError, match="on which each unit varies"):
        layer.initialize(np.ones((4, 5), "float32"))
