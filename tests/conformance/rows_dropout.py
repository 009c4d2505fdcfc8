"""Rows of the layers that drop, and of predictions with dropout on."""

import keras
from conformance.row import Row

from kerasmith import layers


def monte_carlo():
    """Build predictions of a model without noise, so that they can be compared."""
    inner = keras.Sequential(
        [
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dropout(0.0),
            keras.layers.Dense(2),
        ]
    )
    return layers.MonteCarlo(inner, samples=3)


def mean_of_monte_carlo():
    """Build a model that gives their mean alone."""
    inputs = keras.Input((5,))
    return keras.Model(inputs, monte_carlo()(inputs)["mean"])


LAYERS = {
    "drop_block": Row(
        lambda: layers.DropBlock(0.3, (3, 2), seed=1),
        (3, 7, 5, 4),
        unknown=(1, 2),
        mask="passed",
    ),
    "drop_block_sequence": Row(
        lambda: layers.DropBlock(0.2, 3, seed=2), (3, 9, 3), unknown=(1,), mask="passed"
    ),
    "drop_block_volume": Row(
        lambda: layers.DropBlock(
            0.2, 2, share_channels=True, data_format="channels_first", seed=3
        ),
        (3, 2, 5, 3, 4),
        unknown=(2, 3),
        mask="passed",
    ),
    "locked_dropout": Row(
        lambda: layers.LockedDropout(0.3, seed=1),
        (3, 5, 7),
        unknown=(1,),
        mask="passed",
    ),
    "randomized_leaky_relu": Row(
        lambda: layers.RandomizedLeakyReLU(2, 5.5, seed=1),
        (3, 5, 7),
        unknown=(1,),
        mask="passed",
        corners=True,
    ),
    "concrete_dropout": Row(
        lambda: layers.ConcreteDropout(keras.layers.Dense(4), seed=1),
        (3, 5, 7),
        unknown=(1,),
        mask="passed",
        in_training_alone=("logit",),
    ),
    "concrete_dropout_conv": Row(
        lambda: layers.ConcreteDropout(
            keras.layers.Conv2D(4, (3, 2), padding="same"),
            0.3,
            weight_regularizer=1e-3,
            dropout_regularizer=1e-2,
        ),
        (3, 7, 5, 3),
        unknown=(1, 2),
        in_training_alone=("logit",),
    ),
    "monte_carlo": Row(mean_of_monte_carlo, (3, 5), part=monte_carlo),
}
