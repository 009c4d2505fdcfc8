"""Dropout that learns its rate."""

import inspect
import math

import keras
from keras import ops

from .weight_wrapper import TransparentWrapper


@keras.saving.register_keras_serializable("kerasmith")
class ConcreteDropout(TransparentWrapper):
    """Drop inputs of a layer at a rate that is learned with its weights.

    The draws are relaxed, so that the rate has a gradient: with u uniform in (0, 1),
    an input is dropped by the part `sigmoid((logit(rate) + logit(u)) / temperature)`,
    which is nearly 0 or 1. What is left is divided by `1 - rate`. At inference the
    layer computes as it does alone.

    Two terms are added to the loss; with K inputs and the entropy H,
    `weight_regularizer * sum(kernel^2) / (1 - rate)` and
    `-dropout_regularizer * K * H(rate)`. The first is what a larger rate costs beside
    the errors that it makes, the second pulls it to one half. Both come from the
    number N of training examples and the length scale l of the prior, by the loss
    that the model is compiled with, which is a mean over examples:

    - cross-entropy, or another negative log-likelihood: `weight_regularizer` is
      `l^2 / (2 N)` and `dropout_regularizer` is `1 / N`;
    - squared error of observations whose noise has the variance s2:
      `l^2 s2 / N` and `2 s2 / N`.

    A layer for images (any that has a `data_format`) drops whole channels of a sample,
    others each element by itself. The rate is `layer.rate`.

    Args:
        layer: Layer with a `kernel`: Dense, EinsumDense, a convolution.
        initial_rate: The rate to begin with, between 0 and 1.
        weight_regularizer: Weight of the first term, 0 or more.
        dropout_regularizer: Weight of the second term, 0 or more.
        temperature: Of the relaxation, above 0. The smaller, the nearer are the draws
            to 0 and 1, and the noisier is the gradient of the rate.
        seed: Integer seed of the draws.

    Call arguments:
        inputs: Tensor that the layer takes.
        training: Whether to drop.

    Returns:
        What the layer gives.

    Raises:
        ValueError: If the layer has no kernel, or a number is out of its range.

    Example:

    >>> import numpy as np
    >>> layer = ConcreteDropout(keras.layers.Dense(3), initial_rate=0.25)
    >>> layer(np.ones((2, 5), "float32"), training=True).shape == (2, 3)
    True
    >>> round(float(layer.rate), 4)
    0.25

    Reference:
        Gal, Hron and Kendall, 2017, https://arxiv.org/abs/1705.07832
    """

    def __init__(
        self,
        layer,
        initial_rate=0.1,
        *,
        weight_regularizer=1e-6,
        dropout_regularizer=1e-5,
        temperature=0.1,
        seed=None,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        _check("initial_rate", initial_rate, 0 < initial_rate < 1, "between 0 and 1")
        for name, value in (
            ("weight_regularizer", weight_regularizer),
            ("dropout_regularizer", dropout_regularizer),
        ):
            _check(name, value, value >= 0, "of 0 or more, 1 / N or so for N examples")
        _check("temperature", temperature, temperature > 0, "above 0, such as 0.1")
        self.initial_rate = initial_rate
        self.weight_regularizer = weight_regularizer
        self.dropout_regularizer = dropout_regularizer
        self.temperature = temperature
        self.seed = seed
        self.draws = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        if getattr(self.layer, "kernel", None) is None:
            raise ValueError(
                "ConcreteDropout needs a layer with a kernel, such as Dense or Conv2D, "
                f"received {type(self.layer).__name__} {self.layer.name!r}. Where "
                "nothing is to be learned, put keras.layers.Dropout before the layer."
            )
        rate = self.initial_rate
        self.logit = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(rate / (1 - rate))),
            dtype="float32",
            autocast=False,
            name="logit",
        )

    @property
    def rate(self):
        """The rate as learned so far, a scalar tensor."""
        if not self.built:
            return ops.convert_to_tensor(self.initial_rate, "float32")
        return ops.sigmoid(ops.convert_to_tensor(self.logit))

    def call(self, inputs, training=False, mask=None):
        self.add_loss(self._penalty(inputs.shape))
        if training:
            inputs = inputs * ops.cast(self._factors(inputs), inputs.dtype)
        takes_mask = "mask" in inspect.signature(self.layer.call).parameters
        return self.layer(inputs, **({"mask": mask} if takes_mask else {}))

    def _factors(self, inputs):
        """Draw what to multiply inputs by: nearly 0, or nearly 1 / (1 - rate)."""
        shape = list(ops.shape(inputs))
        if hasattr(self.layer, "data_format"):
            channel = self._channel_axis(len(shape))
            shape = [n if i in (0, channel) else 1 for i, n in enumerate(shape)]
        logit = ops.convert_to_tensor(self.logit)
        draws = keras.random.uniform(shape, 1e-7, 1 - 1e-7, seed=self.draws)
        noise = ops.log(draws) - ops.log1p(-draws)
        # what is kept is 1 - sigmoid(x) = sigmoid(-x), and 1 / (1 - rate) is 1 + odds
        kept = ops.sigmoid((logit + noise) * (-1 / self.temperature))
        return kept * (1 + ops.exp(logit))

    def _penalty(self, input_shape):
        """Compute the two terms of the loss."""
        logit = ops.convert_to_tensor(self.logit)
        kernel = ops.cast(ops.convert_to_tensor(self.layer.kernel), "float32")
        weights = ops.sum(ops.square(kernel)) * (1 + ops.exp(logit))
        log_drop, log_keep = ops.log_sigmoid(logit), ops.log_sigmoid(-logit)
        entropy = -ops.exp(log_drop) * log_drop - ops.exp(log_keep) * log_keep
        inputs = input_shape[self._channel_axis(len(input_shape))]
        return (
            self.weight_regularizer * weights
            - self.dropout_regularizer * inputs * entropy
        )

    def _channel_axis(self, rank):
        first = getattr(self.layer, "data_format", None) == "channels_first"
        return 1 if first else rank - 1

    def get_config(self):
        return {
            **super().get_config(),
            "initial_rate": self.initial_rate,
            "weight_regularizer": self.weight_regularizer,
            "dropout_regularizer": self.dropout_regularizer,
            "temperature": self.temperature,
            "seed": self.seed,
        }


def _check(name, value, right, what):
    if not right:
        raise ValueError(
            f"ConcreteDropout needs a {name} {what}, received {name}={value!r}."
        )
