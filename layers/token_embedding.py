"""Embeddings of tokens that can give logits of the same tokens."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class TokenEmbedding(keras.layers.ReversibleEmbedding):
    """Turn tokens to vectors, and with the same weights vectors to logits of tokens.

        embed:  e_t = E[token_t]
        logits: l = E x   (with `reverse=True`)

    It is `keras.layers.ReversibleEmbedding` with masks that go all the way: with
    `mask_zero` token 0 is padding, and logits carry the mask of the vectors they are
    made of, so that losses and metrics in `fit` leave padding out.

    Args:
        input_dim: Number of tokens.
        output_dim: Width of the vectors.
        tie_weights: Whether logits use the same weights; a matrix of their own
            otherwise.
        mask_zero: Whether token 0 is padding.
        **kwargs: Other arguments of `keras.layers.ReversibleEmbedding`.

    Call arguments:
        inputs: Integer tensor of tokens `(batch, time)`; with `reverse` a tensor
            `(batch, time, output_dim)`.
        reverse: Whether to give logits.

    Returns:
        Tensor `(batch, time, output_dim)`, or logits `(batch, time, input_dim)`.

    Example:

    >>> layer = TokenEmbedding(7, 4, mask_zero=True)
    >>> tokens = ops.convert_to_tensor([[5, 2, 0]])
    >>> layer(layer(tokens), reverse=True).shape == (1, 3, 7)
    True
    >>> ops.convert_to_numpy(layer.compute_mask(tokens)).tolist()
    [[True, True, False]]

    Reference:
        Press and Wolf, 2017, https://arxiv.org/abs/1608.05859
    """

    def __init__(self, input_dim, output_dim, tie_weights=True, **kwargs):
        super().__init__(input_dim, output_dim, tie_weights=tie_weights, **kwargs)
        self.supports_masking = True

    def build(self, input_shape=None):
        # past Keras' own: there the initialiser draws the same numbers for both
        super(keras.layers.ReversibleEmbedding, self).build(input_shape)
        if not self.tie_weights and self.quantization_mode not in ("int8", "int4"):
            self.reverse_embeddings = self.add_weight(
                shape=(self.output_dim, self.input_dim),
                initializer=keras.initializers.get(self.embeddings_initializer).clone(),
                name="reverse_embeddings",
            )

    def compute_mask(self, inputs, mask=None):
        """Give the mask of tokens, or hand on that of vectors."""
        if len(inputs.shape) > 2:
            return mask
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_spec(self, inputs, reverse=False):
        dtype = (self.reverse_dtype if reverse else None) or self.compute_dtype
        width = self.input_dim if reverse else self.output_dim
        shape = inputs.shape[:-1] if reverse else inputs.shape
        return keras.KerasTensor((*shape, width), dtype=dtype)
