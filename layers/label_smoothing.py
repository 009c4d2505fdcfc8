"""Cross-entropy with smoothed labels, of integer labels."""

import numbers

import keras
from keras import ops

from .position_loss import PositionLoss, logits_of


@keras.saving.register_keras_serializable("kerasmith")
class LabelSmoothingCrossEntropy(PositionLoss):
    """Cross-entropy that takes labels for right with less than certainty.

        loss = - (1 - e) log p(label) - e / K * sum over all K classes of log p(class)

    Keras smooths one-hot rows alone, which for the tokens of a large vocabulary are as
    large as the logits. Here labels stay integers.

    Args:
        label_smoothing: The share `e`, in [0, 1).
        from_logits: Whether predictions are logits; otherwise they are probabilities.
        ignore_class: Label of positions that take no part, such as 0 for padding. A
            mean is then taken over the positions that count. Positions that a mask of
            the predictions hides take no part either.
        name: Name of the loss.
        reduction: As for every Keras loss.
        dtype: Dtype of the result; it is computed in float32.

    Call arguments:
        y_true: Classes of shape `(batch, *positions)` or `(batch, *positions, 1)`, or
            rows of shares `(batch, *positions, classes)`, with up to three axes of
            positions. A label that is no class makes the loss NaN.
        y_pred: Predictions of shape `(batch, *positions, classes)`.
        sample_weight: Weights of shape `(batch, *positions)` or `(batch,)`.

    Returns:
        Scalar, or `(batch, *positions)` with `reduction=None`.

    Raises:
        ValueError: If the share is out of its range, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> loss = LabelSmoothingCrossEntropy(0.1, from_logits=True, ignore_class=0)
    >>> logits = np.log([[[0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]])
    >>> round(float(loss(np.array([[1, 0]]), logits)), 4)
    0.3618

    Reference:
        Szegedy et al., 2016, https://arxiv.org/abs/1512.00567, section 7
    """

    def __init__(
        self,
        label_smoothing=0.1,
        *,
        from_logits=False,
        ignore_class=None,
        name="label_smoothing_cross_entropy",
        **kwargs,
    ):
        super().__init__(
            from_logits=from_logits, ignore_class=ignore_class, name=name, **kwargs
        )
        number = isinstance(label_smoothing, numbers.Real)
        if not number or not 0 <= label_smoothing < 1:
            raise ValueError(
                "LabelSmoothingCrossEntropy needs label_smoothing in [0, 1), received "
                f"{label_smoothing!r}."
            )
        self.label_smoothing = float(label_smoothing)

    def losses(self, truth, y_pred):
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "LabelSmoothingCrossEntropy needs predictions of two classes or more, "
                "received those of one channel: keras.losses.BinaryCrossentropy "
                "smooths these."
            )
        logits = logits_of(y_pred, self.from_logits)
        # log p of the label, less that of the mean class: the sums over classes cancel
        if truth.labels is not None:
            losses = ops.sparse_categorical_crossentropy(
                truth.labels, logits, from_logits=True
            )
            own = ops.take_along_axis(logits, truth.labels[..., None], axis=-1)[..., 0]
        else:
            surprise = -ops.log_softmax(logits)
            losses = ops.sum(truth.rows * surprise, axis=-1)
            own = ops.sum(truth.rows * logits, axis=-1)
        if self.label_smoothing:
            more = own - ops.mean(logits, axis=-1)
            losses = losses + self.label_smoothing * more
        if truth.counted is not None:
            losses = ops.where(truth.counted, losses, 0.0)
        return losses if truth.poison is None else losses + truth.poison

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
