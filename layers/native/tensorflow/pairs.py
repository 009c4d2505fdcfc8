"""Losses over pairs with gradients made by hand, on TensorFlow."""

import tensorflow as tf
from keras import ops

from ...pair_distances import distances_to_others, squared_distances
from ...tree_search import farthest, nearest, nearest_above
from .xla import is_compiling

__all__ = [
    "distances_to_others",
    "farthest",
    "nearest",
    "nearest_above",
    "put_rows",
    "squared_distances",
    "with_gradient",
]

# from this size of a batch on XLA compiles: a pass over all pairs that TensorFlow makes
# of several operations then takes longer than all that XLA adds
COMPILED_FROM = 512


def put_rows(table, at, rows):
    """Write rows into a table.

    Args:
        table: Tensor of shape `(size, columns)`.
        at: Where the first of them goes.
        rows: Tensor of shape `(count, columns)`.

    Returns:
        The table.

    Example:

    >>> put_rows(ops.zeros((3, 2)), 1, ops.ones((1, 2))).numpy().tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    return ops.slice_update(table, (at, 0), rows)


def with_gradient(values, gradient):
    """Make a differentiable function of a function and of its gradient.

    XLA compiles both for large batches, also where it does not compile the rest.

    Args:
        values: Takes classes, tensors of whole numbers, and embeddings; gives values
            and what the gradient needs.
        gradient: Takes that and the gradient of the values; gives that of the
            embeddings.

    Returns:
        Function of classes and embeddings that gives the values.

    Example:

    >>> double = with_gradient(lambda classes, x: (2 * x, ()), lambda kept, up: 2 * up)
    >>> x = tf.constant([1.5])
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = double(tf.constant([0]), x)
    >>> tape.gradient(y, x).numpy()
    array([2.], dtype=float32)
    """
    values, gradient = _compiled(values), _compiled(gradient)

    def apply(classes, embeddings):
        size = embeddings.shape[0]
        if size is None:
            size = tf.shape(embeddings)[0]

        @tf.custom_gradient
        def differentiable(embeddings):
            # nothing inside is differentiated: no tape needs to write it down
            embeddings = tf.stop_gradient(embeddings)
            result, kept = values(size, classes, embeddings)
            return result, lambda upstream: gradient(size, kept, upstream)

        return differentiable(embeddings)

    return apply


def _compiled(function):
    fast = tf.function(function, jit_compile=True, autograph=False)

    def choose(size, *arguments):
        if is_compiling():
            return function(*arguments)
        if isinstance(size, int):
            return (fast if size >= COMPILED_FROM else function)(*arguments)
        return tf.cond(
            size >= COMPILED_FROM,
            lambda: fast(*arguments),
            lambda: function(*arguments),
        )

    return choose
