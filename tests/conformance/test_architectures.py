"""What is asked of architectures, beside what every layer is asked."""

import keras
import numpy as np
import pytest
from conformance.tables import ARCHITECTURES, every

from kerasmith import zoo

ENDPOINTS = ("stem", "stage1", "features", "logits")
every_name = pytest.mark.parametrize("name", list(ARCHITECTURES))


def test_every_architecture_is_in_the_table():
    assert set(ARCHITECTURES) == set(zoo.names())


@every(ARCHITECTURES)
def test_it_is_a_functional_model_of_registered_layers(row):
    model, image = row.build(), keras.Input((1,))
    assert type(model) is type(keras.Model(image, image))
    for layer in model.layers:
        package = keras.saving.get_registered_name(type(layer)).partition(">")[0]
        assert package == "kerasmith" or type(layer).__module__.startswith("keras.")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@every(ARCHITECTURES)
def test_it_can_be_cut_at_its_endpoints(row, endpoint):
    model = row.build()
    cut = keras.Model(model.input, model.get_layer(endpoint).output)
    outputs = keras.ops.convert_to_numpy(cut(row.inputs(), training=False))
    assert np.all(np.isfinite(outputs))
    assert len(outputs) == len(row.inputs())


@every_name
def test_it_is_named_like_its_variant(name):
    assert ARCHITECTURES[name].build().name == name


@every_name
def test_it_has_a_line_of_summary(name):
    summary = zoo.summary(name)
    assert summary and "\n" not in summary


@every_name
def test_an_unknown_option_names_the_nearest(name):
    with pytest.raises((TypeError, ValueError), match="activation"):
        zoo.build(name, activatoin="relu")


@every_name
def test_it_has_a_logit_for_each_class(name):
    assert zoo.build(name, classes=5).output_shape == (None, 5)
