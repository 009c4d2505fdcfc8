"""Gradients on any backend, and the slopes that they must agree with."""

import keras
import numpy as np


def gradients(function, arrays):
    """Differentiate a scalar function of a list of arrays.

    Gives one array for each, or `None` where the backend says that the function does
    not depend on it.
    """
    found = _BACKENDS[keras.backend.backend()](function, arrays)
    return [None if g is None else keras.ops.convert_to_numpy(g) for g in found]


def traced(function):
    """Let the backend trace a function once, to be called many times in a row."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    return function


def slope(function, arrays, directions, step):
    """Differentiate along directions by central differences of the fourth order."""

    def at(distance):
        moved = [
            keras.ops.convert_to_tensor(array + np.float32(distance) * direction)
            for array, direction in zip(arrays, directions, strict=True)
        ]
        return float(keras.ops.convert_to_numpy(function(moved)))

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


def directions_for(arrays, seed):
    """Draw a direction in which each array moves by about its own size."""
    draw = np.random.default_rng(seed)
    sizes = [np.sqrt(np.mean(np.square(array))) or 0.1 for array in arrays]
    return [
        (size * draw.normal(size=array.shape)).astype("float32")
        for size, array in zip(sizes, arrays, strict=True)
    ]


def _tensorflow(function, arrays):
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    return tape.gradient(value, tensors)


def _jax(function, arrays):
    import jax

    return jax.jit(jax.grad(function))([jax.numpy.asarray(array) for array in arrays])


def _torch(function, arrays):
    import torch  # pyright: ignore[reportMissingImports]

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    return torch.autograd.grad(function(tensors), tensors, allow_unused=True)


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
