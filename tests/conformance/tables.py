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


def compared(head, **options):
    """Build a model that compares the two channels of an image."""
    options |= {"embedding": 32, "activation": "tanh", "input_shape": (32, 33, 1)}
    model = zoo.siamese("lenet5_modern", head=head, **options)
    both = keras.Input((32, 33, 2))
    return keras.Model(both, model([both[..., :1], both[..., 1:]]))


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
    "siamese_triplet": Row(
        lambda: zoo.siamese(
            "lenet5_modern", embedding=5, activation="tanh", input_shape=(32, 33, 1)
        ),
        (3, 32, 33, 1),
        corners=True,
    ),
    "siamese_contrastive": Row(
        lambda: compared("contrastive"), (3, 32, 33, 2), corners=True
    ),
    "siamese_logistic": Row(
        lambda: compared("logistic", comparison="chi_square"),
        (3, 32, 33, 2),
        corners=True,
        rounding=0.1,
    ),
}


@dataclasses.dataclass(frozen=True)
class LossRow:
    """How to build a loss, and labels and predictions to try it with.

    A loss gives a value for each sample, or `each` `"position"`. Positions with the
    label `ignored`, or with a row of zeros, take no part.
    """

    build: Callable
    labels: np.ndarray
    predictions: np.ndarray
    each: str = "sample"
    ignored: int | None = None

    @property
    def classes(self):
        """Give the class that is true at each position, -1 where none counts."""
        shape = self.predictions.shape[:-1]
        if self.labels.size == np.prod(shape):
            labels = self.labels.reshape(shape)
            return np.where(labels == self.ignored, -1, labels)
        return np.where(self.labels.any(-1), self.labels.argmax(-1), -1)

    @property
    def right(self):
        """Give logits that say what is true, and 0 where nothing counts."""
        channels = self.predictions.shape[-1]
        rows = np.array([[-1.0], [1.0]]) if channels == 1 else np.eye(channels)
        rows = np.concatenate([rows, np.zeros((1, channels))])
        return rows[self.classes].astype("float32")

    @property
    def counted(self):
        """Give how many values a mean is over."""
        if self.each == "sample":
            return len(self.labels)
        return np.sum(self.classes >= 0)


def _logits(*shape):
    return np.random.default_rng(5).normal(size=shape).astype("float32")


def _labels(*shape, classes=4, ignored=None):
    """Draw labels, with some to be ignored in all samples but the first."""
    labels = np.random.default_rng(7).integers(0, classes, shape)
    if ignored is not None:
        labels[1:, ::2] = ignored
    return labels


def _rows(labels, classes=4):
    """Write labels as one-hot rows, of zeros for one that is no class."""
    return (labels[..., None] == np.arange(classes)).astype("float32")


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
    "soft_dice": LossRow(
        lambda **keywords: layers.SoftDice(from_logits=True, **keywords),
        _labels(3, 5, 7),
        _logits(3, 5, 7, 4),
    ),
    "soft_dice_rows": LossRow(
        lambda **keywords: layers.SoftDice(
            squared=True,
            over="batch",
            empty="penalise",
            smooth=1.0,
            from_logits=True,
            ignore_class=255,
            **keywords,
        ),
        _rows(_labels(3, 5, 7, ignored=255)),
        _logits(3, 5, 7, 4),
        ignored=255,
    ),
    "soft_jaccard_channel": LossRow(
        lambda **keywords: layers.SoftJaccard(from_logits=True, **keywords),
        _labels(3, 7, classes=2),
        _logits(3, 7, 1),
    ),
    "tversky_column": LossRow(
        lambda **keywords: layers.Tversky(
            gamma=4 / 3, from_logits=True, ignore_class=-1, **keywords
        ),
        _labels(3, 2, 5, 3, ignored=-1)[..., None],
        _logits(3, 2, 5, 3, 4),
        ignored=-1,
    ),
    "focal": LossRow(
        lambda **keywords: layers.Focal(
            2.0, [0.2, 1.0, 0.5, 2.0], from_logits=True, ignore_class=255, **keywords
        ),
        _labels(3, 5, 7, ignored=255),
        _logits(3, 5, 7, 4),
        each="position",
        ignored=255,
    ),
    "focal_rows": LossRow(
        lambda **keywords: layers.Focal(
            1.0, from_logits=True, ignore_class=255, **keywords
        ),
        _rows(_labels(3, 7, ignored=255)),
        _logits(3, 7, 4),
        each="position",
        ignored=255,
    ),
    "focal_channel": LossRow(
        lambda **keywords: layers.Focal(2.0, 0.25, from_logits=True, **keywords),
        _labels(3, 5, 7, classes=2),
        _logits(3, 5, 7, 1),
        each="position",
    ),
    "label_smoothing": LossRow(
        lambda **keywords: layers.LabelSmoothingCrossEntropy(
            0.2, from_logits=True, ignore_class=255, **keywords
        ),
        _labels(3, 7, ignored=255),
        _logits(3, 7, 4),
        each="position",
        ignored=255,
    ),
    "boundary_weighted_cross_entropy": LossRow(
        lambda **keywords: layers.BoundaryWeightedCrossEntropy(
            from_logits=True, **keywords
        ),
        _labels(3, 2, 5, 3),
        _logits(3, 2, 5, 3, 4),
        each="position",
    ),
}


@dataclasses.dataclass(frozen=True)
class MetricRow:
    """How to build a metric, and labels and predictions to try it with."""

    build: Callable
    labels: np.ndarray
    predictions: np.ndarray


METRICS = {
    "mean_iou": MetricRow(
        lambda **keywords: layers.MeanIoU(4, ignore_class=255, **keywords),
        _labels(3, 5, 7, ignored=255),
        _logits(3, 5, 7, 4),
    ),
    "mean_iou_channel": MetricRow(
        lambda **keywords: layers.MeanIoU(2, from_logits=True, **keywords),
        _labels(3, 7, classes=2)[..., None],
        _logits(3, 7, 1),
    ),
    "mean_dice": MetricRow(
        lambda **keywords: layers.MeanDice(4, **keywords),
        _rows(_labels(3, 5, 7)),
        _logits(3, 5, 7, 4),
    ),
    "mean_dice_sparse": MetricRow(
        lambda **keywords: layers.MeanDice(5, sparse_y_pred=True, **keywords),
        _labels(3, 5, 7),
        np.random.default_rng(6).integers(0, 4, (3, 5, 7)).astype("float32"),
    ),
    "bleu": MetricRow(
        lambda **keywords: layers.BLEU(
            2, smoothing="add_k", pad=None, sparse_y_pred=False, **keywords
        ),
        _labels(3, 7),
        _logits(3, 6, 4),
    ),
    "bleu_references": MetricRow(
        lambda **keywords: layers.BLEU(2, end=0, **keywords),
        _labels(3, 2, 7) + 1,
        np.random.default_rng(6).integers(1, 5, (3, 6)).astype("float32"),
    ),
    "word_error_rate": MetricRow(
        lambda **keywords: layers.WordErrorRate(pad=9, end=3, **keywords),
        np.array([[2, 1, 2, 3, 9], [1, 0, 2, 1, 3], [3, 2, 2, 2, 1]]),
        np.array([[2, 1, 3, 0], [1, 0, 1, 3], [1, 3, 9, 9]], "float32"),
    ),
    "character_error_rate": MetricRow(
        lambda **keywords: layers.CharacterErrorRate(
            pad=None, sparse_y_pred=False, **keywords
        ),
        _labels(3, 7),
        _logits(3, 5, 4),
    ),
    "exact_match": MetricRow(
        lambda **keywords: layers.ExactMatch(end=3, **keywords),
        np.array([[2, 1, 3, 0, 0], [1, 2, 2, 1, 3], [3, 2, 2, 2, 1]]),
        np.array([[2, 1, 3, 2], [1, 2, 2, 1], [1, 3, 0, 0]], "float32"),
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
