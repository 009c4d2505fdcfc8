"""Rows of the layers that compute what Keras' do by faster roads."""

import keras
from conformance.row import Row

from kerasmith import layers

LAYERS = {
    "conv": Row(lambda: layers.Conv2D(5, (3, 2), 2), (3, 7, 6, 4), unknown=(1, 2)),
    "conv_few_positions": Row(
        lambda: layers.Conv2D(40, 3, padding="same", use_bias=False), (3, 3, 4, 2)
    ),
    "conv_one_position": Row(
        lambda: layers.Conv2D(
            5,
            1,
            2,
            padding="same",
            activation="tanh",
            kernel_regularizer=keras.regularizers.L2(0.01),
            kernel_constraint=layers.MaxNorm(2.0, axis=(0, 1, 2)),
        ),
        (3, 7, 6, 4),
    ),
    "depthwise_conv": Row(
        lambda: layers.DepthwiseConv2D(3, activation="tanh"),
        (3, 5, 6, 4),
        unknown=(1, 2),
    ),
    "depthwise_conv_wide": Row(
        lambda: layers.DepthwiseConv2D(
            (2, 5), 2, padding="same", depth_multiplier=2, use_bias=False
        ),
        (3, 7, 6, 3),
    ),
    "activation": Row(
        lambda: layers.Activation("silu"), (3, 5, 4), unknown=(1,), mask="passed"
    ),
    "activation_relu6": Row(
        lambda: layers.Activation("relu6"), (3, 5, 4), mask="passed", corners=True
    ),
}
