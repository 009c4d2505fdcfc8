"""Gaussian noise on weights."""

import keras
from keras import ops

from .rates import add_rate, rate_of
from .weight_wrapper import WeightWrapper


@keras.saving.register_keras_serializable("kerasmith")
class WeightNoise(WeightWrapper):
    """Add Gaussian noise to the kernels of a layer for each training batch.

    `W~ = W + e`, `e ~ N(0, stddev^2)`, drawn anew for each call, one draw for the whole
    batch and, in a recurrent layer, for all steps. Biases get none. At inference the
    layer computes with `W`.

    Args:
        layer: A layer with a kernel: Dense, EinsumDense, any convolution (both
            kernels of a separable one), a recurrent layer (both of its kernels), or a
            layer or model of one input made of these.
        stddev: Standard deviation of the noise, at least 0. It is held in the variable
            `layer.stddev`: `layer.stddev.assign(0.1)` acts inside an already compiled
            `fit`.
        seed: Integer seed of the noise.

    Call arguments:
        inputs: What the layer takes.
        training: Whether to add noise.
        mask: Passed on if the layer takes one.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If `stddev` is negative, or the layer has no kernel.

    Example:

    >>> import numpy as np
    >>> layer = WeightNoise(keras.layers.Dense(3), 0.1)
    >>> layer(np.ones((2, 4), "float32"), training=True).shape == (2, 3)
    True

    Reference:
        Graves, 2011, Practical Variational Inference for Neural Networks.
    """

    def __init__(self, layer, stddev, *, seed=None, **kwargs):
        super().__init__(layer, **kwargs)
        if not stddev >= 0:
            raise ValueError(
                "WeightNoise needs a stddev of at least 0, received "
                f"stddev={stddev!r}. It is in the units of the weights: try a tenth of "
                "their standard deviation."
            )
        self.seed = seed
        self.stddev = add_rate(self, stddev, "stddev")
        self.noise = keras.random.SeedGenerator(seed)

    def change(self, kernel, value, training):
        if not training:
            return None
        drawn = keras.random.normal(ops.shape(value), seed=self.noise)
        return value + ops.convert_to_tensor(self.stddev) * drawn

    def get_config(self):
        return {
            **super().get_config(),
            "stddev": rate_of(self.stddev),
            "seed": self.seed,
        }
