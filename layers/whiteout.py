"""Gaussian noise on weights, the larger the smaller the weight."""

import keras
from keras import ops

from .rates import add_rate, rate_of
from .weight_wrapper import WeightWrapper

FORMS = ("additive", "multiplicative")


@keras.saving.register_keras_serializable("kerasmith")
class Whiteout(WeightWrapper):
    """Add Gaussian noise whose variance depends on the weight that it meets.

    The noise is `e ~ N(0, variance * |W|^-gamma + extra)`, drawn for each weight and
    each training batch. `form="additive"` computes with `W~ = W + e`, and
    `form="multiplicative"` with `W~ = W (1 + e)`. Both have the mean `W`, with which
    the layer computes at inference.

    The forms differ in what they ask of small weights. Additive noise grows as a weight
    shrinks: on a linear unit it costs `variance |W|^-gamma v^2` in expected squared
    error, so that idle weights are driven away from 0, or their input `v` is.
    Multiplicative noise has the variance `variance |W|^(2 - gamma) + extra W^2`: the
    bridge penalty of the paper, near 0 for small weights, which lets them go to 0.
    `gamma=1` is then like the lasso, `gamma=0` like ridge.

    As `|W|` goes to 0 the variance of `e` has no bound. Weights below `floor` are taken
    for `floor`, which bounds it by `variance * floor^-gamma + extra`. The gradient
    follows the noise's standard deviation as well: it is the slope of what is computed
    with the noise drawn. Below `floor` that part of it is 0.

    Args:
        layer: A layer with a kernel, see `WeightNoise`.
        variance: Factor of the part that depends on the weight, at least 0.
        gamma: Exponent of that part, in (0, 2).
        extra: The part of the variance that all weights share, at least 0.
        form: `"additive"` or `"multiplicative"`.
        floor: Magnitude below which weights do not get more noise, above 0.
        seed: Integer seed of the noise.

    `variance` and `extra` are held in variables of that name:
    `layer.variance.assign(0.1)` acts inside an already compiled `fit`.

    Call arguments:
        inputs: What the layer takes.
        training: Whether to add noise.
        mask: Passed on if the layer takes one.

    Returns:
        What the layer returns.

    Raises:
        ValueError: If an argument is outside its range, or the layer has no kernel.

    Example:

    >>> import numpy as np
    >>> layer = Whiteout(keras.layers.Dense(3), 0.01, 1.0, form="multiplicative")
    >>> layer(np.ones((2, 4), "float32"), training=True).shape == (2, 3)
    True

    Reference:
        Li, Liu, 2016, https://arxiv.org/abs/1612.01490
    """

    def __init__(
        self,
        layer,
        variance,
        gamma=1.0,
        extra=0.0,
        *,
        form="additive",
        floor=0.01,
        seed=None,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        _check(variance, gamma, extra, form, floor)
        self.gamma = float(gamma)
        self.form = form
        self.floor = float(floor)
        self.seed = seed
        self.variance = add_rate(self, variance, "variance")
        self.extra = add_rate(self, extra, "extra")
        self.noise = keras.random.SeedGenerator(seed)

    def change(self, kernel, value, training):
        if not training:
            return None
        magnitude = ops.maximum(ops.abs(value), self.floor)
        variance = ops.convert_to_tensor(self.variance) * magnitude**-self.gamma
        # the least is there for the square root, which has no slope at 0
        variance = ops.maximum(variance + ops.convert_to_tensor(self.extra), 1e-30)
        drawn = keras.random.normal(ops.shape(value), seed=self.noise)
        noise = ops.sqrt(variance) * drawn
        return value + (noise if self.form == "additive" else value * noise)

    def get_config(self):
        return {
            **super().get_config(),
            "variance": rate_of(self.variance),
            "gamma": self.gamma,
            "extra": rate_of(self.extra),
            "form": self.form,
            "floor": self.floor,
            "seed": self.seed,
        }


def _check(variance, gamma, extra, form, floor):
    if not variance >= 0 or not extra >= 0:
        raise ValueError(
            "Whiteout needs variance and extra of at least 0, received "
            f"variance={variance!r} and extra={extra!r}."
        )
    if not 0 < gamma < 2:
        raise ValueError(
            f"Whiteout needs gamma in (0, 2), received gamma={gamma!r}. For noise that "
            "does not depend on the weight take WeightNoise."
        )
    if form not in FORMS:
        raise ValueError(
            f"Whiteout has the forms {' and '.join(map(repr, FORMS))}, received "
            f"form={form!r}."
        )
    if not floor > 0:
        raise ValueError(
            f"Whiteout needs a floor above 0, received floor={floor!r}: without "
            "one the noise on weights near 0 has no bound."
        )
