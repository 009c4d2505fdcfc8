"""Distances between the embeddings of a batch, and gradients that go through them.

A loss over pairs is a function of their squared distances, whose derivatives are known
where the loss is. So the gradient is made by hand, and nothing is larger than
batch x batch.
"""

import keras
from keras import ops


def floating(embeddings):
    """Give embeddings in float32 at least: squares in half precision overflow."""
    if keras.backend.standardize_dtype(embeddings.dtype) == "float64":
        return embeddings
    return ops.cast(embeddings, "float32")


def centred(embeddings):
    """Move the mean to the origin: far from it distances would lose their digits."""
    return embeddings - ops.mean(embeddings, axis=0, keepdims=True)


def squared_distances(x):
    """Give the squared distances of all pairs of rows, by one product of matrices."""
    squares = ops.sum(x * x, axis=1)
    products = ops.matmul(x, ops.transpose(x))
    return ops.maximum(squares[:, None] + squares[None] - 2 * products, 0)


def row_distances(x, others):
    """Give the squared distance of each row to the same row of another matrix."""
    return ops.sum(ops.square(x - others), axis=1)


def distance_of(squared, kind):
    """Give what stands for the distance, `"euclidean"` or `"squared"`."""
    return ops.sqrt(squared) if kind == "euclidean" else squared


def distance_slope(distance, kind):
    """Give the derivative of a distance by its square, 0 between equal embeddings."""
    if kind == "squared":
        return ops.ones_like(distance)
    apart = distance > 0
    return ops.where(apart, 0.5 / ops.where(apart, distance, 1), 0)


def same_class(labels):
    """Tell of each pair whether both are of one class."""
    return labels[:, None] == labels[None]


def through_all_pairs(x, weights):
    """Give the gradient by `x` of `sum(weights * squared distances)`."""
    both = weights + ops.transpose(weights)
    return 2 * (ops.sum(both, axis=1, keepdims=True) * x - ops.matmul(both, x))


def through_triplets(x, positives, negatives, weights, anchors=None):
    """Give the gradient by `x` of a weighted sum over one triplet for each row.

    Args:
        x: Tensor of shape `(batch, dim)`; each row is an anchor.
        positives: Integers of shape `(batch,)`: the row of the anchor's positive.
        negatives: The row of its negative.
        weights: Two tensors of shape `(batch,)` in a tuple: what the squared distances
            to the positives and to the negatives count.
        anchors: Where each row is the positive of one anchor, the row of that anchor.

    Returns:
        Tensor of shape `(batch, dim)`.
    """
    to_positives, to_negatives = (
        2 * weight[:, None] * (x - ops.take(x, rows, axis=0))
        for rows, weight in zip((positives, negatives), weights, strict=True)
    )
    total = to_positives + to_negatives
    if anchors is None:
        return _taken_away(
            total,
            ops.concatenate([positives, negatives]),
            ops.concatenate([to_positives, to_negatives]),
        )
    total = total - ops.take(to_positives, anchors, axis=0)
    return _taken_away(total, negatives, to_negatives)


def _taken_away(total, rows, parts):
    return ops.scatter_update(total, rows[:, None], -parts, reduction="add")
