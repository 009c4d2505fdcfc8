"""Sub-sampling with a trainable coefficient and bias."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class Subsampling2D(keras.layers.Layer):
    """Sum each window, times a trainable coefficient, plus a trainable bias.

    One coefficient and one bias a channel; windows do not overlap, and a rest
    smaller than a window is left out. Images are channels-last. At first it
    averages: the coefficient starts at one over the window's area.

    Args:
        pool_size: Height and width of the window, an integer or a pair.
        activation: Name or callable applied to the result.
        coefficient_initializer: Initialiser of the coefficients, one over the
            window's area if `None`.
        bias_initializer: Initialiser of the biases.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape
        `(batch, height // pool_size[0], width // pool_size[1], channels)`.

    Raises:
        ValueError: If the window is smaller than 1.

    Example:

    >>> import numpy as np
    >>> image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    >>> np.asarray(Subsampling2D(2)(image))[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, section II-B.
    """

    def __init__(
        self,
        pool_size=2,
        *,
        activation=None,
        coefficient_initializer=None,
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        pair = (pool_size,) * 2 if isinstance(pool_size, int) else pool_size
        self.pool_size = tuple(int(size) for size in pair)
        if min(self.pool_size) < 1:
            raise ValueError(
                f"Subsampling2D needs windows of at least 1 x 1, received {pool_size}."
            )
        self.activation = keras.activations.get(activation)
        self.coefficient_initializer = keras.initializers.get(coefficient_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        start = self.coefficient_initializer
        if start is None:
            start = keras.initializers.Constant(1 / math.prod(self.pool_size))
        shape = (input_shape[-1],)
        self.coefficient = self.add_weight(
            shape=shape, initializer=start, name="coefficient"
        )
        self.bias = self.add_weight(
            shape=shape, initializer=self.bias_initializer, name="bias"
        )

    def call(self, inputs):
        means = ops.average_pool(
            inputs, self.pool_size, strides=self.pool_size, padding="valid"
        )
        area = math.prod(self.pool_size)
        return self.activation(means * (area * self.coefficient) + self.bias)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count one multiplication an output: the sums before it are free."""
        return math.prod(output_shape[1:])

    def compute_output_shape(self, input_shape):
        size = (
            None if length is None else length // window
            for length, window in zip(input_shape[1:3], self.pool_size, strict=True)
        )
        return (input_shape[0], *size, input_shape[3])

    def get_config(self):
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "activation": keras.activations.serialize(self.activation),
            "coefficient_initializer": keras.initializers.serialize(
                self.coefficient_initializer
            ),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
