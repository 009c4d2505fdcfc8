"""Weight standardisation."""

import math

import keras
from keras import ops

from .weight_wrapper import WeightWrapper


@keras.saving.register_keras_serializable("kerasmith")
class WeightStandardization(WeightWrapper):
    """Let a layer compute with kernels of mean 0 and variance 1 for each unit.

    `W^ = (W - mean(W)) / sqrt(var(W) + epsilon)`, over the weights that come into one
    unit, with the biased variance; `scaled=True` also divides by the square root of
    their number, so that inputs of variance 1 give outputs of variance 1. The layer's
    own kernels stay what is trained and saved, and their gradients flow through the
    standardisation. Training and inference compute the same.

    Without `scaled` the outputs grow with the square root of the fan-in: a
    normalisation should follow, in the paper group normalisation.

    Args:
        layer: A layer with a kernel, see `WeightNoise`. Which weights come into one
            unit is known for every kind of kernel: for a transposed convolution the
            filters are not on the last axis, and for a depthwise one each channel of
            the output is a unit.
        epsilon: Added to the variance, above 0.
        scaled: Whether to divide by the square root of the fan-in too (Brock et al.).

    Call arguments:
        inputs: What the layer takes.
        training: Passed on.
        mask: Passed on if the layer takes one.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If `epsilon` is not above 0, the layer has no kernel, or only one
            weight comes into each of its units, which would become 0.

    Example:

    >>> import numpy as np
    >>> layer = WeightStandardization(keras.layers.Conv2D(8, 3))
    >>> layer(np.ones((2, 7, 5, 4), "float32")).shape == (2, 5, 3, 8)
    True

    Reference:
        Qiao et al., 2019, https://arxiv.org/abs/1903.10520;
        Brock et al., 2021, https://arxiv.org/abs/2101.08692 (`scaled`)
    """

    def __init__(self, layer, *, epsilon=1e-5, scaled=False, **kwargs):
        super().__init__(layer, **kwargs)
        if not epsilon > 0:
            raise ValueError(
                "WeightStandardization needs an epsilon above 0, received "
                f"epsilon={epsilon!r}: a unit with equal weights has no variance."
            )
        self.epsilon = float(epsilon)
        self.scaled = bool(scaled)

    def build(self, input_shape):
        super().build(input_shape)
        for kernel in self.kernels:
            if _fan_in(kernel) < 2:
                raise ValueError(
                    "WeightStandardization needs at least two weights coming into each "
                    f"unit, received {kernel.path} of shape "
                    f"{tuple(kernel.variable.shape)} with one: less its mean it is 0. "
                    "Leave this layer unwrapped."
                )

    def change(self, kernel, value, training):
        mean = ops.mean(value, axis=kernel.axes, keepdims=True)
        apart = value - mean
        variance = ops.mean(ops.square(apart), axis=kernel.axes, keepdims=True)
        if self.scaled:
            apart = apart / math.sqrt(_fan_in(kernel))
        return apart / ops.sqrt(variance + self.epsilon)

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "scaled": self.scaled,
        }


def _fan_in(kernel):
    return math.prod(kernel.variable.shape[axis] for axis in kernel.axes)
