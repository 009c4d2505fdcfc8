"""Losses over pairs with gradients made by hand, on JAX."""

import jax
from keras import ops

from ...pair_distances import distances_to_others, squared_distances
from ...tree_search import farthest, nearest, nearest_above

__all__ = [
    "distances_to_others",
    "farthest",
    "nearest",
    "nearest_above",
    "put_rows",
    "squared_distances",
    "with_gradient",
]


def put_rows(table, at, rows):
    """Write rows into a table.

    Args:
        table: Array of shape `(size, columns)`.
        at: Where the first of them goes.
        rows: Array of shape `(count, columns)`.

    Returns:
        The table.

    Example:

    >>> put_rows(ops.zeros((3, 2)), 1, ops.ones((1, 2))).tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    # a table of fewer rows than are written is never read
    return ops.slice_update(table, (at, 0), rows[: len(table)])


def with_gradient(values, gradient):
    """Make a differentiable function of a function and of its gradient.

    Both are compiled.

    Args:
        values: Takes classes, tensors of whole numbers, and embeddings; gives values
            and what the gradient needs.
        gradient: Takes that and the gradient of the values; gives that of the
            embeddings.

    Returns:
        Function of classes and embeddings that gives the values.

    Example:

    >>> double = with_gradient(lambda classes, x: (2 * x, ()), lambda kept, up: 2 * up)
    >>> float(jax.grad(lambda x: double(jax.numpy.array(0), x))(1.5))
    2.0
    """
    values, gradient = jax.jit(values), jax.jit(gradient)

    @jax.custom_vjp
    def differentiable(classes, embeddings):
        return values(classes, embeddings)[0]

    differentiable.defvjp(values, lambda kept, up: (None, gradient(kept, up)))
    return differentiable
