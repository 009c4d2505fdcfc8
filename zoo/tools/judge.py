"""Judging a trained model on its test images, and writing down what was found."""

import dataclasses
import json
import pathlib

import numpy as np

from ...callbacks.files import write_text
from . import pictures
from .card import card
from .report import confusion_matrix
from .run_page import run_page

SHOWN_MISTAKES = 36


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a model answered on the test images.

    Args:
        truth: The true classes, integers of shape `(examples,)`.
        predicted: The predicted classes.
        probability: The probability of each prediction.
        loss: Mean loss.
        wrong_images: The surest mistakes, as the model saw them.
        wrong: Their places among the examples.

    Example:

    >>> none = np.zeros((0, 2, 2, 1))
    >>> Verdict(np.array([1, 2]), np.array([1, 1]), np.ones(2), 0.1, none, []).accuracy
    0.5
    """

    truth: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    loss: float
    wrong_images: np.ndarray
    wrong: list[int]

    @property
    def accuracy(self):
        """Share of the examples that are right."""
        return float(np.mean(self.truth == self.predicted))

    @property
    def scores(self):
        """The figures of the results of a run."""
        return {"test_accuracy": self.accuracy, "test_loss": self.loss}


def judge(model, batches, loss):
    """Ask a model of logits for every image of a split.

    Args:
        model: The model.
        batches: Batches of images and integer labels.
        loss: A Keras loss on labels and logits.

    Returns:
        `Verdict`.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> image = np.array([[0.0, 9.0], [0.0, 0.0]]).reshape(1, 2, 2, 1)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> judge(model, [(image, np.array([1]))], loss).accuracy
    1.0
    """
    truth, logits, wrong = [], [], []
    for images, labels in batches:
        images, labels = np.asarray(images), np.asarray(labels).reshape(-1)
        answer = np.asarray(model.predict_on_batch(images), "float32")
        sure = softmax(answer).max(axis=1)
        places = np.flatnonzero(answer.argmax(axis=1) != labels)
        before = sum(map(len, truth))
        wrong += [(sure[place], before + place, images[place]) for place in places]
        # only what can be shown is kept, however many there are
        wrong = sorted(wrong, key=lambda mistake: -mistake[0])[:SHOWN_MISTAKES]
        truth.append(labels)
        logits.append(answer)
    truth, logits = np.concatenate(truth), np.concatenate(logits)
    return Verdict(
        truth,
        logits.argmax(axis=1),
        softmax(logits).max(axis=1),
        float(loss(truth, logits)),
        np.array([image for _, _, image in wrong]),
        [int(place) for _, place, _ in wrong],
    )


def softmax(logits):
    """Turn logits into probabilities.

    Args:
        logits: Array of shape `(batch, classes)`.

    Returns:
        Array of the same shape whose rows sum to 1.

    Example:

    >>> softmax(np.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def write_findings(
    folder, model, verdict, history, description, config, results, found=()
):
    """Draw the pictures of a run and write its report.

    Args:
        folder: Folder of the run.
        model: The trained model.
        verdict: What it answered, a `Verdict`.
        history: Mapping of each metric to its values, one an epoch.
        description: `Description` of the data.
        config: Configuration of the run.
        results: Headline figures of the run.
        found: Every `Finding` of its callbacks.

    Returns:
        Path of the report.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> write_findings.__name__
    'write_findings'
    """
    folder = pathlib.Path(folder)
    labels = description.labels
    shown = [None] * len(verdict.truth)  # the drawing looks at its mistakes alone
    for place, image in zip(verdict.wrong, verdict.wrong_images, strict=True):
        shown[place] = image
    matrix = confusion_matrix(verdict.truth, verdict.predicted, description.classes)
    drawn = {
        "confusion": pictures.confusion(matrix, labels, folder / "confusion.png"),
        "mistakes": pictures.mistakes(
            shown,
            verdict.truth,
            verdict.predicted,
            verdict.probability,
            labels,
            folder / "mistakes.png",
            most=SHOWN_MISTAKES,
        ),
    }
    return run_page(
        folder,
        history,
        description,
        config,
        results,
        found,
        drawn=drawn,
        matrix=matrix,
        labels=labels,
        card=card(model, config["recipe"]["input_shape"]),
    )


def read_history(path):
    """Read the file that `HistoryLog` writes.

    Args:
        path: The CSV file.

    Returns:
        Mapping of each column but `epoch` to its values; NaN where one is missing.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "history.csv"
    >>> _ = path.write_text("epoch,loss\\n1,0.5\\n2,0.25\\n")
    >>> read_history(path)
    {'loss': [0.5, 0.25]}
    """
    head, *lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    columns = {
        name: [float(row[i] or "nan") for row in rows]
        for i, name in enumerate(head.split(","))
    }
    columns.pop("epoch")
    return columns


def write_results(folder, results):
    """Write the figures of a run; the file's presence says that all the rest is there.

    Args:
        folder: Folder of the run.
        results: Data for JSON.

    Returns:
        The path.

    Example:

    >>> import tempfile
    >>> write_results(tempfile.mkdtemp(), {"test_accuracy": 0.99}).name
    'results.json'
    """
    text = json.dumps(results, indent=2)
    return write_text(pathlib.Path(folder) / "results.json", text + "\n")
