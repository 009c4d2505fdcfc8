"""The tables: one row for everything public, and every question asked of every row.

A new layer, loss, callback ... needs a row here and no test of its own for what the
questions in this folder already ask. Shapes are deliberately awkward: a batch of
three, odd, not square. `test_public_names.py` fails where a row is missing.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kerasmith import callbacks, layers, zoo


@dataclasses.dataclass(frozen=True)
class Row:
    """How to build a layer or a model, and the shape of inputs to try it with."""

    build: Callable
    shape: tuple
    # the axes beside the batch whose size it need not know beforehand
    unknown: tuple = ()
    # where a mask goes: "passed" on, "consumed", or "refused" with Keras' warning
    mask: str = "refused"
    # whether it has corners (ReLU, max-pooling), where a slope jumps
    corners: bool = False

    def built(self, policy="float32"):
        """Build it under a dtype policy, weights and all."""
        keras.config.set_dtype_policy(policy)
        layer = self.build()
        if not layer.built:
            layer.build(self.shape)
        return layer

    def draws(self):
        """Tell whether it has a random generator."""
        layer = self.built()
        return len(layer.variables) > len(layer.weights)

    def inputs(self, seed=0, batch=None):
        """Draw inputs."""
        size = (batch or self.shape[0], *self.shape[1:])
        return np.random.default_rng(seed).normal(size=size).astype("float32")

    def symbolic(self, name=None):
        """Give an input of unknown batch size, and other sizes as unknown as may be."""
        sizes = [None if i in self.unknown else n for i, n in enumerate(self.shape)]
        return keras.Input(sizes[1:], name=name)


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
        lambda: layers.DropPath(0.5), (3, 5, 2), unknown=(1,), mask="passed"
    ),
    "drop_path_never": Row(lambda: layers.DropPath(0), (3, 7), mask="passed"),
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

# asked by themselves, and as the activation of a layer
ACTIVATIONS = {"scaled_tanh": layers.scaled_tanh}

# asked by themselves, and as the initialiser of a layer
INITIALIZERS = {
    "fan_in_uniform": lambda **keywords: layers.FanInUniform(**keywords),
    "fan_in_uniform_wide": lambda **keywords: layers.FanInUniform(9.6, **keywords),
}

# one small variant each, under the name it has in the zoo
ARCHITECTURES = {
    "lenet5": Row(
        lambda: zoo.build("lenet5", classes=7, input_shape=(None, None, 1)),
        (3, 32, 33, 1),
        unknown=(1, 2),
    ),
    "lenet5_modern": Row(
        lambda: zoo.build("lenet5_modern", classes=3, input_shape=(34, 37, 2)),
        (3, 34, 37, 2),
        corners=True,
    ),
}


@dataclasses.dataclass(frozen=True)
class LossRow:
    """How to build a loss, and labels and predictions to try it with."""

    build: Callable
    labels: np.ndarray
    predictions: np.ndarray


def _logits(*shape):
    return np.random.default_rng(5).normal(size=shape).astype("float32")


LOSSES = {
    "maximum_a_posteriori": LossRow(
        lambda **keywords: layers.MaximumAPosteriori(**keywords),
        np.array([4, 0, 1]),
        _logits(3, 5),
    ),
    "maximum_a_posteriori_column": LossRow(
        lambda **keywords: layers.MaximumAPosteriori(0.1, **keywords),
        np.array([[1], [2], [0]]),
        9 * _logits(3, 3),
    ),
}

# how to build a callback that keeps its files in a folder; one without `get_state` and
# `set_state` gives a reason below
CALLBACKS = {
    "history_log": lambda folder, **keywords: callbacks.HistoryLog(
        folder / "history.csv", **keywords
    ),
    "keep_best": lambda folder, **keywords: callbacks.KeepBest(
        folder / "best.weights.h5", **{"monitor": "loss", **keywords}
    ),
    "resume": lambda folder, **keywords: callbacks.Resume(
        folder / "states", **keywords
    ),
}

WITHOUT_STATE = {"resume": "its state is what it writes to its folder"}

# every row that computes: all that is asked of a layer can be asked of a model, and
# an activation or an initialiser is asked inside a layer of Keras
ROWS = {
    **LAYERS,
    **{
        name: Row(
            lambda function=function: keras.layers.Activation(function),
            (3, 5, 7),
            unknown=(1,),
            mask="passed",
        )
        for name, function in ACTIVATIONS.items()
    },
    **{
        name: Row(
            lambda build=build: keras.layers.Dense(4, kernel_initializer=build(seed=2)),
            (3, 5),
            mask="passed",
        )
        for name, build in INITIALIZERS.items()
    },
    **ARCHITECTURES,
}


def every(table, argument="row"):
    """Ask a test of every row of a table, by the row's name."""
    return pytest.mark.parametrize(argument, list(table.values()), ids=list(table))
