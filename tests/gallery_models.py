"""Models of embeddings, and what they answer in NumPy."""

import functools

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

DIGITS = load_digits()
IMAGES = DIGITS.images.astype("float32")  # (1797, 8, 8), 0 to 16
LABELS = [str(label) for label in DIGITS.target]
# one of each digit to enrol, in the order in which they stand in the data
FIRST = [LABELS.index(str(digit)) for digit in range(10)]


def embedder(width=7, seed=3, activation=None, **options):
    """Give an untrained model of embeddings of digits, drawn by NumPy."""
    draw = np.random.default_rng(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(width, activation, **options),
            layers.UnitNormalization(**options),
        ]
    )
    kernel = draw.normal(size=(64, width)) / 16
    mean = IMAGES.mean(axis=0).ravel()  # so that embeddings point everywhere
    model.set_weights([kernel, draw.normal(size=width) / 16 - mean @ kernel])
    return model


@functools.cache
def shared():
    """Give one such model to all who leave it as it is: it is compiled once."""
    return embedder()


def embedded(model, images):
    """Embed digits in NumPy, in float64."""
    kernel, bias = (weight.astype("float64") for weight in model.get_weights())
    rows = np.asarray(images, "float64").reshape(len(images), -1) @ kernel + bias
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ranking(query, vectors, names):
    """Rank names by loops: the nearest vector of each, the earlier one where tied."""
    found = {}
    for vector, name in zip(vectors, names, strict=True):
        distance = float(np.sqrt(np.sum((vector.astype("float64") - query) ** 2)))
        found[name] = min(distance, found.get(name, np.inf))
    first = list(dict.fromkeys(names))
    return sorted(found.items(), key=lambda pair: (pair[1], first.index(pair[0])))
