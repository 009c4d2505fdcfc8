"""The coins of zoneout, by statistics, and its rates in training."""

import keras
import numpy as np
import pytest
from draws import check_mean, check_variance

from kerasmith import layers

MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]], bool)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def flat_numbers(structure):
    return [numbers(tensor) for tensor in keras.tree.flatten(structure)]


def counting(rate, steps=7, units=400, examples=50):
    """Give the states of a cell that adds 1 at each step, zoned out in training."""
    cell = keras.layers.SimpleRNNCell(
        units,
        activation=None,
        kernel_initializer="zeros",
        recurrent_initializer="identity",
        bias_initializer="ones",
    )
    layer = keras.layers.RNN(layers.Zoneout(cell, rate, seed=5), return_sequences=True)
    return layer, np.zeros((examples, steps, 1), "float32")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_every_step_unit_and_example_has_a_coin_of_its_own(rate):
    layer, inputs = counting(rate)
    counts = numbers(layer(inputs, training=True))
    for time in range(inputs.shape[1]):
        steps = time + 1
        # were coins shared between steps, the variance would grow with their square
        check_mean(counts[:, time].reshape(-1), steps * (1 - rate))
        check_variance(counts[:, time].reshape(-1), steps * rate * (1 - rate))
    # were they shared between units or examples, means over these would differ more
    last = counts[:, -1]
    check_variance(last.mean(axis=1), steps * rate * (1 - rate) / last.shape[1])
    check_variance(last.mean(axis=0), steps * rate * (1 - rate) / last.shape[0])


def test_coins_are_tossed_anew_in_every_batch():
    layer, inputs = counting(0.5, steps=3)
    first, second = (
        np.diff(numbers(layer(inputs, training=True)), axis=1) for _ in "12"
    )
    for behind in (0, 1):
        one, other = first[:, behind:], second[:, : first.shape[1] - behind]
        check_mean((one == other).reshape(-1), 0.5)


def saturated(layer):
    """Set the biases so that all gates are open and the candidate is 1."""
    layer.build((None, 3, 1))
    weights = [0 * w for w in layer.get_weights()]
    if isinstance(layer, keras.layers.GRU):
        weights[2][0] = np.repeat([-40.0, 40, 40], layer.units)
    else:
        weights[2] += 40
    layer.set_weights(weights)
    return layer


def test_the_lstm_s_cell_state_has_coins_and_a_rate_of_its_own():
    inputs = np.zeros((60, 6, 1), "float32")
    layer = saturated(
        layers.ZoneoutLSTM(
            300, hidden_rate=0.2, cell_rate=0.7, return_state=True, seed=1
        )
    )
    _, hidden, carried = flat_numbers(layer(inputs, training=True))
    check_mean(carried.reshape(-1), 6 * 0.3)
    check_variance(carried.reshape(-1), 6 * 0.7 * 0.3)
    # at the first step tanh(c~) is tanh(1), whether the cell state keeps 0 or not
    _, hidden, carried = flat_numbers(layer(inputs[:, :1], training=True))
    check_mean((hidden > 0).reshape(-1), 0.8)
    check_mean((carried > 0).reshape(-1), 0.3)
    check_mean(((hidden > 0) & (carried > 0)).reshape(-1), 0.8 * 0.3)
    np.testing.assert_allclose(hidden[hidden > 0], np.tanh(1), 1e-6)


def test_the_gru_keeps_its_units_at_the_rate():
    layer = saturated(
        layers.ZoneoutGRU(300, hidden_rate=0.6, return_sequences=True, seed=1)
    )
    outputs = numbers(layer(np.zeros((60, 4, 1), "float32"), training=True))
    for time in range(4):
        check_mean(outputs[:, time].reshape(-1), 1 - 0.6 ** (time + 1))


@pytest.mark.parametrize("kind", ["cell", "layer"])
def test_masked_steps_stay_masked(kind):
    layer, inputs = counting(0.5, steps=6, examples=3)
    expected = [[6], [3], [2]]
    if kind == "layer":
        layer = saturated(
            layers.ZoneoutLSTM(400, cell_rate=0.5, return_state=True, seed=1)
        )
    mask = keras.ops.convert_to_tensor(MASK)
    outputs = flat_numbers(layer(inputs, mask=mask, training=True))
    counts = outputs[0] if kind == "cell" else outputs[2]
    if kind == "cell":
        same = np.diff(counts, axis=1)[~MASK[:, 1:]]
        np.testing.assert_array_equal(same, 0 * same)
        counts = counts[:, -1]
    assert np.all(counts <= expected)
    check_mean(counts.T, np.array(expected)[:, 0] / 2)


class SetRate(keras.callbacks.Callback):
    """Sets the rate behind the first epoch, as a schedule would."""

    def __init__(self, holder):
        super().__init__()
        self.holder = holder

    def on_epoch_end(self, epoch, logs=None):
        self.holder(self.model.layers[-1]).hidden_rate.assign(0.75)


@pytest.mark.parametrize("kind", ["cell", "layer"])
def test_the_rate_acts_inside_a_compiled_fit(kind):
    steps = keras.Input((None, 1))
    if kind == "cell":
        layer, _ = counting(0.0, units=50)
        expected = [3, 0.75]
    else:
        layer = saturated(layers.ZoneoutGRU(50, return_sequences=True, seed=1))
        expected = [1, 1 - np.mean([0.75, 0.75**2, 0.75**3])]
    model = keras.Model(steps, layer(steps)[:, -1:] if kind == "cell" else layer(steps))
    model.compile(keras.optimizers.SGD(0.0), "mae")
    inputs = np.zeros((100, 3, 1), "float32")
    targets = np.zeros((100, 1 if kind == "cell" else 3, 50), "float32")
    holder = (lambda _: layer.cell) if kind == "cell" else lambda _: layer
    history = model.fit(
        inputs,
        targets,
        batch_size=100,
        epochs=3,
        verbose=0,
        callbacks=[SetRate(holder)],
    )
    before, *after = history.history["loss"]
    assert before == pytest.approx(expected[0], abs=1e-5)
    assert after == pytest.approx([expected[1]] * 2, abs=0.07)
    assert holder(0).get_config()["hidden_rate"] == 0.75


class Twice(keras.layers.Layer):
    """Calls a layer twice; Keras finds the shape of its result by tracing it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(self.layer(inputs, training=True), training=True)


def test_a_trace_without_state_takes_no_seed_out_of_a_loop():
    cell = layers.Zoneout(keras.layers.GRUCell(3), 0.5, seed=1)
    twice = Twice(keras.layers.RNN(cell, return_sequences=True))
    twice(np.ones((2, 4, 3), "float32"))
    steps = keras.Input((None, 3))
    model = keras.Model(steps, twice(steps))
    first, second = (model.predict(np.ones((2, 4, 3)), verbose=0) for _ in range(2))
    assert np.any(first != second)
