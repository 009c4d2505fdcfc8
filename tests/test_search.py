"""Layers in keras-tuner: chosen and dimensioned by a search, and taken back from it."""

import keras
import keras_tuner
import numpy as np
import pytest

from kerasmith import layers

IMAGES = np.random.default_rng(0).normal(size=(32, 6, 5, 4)).astype("float32")
SEQUENCES = np.random.default_rng(1).normal(size=(32, 6, 4)).astype("float32")
LABELS = np.arange(32) % 3

NORMS = {
    "batch": lambda: layers.BatchNormalization(virtual_batch_size=4),
    "group": lambda: layers.GroupNormalization(2),
    "instance": layers.InstanceNormalization,
}
DROPOUTS = {
    "block": lambda rate: layers.DropBlock(rate, 2),
    "leaky": lambda rate: layers.RandomizedLeakyReLU(2, 2 + 10 * rate),
    "path": layers.DropPath,
}
WRAPPERS = {
    "connect": layers.DropConnect,
    "noise": layers.WeightNoise,
    "shakeout": layers.Shakeout,
}


def build_for_images(hp):
    rate = hp.Float("rate", 0.1, 0.3)
    limit = layers.MaxNorm(hp.Float("limit", 0.5, 3.0))
    model = keras.Sequential([keras.Input(IMAGES.shape[1:])])
    convolution = keras.layers.Conv2D(4, 3, kernel_constraint=limit)
    model.add(layers.WeightStandardization(convolution))
    model.add(NORMS[hp.Choice("norm", list(NORMS))]())
    model.add(DROPOUTS[hp.Choice("dropout", list(DROPOUTS))](rate))
    model.add(layers.SqueezeExcite(2))
    model.add(keras.layers.Flatten())
    model.add(WRAPPERS[hp.Choice("wrapper", list(WRAPPERS))](dense(), rate))
    return compiled(model)


def build_for_sequences(hp):
    rate = hp.Float("rate", 0.0, 0.3)
    heads = hp.Int("heads", 1, 2)
    model = keras.Sequential([keras.Input(SEQUENCES.shape[1:])])
    model.add(layers.PositionalEncoding(hp.Choice("kind", ["sinusoidal"])))
    model.add(layers.TransformerEncoderBlock(heads, 8))
    model.add(layers.LockedDropout(rate))
    if hp.Boolean("gates"):
        model.add(layers.ZoneoutLSTM(4, hidden_rate=rate))
    else:
        model.add(keras.layers.RNN(layers.Zoneout(keras.layers.GRUCell(4), rate)))
    model.add(dense())
    return compiled(model)


def dense():
    return keras.layers.Dense(3, activation="softmax")


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile("adam", loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    "build, inputs", [(build_for_images, IMAGES), (build_for_sequences, SEQUENCES)]
)
def test_a_search_tries_them_and_gives_back_the_best(build, inputs, tmp_path):
    tuner = keras_tuner.RandomSearch(
        build, "val_loss", max_trials=3, seed=0, directory=tmp_path, project_name="s"
    )
    data = {"x": inputs, "y": LABELS, "validation_data": (inputs, LABELS)}
    tuner.search(**data, epochs=1, batch_size=16, verbose=0)
    trials = tuner.oracle.get_best_trials(3)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 3
    (best,) = tuner.get_best_models(1)
    found = best.evaluate(inputs, LABELS, batch_size=16, verbose=0)[0]
    assert found == pytest.approx(trials[0].score, rel=1e-4)
