"""The card of every layer of ours: no work that nobody counted."""

import keras
import pytest
from conformance.tables import LAYERS, every

from kerasmith import layers
from kerasmith.zoo.tools.card import card

NOT_COUNTED = {"monte_carlo": "its loop is traced once, however often it runs"}


@every({name: row for name, row in LAYERS.items() if name not in NOT_COUNTED})
def test_all_work_of_a_layer_is_counted(row):
    inputs = keras.Input(row.shape[1:])
    assert card(keras.Model(inputs, row.build()(inputs))).uncounted == ()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda layer: layers.WeightNoise(layer, 0.1),
        lambda layer: layers.Whiteout(layer, 0.1),
        lambda layer: layers.Shakeout(layer, 0.1),
        layers.WeightStandardization,
        layers.WeightNormalization,
        layers.ConcreteDropout,
        lambda layer: layers.DropConnect(layer, 0.1, inference="mean"),
    ],
)
@pytest.mark.parametrize(
    "build, shape, expected",
    [
        (lambda: keras.layers.Dense(4), (5, 7), 5 * 7 * 4),
        (lambda: keras.layers.Conv2D(4, (3, 2)), (6, 5, 2), 4 * 4 * 12 * 4),
    ],
)
def test_a_wrapped_layer_costs_what_it_costs_alone(wrap, build, shape, expected):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, wrap(build())(inputs))
    assert card(model).multiply_accumulates == expected


@pytest.mark.parametrize(
    "ours, keras_own",
    [(layers.ZoneoutLSTM, keras.layers.LSTM), (layers.ZoneoutGRU, keras.layers.GRU)],
)
def test_zoneout_costs_what_the_layer_costs_without(ours, keras_own):
    inputs = keras.Input((7, 3))
    counts = {
        card(keras.Model(inputs, kind(5)(inputs))).multiply_accumulates
        for kind in (ours, keras_own)
    }
    assert len(counts) == 1


@pytest.mark.parametrize("score", ["additive", "multiplicative", "dot"])
def test_attention_projects_its_memory_once(score):
    memory, targets = keras.Input((7, 5)), keras.Input((4, 3))
    width = 6
    cell = layers.AttentionCell(keras.layers.GRUCell(5), 5, width, score=score)
    states = cell.initial_state(memory)
    model = keras.Model(
        [memory, targets], keras.layers.RNN(cell)(targets, initial_state=states)
    )
    once = {"additive": 7 * 5 * width, "multiplicative": 7 * 5 * 5, "dot": 0}[score]
    fed = 5 if score == "additive" else width
    gru = (3 + fed + 5) * 3 * 5
    # the scores and the context, and what is particular to each
    looking = 7 * 5 + (7 * width + 5 * width if score == "additive" else 7 * 5)
    looking += 0 if score == "additive" else (5 + 5) * width
    assert card(model).multiply_accumulates == once + 4 * (gru + looking)
