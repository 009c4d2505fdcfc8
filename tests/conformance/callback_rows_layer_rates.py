"""Rows of the callbacks that give layers rates of their own."""

import keras

from kerasmith import callbacks

CALLBACKS = {
    "discriminative_learning_rates": lambda folder, **keywords: (
        callbacks.DiscriminativeLearningRates({"*": 0.5, keras.layers.Dense: 0.7})
    ),
}

WITHOUT_STATE = {
    "discriminative_learning_rates": "its multipliers are arguments and never move",
}
