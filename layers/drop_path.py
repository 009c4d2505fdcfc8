"""Stochastic depth."""

import keras
from keras import ops

from .rates import add_rate, check_rate, rate_of


@keras.saving.register_keras_serializable("kerasmith")
class DropPath(keras.layers.Layer):
    """Drop a residual branch for whole samples during training.

    Each sample tosses one coin. Branches kept are divided by the probability of
    keeping them, so that the expected output equals the input.

    Args:
        rate: Probability of dropping a sample's branch, in [0, 1). It is held in
            the variable `layer.rate`: `layer.rate.assign(0.1)` acts inside an
            already compiled `fit`.
        seed: Integer seed of the coin tosses.

    Call arguments:
        inputs: Tensor of shape `(batch, ...)`.
        training: Whether to toss coins. Inputs pass unchanged otherwise.

    Returns:
        Tensor of the same shape and dtype as `inputs`.

    Raises:
        ValueError: If `rate` is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> branch = np.ones((2, 4, 4, 8), "float32")
    >>> DropPath(0.2)(branch, training=True).shape == (2, 4, 4, 8)
    True

    Reference:
        Huang et al., 2016, https://arxiv.org/abs/1603.09382
    """

    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        rate = check_rate("DropPath", rate)
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.coins = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        one_per_sample = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        keep = 1 - ops.convert_to_tensor(self.rate)
        kept = keras.random.uniform(one_per_sample, seed=self.coins) < keep
        return inputs * ops.cast(ops.where(kept, 1 / keep, 0.0), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        rate = rate_of(self.rate)
        return {**super().get_config(), "rate": rate, "seed": self.seed}
