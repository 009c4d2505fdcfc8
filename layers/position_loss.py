"""What losses over positions share: forms of truth, precision, what is ignored."""

import functools

import keras
from keras import ops

from . import targets


class PositionLoss(keras.losses.Loss):
    """Base of losses over positions; those below it compute the values.

    Sums and logarithms are float32 whatever the dtype: in float16 a sum over the
    positions of one image ends at 65,504.

    Args:
        from_logits: Whether predictions are logits; otherwise they are probabilities.
        ignore_class: Label of positions that take no part, or `None`.
        name: Name of the loss.
        reduction: As for every Keras loss.
        dtype: Dtype of the result.
    """

    def __init__(
        self,
        *,
        from_logits=False,
        ignore_class=None,
        name=None,
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if ignore_class is not None and int(ignore_class) != ignore_class:
            raise ValueError(
                f"{type(self).__name__} needs a whole number as ignore_class, or None, "
                f"received {ignore_class!r}."
            )
        self.from_logits = from_logits
        self.ignore_class = ignore_class

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Compute the loss, weigh it and reduce it."""
        y_pred, mask = targets.unmasked(ops.convert_to_tensor(y_pred))
        truth = self.read(y_true, y_pred, mask)
        weights = self.weigh(truth, y_pred[..., 0], sample_weight)
        inside = _InFloat32(
            functools.partial(self.losses, truth),
            name=self.name,
            reduction=self.reduction,
        )
        # the truth is read already: Keras asks for two tensors all the same
        return ops.cast(inside(y_pred[..., 0], y_pred, weights), self.dtype)

    def call(self, y_true, y_pred):
        """Compute the loss, without weights and not reduced."""
        return self.losses(self.read(y_true, y_pred), ops.cast(y_pred, "float32"))

    def read(self, y_true, y_pred, mask=None):
        """Read the truth in whatever form it has."""
        y_true = ops.convert_to_tensor(y_true)
        owner = type(self).__name__
        return targets.read(owner, y_true, y_pred, self.ignore_class, mask)

    def losses(self, truth, y_pred):
        """Compute the loss from `Targets` and float32 predictions."""
        raise NotImplementedError

    def weigh(self, truth, positions, sample_weight):
        """Give weights of the shape that the losses have, or `None`.

        A mean is taken over the positions that count, as in Keras.
        """
        if sample_weight is not None:
            sample_weight = targets.spread_weights(
                type(self).__name__, ops.convert_to_tensor(sample_weight), positions
            )
        if truth.counted is None or self.reduction in ("sum", "none", None):
            return sample_weight
        counted = ops.cast(truth.counted, "float32")
        if self.reduction != "mean_with_sample_weight":
            # as many positions as there are, over as many as count
            counted = counted / ops.maximum(ops.mean(counted), 1e-12)
        return counted if sample_weight is None else sample_weight * counted

    def get_config(self):
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "dtype": self.dtype,
        }


class _InFloat32(keras.losses.Loss):
    """Weigh and reduce in float32 what a function computes from predictions."""

    def __init__(self, function, **keywords):
        super().__init__(dtype="float32", **keywords)
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_pred)


def logits_of(y_pred, from_logits):
    """Turn probabilities into logits; those of one channel stand against 0."""
    if from_logits:
        return y_pred
    least = keras.config.epsilon()
    if y_pred.shape[-1] > 1:
        return ops.log(ops.clip(y_pred, least, 1.0))
    y_pred = ops.clip(y_pred, least, 1 - least)
    return ops.log(y_pred) - ops.log1p(-y_pred)


def probabilities_of(y_pred, from_logits):
    """Turn logits into probabilities."""
    if not from_logits:
        return y_pred
    return ops.sigmoid(y_pred) if y_pred.shape[-1] == 1 else ops.softmax(y_pred)
