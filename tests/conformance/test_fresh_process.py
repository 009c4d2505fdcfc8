"""What is saved here answers alike elsewhere: all rows in one process of each kind."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from conformance.fresh import run, save_arrays
from conformance.tables import LOSSES, ROWS
from conformance.together import inputs_of, join, numbers

every_name = pytest.mark.parametrize("name", list(ROWS))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    rows = ROWS
    if keras.backend.backend() == "jax":
        # JAX has no gradient of a convolution of unknown size, and Keras exports it
        rows = {
            name: dataclasses.replace(row, unknown=()) for name, row in rows.items()
        }
    model = join(rows)
    # no zeros and ones that could as well be made anew
    for weight in model.trainable_weights:
        weight.assign_add(0.1 * keras.random.normal(weight.shape))
    return model


@pytest.fixture(scope="module")
def expected(model):
    return numbers(model(inputs_of(ROWS), training=False))


def save_losses(folder):
    """Save a model compiled with each loss."""
    for name, row in LOSSES.items():
        logits = keras.Input(row.predictions.shape[1:])
        model = keras.Model(logits, keras.layers.Identity()(logits))
        model.compile(loss=row.build())
        model.save(folder / f"{name}.keras")


@pytest.fixture(scope="module")
def keras_answers(model, tmp_path_factory):
    """Give what each row says, saved by itself and loaded in one fresh process."""
    folder = tmp_path_factory.mktemp("keras")
    for name in ROWS:
        part = keras.Model(model.input[f"to_{name}"], model.output[name])
        part.save(folder / f"{name}.keras")
    save_losses(folder)
    inputs = {name: row.inputs() for name, row in ROWS.items()}
    predictions = {name: row.predictions for name, row in LOSSES.items()}
    save_arrays(folder / "inputs.npz", inputs | predictions)
    labels = {name: row.labels for name, row in LOSSES.items()}
    save_arrays(folder / "labels.npz", labels)
    run("fresh_keras.py", folder)
    return json.loads((folder / "keras.json").read_text())


@pytest.fixture(scope="module")
def tensorflow_answers(model, tmp_path_factory):
    """Give what plain TensorFlow says, running all rows from one SavedModel."""
    folder = tmp_path_factory.mktemp("tensorflow")
    save_arrays(folder / "all.npz", inputs_of(ROWS))
    if keras.backend.backend() == "torch":
        # Keras writes no SavedModel from PyTorch: the way out leads over TensorFlow
        model.save(folder / "all.keras")
        run("fresh_export.py", folder, KERAS_BACKEND="tensorflow")
    else:
        model.export(folder / "saved_model", verbose=False)
    run("fresh_tensorflow.py", folder)
    return json.loads((folder / "tensorflow.json").read_text())


@every_name
def test_saved_and_loaded_it_answers_alike(expected, keras_answers, name):
    assert "error" not in keras_answers[name], keras_answers[name]
    np.testing.assert_allclose(
        keras_answers[name]["outputs"], expected[name], 1e-5, 1e-5
    )


@every_name
def test_plain_tensorflow_answers_alike(expected, tensorflow_answers, name):
    np.testing.assert_allclose(tensorflow_answers[name], expected[name], 1e-5, 1e-5)


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_saved_model_keeps_its_loss(keras_answers, name):
    assert "error" not in keras_answers[name], keras_answers[name]
    row = LOSSES[name]
    loss = float(row.build()(row.labels, row.predictions))
    assert keras_answers[name]["loss"] == pytest.approx(loss, rel=1e-5)
