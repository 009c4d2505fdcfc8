"""What losses of overlap share: sums for each class, and a mean over classes."""

import math

from keras import ops

from . import targets
from .position_loss import PositionLoss, probabilities_of


class OverlapLoss(PositionLoss):
    """Base of the losses 1 - score, averaged over classes.

    Those below it tell the score's numerator and denominator from three sums for each
    class: of the shares both predicted and true, of the predicted and of the true.

    Args:
        over: `"sample"` to sum over the positions of each sample, `"batch"` to sum
            over those of the whole batch.
        empty: `"skip"` or `"penalise"` classes that are true nowhere.
        smooth: Number added to numerator and denominator.
        keywords: Those of `PositionLoss`.
    """

    # what the score becomes to this power is lost: the focal form
    exponent = 1.0

    def __init__(self, *, over="sample", empty="skip", smooth=0.0, **keywords):
        super().__init__(**keywords)
        owner = type(self).__name__
        _check_choice(owner, "over", over, ("sample", "batch"))
        _check_choice(owner, "empty", empty, ("skip", "penalise"))
        if not 0 <= smooth < math.inf:
            raise ValueError(
                f"{owner} needs a smooth of at least 0, received {smooth}."
            )
        if empty == "penalise" and smooth == 0:
            raise ValueError(
                f"{owner} with empty='penalise' needs a smooth above 0, such as 1.0: "
                "without it a class that is true nowhere is lost whole, however "
                "little of it is predicted."
            )
        self.over = over
        self.empty = empty
        self.smooth = smooth

    def sizes(self, shares):
        """Give what is summed up as the size of a region."""
        return shares

    def parts(self, hits, predicted, true):
        """Give numerator and denominator of the score."""
        raise NotImplementedError

    def losses(self, truth, y_pred):
        predicted = probabilities_of(y_pred, self.from_logits)
        predicted = targets.weighed(predicted, truth.counted)
        true = truth.rows
        if true is None:
            labels = truth.labels
            if truth.counted is not None:
                labels = ops.where(truth.counted, labels, -1)  # a row of zeros
            true = ops.one_hot(labels, y_pred.shape[-1], dtype="float32")
        sums = [
            self._sum(shares)
            for shares in (predicted * true, self.sizes(predicted), self.sizes(true))
        ]
        losses = self._mean_over_classes(*sums)
        # of the batch's one value as many as there are samples
        poison = truth.poison
        poison = ops.zeros_like(y_pred[..., 0]) if poison is None else poison
        return losses + ops.sum(_flat(poison), axis=-1)

    def _sum(self, shares):
        axes = list(range(0 if self.over == "batch" else 1, len(shares.shape) - 1))
        return ops.sum(shares, axis=axes) if axes else shares

    def _mean_over_classes(self, hits, predicted, true):
        numerator, denominator = self.parts(hits, predicted, true)
        denominator = denominator + self.smooth
        # what is 0 here has a numerator of 0, too, and nothing predicted
        safe = ops.where(denominator > 0, denominator, 1.0)
        missed = _power(1 - (numerator + self.smooth) / safe, self.exponent)
        counts = ops.ones_like(true) if self.empty == "penalise" else true > 0
        counts = ops.cast(counts, "float32") * self._classes(true.shape[-1])
        total = ops.sum(ops.where(counts > 0, missed, 0.0), axis=-1)
        return total / ops.maximum(ops.sum(counts, axis=-1), 1.0)

    def _classes(self, channels):
        """Give 1 for each class that can count: the ignored one cannot."""
        classes = [1] if channels == 1 else range(channels)
        return ops.convert_to_tensor([float(c != self.ignore_class) for c in classes])

    def weigh(self, truth, positions, sample_weight):
        """Give weights of samples: this loss has no value for a position."""
        if sample_weight is None:
            return None
        owner = type(self).__name__
        sample_weight = ops.convert_to_tensor(sample_weight)
        shape = targets.shape_of(owner, "sample_weight", sample_weight)
        if any(size not in (1, None) for size in shape[1:]):
            raise ValueError(
                f"{owner} has one value for each sample, received sample_weight of "
                f"shape {shape}: give one weight for each sample, of shape (batch,). "
                "Weights of positions suit BoundaryWeightedCrossEntropy and Focal."
            )
        if len(shape) > 1:
            sample_weight = ops.reshape(sample_weight, (-1,))
        return targets.spread_weights(owner, sample_weight, _flat(positions)[:, 0])

    def get_config(self):
        return {
            **super().get_config(),
            "over": self.over,
            "empty": self.empty,
            "smooth": self.smooth,
        }


def _flat(values):
    return ops.reshape(values, (ops.shape(values)[0], -1))


def _power(missed, exponent):
    """Raise to a power; the slope of a root, infinite at 0, is 0 there."""
    if exponent == 1:
        return missed
    some = missed > 1e-7
    return ops.where(some, ops.power(ops.where(some, missed, 1.0), exponent), 0.0)


def _check_choice(owner, name, value, choices):
    if value not in choices:
        raise ValueError(
            f"{owner} needs {name} to be {' or '.join(map(repr, choices))}, received "
            f"{value!r}."
        )
