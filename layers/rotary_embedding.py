"""Rotary positions."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class RotaryEmbedding(keras.layers.Layer):
    """Turn pairs of features by angles that grow with the position.

    Pair `i` of `dim / 2` at position `p` is turned by `p * base^(-2i / dim)`. The
    product of a turned query and a turned key then depends on their contents and on
    the distance between them, not on where they stand. Angles are computed in
    float32 whatever the compute dtype.

    Args:
        base: Sets the slowest turn, above 1. Larger for longer sequences.
        scaling: What positions are divided by, above 0: 4 lets a model trained on
            1,000 positions see 4,000 within the angles that it knows.
        interleaved: Whether a pair is features `2i` and `2i + 1`, as in the paper,
            or features `i` and `i + dim / 2`.

    Call arguments:
        inputs: Tensor of shape `(batch, time, dim)` or `(batch, time, heads, dim)`,
            `dim` even.
        offset: Position of the first step: an integer, an integer scalar tensor, or
            one integer an example.

    Returns:
        Tensor of the same shape and dtype as `inputs`.

    Raises:
        ValueError: If `base` or `scaling` is out of range, if `dim` is odd, or the
            inputs have neither 3 nor 4 axes.

    Example:

    >>> import numpy as np
    >>> step = np.array([[[1.0, 0.0]]], "float32")
    >>> turned = ops.convert_to_numpy(RotaryEmbedding()(step, offset=2))
    >>> bool(np.allclose(turned, [[[np.cos(2), np.sin(2)]]]))
    True

    Reference:
        Su et al., 2021, https://arxiv.org/abs/2104.09864; scaling: Chen et al.,
        2023, https://arxiv.org/abs/2306.15595
    """

    def __init__(self, base=10000.0, *, scaling=1.0, interleaved=True, **kwargs):
        super().__init__(**kwargs)
        if not 1 < base < float("inf"):
            raise ValueError(
                f"RotaryEmbedding needs a base above 1, received base={base}. "
                "The paper takes 10000."
            )
        if not 0 < scaling < float("inf"):
            raise ValueError(
                f"RotaryEmbedding needs a positive scaling, received {scaling}. It "
                "divides the positions: 1 leaves them as they are."
            )
        self.base = base
        self.scaling = scaling
        self.interleaved = interleaved
        self.supports_masking = True

    def build(self, inputs_shape, offset_shape=None):
        if len(inputs_shape) not in (3, 4):
            raise ValueError(
                "RotaryEmbedding needs inputs of shape (batch, time, dim) or (batch, "
                f"time, heads, dim), received {tuple(inputs_shape)}."
            )
        if inputs_shape[-1] is None or inputs_shape[-1] % 2:
            raise ValueError(
                f"RotaryEmbedding turns pairs of features: it needs an even last axis, "
                f"received inputs of shape {tuple(inputs_shape)}."
            )

    def call(self, inputs, offset=0):
        half = inputs.shape[-1] // 2
        cosine, sine = self._turns(ops.shape(inputs)[1], half, offset)
        if len(inputs.shape) == 4:
            cosine, sine = ops.expand_dims(cosine, 2), ops.expand_dims(sine, 2)
        first, second = self._split(ops.cast(inputs, "float32"), half)
        turned = self._join(
            first * cosine - second * sine, first * sine + second * cosine, inputs
        )
        return ops.cast(turned, inputs.dtype)

    def _turns(self, length, half, offset):
        """Give cosines and sines of shape `(1 or batch, time, dim / 2)`."""
        start = ops.reshape(ops.cast(offset, "float32"), (-1, 1, 1))
        steps = ops.reshape(ops.arange(length, dtype="float32"), (1, -1, 1))
        speeds = [self.base ** (-i / half) / self.scaling for i in range(half)]
        angles = (start + steps) * ops.convert_to_tensor(speeds, "float32")
        return ops.cos(angles), ops.sin(angles)

    def _split(self, inputs, half):
        if not self.interleaved:
            return inputs[..., :half], inputs[..., half:]
        return inputs[..., ::2], inputs[..., 1::2]

    def _join(self, first, second, inputs):
        if not self.interleaved:
            return ops.concatenate([first, second], axis=-1)
        return ops.reshape(ops.stack([first, second], axis=-1), ops.shape(inputs))

    def compute_output_shape(self, inputs_shape, offset_shape=None):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "scaling": self.scaling,
            "interleaved": self.interleaved,
        }
