"""Several losses of one output, added."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class SumOfLosses(keras.losses.Loss):
    """Add losses of the same truth and predictions.

        loss = w_1 loss_1 + w_2 loss_2 + ...

    `compile` takes one loss for an output. Where objects are small, a cross-entropy and
    an overlap learn better together than either alone: the one has a slope where the
    other has none yet.

    Args:
        losses: List of `keras.losses.Loss`, or of names of classes or configurations
            of them. Each reduces its values itself.
        weights: A number for each loss, all 1 if `None`.
        name: Name of the loss.
        dtype: Dtype of the sum.

    Call arguments:
        y_true: What all of the losses take.
        y_pred: What all of the losses take.
        sample_weight: Handed to each of them.

    Returns:
        Scalar.

    Raises:
        ValueError: If there is no loss, or the weights are not as many.
        TypeError: If something among the losses is none.

    Example:

    >>> import numpy as np
    >>> loss = SumOfLosses(["MeanSquaredError", "MeanAbsoluteError"], [1.0, 2.0])
    >>> float(loss(np.array([[1.0]]), np.array([[4.0]])))
    15.0

    Reference:
        Isensee et al., 2021, nnU-Net, https://doi.org/10.1038/s41592-020-01008-z: Dice
        and cross-entropy.
    """

    def __init__(self, losses, weights=None, *, name="sum_of_losses", dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype)
        if not isinstance(losses, list | tuple) or not losses:
            raise ValueError(
                f"SumOfLosses needs a list of one loss or more, received {losses!r}."
            )
        self.losses = [_loss(one) for one in losses]
        self.weights = [1.0] * len(losses) if weights is None else [*weights]
        if len(self.weights) != len(losses):
            raise ValueError(
                f"SumOfLosses needs a weight for each of {len(losses)} losses, "
                f"received {weights!r}."
            )

    def call(self, y_true, y_pred):
        """Add the losses of a batch; `reduction` is that of each of them."""
        return self(y_true, y_pred)

    def __call__(self, y_true, y_pred, sample_weight=None):
        values = (loss(y_true, y_pred, sample_weight) for loss in self.losses)
        both = zip(self.weights, values, strict=True)
        parts = [weight * ops.cast(value, self.dtype) for weight, value in both]
        return sum(parts[1:], parts[0])

    def get_config(self):
        return {
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "weights": self.weights,
            "name": self.name,
            "dtype": self.dtype,
        }


def _loss(one):
    found = keras.losses.get(one)
    if not isinstance(found, keras.losses.Loss):
        raise TypeError(
            "SumOfLosses needs losses with a reduction, received "
            f"{one!r}: give the object, such as keras.losses.MeanSquaredError()."
        )
    return found
