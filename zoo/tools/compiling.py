"""Functions of tokens, compiled by the backend for one batch after the other."""

import keras
import numpy as np


def compiled(function, model, arguments=1):
    """Make a function that runs on arrays of tokens and gives arrays.

    It is a `tf.function`, which takes every shape at once, under `jax.jit`, which
    compiles for each shape anew, or plain PyTorch. It has no gradient, and sees
    weights as they are when it is called.

    Args:
        function: Of int32 tensors `(batch, tokens)`; gives a structure of tensors.
        model: The model whose weights it uses.
        arguments: Number of its arguments.

    Returns:
        Function of int32 arrays that gives a structure of arrays.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> double = compiled(lambda tokens: {"twice": 2 * tokens}, model)
    >>> double(np.array([[1, 2]], "int32"))["twice"].tolist()
    [[2, 4]]
    """
    run = _COMPILED[keras.backend.backend()](function, model, arguments)

    def call(*tokens):
        outputs = run(*(np.asarray(each, "int32") for each in tokens))
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    return call


def rounded(size, most):
    """Give the size to pad an axis to, so that few shapes are compiled for.

    Args:
        size: Size that is needed.
        most: The largest size that there may be, or `None`.

    Returns:
        On JAX the next power of two, or the largest; the size itself elsewhere.

    Example:

    >>> rounded(7, 7), rounded(8, None)
    (7, 8)
    """
    if keras.backend.backend() == "jax":
        size = 1 << (size - 1).bit_length()
    return size if most is None else min(size, most)


def _tensorflow(function, model, arguments):
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None), tf.int32)] * arguments
    traced = tf.function(function, input_signature=signature, autograph=False)
    # made at once: for what is traced in a call TensorFlow warns of too many of a kind
    run = traced.get_concrete_function()
    return lambda *tokens: run(*map(tf.constant, tokens))


def _jax(function, model, arguments):
    import jax

    variables = model.variables

    def pure(values, *tokens):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function(*tokens)

    run = jax.jit(pure)
    return lambda *tokens: run([variable.value for variable in variables], *tokens)


def _torch(function, model, arguments):
    import torch

    def run(*tokens):
        return function(*(keras.ops.convert_to_tensor(each) for each in tokens))

    return torch.no_grad()(run)


_COMPILED = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
