"""Distances between the embeddings of a batch, and gradients that go through them.

A loss over pairs is a function of their squared distances, whose derivatives are known
where the loss is. So the gradient is made by hand, and nothing is larger than
batch x batch.
"""

import keras
import numpy as np
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


def to_rows(x, rows):
    """Give the way from a row of each row's own choice to that row."""
    return x - ops.take(x, rows, axis=0)


def squared_lengths(ways):
    """Give the squared length of each row."""
    return ops.sum(ways * ways, axis=1)


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


def distances_to_others(x, labels):
    """Give the squared distances of all pairs of two classes, infinite within one."""
    return ops.where(same_class(labels), np.inf, squared_distances(x))


def through_all_pairs(x, weights):
    """Give the gradient by `x` of `sum(weights * squared distances)`."""
    both = weights + ops.transpose(weights)
    return 2 * (ops.sum(both, axis=1, keepdims=True) * x - ops.matmul(both, x))


def through_ways(ways, rows, origins=None):
    """Give the gradient by `x` of a sum of lengths of `to_rows(x, rows)`.

    Args:
        ways: List of tensors of shape `(batch, dim)`, the gradients by the ways.
        rows: List of the rows that they lead from, integers of shape `(batch,)`.
        origins: Where each row is chosen once by the first of them, the row that
            chooses it: what is looked up need not be added up.

    Returns:
        Tensor of shape `(batch, dim)`.
    """
    total = sum(ways[1:], ways[0])
    if origins is not None:
        total = total - ops.take(ways[0], origins, axis=0)
        ways, rows = ways[1:], rows[1:]
    return ops.scatter_update(
        total,
        ops.concatenate(rows)[:, None],
        -ops.concatenate(ways),
        reduction="add",
    )
