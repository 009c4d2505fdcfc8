"""Metrics of segmentation, counted exactly over as many positions as there are."""

import keras
import numpy as np
from keras import ops

from . import targets

# a count is high * DIGIT + low: JAX has no wider integers, and float32 ends at 2 ** 24
DIGIT = 2**24


class ConfusionMetric(keras.metrics.Metric):
    """Base of metrics computed from one confusion matrix.

    Args:
        classes: Number of classes, at least 2.
        ignore_class: Label of positions that take no part, or `None`.
        sparse_y_pred: Whether predictions are classes already.
        from_logits: Whether predictions of one channel are logits.
        keywords: `name` and `dtype`.
    """

    def __init__(
        self,
        classes,
        *,
        ignore_class=None,
        sparse_y_pred=False,
        from_logits=False,
        **keywords,
    ):
        super().__init__(**keywords)
        if not isinstance(classes, int) or classes < 2:
            raise ValueError(
                f"{type(self).__name__} needs a number of classes of at least 2, the "
                f"background among them, received classes={classes!r}."
            )
        self.classes = classes
        self.ignore_class = ignore_class
        self.sparse_y_pred = sparse_y_pred
        self.from_logits = from_logits
        self._direction = "up"  # by which keras-tuner knows what is better
        # a cell for each pair of a true and a chosen class, and one for no class
        self._high, self._low, self._rest = (
            self.add_variable((classes**2 + 1,), "zeros", dtype, name=name)
            for name, dtype in (
                ("high", "int32"),
                ("low", "int32"),
                ("rest", "float32"),
            )
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: Labels `(batch, *positions)` or `(batch, *positions, 1)`, or
                one-hot rows `(batch, *positions, classes)`.
            y_pred: Logits or probabilities `(batch, *positions, classes)`, or of class
                1 of two `(batch, *positions, 1)`; with `sparse_y_pred` classes of
                shape `(batch, *positions)` or `(batch, *positions, 1)`.
            sample_weight: Weights `(batch,)` or `(batch, *positions)`.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        y_pred, mask = targets.unmasked(y_pred)
        chosen = self._chosen(y_true, y_pred)
        true, counted = self._true(y_true, chosen)
        counted = targets.both(counted, targets.spread(mask, chosen))
        known = _within(true, self.classes) & _within(chosen, self.classes)
        cells = ops.where(known, true * self.classes + chosen, self.classes**2)
        if counted is not None:
            cells = ops.where(counted, cells, self.classes**2 + 1)
        if sample_weight is None:
            counts = _sums(cells, ops.ones_like(cells), self.classes**2 + 2)[:, :-1]
            self._add(ops.sum(counts, axis=0))
            return
        weights = targets.spread_weights(
            type(self).__name__, ops.convert_to_tensor(sample_weight), chosen
        )
        sums = _sums(cells, weights, self.classes**2 + 2)[:, :-1]
        whole = ops.floor(sums)
        self._add(
            ops.sum(ops.cast(whole, "int32"), axis=0), ops.sum(sums - whole, axis=0)
        )

    def _chosen(self, y_true, y_pred):
        """Give the class that is predicted at each position."""
        owner, shape = type(self).__name__, tuple(y_pred.shape)
        if self.sparse_y_pred:
            true = targets.shape_of(owner, "y_true", y_true)
            column = len(shape) > 1 and shape[-1] == 1 and not targets.fits(true, shape)
            return ops.cast(ops.squeeze(y_pred, -1) if column else y_pred, "int32")
        if len(shape) > 1 and shape[-1] == self.classes:
            return ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        if len(shape) > 1 and shape[-1] == 1 and self.classes == 2:
            threshold = 0.0 if self.from_logits else 0.5
            return ops.cast(y_pred[..., 0] > threshold, "int32")
        raise ValueError(
            f"{owner} of {self.classes} classes needs predictions of shape (batch, "
            f"*positions, {self.classes}), received y_pred of shape {shape}. Give "
            "sparse_y_pred=True where predictions are classes; a single channel needs "
            "classes=2."
        )

    def _true(self, y_true, chosen):
        """Give the class that is true at each position, and which count."""
        owner = type(self).__name__
        form = targets.form_at(owner, y_true, tuple(chosen.shape), self.classes)
        if form == "rows":
            true = ops.cast(ops.argmax(y_true, axis=-1), "int32")
            counted = ops.any(ops.not_equal(y_true, 0), axis=-1)
        else:
            true = ops.squeeze(y_true, -1) if form == "column" else y_true
            true, counted = ops.cast(true, "int32"), None
        if self.ignore_class is None:
            return true, None
        return true, targets.both(counted, ops.not_equal(true, self.ignore_class))

    def _add(self, counts, rest=None):
        """Add whole numbers and what is left, carrying what a digit cannot hold."""
        low = ops.convert_to_tensor(self._low) + counts
        if rest is not None:
            rest = ops.convert_to_tensor(self._rest) + rest
            low = low + ops.cast(ops.floor(rest), "int32")
            self._rest.assign(rest - ops.floor(rest))
        carry = ops.floor_divide(low, DIGIT)
        self._high.assign(ops.convert_to_tensor(self._high) + carry)
        self._low.assign(low - carry * DIGIT)

    def result(self):
        """Give the mean score of the classes that are true or chosen somewhere.

        Returns:
            Scalar; 0 where nothing was counted, NaN where a label or a predicted
            class was none of the classes.
        """
        high, low, rest = (
            ops.cast(ops.convert_to_tensor(v), "float32")
            for v in (self._high, self._low, self._rest)
        )
        counts = high * DIGIT + low + rest
        matrix = ops.reshape(counts[:-1], (self.classes, self.classes))
        hits, size = self.parts(
            ops.diagonal(matrix), ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
        )
        there = ops.cast(size > 0, "float32") * ops.convert_to_tensor(self._scored())
        scores = there * hits / ops.where(size > 0, size, 1.0)
        mean = ops.sum(scores) / ops.maximum(ops.sum(there), 1.0)
        return ops.cast(ops.where(counts[-1] > 0, float("nan"), mean), self.dtype)

    def _scored(self):
        """Give 1 for each class that has a score: the ignored one has none."""
        return [float(c != self.ignore_class) for c in range(self.classes)]

    def parts(self, hits, true, predicted):
        """Give numerator and denominator of the score."""
        raise NotImplementedError

    def confusion_matrix(self):
        """Give how often each class was predicted where each was true.

        Returns:
            Array of shape `(classes, classes)`, float64; a row for each true class.
        """
        high, low, rest = (
            ops.convert_to_numpy(v).astype("float64")
            for v in (self._high, self._low, self._rest)
        )
        counts = high * DIGIT + low + rest
        return counts[:-1].reshape(self.classes, self.classes)

    def per_class(self):
        """Give the score of each class.

        Returns:
            Array of shape `(classes,)`, float64, NaN for a class that is neither true
            nor predicted anywhere, and for the ignored one.
        """
        matrix = self.confusion_matrix()
        hits, size = self.parts(np.diagonal(matrix), matrix.sum(1), matrix.sum(0))
        known = (size > 0) & (np.array(self._scored()) > 0)
        return np.where(known, hits / np.where(known, size, 1.0), np.nan)

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "ignore_class": self.ignore_class,
            "sparse_y_pred": self.sparse_y_pred,
            "from_logits": self.from_logits,
        }


@keras.saving.register_keras_serializable("kerasmith")
class MeanIoU(ConfusionMetric):
    """Mean over the classes of intersection over union.

        IoU = TP / (TP + FP + FN)

    counted over all positions of all batches, and the mean over the classes that are
    true or predicted somewhere. Counts stay exact beyond 2 ** 31 positions, where
    float32 stops at 2 ** 24.

    Args:
        classes: Number of classes, at least 2, the background among them.
        ignore_class: Label of positions that take no part, such as 255. Among one-hot
            rows these are the rows of zeros, and those of this class if it is one;
            it then has no score.
        sparse_y_pred: Whether predictions are classes already. Otherwise the largest
            of the last axis is taken; of a single channel what is above 0.5.
        from_logits: Whether predictions of a single channel are logits: what is above
            0 is then class 1. Of more channels the largest is taken in any case.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If there are fewer than 2 classes.

    Example:

    >>> import numpy as np
    >>> metric = MeanIoU(3, ignore_class=255, sparse_y_pred=True)
    >>> metric.update_state(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 2]]))
    >>> metric.per_class().tolist()
    [0.5, 0.5, nan]
    >>> float(metric.result())
    0.5

    Reference:
        Everingham et al., 2015, The Pascal Visual Object Classes Challenge: A
        Retrospective, https://doi.org/10.1007/s11263-014-0733-5
    """

    def __init__(
        self,
        classes,
        *,
        ignore_class=None,
        sparse_y_pred=False,
        from_logits=False,
        name="mean_iou",
        dtype=None,
    ):
        super().__init__(
            classes,
            ignore_class=ignore_class,
            sparse_y_pred=sparse_y_pred,
            from_logits=from_logits,
            name=name,
            dtype=dtype,
        )

    def parts(self, hits, true, predicted):
        return hits, true + predicted - hits


@keras.saving.register_keras_serializable("kerasmith")
class MeanDice(ConfusionMetric):
    """Mean over the classes of the Dice score, which is F1.

        Dice = 2 TP / (2 TP + FP + FN)

    counted over all positions of all batches, and the mean over the classes that are
    true or predicted somewhere. Counts stay exact beyond 2 ** 31 positions, where
    float32 stops at 2 ** 24.

    Args:
        classes: Number of classes, at least 2, the background among them.
        ignore_class: Label of positions that take no part, such as 255. Among one-hot
            rows these are the rows of zeros, and those of this class if it is one;
            it then has no score.
        sparse_y_pred: Whether predictions are classes already. Otherwise the largest
            of the last axis is taken; of a single channel what is above 0.5.
        from_logits: Whether predictions of a single channel are logits: what is above
            0 is then class 1. Of more channels the largest is taken in any case.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If there are fewer than 2 classes.

    Example:

    >>> import numpy as np
    >>> metric = MeanDice(3, ignore_class=255, sparse_y_pred=True)
    >>> metric.update_state(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 2]]))
    >>> [round(score, 4) for score in metric.per_class().tolist()]
    [0.6667, 0.6667, nan]

    Reference:
        Dice, 1945, Measures of the Amount of Ecologic Association Between Species,
        https://doi.org/10.2307/1932409
    """

    def __init__(
        self,
        classes,
        *,
        ignore_class=None,
        sparse_y_pred=False,
        from_logits=False,
        name="mean_dice",
        dtype=None,
    ):
        super().__init__(
            classes,
            ignore_class=ignore_class,
            sparse_y_pred=sparse_y_pred,
            from_logits=from_logits,
            name=name,
            dtype=dtype,
        )

    def parts(self, hits, true, predicted):
        return 2 * hits, true + predicted


def _within(labels, classes):
    return ops.logical_and(labels >= 0, labels < classes)


def _sums(cells, values, number):
    """Sum values by cell, sample by sample.

    A single sum of float32 would lose digits, and one of whole numbers is slow on
    TensorFlow, where threads wait for each other.

    Returns:
        Tensor of shape `(batch, number)`.
    """
    batch = ops.shape(cells)[0]
    cells = ops.reshape(cells, (batch, -1))
    cells = cells + number * ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
    sums = ops.segment_sum(
        ops.reshape(values, (-1,)), ops.reshape(cells, (-1,)), number * batch
    )
    return ops.reshape(sums, (batch, number))
