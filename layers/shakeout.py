"""Shakeout."""

import keras
from keras import ops

from .affine import AffineWrapper, multiplications, outcome, product
from .rates import add_rate, check_rate, rate_of


@keras.saving.register_keras_serializable("kerasmith")
class Shakeout(AffineWrapper):
    """Randomly enhance or reverse what each input contributes, during training.

    For each input of each example a switch is off with probability `rate`:
    `r = 0`, else `r = 1 / (1 - rate)`. The layer then computes with
    `W~ = r W + strength (r - 1) sgn(W)`: off gives `-strength sgn(W)`, on gives
    `(W + strength rate sgn(W)) / (1 - rate)`. The mean of `W~` is `W`, with which the
    layer computes at inference. `strength=0` is dropout of the inputs; a strength
    drives weights to 0 like the lasso.

    No kernel is made for an example: as `W~` differs between examples only by factors
    of its rows, it is `x W~ = (r x) (W + strength sgn(W)) - x (strength sgn(W))`, two
    products instead of one. For convolutions an input is one channel at one position,
    as in dropout. Gradients treat `sgn(W)` as constant, which is its slope but at 0.

    Args:
        layer: Dense, EinsumDense, Conv1D, Conv2D or Conv3D.
        rate: Probability that a switch is off, in [0, 1).
        strength: The constant c of the paper, at least 0.
        seed: Integer seed of the switches.

    `rate` and `strength` are held in variables of that name: `layer.rate.assign(0.1)`
    acts inside an already compiled `fit`.

    Call arguments:
        inputs: What the layer takes.
        training: Whether to toss the switches.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If `rate` is not in [0, 1), `strength` is negative, or the layer is
            of another kind.

    Example:

    >>> import numpy as np
    >>> layer = Shakeout(keras.layers.Dense(3), 0.3, 0.1)
    >>> layer(np.ones((2, 4), "float32"), training=True).shape == (2, 3)
    True

    Reference:
        Kang, Li, Tao, 2016, Shakeout: A New Regularized Deep Neural Network Training
        Scheme, AAAI; 2018, https://arxiv.org/abs/1904.06593
    """

    def __init__(self, layer, rate, strength=0.0, *, seed=None, **kwargs):
        super().__init__(layer, **kwargs)
        check_rate("Shakeout", rate)
        if not strength >= 0:
            raise ValueError(
                "Shakeout needs a strength of at least 0, received "
                f"strength={strength!r}. 0 is dropout of the inputs."
            )
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.strength = add_rate(self, strength, "strength")
        self.switches = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        kernel = ops.cast(ops.convert_to_tensor(self.layer.kernel), inputs.dtype)
        if not training:
            return outcome(self.layer, product(self.layer, inputs, kernel))
        keep = 1 - ops.convert_to_tensor(self.rate)
        strength = ops.cast(ops.convert_to_tensor(self.strength), inputs.dtype)
        on = keras.random.uniform(ops.shape(inputs), seed=self.switches) < keep
        kept = ops.where(on, inputs * ops.cast(1 / keep, inputs.dtype), 0)
        signs = strength * ops.sign(ops.stop_gradient(kernel))
        products = product(self.layer, kept, kernel + signs)
        return outcome(self.layer, products - product(self.layer, inputs, signs))

    def multiply_accumulates(self, input_shape, output_shape):
        """Count what inference multiplies: as much as the layer alone."""
        return multiplications(self.layer, output_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "rate": rate_of(self.rate),
            "strength": rate_of(self.strength),
            "seed": self.seed,
        }
