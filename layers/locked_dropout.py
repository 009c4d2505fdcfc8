"""Dropout with one mask over time."""

import keras
from keras import ops

from .rates import add_rate, check_rate, rate_of


@keras.saving.register_keras_serializable("kerasmith")
class LockedDropout(keras.layers.Layer):
    """Drop features of a sequence, the same ones at every step, during training.

    Plain dropout draws anew at each step, so that a recurrent network sees a noise
    that averages out over time. Here each sample draws one mask over its features and
    holds it over axis 1. What is kept is divided by the probability of keeping it.

    Args:
        rate: Probability of dropping a feature of a sample, in [0, 1). It is held in
            the variable `layer.rate`: `layer.rate.assign(0.1)` acts inside an already
            compiled `fit`.
        seed: Integer seed of the draws.

    Call arguments:
        inputs: Tensor of shape `(batch, time, ..., features)`.
        training: Whether to drop. Inputs pass unchanged otherwise.

    Returns:
        Tensor of the same shape and dtype as `inputs`.

    Raises:
        ValueError: If `rate` is not in [0, 1), or the inputs have no time axis.

    Example:

    >>> import numpy as np
    >>> sequence = np.ones((2, 5, 8), "float32")
    >>> dropped = np.asarray(ops.convert_to_numpy(
    ...     LockedDropout(0.5, seed=1)(sequence, training=True)
    ... ))
    >>> bool(np.all(dropped == dropped[:, :1]))  # alike at every step
    True

    Reference:
        Gal and Ghahramani, 2016, https://arxiv.org/abs/1512.05287; under this name
        Merity et al., 2017, https://arxiv.org/abs/1708.02182
    """

    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        rate = check_rate("LockedDropout", rate)
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.draws = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 3:
            raise ValueError(
                "LockedDropout needs inputs of shape (batch, time, ..., features), "
                f"received {tuple(input_shape)}. Without a time axis, take "
                "keras.layers.Dropout."
            )
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        shape = ops.shape(inputs)
        keep = 1 - ops.convert_to_tensor(self.rate)
        draws = keras.random.uniform((shape[0], 1, *shape[2:]), seed=self.draws)
        return inputs * ops.cast(ops.where(draws < keep, 1 / keep, 0.0), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        rate = rate_of(self.rate)
        return {**super().get_config(), "rate": rate, "seed": self.seed}
