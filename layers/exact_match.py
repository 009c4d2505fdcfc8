"""The share of sequences that are right as a whole."""

import keras
from keras import ops

from .sequence_metric import SequenceMetric


@keras.saving.register_keras_serializable("kerasmith")
class ExactMatch(SequenceMetric):
    """Share of the sequences that are equal to the truth, up to their ends.

    A sequence ends before its first `end` or `pad`; what stands behind makes no
    difference. Counts are exact however many there are.

    Args:
        pad: Token behind the end of a sequence, or `None`.
        end: Token that ends a sequence and does not count, or `None`.
        sparse_y_pred: Whether predictions are tokens already. Otherwise the largest of
            the last axis is taken.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If `pad` or `end` is no token.

    Example:

    >>> import numpy as np
    >>> metric = ExactMatch(end=1)
    >>> metric.update_state(
    ...     np.array([[5, 3, 1, 0], [6, 1, 0, 0]]), np.array([[5, 3, 1], [6, 7, 1]])
    ... )
    >>> float(metric.result())
    0.5
    """

    def __init__(
        self, *, pad=0, end=None, sparse_y_pred=True, name="exact_match", dtype=None
    ):
        super().__init__(
            2,
            "up",
            pad=pad,
            end=end,
            sparse_y_pred=sparse_y_pred,
            name=name,
            dtype=dtype,
        )

    def counts(self, true, predicted):
        """Count equal sequences, and all."""
        # of equal lengths none goes on behind what both have room for
        room = ops.shape(predicted.tokens)[1]
        others = ops.shape(true.tokens)[1]
        different = ops.logical_and(
            ops.not_equal(true.tokens[:, :room], predicted.tokens[:, :others]),
            true.inside[:, :room],
        )
        equal = ops.logical_and(
            ops.logical_not(ops.any(different, axis=1)),
            ops.equal(true.lengths, predicted.lengths),
        )
        return [ops.cast(equal, "int32"), ops.ones_like(true.lengths)]

    def result(self):
        """Give the share over everything counted.

        Returns:
            Scalar from 0 to 1; 0 where nothing was counted.
        """
        counts = self._counts.rounded()
        equal, number = counts[0], counts[1]
        share = equal / ops.where(number > 0, number, 1.0)
        return ops.cast(share, self.dtype)
