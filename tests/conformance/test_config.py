"""What is asked of configurations: all of it is kept, and it survives JSON."""

import inspect
import json

import keras
import pytest
from conformance.rows_constraints import CONSTRAINTS
from conformance.tables import INITIALIZERS, LAYERS, LOSSES, METRICS, ROWS, every

# everything with a constructor of ours, under the name of its row
CONSTRUCTED = {
    **{name: row.alone for name, row in LAYERS.items()},
    **INITIALIZERS,
    **CONSTRAINTS,
    **{name: row.build for name, row in LOSSES.items()},
    **{name: row.build for name, row in METRICS.items()},
}
KERAS_BASES = (
    keras.layers.Layer,
    keras.initializers.Initializer,
    keras.constraints.Constraint,
    keras.losses.Loss,
    keras.metrics.Metric,
)


def through_json(thing):
    return json.loads(json.dumps(thing))


@every(CONSTRUCTED, "build")
def test_every_argument_is_in_the_config(build):
    thing = build()
    arguments = set(inspect.signature(type(thing).__init__).parameters)
    assert not arguments - {"self", "kwargs"} - set(thing.get_config())


@every(LAYERS)
def test_every_argument_is_an_attribute(row):
    layer = row.alone()
    arguments = set(inspect.signature(type(layer).__init__).parameters)
    missing = {a for a in arguments - {"self", "kwargs"} if not hasattr(layer, a)}
    assert not missing


@every(CONSTRUCTED, "build")
def test_the_config_builds_the_same_again(build):
    config = through_json(build().get_config())
    again = type(build()).from_config(config)
    assert through_json(again.get_config()) == config


@every({**CONSTRUCTED, **{name: row.build for name, row in ROWS.items()}}, "build")
def test_keras_serializes_and_restores_it(build):
    saved = through_json(keras.saving.serialize_keras_object(build()))
    # a copy: Keras takes the configuration of a model to pieces
    again = keras.saving.deserialize_keras_object(through_json(saved))
    assert through_json(keras.saving.serialize_keras_object(again)) == saved


@every(CONSTRUCTED, "build")
def test_it_is_registered_under_our_name(build):
    name = keras.saving.get_registered_name(type(build()))
    assert name == f"kerasmith>{type(build()).__name__}"


@every(ROWS)
def test_building_and_calling_change_no_config(row):
    layer = row.build()
    before = through_json(layer.get_config())
    layer(row.inputs(), training=True)
    assert through_json(layer.get_config()) == before


@every(CONSTRUCTED, "build")
def test_an_unknown_argument_is_an_error(build):
    thing = build()
    with pytest.raises((TypeError, ValueError), match="no_such_argument"):
        type(thing).from_config({**thing.get_config(), "no_such_argument": 1})


def test_the_table_holds_only_things_of_keras():
    assert all(isinstance(build(), KERAS_BASES) for build in CONSTRUCTED.values())
