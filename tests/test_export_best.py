"""`ExportBest`: the best model so far lies exported at any moment."""

import json

import keras
import numpy as np
import pytest

from kerasmith.zoo.tools import ExportBest, ExportMismatch, export_best, predict_images

X = np.random.default_rng(0).integers(0, 256, (6, 4, 3, 1)).astype("uint8")


def model_of(bias):
    layers = [keras.Input((4, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.layers[-1].bias.assign([bias, 0.0])
    model.layers[-1].kernel.assign(np.zeros((12, 2)))
    return model


def epoch_ends(callback, losses, biases):
    for epoch, (loss, bias) in enumerate(zip(losses, biases, strict=True)):
        callback.set_model(model_of(bias))
        callback.on_epoch_end(epoch, {"val_loss": loss})


def first_probability(folder):
    _, probabilities = predict_images(folder / "saved_model", X)
    return float(probabilities[0, 0])


def test_what_lies_there_is_the_best_epoch(tmp_path):
    callback = ExportBest(tmp_path, labels=["a", "b"])
    callback.on_train_begin()
    epoch_ends(callback, [0.9, 0.5, 0.7, np.nan], [0.0, 1.5, 2.0, 3.0])
    assert (callback.best, callback.best_epoch) == (0.5, 1)
    assert first_probability(tmp_path) == pytest.approx(1 / (1 + np.exp(-1.5)), 1e-5)
    other = ExportBest(tmp_path)
    other.set_state(json.loads(json.dumps(callback.get_state())))
    assert other.get_state() == callback.get_state()
    assert other.files == callback.files
    callback.on_train_begin()
    assert callback.best is None and callback.files == {}


def test_exports_are_as_rare_as_asked_for(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        export_best, "export", lambda model, path: made.append(model) or {}
    )
    callback = ExportBest(tmp_path, every=3)
    epoch_ends(callback, [0.9, 0.8, 0.7, 0.6, 0.5], [0.0] * 5)
    assert len(made) == 2 and callback.best_epoch == 3


def test_an_export_that_answers_otherwise_stops_no_training(tmp_path, monkeypatch):
    def fail(model, path):
        raise ExportMismatch("the answers differ by 0.5.")

    monkeypatch.setattr(export_best, "export", fail)
    callback = ExportBest(tmp_path)
    with pytest.warns(UserWarning, match=r"epoch 1 was not exported.*differ by 0\.5"):
        epoch_ends(callback, [0.9], [0.0])
    assert callback.best is None


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="every >= 1"):
        ExportBest(tmp_path, every=0)
    with pytest.raises(ValueError, match="pass mode"):
        ExportBest(tmp_path, "val_money")
    callback = ExportBest(tmp_path)
    with pytest.raises(KeyError, match=r"only \['loss'\] were logged"):
        callback.on_epoch_end(0, {"loss": 1.0})
