"""Judging a network that tells the class of a text."""

import dataclasses
from typing import Any

import numpy as np

from .judge import softmax
from .report import confusion_matrix, per_class

MISTAKES = 36  # rows of the table
SHOWN = 300  # characters of a text


@dataclasses.dataclass(frozen=True, eq=False)
class ClassVerdict:
    """What a network answered on texts.

    Args:
        texts: The texts, `(examples,)`.
        labels: Name of each class.
        truth: The true classes, integers of shape `(examples,)`.
        predicted: The predicted classes.
        probability: The probability of each prediction.
        loss: Mean loss.
        vocabulary: Mapping that tells which vocabulary the texts were read with.

    Example:

    >>> texts, truth = np.array(["an oak", "a finch"]), np.array([0, 1])
    >>> said = {"predicted": np.array([0, 0]), "probability": np.ones(2), "loss": 0.5}
    >>> verdict = ClassVerdict(texts, ("tree", "bird"), truth, **said)
    >>> verdict.scores["test_accuracy"], verdict.mistakes()
    (0.5, [('a finch', 'bird', 'tree', 1.0)])
    """

    texts: np.ndarray
    labels: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    loss: float
    vocabulary: Any = dataclasses.field(default_factory=dict)

    @property
    def matrix(self):
        """Counts of which class was taken for which, a row a true class."""
        return confusion_matrix(self.truth, self.predicted, len(self.labels))

    @property
    def macro_f1(self):
        """Mean of the classes' F1, of those that occur or were answered."""
        return float(np.nanmean([c["f1"] for c in per_class(self.matrix, self.labels)]))

    @property
    def scores(self):
        """The figures of the results of a run."""
        return {
            "test_accuracy": float(np.mean(self.truth == self.predicted)),
            "test_macro_f1": self.macro_f1,
            "test_loss": self.loss,
            "vocabulary": self.vocabulary,
        }

    def mistakes(self, most=MISTAKES):
        """Give rows of text, true class, predicted class and probability.

        Args:
            most: Rows at most, the surest mistakes first.

        Returns:
            List of tuples; long texts are cut.
        """
        wrong = np.flatnonzero(self.truth != self.predicted)
        surest = wrong[np.argsort(-self.probability[wrong], kind="stable")][:most]
        return [
            (
                _cut(self.texts[place]),
                self.labels[self.truth[place]],
                self.labels[self.predicted[place]],
                float(self.probability[place]),
            )
            for place in surest
        ]


def judge(model, tokens, pairs, loss, *, batch_size=64, vocabulary=None):
    """Ask a model of logits for every text of a split.

    Args:
        model: The model.
        tokens: int32 array `(texts, time)`.
        pairs: The split, `TextPairs`.
        loss: A Keras loss on labels and logits.
        batch_size: Texts that are asked for together.
        vocabulary: Mapping that tells which vocabulary the tokens are of.

    Returns:
        `ClassVerdict`.

    Example:

    >>> import keras
    >>> from ..data import TextPairs
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Flatten()])
    >>> pairs = TextPairs.of([("an oak", 0), ("a finch", 1)], ("tree", "bird"))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> tokens = np.array([[9.0, 0.0], [2.0, 0.0]])
    >>> judge(model, tokens, pairs, loss).predicted.tolist()
    [0, 0]
    """
    logits = model.predict(tokens, batch_size=batch_size, verbose=0)
    logits = np.asarray(logits, "float32")
    return ClassVerdict(
        pairs.sources,
        pairs.labels,
        pairs.targets,
        logits.argmax(axis=1),
        softmax(logits).max(axis=1),
        float(loss(pairs.targets, logits)),
        vocabulary or {},
    )


def _cut(text):
    text = str(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
