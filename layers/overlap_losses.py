"""Losses of how little the predicted and the true region of each class overlap."""

import math

import keras
from keras import ops

from .overlap import OverlapLoss


@keras.saving.register_keras_serializable("kerasmith")
class SoftDice(OverlapLoss):
    """One minus the Dice score, the mean over the classes that are there.

        loss = 1 - 2 sum(p t) / (sum(p) + sum(t))

    `p` is a class's probability at a position, `t` is 1 where the class is true and 0
    elsewhere. A class counts the same however few positions it fills, so this suits
    small objects before much background, often added to a cross-entropy.

    Args:
        squared: Whether to have `sum(p^2) + sum(t^2)` below, as V-Net does.
        over: `"sample"` for the score of each sample; `"batch"` for one score of the
            whole batch, steadier where objects are rare.
        empty: `"skip"` leaves a class that is true nowhere in the sample, or in the
            batch, out of the mean. `"penalise"` counts it: what is predicted of it is
            lost.
        smooth: Number added to numerator and denominator; above 0 for `"penalise"`.
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
            stands for class 1 of two, the only one that is scored; the truth is then
            0 or 1, or a share between.
        sample_weight: Weights of shape `(batch,)`.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`; 0 where no class counts.

    Raises:
        ValueError: If an argument cannot be right, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> loss = SoftDice()
    >>> round(float(loss(np.array([[1, 1, 0]]), np.array([[[0.5], [1.0], [0.0]]]))), 4)
    0.1429

    Reference:
        Milletari et al., 2016, https://arxiv.org/abs/1606.04797, section 3.
    """

    def __init__(
        self,
        *,
        squared=False,
        over="sample",
        empty="skip",
        smooth=0.0,
        from_logits=False,
        ignore_class=None,
        name="soft_dice",
        **kwargs,
    ):
        super().__init__(
            over=over,
            empty=empty,
            smooth=smooth,
            from_logits=from_logits,
            ignore_class=ignore_class,
            name=name,
            **kwargs,
        )
        self.squared = squared

    def sizes(self, shares):
        return ops.square(shares) if self.squared else shares

    def parts(self, hits, predicted, true):
        return 2 * hits, predicted + true

    def get_config(self):
        return {**super().get_config(), "squared": self.squared}


@keras.saving.register_keras_serializable("kerasmith")
class SoftJaccard(OverlapLoss):
    """One minus the Jaccard index, the mean over the classes that are there.

        loss = 1 - sum(p t) / (sum(p) + sum(t) - sum(p t))

    The index is the intersection over the union, the score that segmentation is mostly
    judged by. Of one class it is `dice / (2 - dice)`, so both have the same best.

    Args:
        over: `"sample"` for the score of each sample; `"batch"` for one score of the
            whole batch, steadier where objects are rare.
        empty: `"skip"` leaves a class that is true nowhere in the sample, or in the
            batch, out of the mean. `"penalise"` counts it: what is predicted of it is
            lost.
        smooth: Number added to numerator and denominator; above 0 for `"penalise"`.
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
            stands for class 1 of two, the only one that is scored; the truth is then
            0 or 1, or a share between.
        sample_weight: Weights of shape `(batch,)`.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`; 0 where no class counts.

    Raises:
        ValueError: If an argument cannot be right, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> loss = SoftJaccard()
    >>> float(loss(np.array([[1, 1, 0]]), np.array([[[0.5], [1.0], [0.0]]])))
    0.25

    Reference:
        Rahman and Wang, 2016, Optimizing Intersection-Over-Union in Deep Neural
        Networks for Image Segmentation, https://doi.org/10.1007/978-3-319-50835-1_22
    """

    def __init__(
        self,
        *,
        over="sample",
        empty="skip",
        smooth=0.0,
        from_logits=False,
        ignore_class=None,
        name="soft_jaccard",
        **kwargs,
    ):
        super().__init__(
            over=over,
            empty=empty,
            smooth=smooth,
            from_logits=from_logits,
            ignore_class=ignore_class,
            name=name,
            **kwargs,
        )

    def parts(self, hits, predicted, true):
        return hits, predicted + true - hits


@keras.saving.register_keras_serializable("kerasmith")
class Tversky(OverlapLoss):
    """One minus the Tversky index, which tells apart what is missed and what is wrong.

        index = TP / (TP + alpha FP + beta FN),  loss = (1 - index) ** (1 / gamma)

    `TP = sum(p t)`, `FP = sum(p (1 - t))` and `FN = sum((1 - p) t)`, for each class;
    the loss is their mean. `alpha = beta = 0.5` is Dice and `alpha = beta = 1` Jaccard;
    a `beta` above `alpha` finds more and errs more. A `gamma` above 1 is the focal
    form: what is nearly right pulls harder.

    Args:
        alpha: Weight of what is predicted and not true, at least 0.
        beta: Weight of what is true and not predicted, at least 0.
        gamma: At least 1; the focal paper's best is 4 / 3.
        over: `"sample"` for the score of each sample; `"batch"` for one score of the
            whole batch, steadier where objects are rare.
        empty: `"skip"` leaves a class that is true nowhere in the sample, or in the
            batch, out of the mean. `"penalise"` counts it: what is predicted of it is
            lost.
        smooth: Number added to numerator and denominator; above 0 for `"penalise"`.
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
            stands for class 1 of two, the only one that is scored; the truth is then
            0 or 1, or a share between.
        sample_weight: Weights of shape `(batch,)`.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`; 0 where no class counts.

    Raises:
        ValueError: If an argument cannot be right, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> loss = Tversky(alpha=0.2, beta=0.8)
    >>> round(float(loss(np.array([[1, 1, 0]]), np.array([[[0.5], [1.0], [0.0]]]))), 4)
    0.2105

    Reference:
        Salehi et al., 2017, https://arxiv.org/abs/1706.05721, and the focal form,
        Abraham and Khan, 2018, https://arxiv.org/abs/1810.07842
    """

    def __init__(
        self,
        alpha=0.3,
        beta=0.7,
        *,
        gamma=1.0,
        over="sample",
        empty="skip",
        smooth=0.0,
        from_logits=False,
        ignore_class=None,
        name="tversky",
        **kwargs,
    ):
        super().__init__(
            over=over,
            empty=empty,
            smooth=smooth,
            from_logits=from_logits,
            ignore_class=ignore_class,
            name=name,
            **kwargs,
        )
        if not (0 <= alpha < math.inf and 0 <= beta < math.inf and alpha + beta > 0):
            raise ValueError(
                "Tversky needs an alpha and a beta of at least 0, not both 0, received "
                f"alpha={alpha}, beta={beta}."
            )
        if not 1 <= gamma < math.inf:
            raise ValueError(
                f"Tversky needs a gamma of at least 1, received {gamma}. The power "
                "is 1 / gamma."
            )
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma

    @property
    def exponent(self):
        return 1 / self.gamma

    def parts(self, hits, predicted, true):
        wrong = self.alpha * (predicted - hits) + self.beta * (true - hits)
        return hits, hits + wrong

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "gamma": self.gamma,
        }
