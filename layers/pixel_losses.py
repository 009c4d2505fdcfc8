"""Losses that give one value for each position, so that positions can be weighed."""

import math
import numbers

import keras
from keras import ops

from .position_loss import PositionLoss, logits_of


@keras.saving.register_keras_serializable("kerasmith")
class BoundaryWeightedCrossEntropy(PositionLoss):
    """Cross-entropy of each position, times the position's weight.

        E = - sum over x of w(x) log p(x, class of x)

    The weights are the `sample_weight` of `fit`: `zoo.data.boundary_weights` computes
    the paper's, which are large where two objects nearly touch. Without weights it is
    the cross-entropy. Keras' reductions divide the paper's sum by the number of
    positions; with `ignore_class` by the number of those that count.

    Args:
        from_logits: Whether predictions are logits; otherwise they are probabilities.
        ignore_class: Label of positions that take no part, such as 255. Among one-hot
            rows these are the rows of zeros, and those of this class if it is one.
        name: Name of the loss.
        reduction: As for every Keras loss.
        dtype: Dtype of the result; it is computed in float32.

    Call arguments:
        y_true: Classes of shape `(batch, *positions)` or `(batch, *positions, 1)`, or
            one-hot rows `(batch, *positions, classes)`, with up to three axes of
            positions. A label that is no class makes the loss NaN.
        y_pred: Predictions of shape `(batch, *positions, classes)`. A single channel
            stands for class 1 of two; the truth is then 0 or 1, or a share between.
        sample_weight: Weights of shape `(batch, *positions)` or `(batch,)`.

    Returns:
        Scalar, or `(batch, *positions)` with `reduction=None`.

    Raises:
        ValueError: If the shapes do not fit each other.

    Example:

    >>> import numpy as np
    >>> loss = BoundaryWeightedCrossEntropy(from_logits=True)
    >>> labels, logits = np.array([[0, 1]]), np.array([[[0.0, 0.0], [0.0, 9.0]]])
    >>> round(float(loss(labels, logits)), 4)  # log(2) and almost 0
    0.3466
    >>> round(float(loss(labels, logits, sample_weight=np.array([[10.0, 1.0]]))), 4)
    3.4658

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, equation 1.
    """

    def __init__(
        self,
        *,
        from_logits=False,
        ignore_class=None,
        name="boundary_weighted_cross_entropy",
        **kwargs,
    ):
        super().__init__(
            from_logits=from_logits, ignore_class=ignore_class, name=name, **kwargs
        )

    def losses(self, truth, y_pred):
        return _over_classes(truth, y_pred, self.from_logits, lambda surprise: surprise)


@keras.saving.register_keras_serializable("kerasmith")
class Focal(PositionLoss):
    """Cross-entropy that hardly counts the positions that are right already.

        FL = - alpha (1 - p) ** gamma log(p),  p = probability of the true class

    For few objects before much background, whose many easy positions would outweigh
    the others. With `gamma=0` and no `alpha` it is the cross-entropy.

    Args:
        gamma: How fast the weight falls as `p` nears 1, at least 0; the paper's is 2.
        alpha: `None`, one weight for each class, or a number. Where predictions have
            one channel the number is the weight of class 1 and `1 - alpha` that of
            class 0, as in the paper, which takes 0.25 with `gamma=2`; otherwise it
            weighs all classes alike.
        from_logits: Whether predictions are logits; otherwise they are probabilities.
        ignore_class: Label of positions that take no part, such as 255. Among one-hot
            rows these are the rows of zeros, and those of this class if it is one. A
            mean is then taken over the positions that count.
        name: Name of the loss.
        reduction: As for every Keras loss.
        dtype: Dtype of the result; it is computed in float32.

    Call arguments:
        y_true: Classes of shape `(batch, *positions)` or `(batch, *positions, 1)`, or
            one-hot rows `(batch, *positions, classes)`, with up to three axes of
            positions. A label that is no class makes the loss NaN.
        y_pred: Predictions of shape `(batch, *positions, classes)`. A single channel
            stands for class 1 of two; the truth is then 0 or 1, or a share between.
        sample_weight: Weights of shape `(batch, *positions)` or `(batch,)`.

    Returns:
        Scalar, or `(batch, *positions)` with `reduction=None`.

    Raises:
        ValueError: If `gamma` or `alpha` is negative, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> probabilities = np.array([[0.9, 0.1], [0.5, 0.5]])
    >>> each = Focal(2.0, reduction=None)(np.array([0, 0]), probabilities)
    >>> [round(float(value), 4) for value in each]  # log(0.9) / 100, log(0.5) / 4
    [0.0011, 0.1733]

    Reference:
        Lin et al., 2017, https://arxiv.org/abs/1708.02002, equations 4 and 5.
    """

    def __init__(
        self,
        gamma=2.0,
        alpha=None,
        *,
        from_logits=False,
        ignore_class=None,
        name="focal",
        **kwargs,
    ):
        super().__init__(
            from_logits=from_logits, ignore_class=ignore_class, name=name, **kwargs
        )
        if not 0 <= gamma < math.inf:
            raise ValueError(f"Focal needs a gamma of at least 0, received {gamma}.")
        self.gamma = gamma
        self.alpha = _checked_alpha(alpha)

    def losses(self, truth, y_pred):
        weights = _class_weights(self.alpha, y_pred.shape[-1])
        return _over_classes(truth, y_pred, self.from_logits, self._focus, weights)

    def _focus(self, surprise):
        """Weigh `-log(p)` by what `p` lacks."""
        if self.gamma == 0:
            return surprise
        # the slope of a root is infinite at 0
        missing = ops.maximum(-ops.expm1(-surprise), 1e-12)
        return ops.power(missing, self.gamma) * surprise

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma, "alpha": self.alpha}


def _over_classes(truth, y_pred, from_logits, function, weights=None):
    """Give `function(-log p)` of the true class, or the sum by the shares of all."""
    logits = logits_of(y_pred, from_logits)
    if truth.labels is not None:
        losses = function(
            ops.sparse_categorical_crossentropy(truth.labels, logits, from_logits=True)
        )
        if weights is not None:
            losses = losses * ops.take(ops.convert_to_tensor(weights), truth.labels)
    elif logits.shape[-1] == 1:
        losses = _of_two_classes(truth.rows, logits, function, weights or (1.0, 1.0))
    else:
        # Keras' cross-entropy has on TensorFlow a wrong slope for a row of zeros
        losses = truth.rows * function(-ops.log_softmax(logits))
        if weights is not None:
            losses = losses * ops.convert_to_tensor(weights)
        losses = ops.sum(losses, axis=-1)
    if truth.counted is not None:
        losses = ops.where(truth.counted, losses, 0.0)
    return losses if truth.poison is None else losses + truth.poison


def _of_two_classes(shares, logits, function, weights):
    """Join the losses of class 0 and class 1 by the share of class 1."""
    first = weights[0] * (1 - shares) * function(ops.softplus(logits))
    second = weights[1] * shares * function(ops.softplus(-logits))
    return ops.squeeze(first + second, axis=-1)


def _checked_alpha(alpha):
    if alpha is None:
        return None
    one = isinstance(alpha, numbers.Real)
    values = [float(value) for value in ([alpha] if one else alpha)]
    if not values or not all(0 <= value < math.inf for value in values):
        raise ValueError(
            "Focal needs an alpha of at least 0, or one for each class, received "
            f"{alpha!r}."
        )
    return values[0] if one else values


def _class_weights(alpha, channels):
    classes = 2 if channels == 1 else channels
    if alpha is None:
        return None
    if isinstance(alpha, float) and channels > 1:
        return [alpha] * classes
    if isinstance(alpha, float):
        if alpha > 1:
            raise ValueError(
                "Focal gives class 0 the weight 1 - alpha where predictions have one "
                f"channel, received alpha={alpha}: give a number up to 1, or "
                "[weight of class 0, weight of class 1]."
            )
        return [1 - alpha, alpha]
    if len(alpha) != classes:
        raise ValueError(
            f"Focal received {len(alpha)} values of alpha, and predictions of "
            f"{classes} classes: give one for each class, or a single number."
        )
    return alpha
