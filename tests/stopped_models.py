"""A training that gets worse again, for what stops it."""

import keras
import numpy as np

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]] + RANDOM.normal(size=(40, 1))).astype("float32")
TRAIN, VALIDATION = (X[:30], Y[:30]), (X[30:], Y[30:])


def make_model(optimizer=None, **compile_options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.2, seed=3),
            keras.layers.Dense(1),
        ]
    )
    # so large a rate that it gets worse again
    model.compile(optimizer or keras.optimizers.SGD(0.2), "mse", **compile_options)
    return model


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
