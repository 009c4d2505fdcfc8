"""Initialisers that Keras does not have."""

import math

import keras


@keras.saving.register_keras_serializable("kerasmith")
class FanInUniform(keras.initializers.RandomUniform):
    """Uniform in `[-scale / n, scale / n]`, n being the number of inputs of a unit.

    Made for units behind `scaled_tanh` and inputs of mean 0 and variance 1. It
    divides by n, not by its root.

    Args:
        scale: Half the width of the interval for a unit of one input.
        seed: Integer or `keras.random.SeedGenerator`; drawn if `None`.

    Raises:
        ValueError: If `scale` is not positive.

    Example:

    >>> import numpy as np
    >>> kernel = FanInUniform(seed=1)((5, 5, 3, 16))  # 75 inputs a unit
    >>> bool(np.abs(np.asarray(kernel)).max() <= 2.4 / 75)
    True

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, appendix A.
    """

    def __init__(self, scale=2.4, seed=None):
        if scale <= 0:
            raise ValueError(f"FanInUniform needs a scale above 0, received {scale}.")
        super().__init__(-1.0, 1.0, seed)
        self.scale = scale

    def __call__(self, shape, dtype=None):
        limit = self.scale / max(1, math.prod(shape[:-1]))
        return super().__call__(shape, dtype) * limit

    def get_config(self):
        return {"scale": self.scale, "seed": super().get_config()["seed"]}
