"""A scalar function of arrays, its gradient, and the precision to compare them in."""

import contextlib

import numpy as np
import tensorflow as tf


def double_precision():
    """Let float64 be float64 within a `with`; here it always is.

    Example:

    >>> with double_precision():
    ...     tf.constant(1, "float64").dtype.name
    'float64'
    """
    return contextlib.nullcontext()


def compiled(function):
    """Compile a scalar function of a list of tensors, and its gradient.

    Args:
        function: Takes a list of tensors and gives a scalar tensor; what it draws at
            random must be drawn alike each time.

    Returns:
        Two functions of a list of arrays: one gives the value as a float, the other a
        list of gradients, `None` where the function does not depend on an array.

    Example:

    >>> value, gradients = compiled(lambda tensors: tensors[0] ** 2)
    >>> value([np.array(3.0)]), float(gradients([np.array(3.0)])[0])
    (9.0, 6.0)
    """
    at = tf.function(function, autograph=False)

    @tf.function(autograph=False)
    def slopes(tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(tensors)
        return tape.gradient(value, tensors)

    def gradients(arrays):
        found = slopes([tf.convert_to_tensor(array) for array in arrays])
        return [
            None if one is None else np.asarray(tf.convert_to_tensor(one))
            for one in found
        ]

    return (
        lambda arrays: float(at([tf.convert_to_tensor(array) for array in arrays])),
        gradients,
    )
