"""Scheduled sampling: training on what the network itself would have said."""

import keras
from keras import ops

from .rates import add_rate, check_rate, rate_of


@keras.saving.register_keras_serializable("kerasmith")
class ScheduledSampling(keras.layers.Layer):
    """Replace some tokens of a teacher by those that a network takes for most likely.

    In teacher forcing a network sees only right beginnings, and at inference its own.
    Here each position but the first tosses a coin in training: with probability `rate`
    the token is replaced by the most likely one of the logits of the position before.
    All positions are replaced at once, from logits of a first pass with the teacher's
    tokens; the second pass, with what this layer gives, is the one that is learned.

    Args:
        rate: Probability of a replacement, in [0, 1). It is held in the variable
            `layer.rate`: `layer.rate.assign(0.2)` acts inside an already compiled
            `fit`, and so does a schedule that begins at 0.
        seed: Integer seed of the coins.

    Call arguments:
        inputs: Pair of the tokens that a decoder sees, integers `(batch, time)`, 0 for
            padding, and the logits of a pass with them, `(batch, time, vocabulary)`:
            those of position `t` are about the token of position `t + 1`.
        training: Whether to replace anything.

    Returns:
        Integer tensor `(batch, time)`; padding stays padding.

    Raises:
        ValueError: If the rate is out of its range.

    Example:

    >>> tokens = ops.convert_to_tensor([[2, 1, 0]])
    >>> logits = ops.one_hot(ops.convert_to_tensor([[3, 4, 4]]), 5)
    >>> layer = ScheduledSampling(0.0)
    >>> _ = layer.rate.assign(1.0)
    >>> ops.convert_to_numpy(layer([tokens, logits], training=True)).tolist()
    [[2, 3, 0]]

    Reference:
        Bengio et al., 2015, https://arxiv.org/abs/1506.03099; of all positions at
        once: Duckworth et al., 2019, https://arxiv.org/abs/1906.04331
    """

    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        rate = check_rate("ScheduledSampling", rate)
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.coins = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        tokens, logits = input_shape
        if len(tokens) != 2 or len(logits) != 3:
            raise ValueError(
                "ScheduledSampling needs a list of tokens of shape (batch, time) and "
                f"logits of shape (batch, time, vocabulary), received {input_shape}."
            )

    def call(self, inputs, training=False):
        tokens, logits = inputs
        if not training:
            return tokens
        likely = ops.cast(ops.argmax(logits[:, :-1], axis=-1), tokens.dtype)
        said = ops.concatenate([tokens[:, :1], likely], axis=1)
        draws = keras.random.uniform(ops.shape(tokens), seed=self.coins)
        replaced = (draws < ops.convert_to_tensor(self.rate)) & ops.not_equal(tokens, 0)
        return ops.where(replaced, said, tokens)

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {
            **super().get_config(),
            "rate": rate_of(self.rate),
            "seed": self.seed,
        }
