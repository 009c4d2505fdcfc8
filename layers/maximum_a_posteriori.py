"""Cross-entropy with a class of rubbish, as LeNet-5 was trained."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class MaximumAPosteriori(keras.losses.Loss):
    """Cross-entropy over the classes and a class of rubbish with a fixed logit.

    With penalties `y = -logits` it is the paper's
    `y_true + log(exp(-j) + sum(exp(-y)))`: it lowers the penalty of the right
    class and raises the others, but those above `j` hardly any more.

    Args:
        rubbish_penalty: The penalty `j` of the class of rubbish, positive.
        reduction: As for every Keras loss.
        name: Name of the loss.
        dtype: Dtype of the computation.

    Call arguments:
        y_true: Integer classes of shape `(batch,)` or `(batch, 1)`.
        y_pred: Logits of shape `(batch, classes)`.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`. Behind `RadialBasis`, whose
        logits end at 0, it cannot fall below `log(1 + exp(-j))`.

    Raises:
        ValueError: If `rubbish_penalty` is not positive.

    Example:

    >>> import numpy as np
    >>> loss = MaximumAPosteriori(1.0)
    >>> round(float(loss(np.array([0]), np.array([[0.0, -50.0]]))), 4)
    0.3133

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, equation 9.
    """

    def __init__(
        self,
        rubbish_penalty=1.0,
        *,
        reduction="sum_over_batch_size",
        name="maximum_a_posteriori",
        dtype=None,
    ):
        if not 0 < rubbish_penalty < math.inf:
            raise ValueError(
                "MaximumAPosteriori needs a positive rubbish_penalty, received "
                f"{rubbish_penalty}."
            )
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.rubbish_penalty = rubbish_penalty

    def call(self, y_true, y_pred):
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        rubbish = ops.full_like(y_pred[:, :1], -self.rubbish_penalty)
        every = ops.logsumexp(ops.concatenate([y_pred, rubbish], axis=1), axis=1)
        right = ops.take_along_axis(y_pred, labels[:, None], axis=1)[:, 0]
        return every - right

    def get_config(self):
        return {
            **super().get_config(),
            "rubbish_penalty": self.rubbish_penalty,
            "dtype": self.dtype,
        }
