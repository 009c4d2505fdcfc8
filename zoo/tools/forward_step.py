"""A function of one tensor, compiled by the backend, to be timed."""

import keras


def forward_step(function, inputs):
    """Make a function that computes another, without any gradient.

    It is a `tf.function`, under `jax.jit`, or plain PyTorch, and returns when the work
    is done.

    Args:
        function: Takes a tensor.
        inputs: The tensor.

    Returns:
        Function without arguments, which gives what `function` gives.

    Example:

    >>> step = forward_step(keras.ops.square, keras.ops.ones((2, 3)))
    >>> step().shape == (2, 3)
    True
    """
    return _COMPILED[keras.backend.backend()](function, inputs)


def _tensorflow(function, inputs):
    import tensorflow as tf

    compiled = tf.function(function)
    return lambda: compiled(inputs)


def _jax(function, inputs):
    import jax

    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(inputs))


def _torch(function, inputs):
    import torch

    return torch.no_grad()(lambda: function(inputs))


_COMPILED = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
