"""The block of a Transformer's encoder, and of decoder-only models."""

import keras

from .transformer_block import TransformerBlock


@keras.saving.register_keras_serializable("kerasmith")
class TransformerEncoderBlock(TransformerBlock):
    """Self-attention, then a feed-forward part at each position, with residuals.

        post-norm:  x = norm(x + dropout(attention(x, x)))
                    x = norm(x + dropout(W2 relu(W1 x + b1) + b2))
        pre-norm:   x = x + dropout(attention(norm(x), norm(x)))
                    x = x + dropout(W2 relu(W1 norm(x) + b1) + b2)

    The defaults are the paper's: post-norm, ReLU, no biases in the attention. Pre-norm
    trains deep stacks without a warm-up, and wants one more norm behind the last block.
    With `use_causal_mask` it is the block of decoder-only models, which write one
    position after the other: with a cache they compute each position once.

    Its parts are `attention`, `attention_norm`, `feed_forward_hidden`,
    `feed_forward_output`, `feed_forward_norm`, `dropout` and `drop_path`;
    `block.dropout.rate.assign(0.2)` acts inside an already compiled `fit`.

    Args:
        num_heads: Number of attention heads, at least 1.
        feed_forward_dim: Width of the layer between the two of the feed-forward part,
            the paper's is four times the depth.
        key_dim: Width of a head, the inputs' depth over `num_heads` if `None`.
        num_key_value_heads: Number of heads of keys and values, which groups of heads
            share, a divisor of `num_heads`; as many if `None`.
        rotary: Whether queries and keys are turned by their positions, see
            `MultiHeadAttention`.
        norm_first: Whether the norms stand before the sub-layers (pre-norm).
        activation: Activation between the two layers of the feed-forward part.
        dropout: Rate of what is dropped of each sub-layer's output, in [0, 1).
        attention_dropout: Rate of what is dropped of the attention's weights, in
            [0, 1).
        drop_path: Rate at which a sample goes without a sub-layer, in [0, 1).
        attention_bias: Whether the attention's projections have biases.
        epsilon: Added to the variance in the norms.
        kernel_initializer: Initialiser of all kernels.
        bias_initializer: Initialiser of all biases.
        kernel_regularizer: Regulariser of all kernels.
        kernel_constraint: Constraint of all kernels. Their units lie on other axes in
            the attention than behind it: `constrain(block, ...)` sets the right ones.
        seed: Integer seed of all that is dropped.

    Call arguments:
        inputs: Tensor of shape `(batch, time, depth)`.
        attention_mask: Boolean tensor that broadcasts to `(batch, time, time)`, with
            a cache to `(batch, time, length)`: which position (second axis) may look
            at which (last axis).
        use_causal_mask: Whether no position looks at later ones. With a cache none
            does.
        cache: Tensor of `make_cache`, or returned by the call before.
        cache_index: With a cache, the position of the first of the inputs: an integer
            or an integer scalar.
        mask: Boolean tensor of shape `(batch, time)`, false at padding, which nothing
            looks at. It is passed on. With a cache it may have the shape
            `(batch, length)`, so that it hides the padding of earlier calls, too.
        inputs_mask: The same, under the name by which Keras hands over the inputs'
            mask where other tensors stand beside them.
        training: Whether to drop anything.

    Returns:
        Tensor of the same shape as `inputs`, in the compute dtype; with a cache a
        pair of it and the new cache.

    Raises:
        ValueError: If a number is out of its range, the heads do not divide the
            depth, or only one of `cache` and `cache_index` is given.

    Example:

    >>> import numpy as np
    >>> block = TransformerEncoderBlock(num_heads=2, feed_forward_dim=32)
    >>> x = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")
    >>> whole = keras.ops.convert_to_numpy(block(x, use_causal_mask=True))
    >>> cache = block.make_cache(batch_size=3, length=5)
    >>> for i in range(5):
    ...     y, cache = block(x[:, i : i + 1], cache=cache, cache_index=i)
    >>> bool(np.allclose(keras.ops.convert_to_numpy(y), whole[:, 4:], atol=1e-5))
    True

    Reference:
        Vaswani et al., 2017, https://arxiv.org/abs/1706.03762; pre-norm: Xiong et
        al., 2020, https://arxiv.org/abs/2002.04745
    """

    def build(self, input_shape):
        depth = input_shape[-1]
        self.attention = self._build_attention(
            "attention", 3, depth, rotary=self.rotary
        )
        self.attention_norm = self._build_norm("attention_norm", depth)
        self._build_shared(depth)

    def make_cache(self, batch_size, length, dtype=None):
        """Make an empty cache for decoding step by step.

        Args:
            batch_size: Number of sequences.
            length: Number of positions that there will be at most.
            dtype: Data type, the compute dtype if `None`.

        Returns:
            Tensor of zeros, of shape
            `(batch, 2, length, key and value heads, key_dim)`.

        Raises:
            ValueError: If the block is not built.
        """
        self._check_built()
        return self.attention.make_cache(batch_size, length, dtype)

    def call(
        self,
        inputs,
        attention_mask=None,
        use_causal_mask=False,
        cache=None,
        cache_index=None,
        mask=None,
        inputs_mask=None,
        training=None,
    ):
        self._check_cache(cache, cache_index)
        x = self._before(self.attention_norm, inputs)
        options = {
            "value_mask": inputs_mask if mask is None else mask,
            "attention_mask": attention_mask,
            "training": training,
        }
        if cache is None:
            attended = self.attention(x, x, use_causal_mask=use_causal_mask, **options)
        else:
            options.update(cache=cache, cache_index=cache_index, use_causal_mask=True)
            attended, cache = self.attention(x, x, **options)
        x = self._after(self.attention_norm, inputs, attended, training)
        x = self._feed_forward(x, training)
        return x if cache is None else (x, cache)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, *args, cache=None, **kwargs):
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if cache is None:
            return output
        return output, keras.KerasTensor(cache.shape, dtype=cache.dtype)
