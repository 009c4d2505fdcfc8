"""Calibration: whether a classifier is right as often as it says.

What a classifier gives as the probability of its own answer is its confidence. It is
calibrated where of the answers with a confidence near 0.8 about 80 % are right.
"""

import dataclasses

import numpy as np

BINS = 15  # as in the paper
# temperatures outside change answers that are all but certain, or all but random
TEMPERATURES = (0.05, 20.0)
HALVINGS = 60


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How far the confidence of answers is from the share that is right.

    Args:
        table: A mapping of `above`, `up_to`, `examples`, `confidence` and `accuracy`
            for each bin of equal width; the last two are `None` where it is empty.
        expected_error: Expected calibration error: the mean gap of the bins between
            confidence and accuracy, weighted by examples.
        maximum_error: The largest gap of a bin.
        brier: Brier score: mean squared distance of the probabilities of all classes
            from 1 for the true one and 0 for the others, 0 to 2.

    Example:

    >>> Calibration((), 0.01, 0.2, 0.03).maximum_error
    0.2
    """

    table: tuple
    expected_error: float
    maximum_error: float
    brier: float

    def to_dict(self):
        """Give all of it as data for JSON.

        Returns:
            Dictionary.
        """
        return {**dataclasses.asdict(self), "table": list(self.table)}


def calibration(probabilities, truth, bins=BINS):
    """Measure how well a classifier is calibrated.

    Args:
        probabilities: Array of shape `(examples, classes)`.
        truth: The true classes, integers of shape `(examples,)`.
        bins: Number of bins of equal width. A confidence that lies on the border of
            two belongs to the lower one.

    Returns:
        `Calibration`.

    Raises:
        ValueError: If the shapes do not fit, or `bins` is below 1.

    Example:

    >>> found = calibration([[0.75, 0.25], [0.75, 0.25]], [0, 1])
    >>> found.expected_error, found.brier
    (0.25, 0.625)

    Reference:
        Guo et al., 2017, https://arxiv.org/abs/1706.04599
    """
    probabilities, truth = np.asarray(probabilities, float), np.asarray(truth, int)
    fits = probabilities.ndim == 2 and truth.shape == probabilities.shape[:1]
    if not fits or not truth.size or bins < 1:
        raise ValueError(
            "calibration needs probabilities of shape (examples, classes), a true "
            f"class for each example and bins >= 1, received {probabilities.shape}, "
            f"{truth.shape} and bins={bins}."
        )
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    table, gaps = [], []
    for bin_ in range(bins):
        inside = place == bin_
        row = {"above": float(edges[bin_]), "up_to": float(edges[bin_ + 1])}
        row |= {"examples": int(inside.sum()), "confidence": None, "accuracy": None}
        if inside.any():
            row["confidence"] = float(confidence[inside].mean())
            row["accuracy"] = float(right[inside].mean())
            gaps.append((row["examples"], abs(row["accuracy"] - row["confidence"])))
        table.append(row)
    counts, sizes = np.array(gaps).T
    wanted = np.eye(probabilities.shape[1])[truth]
    return Calibration(
        tuple(table),
        float(counts @ sizes / len(truth)),
        float(sizes.max()),
        float(((probabilities - wanted) ** 2).sum(axis=1).mean()),
    )


def log_softmax(logits, temperature=1.0):
    """Turn logits into the logarithms of probabilities.

    Args:
        logits: Array whose last axis holds the classes. Logarithms of probabilities
            serve as well.
        temperature: Divides the logits: above 1 it makes the answers less certain.

    Returns:
        float64 array of the same shape.

    Example:

    >>> np.exp(log_softmax(np.log([[0.8, 0.2]]), 0.5)).round(3).tolist()
    [[0.941, 0.059]]
    """
    scaled = np.asarray(logits, "float64") / temperature
    raised = scaled - scaled.max(axis=-1, keepdims=True)
    return raised - np.log(np.exp(raised).sum(axis=-1, keepdims=True))


def fit_temperature(logits, truth):
    """Find the temperature under which the true classes are most likely.

    One number that divides all logits changes no answer, only how sure it is. The
    loss is convex in its inverse, so halving finds the one minimum.

    Args:
        logits: Logits, or logarithms of probabilities, `(examples, classes)`, of
            examples that neither the model nor the judgement used.
        truth: The true classes, integers.

    Returns:
        The temperature, from 0.05 to 20. Where every answer is right the likelihood
        grows with falling temperature without end, and the lower limit is given.

    Example:

    >>> sure = np.log([[0.99, 0.01]] * 4)  # and right in 3 of 4: too sure
    >>> temperature = fit_temperature(sure, [0, 0, 0, 1])
    >>> np.exp(log_softmax(sure, temperature))[0].round(3).tolist()
    [0.75, 0.25]

    Reference:
        Guo et al., 2017, https://arxiv.org/abs/1706.04599
    """
    logits, truth = np.asarray(logits, "float64"), np.asarray(truth, int)
    wanted = logits[np.arange(len(truth)), truth]
    coldest, hottest = np.log(TEMPERATURES)
    for _ in range(HALVINGS):
        middle = (coldest + hottest) / 2
        shares = np.exp(log_softmax(logits, np.exp(middle)))
        # how the loss changes with the inverse temperature
        slope = np.mean((shares * logits).sum(axis=1) - wanted)
        coldest, hottest = (coldest, middle) if slope < 0 else (middle, hottest)
    return float(np.exp((coldest + hottest) / 2))
