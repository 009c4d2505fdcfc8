"""Zoneout against its formula in NumPy, and against Keras' layers."""

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers

STEPS = np.random.default_rng(3).normal(size=(3, 6, 5)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]], bool)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def flat_numbers(structure):
    return [numbers(tensor) for tensor in keras.tree.flatten(structure)]


def moved(layer, seed=0):
    """Build a layer and move all its weights, biases too."""
    layer.build(STEPS.shape)
    draw = np.random.default_rng(seed)
    layer.set_weights(
        [w + 0.3 * draw.normal(size=w.shape) for w in layer.get_weights()]
    )
    return layer


def all_close(found, expected, tolerance=1e-5):
    pairs = zip(flat_numbers(found), flat_numbers(expected), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, tolerance, tolerance)


# The formula, in NumPy


def logistic(x):
    return 1 / (1 + np.exp(-x))


def simple(x, states, kernel, recurrent, bias):
    return (np.tanh(x @ kernel + states[0] @ recurrent + bias),)


def lstm(x, states, kernel, recurrent, bias):
    i, f, g, o = np.split(x @ kernel + states[0] @ recurrent + bias, 4, axis=-1)
    c = logistic(f) * states[1] + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def gru(x, states, kernel, recurrent, bias):
    z, r, h = np.split(x @ kernel + bias[0], 3, axis=-1)
    p, q, s = np.split(states[0] @ recurrent + bias[1], 3, axis=-1)
    z, r = logistic(z + p), logistic(r + q)
    return (z * states[0] + (1 - z) * np.tanh(h + r * s),)


CELLS = {
    "simple": (keras.layers.SimpleRNNCell, simple, 1),
    "lstm": (keras.layers.LSTMCell, lstm, 2),
    "gru": (keras.layers.GRUCell, gru, 1),
}
every_cell = pytest.mark.parametrize(
    "kind, step, count", CELLS.values(), ids=list(CELLS)
)


def expected_states(step, weights, rates, mask=None):
    """Go through the sequences: the expectation at inference, unit by unit."""
    weights = [np.asarray(w, "float64") for w in weights]
    states = [np.zeros((len(STEPS), weights[1].shape[0])) for _ in rates]
    outputs = []
    for time in range(STEPS.shape[1]):
        new = step(STEPS[:, time].astype("float64"), states, *weights)
        new = [
            r * old + (1 - r) * n for r, old, n in zip(rates, states, new, strict=True)
        ]
        if mask is not None:
            there = mask[:, time, None]
            new = [np.where(there, n, old) for n, old in zip(new, states, strict=True)]
        states = new
        outputs.append(states[0])
    return np.stack(outputs, axis=1), states


@every_cell
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_inference_takes_the_expectation(kind, step, count, mask):
    rates = (0.3, 0.6)[:count]
    cell = layers.Zoneout(kind(4), *rates)
    layer = moved(keras.layers.RNN(cell, return_sequences=True, return_state=True))
    given = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}
    outputs, *states = layer(STEPS, **given)
    expected = expected_states(step, layer.get_weights(), rates, mask)
    all_close([outputs, *states], expected)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_layers_take_the_expectation_too(kind, mask):
    _, step, count = CELLS[kind]
    rates = (0.3, 0.6)[:count]
    layer = moved(with_zoneout(kind, rates, return_sequences=True, return_state=True))
    expected = expected_states(step, layer.get_weights(), rates, mask)
    all_close(layer(STEPS, mask=mask), expected)


def with_zoneout(kind, rates, **keywords):
    names = {"hidden_rate": rates[0]} if rates else {}
    if len(rates) > 1:
        names["cell_rate"] = rates[1]
    layer = {"lstm": layers.ZoneoutLSTM, "gru": layers.ZoneoutGRU}[kind]
    return layer(4, **names, **keywords)


# Nothing but the bare cell at rates of 0

STACK = [keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell]


@pytest.mark.parametrize("training", [False, True], ids=["test", "train"])
@pytest.mark.parametrize("kinds", [*([kind] for kind in STACK), STACK])
def test_without_rates_it_is_the_bare_cell(kinds, training):
    bare = [kind(4 + i) for i, kind in enumerate(kinds)]
    ours = [kind(4 + i) for i, kind in enumerate(kinds)]
    if len(kinds) == 1:
        bare, ours = bare[0], ours[0]
    keywords = {"return_sequences": True, "return_state": True}
    peer = moved(keras.layers.RNN(bare, **keywords))
    layer = moved(keras.layers.RNN(layers.Zoneout(ours), **keywords))
    layer.set_weights(peer.get_weights())
    mask = keras.ops.convert_to_tensor(MASK)
    all_close(
        layer(STEPS, mask=mask, training=training),
        peer(STEPS, mask=mask, training=training),
    )


VARIANTS = [
    {},
    {"return_sequences": True, "return_state": True},
    {"go_backwards": True, "return_sequences": True},
    {"zero_output_for_mask": True, "return_sequences": True},
    {"unroll": True},
    {"use_bias": False},
    {"activation": "softplus", "recurrent_activation": "hard_sigmoid"},
    {"implementation": 1},
]


def check_peers(ours, peer, training, **given):
    """Compare results and gradients by the inputs and all weights."""
    ours.set_weights(peer.get_weights())
    mix = np.random.default_rng(1).normal(size=4).astype("float32")
    found = []
    for layer in (ours, peer):

        def function(arrays, layer=layer):
            pairs = zip(layer.trainable_variables, arrays[1:], strict=True)
            with keras.StatelessScope(state_mapping=pairs):
                outputs = layer(arrays[0], training=training, **given)
                tensors = keras.tree.flatten(outputs)
                return sum(
                    keras.ops.sum(keras.ops.multiply(tensor, mix)) for tensor in tensors
                )

        weights = [numbers(w) for w in layer.trainable_variables]
        results = layer(STEPS, training=training, **given)
        found.append([results, gradients(function, [STEPS, *weights])])
    all_close(*found)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(v) or "plain")
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_without_rates_the_layers_are_those_of_keras(kind, variant):
    peer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[kind]
    mask = keras.ops.convert_to_tensor(MASK)
    ours = moved(with_zoneout(kind, (), **variant), seed=1)
    check_peers(ours, moved(peer(4, **variant)), training=True, mask=mask)


def test_a_gru_may_reset_before_the_product():
    ours = moved(layers.ZoneoutGRU(4, reset_after=False), seed=1)
    peer = moved(keras.layers.GRU(4, reset_after=False))
    check_peers(ours, peer, training=True)
    check_peers(ours, peer, training=False)


def test_the_first_states_may_be_given():
    first = np.random.default_rng(8).normal(size=(2, 3, 4)).astype("float32")
    pairs = [
        (layers.ZoneoutLSTM(4), keras.layers.LSTM(4), [first[0], first[1]]),
        (layers.ZoneoutGRU(4), keras.layers.GRU(4), first[0]),
    ]
    for ours, peer, states in pairs:
        check_peers(moved(ours), moved(peer), training=True, initial_state=states)


def test_states_are_kept_from_batch_to_batch():
    ours = moved(layers.ZoneoutLSTM(4, hidden_rate=0.2, stateful=True))
    halves = [ours(STEPS[:, :2]), ours(STEPS[:, 2:])]
    whole = layers.ZoneoutLSTM(4, hidden_rate=0.2)
    whole.build(STEPS.shape)
    whole.set_weights(ours.get_weights())
    all_close(halves[1], whole(STEPS))


def test_weights_go_from_keras_to_ours_and_back():
    ours, peer = layers.ZoneoutLSTM(4, hidden_rate=0.5), keras.layers.LSTM(4)
    for layer in (ours, peer):
        layer.build(STEPS.shape)
    peer.set_weights(ours.get_weights())
    ours.set_weights(peer.get_weights())
    both = keras.layers.Bidirectional(layers.ZoneoutGRU(4, hidden_rate=0.5))
    keras_both = keras.layers.Bidirectional(keras.layers.GRU(4))
    both.build(STEPS.shape)
    keras_both.build(STEPS.shape)
    keras_both.set_weights(both.get_weights())
    assert float(numbers(ours.hidden_rate)) == 0.5
    assert len(ours.weights) == 3


@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_inputs_and_states_are_dropped_as_by_keras(rates):
    for ours, peer in (
        (layers.ZoneoutLSTM, keras.layers.LSTM),
        (layers.ZoneoutGRU, keras.layers.GRU),
    ):
        ours, peer = (moved(kind(4, seed=2, **rates)) for kind in (ours, peer))
        ours.set_weights(peer.get_weights())
        dropped = numbers(ours(STEPS, training=True))
        np.testing.assert_allclose(dropped, numbers(peer(STEPS, training=True)), 1e-5)
        assert not np.allclose(dropped, numbers(ours(STEPS)))


# In training


def test_cells_inside_may_drop_in_a_compiled_fit():
    cells = [
        keras.layers.LSTMCell(4, dropout=0.2),
        keras.layers.GRUCell(3, recurrent_dropout=0.3),
    ]
    steps = keras.Input((None, 5))
    once = keras.layers.RNN(layers.Zoneout(cells, 0.2, 0.1), return_sequences=True)
    twice = keras.layers.RNN(layers.Zoneout(keras.layers.GRUCell(2), 0.2))
    model = keras.Model(steps, twice(once(steps)))
    model.compile("sgd", "mse")
    history = model.fit(STEPS, np.zeros((3, 2)), epochs=3, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


def test_one_example_and_one_step_will_do():
    for layer in (
        keras.layers.RNN(layers.Zoneout(keras.layers.LSTMCell(4), 0.2, 0.2)),
        layers.ZoneoutLSTM(4, hidden_rate=0.2),
        layers.ZoneoutGRU(4, hidden_rate=0.2),
    ):
        assert tuple(layer(STEPS[:1, :1], training=True).shape) == (1, 4)


# What cannot be


class TwoStates(keras.layers.Layer):
    """A cell with two states of which nothing is known."""

    state_size = (3, 3)
    output_size = 3

    def call(self, inputs, states):
        return states[0], states


def zoned(*arguments, **keywords):
    return lambda: layers.Zoneout(*arguments, **keywords)


@pytest.mark.parametrize(
    "build, told",
    [
        (zoned(keras.layers.GRUCell(3), 1.0), r"hidden_rate in \[0, 1\).*1\.0"),
        (zoned(keras.layers.LSTMCell(3), 0, -0.1), r"cell_rate in \[0, 1\).*-0\.1"),
        (zoned(keras.layers.GRUCell(3), 0.1, 0.1), "LSTMCell.*GRUCell"),
        (zoned(TwoStates()), "SimpleRNNCell, GRUCell, LSTMCell.*TwoStates"),
        (zoned(layers.Zoneout(keras.layers.GRUCell(3))), "wraps a cell itself"),
        (lambda: layers.ZoneoutLSTM(3, cell_rate=2), r"cell_rate in \[0, 1\).*2"),
        (lambda: layers.ZoneoutGRU(3, hidden_rate=1), r"hidden_rate in \[0, 1\).*1"),
    ],
)
def test_what_cannot_be_built_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()


@pytest.mark.parametrize("cell", [keras.layers.Dense(3), keras.layers.LSTM(3), [], 3])
def test_what_is_no_cell_is_told(cell):
    with pytest.raises(TypeError, match="needs an RNN cell"):
        layers.Zoneout(cell)
