"""Models to export, and what they answer."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasmith.layers import (
    ConnectionTableConv2D,
    RadialBasis,
    Subsampling2D,
    scaled_tanh,
)

ALL = ("saved_model", "onnx", "litert")


LABELS = ["nought", "ein Zweier", "trois à la fois"]


on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="other backends convert in a second process, which this cannot reach into",
)


def tiny(last=None):
    """A network of every custom layer, with running statistics that are no start."""
    image = keras.Input((14, 12, 1))
    x = layers.Conv2D(3, 3, activation="gelu")(image)
    norm = layers.BatchNormalization()
    x = layers.Dropout(0.5)(norm(x))
    x = ConnectionTableConv2D([(0, 1), (1, 2)], 3, activation=scaled_tanh)(x)
    x = layers.Flatten()(Subsampling2D(2)(x))
    x = layers.Dense(8)(x)
    codes = np.random.default_rng(3).choice([-1.0, 1.0], (3, 8))
    statistics = ([1.0, 1.2, 0.8], [0.0, 0.1, -0.1], [0.3, -0.2, 0.1], [0.5, 2.0, 1.5])
    norm.set_weights([np.array(row) for row in statistics])
    return keras.Model(image, (last or RadialBasis(codes))(x))


def flat(*last, shape=(4, 4, 1)):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), *last])


def images(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def answer(model, pixels, size=(14, 12)):
    """The probabilities, by another road than that of the export."""
    resized = keras.ops.image.resize(pixels.astype("float32"), size)
    return softmax(numbers(model(numbers(resized) / 255)))


def everything_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class Drift(layers.Layer):
    """Answers otherwise each time that Python runs it: what an export must notice."""

    calls = 0

    def call(self, inputs):
        Drift.calls += 1
        drift = np.arange(3, dtype="float32") * 0.1 * Drift.calls
        return inputs + keras.ops.convert_to_tensor(drift)
