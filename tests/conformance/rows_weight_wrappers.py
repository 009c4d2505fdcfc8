"""Rows of the wrappers round layers with a kernel."""

import keras
from conformance.row import Row

from kerasmith import layers

LAYERS = {
    "weight_noise": Row(
        lambda: layers.WeightNoise(keras.layers.Dense(4), 0.1),
        (3, 5),
        mask="passed",
    ),
    "weight_noise_recurrent": Row(
        lambda: layers.WeightNoise(
            keras.layers.LSTM(3, return_sequences=True), 0.05, seed=2
        ),
        (3, 5, 2),
        mask="passed",
    ),
    "whiteout": Row(
        lambda: layers.Whiteout(
            keras.layers.Conv2D(
                3, (3, 2), kernel_initializer=keras.initializers.RandomUniform(0.2, 0.6)
            ),
            0.003,
            0.7,
            0.001,
            seed=2,
        ),
        (3, 7, 5, 2),
        unknown=(1, 2),
    ),
    "whiteout_multiplicative": Row(
        lambda: layers.Whiteout(
            keras.layers.Dense(4), 0.01, form="multiplicative", floor=1e-4
        ),
        (3, 5),
        mask="passed",
        corners=True,
    ),
    "shakeout": Row(
        lambda: layers.Shakeout(
            keras.layers.Dense(4, activation="sigmoid"), 0.3, 0.1, seed=2
        ),
        (3, 5, 7),
        unknown=(1,),
        mask="passed",
        corners=True,
    ),
    "shakeout_causal": Row(
        lambda: layers.Shakeout(
            keras.layers.Conv1D(4, 2, padding="causal", dilation_rate=2), 0.4
        ),
        (3, 7, 2),
        unknown=(1,),
    ),
    "drop_connect": Row(
        lambda: layers.DropConnect(
            keras.layers.Dense(4, activation="tanh", bias_initializer="ones"), 0.4
        ),
        (3, 5),
        mask="passed",
    ),
    "drop_connect_convolution": Row(
        lambda: layers.DropConnect(
            keras.layers.Conv2D(3, (3, 2), activation="sigmoid", strides=2),
            0.3,
            samples=5,
            seed=2,
        ),
        (3, 7, 6, 2),
        unknown=(1, 2),
    ),
    "drop_connect_mean": Row(
        lambda: layers.DropConnect(
            keras.layers.EinsumDense("abc,cde->abde", (5, 2, 3), bias_axes="e"),
            inference="mean",
            per_example=False,
        ),
        (3, 5, 4),
    ),
    "weight_standardization": Row(
        lambda: layers.WeightStandardization(
            keras.layers.SeparableConv2D(4, (3, 2)), epsilon=0.01, scaled=True
        ),
        (3, 5, 4, 6),
        unknown=(1, 2),
    ),
    "weight_standardization_transposed": Row(
        lambda: layers.WeightStandardization(
            keras.layers.Conv2DTranspose(4, 3, strides=2)
        ),
        (3, 5, 4, 3),
        unknown=(1, 2),
    ),
    "weight_normalization": Row(
        lambda: layers.WeightNormalization(
            keras.layers.Dense(4, kernel_regularizer="l2")
        ),
        (3, 5, 7),
        unknown=(1,),
        mask="passed",
    ),
    "weight_normalization_recurrent": Row(
        lambda: layers.WeightNormalization(keras.layers.GRU(3)),
        (3, 5, 2),
        mask="consumed",
    ),
}
