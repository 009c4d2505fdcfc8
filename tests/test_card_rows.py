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
