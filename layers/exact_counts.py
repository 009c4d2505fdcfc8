"""Counts of a metric that stay exact, however many there are."""

from keras import ops

from .metrics import DIGIT


class ExactCounts:
    """Counts kept in two digits of whole numbers, and in what weights leave of one.

    Args:
        metric: Metric that the variables become part of.
        size: How many counts there are.
    """

    def __init__(self, metric, size):
        self.high, self.low, self.rest = (
            metric.add_variable((size,), "zeros", dtype, name=name)
            for name, dtype in (
                ("high", "int32"),
                ("low", "int32"),
                ("rest", "float32"),
            )
        )

    def add(self, each, weights=None):
        """Add the counts of a batch.

        Args:
            each: int32 tensor of shape `(batch, size)`, the counts of each sample.
            weights: float32 tensor of shape `(batch,)`, how many times each sample
                counts, or `None` for once.
        """
        if weights is None:
            self._add(ops.sum(each, axis=0))
            return
        weighed = ops.cast(each, "float32") * ops.expand_dims(weights, 1)
        whole = ops.floor(weighed)
        self._add(
            ops.sum(ops.cast(whole, "int32"), axis=0), ops.sum(weighed - whole, axis=0)
        )

    def _add(self, counts, rest=None):
        """Carry what a digit cannot hold."""
        low = ops.convert_to_tensor(self.low) + counts
        if rest is not None:
            rest = ops.convert_to_tensor(self.rest) + rest
            low = low + ops.cast(ops.floor(rest), "int32")
            self.rest.assign(rest - ops.floor(rest))
        carry = ops.floor_divide(low, DIGIT)
        self.high.assign(ops.convert_to_tensor(self.high) + carry)
        self.low.assign(low - carry * DIGIT)

    def rounded(self):
        """Give the counts as a float32 tensor of shape `(size,)`, for a share."""
        high, low, rest = (
            ops.cast(ops.convert_to_tensor(digits), "float32")
            for digits in (self.high, self.low, self.rest)
        )
        return high * DIGIT + low + rest

    def exact(self):
        """Give the counts as a float64 array of shape `(size,)`."""
        high, low, rest = (
            ops.convert_to_numpy(digits).astype("float64")
            for digits in (self.high, self.low, self.rest)
        )
        return high * DIGIT + low + rest
