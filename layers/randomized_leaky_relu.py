"""Leaky ReLU whose slope is drawn."""

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class RandomizedLeakyReLU(keras.layers.Layer):
    """Divide what is negative by a number drawn for each element during training.

    The output is `x` where `x` is positive and `x / a` elsewhere, `a` uniform between
    `lower` and `upper`. At inference `a` is their mean: the slope is
    `2 / (lower + upper)`.

    The numbers are drawn in 65,536 steps between the bounds, and what the gradient
    remembers of them is these 16 bits.

    Args:
        lower: Least number to divide by, 1 or more.
        upper: Greatest, no less than `lower`.
        seed: Integer seed of the draws.

    Call arguments:
        inputs: Tensor of any shape.
        training: Whether to draw.

    Returns:
        Tensor of the same shape and dtype as `inputs`.

    Raises:
        ValueError: If not 1 <= lower <= upper.

    Example:

    >>> x = ops.convert_to_tensor([1.0, -11.0])
    >>> ops.convert_to_numpy(RandomizedLeakyReLU()(x)).tolist()
    [1.0, -2.0]

    Reference:
        Xu et al., 2015, https://arxiv.org/abs/1505.00853
    """

    def __init__(self, lower=3.0, upper=8.0, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 1 <= lower <= upper:
            raise ValueError(
                "RandomizedLeakyReLU divides what is negative by a number between "
                "lower and upper, and needs 1 <= lower <= upper, received "
                f"lower={lower}, upper={upper}. For slopes between 1/8 and 1/3 take 3 "
                "and 8."
            )
        self.lower = float(lower)
        self.upper = float(upper)
        self.seed = seed
        self.draws = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training:
            return ops.leaky_relu(inputs, 2 / (self.lower + self.upper))
        leaky = native.of("dropout").randomized_leaky_relu
        return leaky(inputs, self.lower, self.upper, self.draws.next())

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "lower": self.lower,
            "upper": self.upper,
            "seed": self.seed,
        }
