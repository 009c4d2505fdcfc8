"""The tables: one row for everything public, and every question asked of every row.

A new layer, loss, callback ... needs a row here and no test of its own for what the
questions in this folder already ask. Shapes are deliberately awkward: a batch of
three, odd, not square. `test_public_names.py` fails where a row is missing. The rows
of layers stand in files by topic, `rows_*.py`, and those of callbacks in
`callback_rows_*.py`.
"""

import dataclasses
import importlib
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import pytest
from conformance.row import Row

from kerasmith import layers, zoo


def _topics():
    """Name the files that hold rows of layers."""
    files = pathlib.Path(__file__).parent.glob("rows_*.py")
    return sorted(file.stem.removeprefix("rows_") for file in files)


# ROWS=classic,dropout pytest tests/conformance: ask the layers of these files alone
CHOSEN = os.environ.get("ROWS")
FILES = CHOSEN.split(",") if CHOSEN else _topics()

LAYERS = {}
for _topic in FILES:
    LAYERS.update(importlib.import_module(f"conformance.rows_{_topic}").LAYERS)

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
# `set_state` gives a reason below. The rows stand in files by topic
CALLBACKS, WITHOUT_STATE = {}, {}
for _path in sorted(pathlib.Path(__file__).parent.glob("callback_rows_*.py")):
    _rows = importlib.import_module(f"conformance.{_path.stem}")
    CALLBACKS.update(_rows.CALLBACKS)
    WITHOUT_STATE.update(getattr(_rows, "WITHOUT_STATE", {}))

# every row that computes: all that is asked of a layer can be asked of a model, and
# an activation or an initialiser is asked inside a layer of Keras
ROWS = (
    LAYERS
    if CHOSEN
    else {
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
                lambda build=build: keras.layers.Dense(
                    4, kernel_initializer=build(seed=2)
                ),
                (3, 5),
                mask="passed",
            )
            for name, build in INITIALIZERS.items()
        },
        **ARCHITECTURES,
    }
)


def every(table, argument="row"):
    """Ask a test of every row of a table, by the row's name."""
    return pytest.mark.parametrize(argument, list(table.values()), ids=list(table))
