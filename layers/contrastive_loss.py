"""Contrastive loss: pairs of a class close together, other pairs a margin apart."""

import math
import numbers

import keras
from keras import ops

from .pair_distances import floating


@keras.saving.register_keras_serializable("kerasmith")
class Contrastive(keras.losses.Loss):
    """Judge the distances of given pairs.

        same / 2 * distance^2 + (1 - same) / 2 * max(margin - distance, 0)^2

    `same` is 1 where both of a pair are of one class and 0 where not. The paper writes
    the labels the other way round. A model for it ends in
    `PairDistance("euclidean")`, and `zoo.data.pairs` makes its batches.

    Args:
        margin: Distance from which on a pair of two classes costs nothing, positive.
        reduction: As for every Keras loss.
        name: Name of the loss.
        dtype: Dtype of the result; the computation has float32 at least.

    Call arguments:
        y_true: 1 for the same class and 0 for two, of shape `(batch,)` or
            `(batch, 1)`. Anything outside of 0 to 1 makes the loss NaN.
        y_pred: Distances, not squared, of shape `(batch,)` or `(batch, 1)`.
        sample_weight: Tensor of shape `(batch,)`; weighs pairs.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`.

    Raises:
        ValueError: If the margin is not positive, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> loss = Contrastive(1.0, reduction=None)
    >>> values = loss(np.array([1, 0, 0]), np.array([[0.5], [0.5], [2.0]], "float32"))
    >>> keras.ops.convert_to_numpy(values).tolist()
    [0.125, 0.125, 0.0]

    Reference:
        Hadsell et al., 2006, Dimensionality Reduction by Learning an Invariant
        Mapping, https://doi.org/10.1109/CVPR.2006.100, equation 4
    """

    def __init__(
        self,
        margin=1.0,
        *,
        reduction="sum_over_batch_size",
        name="contrastive",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not isinstance(margin, numbers.Real) or not 0 < margin < math.inf:
            raise ValueError(
                f"Contrastive needs a positive margin, received margin={margin!r}. It "
                "is the distance from which on pairs of two classes cost nothing."
            )
        self.margin = margin

    def call(self, y_true, y_pred):
        _check_shapes(tuple(y_true.shape), tuple(y_pred.shape))
        distance = floating(ops.reshape(y_pred, (-1,)))
        same = ops.cast(ops.reshape(y_true, (-1,)), distance.dtype)
        # a class in place of 1 or 0 must not go unseen
        same = ops.where((same >= 0) & (same <= 1), same, float("nan"))
        short = ops.maximum(self.margin - distance, 0)
        values = (same * ops.square(distance) + (1 - same) * ops.square(short)) / 2
        return ops.cast(values, y_pred.dtype)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "dtype": self.dtype}


def _check_shapes(truth, predicted):
    for what, shape in (("y_true", truth), ("y_pred", predicted)):
        if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
            raise ValueError(
                "Contrastive needs labels and distances of shape (batch,) or "
                f"(batch, 1), received {what} of shape {shape}. A model of two towers "
                "ends in PairDistance."
            )
    if len({truth[0], predicted[0]} - {None}) > 1:
        raise ValueError(
            f"Contrastive needs a label for each distance, received {truth[0]} labels "
            f"and {predicted[0]} distances."
        )
