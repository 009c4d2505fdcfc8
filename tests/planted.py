"""Layers with gradients that are wrong on purpose, on any backend."""

import keras
from keras import ops


def with_gradient_times(factor):
    """Give the identity with a gradient that is wrong by a factor."""
    return _BACKENDS[keras.backend.backend()](factor)


def _tensorflow(factor):
    import tensorflow as tf

    @tf.custom_gradient
    def identity(x):
        return tf.identity(x), lambda upstream: upstream * tf.cast(factor, x.dtype)

    return identity


def _jax(factor):
    import jax

    @jax.custom_vjp
    def identity(x):
        return x

    identity.defvjp(lambda x: (x, None), lambda _, upstream: (upstream * factor,))
    return identity


def _torch(factor):
    import torch  # pyright: ignore[reportMissingImports]

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, upstream):
            return upstream * factor

    return Identity.apply


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


class Planted(keras.layers.Layer):
    """A dense tanh layer whose kernel's gradient is wrong by a factor."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")
        self.bias = self.add_weight(shape=(3,), name="bias")

    def call(self, inputs):
        # times 1, since TensorFlow's custom gradients take no variables
        kernel = with_gradient_times(self.factor)(ops.multiply(self.kernel, 1))
        return ops.tanh(ops.matmul(inputs, kernel) + ops.convert_to_tensor(self.bias))

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class HalfStopped(keras.layers.Layer):
    """A normalisation that no gradient goes through."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, inputs):
        outputs = ops.matmul(inputs, self.kernel)
        size = ops.sum(ops.square(outputs), axis=-1, keepdims=True)
        return outputs / (1 + ops.stop_gradient(size))


class Stopped(keras.layers.Layer):
    """Lets no gradient through."""

    def call(self, inputs):
        return ops.stop_gradient(inputs)


class Shuffled(keras.layers.Layer):
    """Gives each example the output of another."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.order = keras.random.SeedGenerator(3)

    def call(self, inputs):
        return keras.random.shuffle(inputs, seed=self.order)


class Rolled(keras.layers.Layer):
    """Gives each example the output of the one before."""

    def call(self, inputs):
        return ops.roll(inputs, 1, axis=0)


class Transposed(keras.layers.Layer):
    """Mixes examples by a transposition of the whole batch."""

    def call(self, inputs):
        return ops.reshape(ops.transpose(inputs), ops.shape(inputs))
