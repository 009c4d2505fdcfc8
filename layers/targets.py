"""What is true at each position, in every form that losses and metrics take it."""

import dataclasses
from typing import Any

import keras
from keras import ops

# enlarging a mask may leave it a hair outside [0, 1]
SLACK = 1e-3


@dataclasses.dataclass(frozen=True)
class Targets:
    """What is true at each position.

    Args:
        labels: Classes, int32 of shape `(batch, *positions)`, 0 where a position does
            not count. `None` where the truth came as rows.
        rows: A share for each class, float32 of shape `(batch, *positions, classes)`,
            0 where a position does not count. `None` where the truth came as labels.
        counted: Whether a position takes part, boolean of shape
            `(batch, *positions)`, or `None` where all do.
        poison: Float32 of shape `(batch, *positions)`: NaN where a label is no class,
            0 elsewhere. `None` where that cannot be told.
    """

    labels: Any
    rows: Any
    counted: Any
    poison: Any


def read(owner, y_true, y_pred, ignore_class=None, mask=None):
    """Read the truth in the form that it has, judged by the shapes.

    Args:
        owner: Name of the loss, for its errors.
        y_true: Labels `(batch, *positions)` or `(batch, *positions, 1)`, or rows
            `(batch, *positions, classes)`.
        y_pred: Predictions `(batch, *positions, classes)`; a single channel stands
            for class 1 of two.
        ignore_class: Label of positions that take no part, or `None`.
        mask: Boolean tensor `(batch, ...)` over all or the first axes of positions:
            where it is false, a position takes no part. Or `None`.

    Returns:
        `Targets`.

    Raises:
        ValueError: If the shapes do not fit each other.
    """
    form = form_of(owner, y_true, y_pred)
    y_true = ops.cast(y_true, "float32")
    if form == "rows":
        return _from_rows(y_true, ignore_class, mask)
    if form == "column":
        y_true = ops.squeeze(y_true, axis=-1)
    counted = None if ignore_class is None else ops.not_equal(y_true, ignore_class)
    counted = both(counted, spread(mask, y_true))
    if counted is not None:
        y_true = ops.where(counted, y_true, 0.0)
    binary = y_pred.shape[-1] == 1
    highest, slack = (1.0, SLACK) if binary else (y_pred.shape[-1] - 1.0, 0.0)
    inside = ops.logical_and(y_true >= -slack, y_true <= highest + slack)
    poison = ops.where(inside, 0.0, float("nan"))
    y_true = ops.clip(y_true, 0.0, highest)
    if binary:
        return Targets(None, ops.expand_dims(y_true, -1), counted, poison)
    return Targets(ops.cast(y_true, "int32"), None, counted, poison)


def _from_rows(rows, ignore_class, mask):
    counted = None
    if ignore_class is not None:
        counted = ops.any(ops.not_equal(rows, 0.0), axis=-1)
        if 0 <= ignore_class < rows.shape[-1]:
            largest = ops.argmax(rows, axis=-1)
            counted = both(counted, ops.not_equal(largest, ignore_class))
    counted = both(counted, spread(mask, rows[..., 0]))
    return Targets(None, weighed(rows, counted), counted, None)


def form_of(owner, y_true, y_pred):
    """Tell labels, a column of labels and rows apart by the shapes."""
    predicted = tuple(y_pred.shape)
    if not 2 <= len(predicted) <= 5 or predicted[-1] is None:
        raise ValueError(
            f"{owner} needs predictions of shape (batch, *positions, classes) with at "
            "most three axes of positions and a known number of classes, received "
            f"y_pred of shape {predicted}."
        )
    return form_at(owner, y_true, predicted[:-1], predicted[-1])


def form_at(owner, y_true, positions, classes):
    """Tell the forms apart by the shape of the positions, the batch included."""
    true = shape_of(owner, "y_true", y_true)
    if fits(true, positions):
        return "labels"
    if true and fits(true[:-1], positions) and true[-1] in (1, classes):
        return "column" if true[-1] == 1 else "rows"
    wanted = dict.fromkeys([positions, (*positions, 1), (*positions, classes)])
    raise ValueError(
        f"{owner} received y_true of shape {true}, which does not fit predictions of "
        f"{classes} classes at positions {positions}: give labels or one-hot rows of "
        f"a shape among {', '.join(map(str, wanted))}."
    )


def shape_of(owner, name, tensor):
    """Give a shape as a tuple, with `None` where a size is unknown."""
    if getattr(tensor.shape, "rank", 0) is None:
        raise ValueError(
            f"{owner} cannot tell labels from one-hot rows, because {name} came "
            "without any shape: set it in the dataset, as with tf.ensure_shape."
        )
    return tuple(tensor.shape)


def fits(shape, other):
    """Tell whether two shapes can be the same; `None` is any size."""
    return len(shape) == len(other) and all(
        a == b or None in (a, b) for a, b in zip(shape, other, strict=True)
    )


def both(counted, other):
    """Join what two masks say, each of which may be `None`."""
    if counted is None or other is None:
        return other if counted is None else counted
    return ops.logical_and(counted, other)


def spread(mask, values):
    """Spread a mask over the positions of values, of which it has the first axes."""
    if mask is None:
        return None
    return ops.broadcast_to(_with_rank(mask, len(values.shape)), ops.shape(values))


def _with_rank(tensor, rank):
    missing = (1,) * (rank - len(tensor.shape))
    return ops.reshape(tensor, (*ops.shape(tensor), *missing)) if missing else tensor


def spread_weights(owner, weights, positions):
    """Spread sample weights over positions.

    Args:
        owner: Name of the loss or metric, for its errors.
        weights: Weights `(batch,)`, `(batch, *positions)`, or of any shape that has
            the first axes of it or 1 there; a last axis of 1 may follow.
        positions: Tensor of shape `(batch, *positions)`.

    Returns:
        Float32 tensor of shape `(batch, *positions)`.

    Raises:
        ValueError: If the weights do not fit.
    """
    weights = ops.cast(weights, "float32")
    given, wanted = shape_of(owner, "sample_weight", weights), tuple(positions.shape)
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        weights = ops.squeeze(weights, axis=-1)
    fitting = zip(weights.shape, wanted, strict=False)
    if len(weights.shape) > len(wanted) or any(
        a != b and a != 1 and None not in (a, b) for a, b in fitting
    ):
        raise ValueError(
            f"{owner} received sample_weight of shape {given}, which does not fit the "
            f"positions {wanted}: give a weight for each of these, or for each "
            "sample, of shape (batch,)."
        )
    return ops.broadcast_to(_with_rank(weights, len(wanted)), ops.shape(positions))


def weighed(shares, counted):
    """Set shares of classes to 0 where a position does not count."""
    if counted is None:
        return shares
    # a product costs half of what a choice does
    return shares * ops.expand_dims(ops.cast(counted, shares.dtype), -1)


def unmasked(y_pred):
    """Take the mask off predictions: Keras multiplies losses by it, whatever fits.

    Returns:
        Predictions without a mask, and the mask or `None`.
    """
    taker = _MaskTaker(autocast=False, name="mask_taker")
    return taker(y_pred), taker.taken


class _MaskTaker(keras.layers.Layer):
    """Take a mask off a tensor: on JAX only a layer is handed it."""

    taken = None

    def call(self, inputs, mask=None):
        self.taken = mask
        # another tensor, which Keras knows no mask of
        return inputs if mask is None else inputs + ops.zeros((), inputs.dtype)

    def compute_mask(self, inputs, previous_mask=None):
        return None
