"""Positions of a sequence, added to its vectors."""

import math

import keras
import numpy as np
from keras import ops

# digits of a position: see `_angles`
_BASE = 64
_DIGITS = 4


@keras.saving.register_keras_serializable("kerasmith")
class PositionalEncoding(keras.layers.Layer):
    """Add to each vector of a sequence a vector that tells its position.

    Attention by itself does not see the order of a sequence. This layer stands once,
    behind the embedding. The sinusoids of position `p` in `d` dimensions are

        e[p, 2 i] = sin(p / max_wavelength^(2 i / d))
        e[p, 2 i + 1] = cos(p / max_wavelength^(2 i / d))

    They need no training and serve sequences of any length. A learned table has a
    trainable vector for each of `max_length` positions. Sinusoids are computed in
    float32 whatever the dtype policy, and to four decimals for positions beyond a
    million.

    Args:
        kind: `"sinusoidal"` or `"learned"`.
        max_length: Number of positions of the learned table, which needs it;
            sinusoids have no limit, and do not use it.
        scale: Whether to multiply the inputs by the square root of their depth
            beforehand, as the paper does with its embeddings.
        max_wavelength: The sinusoids' wavelengths grow from `2 pi` towards `2 pi`
            times this.
        embeddings_initializer: Initialiser of the learned table.

    Call arguments:
        inputs: Tensor of shape `(batch, time, depth)`.
        offset: Position of the first vector, at least 0: an integer, an integer
            scalar, or an integer tensor of shape `(batch,)`. In decoding step by
            step it is the number of the step.

    Returns:
        Tensor of the same shape as `inputs`, in the compute dtype. A mask is passed
        on.

    Raises:
        ValueError: If `kind` is unknown, a learned table has no `max_length`, the
            depth is odd for sinusoids, or a sequence is known to be longer than the
            table. Where length or offset are known only to the running graph, the
            backend reads beyond the table as it does: an error or NaN on the CPU.

    Example:

    >>> layer = PositionalEncoding()
    >>> encoded = ops.convert_to_numpy(layer(np.zeros((1, 3, 2))))
    >>> bool(np.allclose(encoded[0, 2], [np.sin(2), np.cos(2)]))
    True
    >>> step = ops.convert_to_numpy(layer(np.zeros((1, 1, 2)), offset=2))
    >>> bool(np.allclose(step[0, 0], encoded[0, 2]))
    True

    Reference:
        Vaswani et al., 2017, section 3.5, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        kind="sinusoidal",
        max_length=None,
        *,
        scale=False,
        max_wavelength=10_000,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kind not in ("sinusoidal", "learned"):
            raise ValueError(
                "PositionalEncoding has the kinds 'sinusoidal' and 'learned', "
                f"received kind={kind!r}."
            )
        if kind == "learned" and max_length is None:
            raise ValueError(
                "A learned PositionalEncoding needs max_length, the number of "
                "positions of its table: give the length of the longest sequence."
            )
        if max_length is not None and (int(max_length) != max_length or max_length < 1):
            raise ValueError(
                "PositionalEncoding needs a max_length of at least 1, received "
                f"max_length={max_length}."
            )
        if not max_wavelength > 1:
            raise ValueError(
                "PositionalEncoding needs a max_wavelength above 1, received "
                f"max_wavelength={max_wavelength}; the paper's is 10,000."
            )
        self.kind = kind
        self.max_length = None if max_length is None else int(max_length)
        self.scale = bool(scale)
        self.max_wavelength = max_wavelength
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def build(self, input_shape):
        length, depth = input_shape[1:]
        if depth is None:
            raise ValueError(
                "PositionalEncoding needs to know the depth of its inputs, received "
                f"shape {tuple(input_shape)}."
            )
        self._check_length(length, 0)
        if self.kind == "learned":
            self.embeddings = self.add_weight(
                shape=(self.max_length, depth),
                initializer=self.embeddings_initializer,
                name="embeddings",
            )
        elif depth % 2:
            raise ValueError(
                "Sinusoids come in pairs of sine and cosine, so that the depth must be "
                f"even, received inputs of depth {depth}: make it {depth + 1}, or use "
                "kind='learned'."
            )

    def call(self, inputs, offset=0):
        self._check_length(inputs.shape[1], offset)
        # one row, or one for each example where the offset has a batch
        first = ops.reshape(ops.cast(offset, "int32"), (-1, 1))
        positions = first + ops.arange(ops.shape(inputs)[1], dtype="int32")
        if self.scale:
            inputs = inputs * math.sqrt(inputs.shape[-1])
        if self.kind == "learned":
            return inputs + ops.take(self.embeddings, positions, axis=0)
        angles = _angles(positions, inputs.shape[-1], self.max_wavelength)
        pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        interleaved = ops.reshape(
            pairs, (*ops.shape(positions)[:1], -1, inputs.shape[-1])
        )
        return inputs + ops.cast(interleaved, inputs.dtype)

    def _check_length(self, length, offset):
        if self.kind != "learned" or length is None or not isinstance(offset, int):
            return
        if offset < 0 or offset + length > self.max_length:
            raise ValueError(
                f"The table of {self.name!r} has {self.max_length} positions, but the "
                f"sequence takes those from {offset} to {offset + length - 1}: build "
                f"it with max_length={offset + length} or more, cut the sequence, or "
                "use kind='sinusoidal'."
            )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "kind": self.kind,
            "max_length": self.max_length,
            "scale": self.scale,
            "max_wavelength": self.max_wavelength,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }


def _angles(positions, depth, max_wavelength):
    """Give the angle of each position and pair of dimensions, up to whole turns.

    A product of a far position and a frequency has in float32 no digits left behind
    the point. So a position is taken apart in digits of base 64, and a digit's share
    of the angle, in float64 and less whole turns, is kept small.
    """
    frequencies = float(max_wavelength) ** (-np.arange(0, depth, 2) / depth)
    angles = 0.0
    for place in range(_DIGITS):
        digit = positions // _BASE**place
        if place < _DIGITS - 1:
            digit = digit % _BASE
        turns = frequencies * _BASE**place / (2 * np.pi)
        share = 2 * np.pi * (turns - np.round(turns))
        digit = ops.expand_dims(ops.cast(digit, "float32"), -1)
        angles = angles + digit * ops.convert_to_tensor(share.astype("float32"))
    return angles
