"""Forward and backward through layers, compiled by the backend, to be timed."""

import keras


def training_step(layers, shape, dtype=None):
    """Make a function that computes layers in training, and all gradients.

    It is a `tf.function`, under `jax.jit`, or plain PyTorch, and returns when the work
    is done. Seeds and other states move on from call to call.

    Args:
        layers: List of layers, called one after another.
        shape: Shape of the inputs, with the batch. They are drawn.
        dtype: Dtype of the inputs; Keras' default if `None`.

    Returns:
        Function without arguments. It gives the outputs and the gradients, those of
        the inputs first, of the sum of the squared outputs over two.

    Example:

    >>> step = training_step([keras.layers.Dense(3), keras.layers.ReLU()], (2, 4))
    >>> outputs, gradients = step()
    >>> outputs.shape == (2, 3), gradients[0].shape == (2, 4), len(gradients)
    (True, True, 3)
    """
    inputs = keras.random.normal(shape, dtype=dtype, seed=1)
    x = inputs
    for layer in layers:
        x = layer(x)  # builds it
    return _COMPILED[keras.backend.backend()](layers, inputs)


def _through(layers, inputs):
    for layer in layers:
        inputs = layer(inputs, training=True)
    return inputs


def _tensorflow(layers, inputs):
    import tensorflow as tf

    weights = [w.value for layer in layers for w in layer.trainable_weights]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = _through(layers, inputs)
        # the outputs as their own gradient
        return outputs, tape.gradient(outputs, [inputs, *weights], outputs)

    return step


def _jax(layers, inputs):
    import jax

    variables = [v for layer in layers for v in layer.variables]
    trainable = [v for v in variables if v.trainable]
    others = [v for v in variables if not v.trainable]

    @jax.jit
    def step(state, weights, inputs):
        def function(weights, inputs):
            mapping = [*zip(others, state, strict=True)]
            mapping += zip(trainable, weights, strict=True)
            with keras.StatelessScope(mapping) as scope:
                outputs = _through(layers, inputs)
            return outputs, [scope.get_current_value(v) for v in others]

        outputs, pull, state = jax.vjp(function, weights, inputs, has_aux=True)
        of_weights, of_inputs = pull(outputs)
        return outputs, [of_inputs, *of_weights], state

    state = [v.value for v in others]
    weights = [v.value for v in trainable]

    def run():
        outputs, gradients, state[:] = step(state, weights, inputs)
        return jax.block_until_ready((outputs, gradients))

    return run


def _torch(layers, inputs):
    import torch

    inputs = inputs.detach().requires_grad_()
    weights = [w.value for layer in layers for w in layer.trainable_weights]

    def step():
        outputs = _through(layers, inputs)
        return outputs, torch.autograd.grad(
            outputs, [inputs, *weights], outputs.detach(), allow_unused=True
        )

    return step


_COMPILED = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
