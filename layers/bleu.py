"""BLEU over token sequences, with all counts on fixed shapes."""

import math
import numbers

import keras
from keras import ops

from .sequence_metric import SequenceMetric

# ways of smoothing precisions of 0, and the value that each takes if none is given
SMOOTHING = {None: None, "exp": None, "floor": 0.1, "add_k": 1.0}
# further from any length than any length is
FAR = 2**30


@keras.saving.register_keras_serializable("kerasmith")
class BLEU(SequenceMetric):
    """Corpus BLEU: the share of n-grams that a reference has, too, for n up to 4.

        BLEU = BP exp(1 / N sum over n of log p_n),
        BP = min(1, exp(1 - r / c))

    `p_n` is the number of predicted n-grams that a reference has, each counted at most
    as often as in the reference that has it most often, over the number of all
    predicted ones; `c` is the predicted length, and `r` that of the reference whose
    length is closest, the shorter of two; all summed over all batches before anything
    is divided. From 0 to 1: what sacrebleu gives on the same tokens, divided by 100.

    A sequence ends before its first `end` or `pad`. Counts are exact however many there
    are. Memory is one table of `(batch, time, time)` at a time.

    Args:
        max_order: The longest n-grams that count, N.
        smoothing: What stands for a precision of 0, which makes the score 0 if `None`:
            `"exp"` takes 1/2 of an n-gram, then 1/4, and so on; `"floor"` takes
            `smoothing_value` of an n-gram; `"add_k"` adds that many n-grams to both
            sides of all precisions but the first.
        smoothing_value: Value of `"floor"` (0.1 if `None`) and of `"add_k"` (1).
        pad: Token behind the end of a sequence, or `None`. A reference of padding alone
            is none, unless all of a sequence are: they count as an empty one.
        end: Token that ends a sequence and does not count, or `None`.
        sparse_y_pred: Whether predictions are tokens already. Otherwise the largest of
            the last axis is taken.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> metric = BLEU(max_order=2, end=1)
    >>> metric.update_state(
    ...     np.array([[[5, 3, 4, 1, 0], [5, 3, 2, 4, 1]]]),  # two references
    ...     np.array([[5, 3, 3, 4, 1, 0]]),
    ... )
    >>> metric.statistics()["matches"].tolist()
    [3.0, 2.0]
    >>> round(float(metric.result()), 4)  # the root of 3/4 times 2/3
    0.7071

    Reference:
        Papineni et al., 2002, https://aclanthology.org/P02-1040
        Chen and Cherry, 2014, https://aclanthology.org/W14-3346 (smoothing)
    """

    several = True

    def __init__(
        self,
        max_order=4,
        *,
        smoothing=None,
        smoothing_value=None,
        pad=0,
        end=None,
        sparse_y_pred=True,
        name="bleu",
        dtype=None,
    ):
        check("BLEU", max_order, smoothing, smoothing_value)
        super().__init__(
            2 * max_order + 2,
            "up",
            pad=pad,
            end=end,
            sparse_y_pred=sparse_y_pred,
            name=name,
            dtype=dtype,
        )
        self.max_order = max_order
        self.smoothing = smoothing
        self.smoothing_value = smoothing_value

    def counts(self, true, predicted):
        """Count matches and n-grams by order, then both lengths."""
        matches = _matches(predicted, true, self.max_order)
        totals = [ops.maximum(predicted.lengths - n, 0) for n in range(self.max_order)]
        return [*matches, *totals, predicted.lengths, _closest(predicted, true)]

    def result(self):
        """Give the score over everything counted.

        Returns:
            Scalar from 0 to 1; 0 where nothing matches.
        """
        counts, orders = self._counts.rounded(), self.max_order
        matches, totals = counts[:orders], counts[orders:-2]
        length, reference = counts[-2], counts[-1]
        precisions = self._precisions(matches, totals)
        known = precisions > 0
        logarithms = ops.log(ops.where(known, precisions, 1.0))
        short = 1.0 - reference / ops.maximum(length, 1e-7)
        score = ops.exp(ops.mean(logarithms) + ops.minimum(short, 0.0))
        scored = ops.logical_and(ops.all(known), matches[0] > 0)
        return ops.cast(ops.where(scored, score, 0.0), self.dtype)

    def _precisions(self, matches, totals):
        value = self.smoothing_value
        value = SMOOTHING[self.smoothing] if value is None else value
        if self.smoothing == "add_k":
            added = [0.0] + [float(value)] * (self.max_order - 1)
            added = ops.convert_to_tensor(added, "float32")
            matches, totals = matches + added, totals + added
        zero = ops.logical_and(ops.equal(matches, 0), totals > 0)
        if self.smoothing == "exp":
            halvings = ops.cumsum(ops.cast(zero, "float32"))
            matches = ops.where(zero, ops.power(0.5, halvings), matches)
        elif self.smoothing == "floor":
            matches = ops.where(zero, float(value), matches)
        return matches / ops.where(totals > 0, totals, 1.0)

    def statistics(self):
        """Give the exact counts that the score is made of.

        Returns:
            Dictionary of `matches` and `totals`, float64 arrays of shape
            `(max_order,)`: the n-grams that a reference has, and all that were
            predicted; of `length` and `reference_length`, numbers.
        """
        counts, orders = self._counts.exact(), self.max_order
        return {
            "matches": counts[:orders],
            "totals": counts[orders:-2],
            "length": float(counts[-2]),
            "reference_length": float(counts[-1]),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "max_order": self.max_order,
            "smoothing": self.smoothing,
            "smoothing_value": self.smoothing_value,
        }


def check(owner, max_order, smoothing, value):
    """Refuse what BLEU cannot work with."""
    if type(max_order) is not int or max_order < 1:
        raise ValueError(
            f"{owner} needs a max_order of at least 1, received {max_order!r}."
        )
    if smoothing not in SMOOTHING:
        raise ValueError(
            f"{owner} has no smoothing {smoothing!r}; choose one of "
            f"{', '.join(map(repr, SMOOTHING))}."
        )
    if value is None:
        return
    if SMOOTHING[smoothing] is None:
        raise ValueError(
            f"{owner} takes a smoothing_value with 'floor' and 'add_k' alone, received "
            f"smoothing_value={value!r} and smoothing={smoothing!r}."
        )
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < float(value) < math.inf:
        raise ValueError(
            f"{owner} needs a smoothing_value above 0, received {value!r}."
        )


def _matches(predicted, true, orders):
    """Count the predicted n-grams that a reference has, as often as it has them."""
    positions = ops.arange(ops.shape(predicted.tokens)[1], dtype="int32")
    earlier = ops.expand_dims(positions, 1) > positions
    same = ops.logical_and(_same(predicted, predicted), earlier)
    most = None
    for reference in true:
        found = _counts_by_order(_same(predicted, reference), orders)
        pairs = zip(most or found, found, strict=True)
        most = [ops.maximum(before, now) for before, now in pairs]
    # the k-th of equal n-grams matches where a reference has at least k of them
    ranks = _counts_by_order(same, orders)
    return [
        ops.sum(ops.cast(rank < count, "int32"), axis=1)
        for rank, count in zip(ranks, most or (), strict=True)
    ]


def _same(first, second):
    """Tell which tokens are equal, `(batch, time of first, time of second)`."""
    same = ops.equal(
        ops.expand_dims(first.tokens, 2), ops.expand_dims(second.tokens, 1)
    )
    inside = ops.logical_and(
        ops.expand_dims(first.inside, 2), ops.expand_dims(second.inside, 1)
    )
    return ops.logical_and(same, inside)


def _counts_by_order(same, orders):
    """Count how often the n-gram that starts at each position is on the other side."""
    counts, longer = [], same
    for n in range(orders):
        if n:  # n-grams are equal where shorter ones are, and the tokens behind them
            longer = ops.logical_and(longer[:, :-1, :-1], same[:, n:, n:])
        counts.append(ops.sum(ops.cast(longer, "int32"), axis=2))
    return counts


def _closest(predicted, true):
    """Give the length of the reference closest in length, the shorter of two."""
    best = ops.zeros_like(predicted.lengths)
    least = ops.full_like(predicted.lengths, FAR)
    for reference in true:
        length = reference.lengths
        distance = ops.abs(length - predicted.lengths)
        shorter = ops.logical_and(ops.equal(distance, least), length < best)
        closer = ops.logical_or(distance < least, shorter)
        closer = ops.logical_and(closer, reference.there)
        best = ops.where(closer, length, best)
        least = ops.where(closer, distance, least)
    return best
