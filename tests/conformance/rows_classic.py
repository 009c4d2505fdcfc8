"""Rows of the layers of LeNet-5, and of stochastic depth."""

import keras
import numpy as np
from conformance.row import Row

from kerasmith import layers

LAYERS = {
    "connection_table": Row(
        lambda: layers.ConnectionTableConv2D([(0, 2), (1,), (4, 2, 0)], (3, 2)),
        (3, 7, 5, 5),
        unknown=(1, 2),
    ),
    "connection_table_same": Row(
        lambda: layers.ConnectionTableConv2D(
            [(0, 2), (1, 0)],
            (2, 3),
            padding="same",
            activation="tanh",
            use_bias=False,
            kernel_initializer=layers.FanInUniform(seed=3),
            kernel_regularizer=keras.regularizers.L2(0.01),
            kernel_constraint=keras.constraints.NonNeg(),
        ),
        (3, 6, 5, 3),
        unknown=(1, 2),
    ),
    "drop_path": Row(
        lambda: layers.DropPath(0.3, seed=1),
        (3, 5, 7, 4),
        unknown=(1, 2),
        mask="passed",
    ),
    "drop_path_sequence": Row(
        lambda: layers.DropPath(0.2, seed=1), (3, 5, 2), unknown=(1,), mask="passed"
    ),
    "drop_path_never": Row(lambda: layers.DropPath(0), (3, 7), mask="passed"),
    "padded_shortcut": Row(
        lambda: layers.PaddedShortcut(5, 2), (3, 7, 4, 3), unknown=(1, 2)
    ),
    "radial_basis": Row(
        lambda: layers.RadialBasis(np.random.default_rng(3).choice([-1, 1], (4, 7))),
        (3, 7),
    ),
    "radial_basis_learned": Row(
        lambda: layers.RadialBasis([[0.5, -1.0, 2.0]], trainable=True), (3, 3)
    ),
    "subsampling": Row(layers.Subsampling2D, (3, 7, 5, 3), unknown=(1, 2)),
    "subsampling_oblong": Row(
        lambda: layers.Subsampling2D(
            (3, 1),
            activation=layers.scaled_tanh,
            coefficient_initializer=layers.FanInUniform(seed=3),
            bias_initializer="ones",
        ),
        (3, 7, 4, 2),
        unknown=(1, 2),
    ),
}
