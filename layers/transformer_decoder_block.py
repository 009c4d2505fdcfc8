"""The block of a Transformer's decoder, which looks at an encoder's outputs."""

import keras
from keras import ops

from .transformer_block import TransformerBlock


@keras.saving.register_keras_serializable("kerasmith")
class TransformerDecoderBlock(TransformerBlock):
    """Causal self-attention, attention to a memory, a feed-forward part.

        post-norm:  x = norm(x + dropout(attention(x, x)))
                    x = norm(x + dropout(attention(x, memory)))
                    x = norm(x + dropout(W2 relu(W1 x + b1) + b2))
        pre-norm:   x = x + dropout(sub-layer(norm(x))) for each of the three

    The memory is what the encoder gave for the source. The defaults are the paper's:
    post-norm, ReLU, no biases in the attention. Pre-norm trains deep stacks without a
    warm-up, and wants one more norm behind the last block.

    For decoding step by step `make_cache` computes the memory's keys and values once;
    `cache` is a dictionary of tensors, all with the batch first, that can go through
    a compiled loop, and be reordered by beam search along that axis.

    Its parts are `attention`, `attention_norm`, `memory_attention`, `memory_norm`,
    `feed_forward_hidden`, `feed_forward_output`, `feed_forward_norm`, `dropout` and
    `drop_path`; `block.dropout.rate.assign(0.2)` acts inside an already compiled
    `fit`.

    Args:
        num_heads: Number of attention heads, at least 1.
        feed_forward_dim: Width of the layer between the two of the feed-forward part,
            the paper's is four times the depth.
        key_dim: Width of a head, the inputs' depth over `num_heads` if `None`.
        num_key_value_heads: Number of heads of keys and values, which groups of heads
            share, a divisor of `num_heads`; as many if `None`.
        rotary: Whether queries and keys of the self-attention are turned by their
            positions, see `MultiHeadAttention`. Those of the memory are not.
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
        memory: Tensor of shape `(batch, source time, memory depth)`. A cache holds
            it already.
        memory_mask: Boolean tensor of shape `(batch, source time)`, false at padding.
            The mask that the memory carries if `None`. A cache holds it already.
        attention_mask: Boolean tensor that broadcasts to `(batch, time, time)`, with
            a cache to `(batch, time, length)`: which position (second axis) may look
            at which (last axis) in the self-attention.
        use_causal_mask: Whether no position looks at later ones. With a cache none
            does.
        cache: Dictionary of `make_cache`, or returned by the call before.
        cache_index: With a cache, the position of the first of the inputs: an integer
            or an integer scalar.
        inputs_mask: Boolean tensor of shape `(batch, time)`, false at padding, which
            nothing looks at. The mask that the inputs carry if `None`; that one is
            passed on.
        training: Whether to drop anything.

    Returns:
        Tensor of the same shape as `inputs`, in the compute dtype; with a cache a
        pair of it and the new cache.

    Raises:
        ValueError: If a number is out of its range, the heads do not divide the
            depth, there is neither a memory nor a cache, or only one of `cache` and
            `cache_index` is given.

    Example:

    >>> import numpy as np
    >>> block = TransformerDecoderBlock(num_heads=2, feed_forward_dim=32)
    >>> draw = np.random.default_rng(0)
    >>> x = draw.normal(size=(3, 5, 8)).astype("float32")
    >>> memory = draw.normal(size=(3, 7, 8)).astype("float32")
    >>> whole = ops.convert_to_numpy(block(x, memory))
    >>> cache = block.make_cache(memory, length=5)
    >>> for i in range(5):
    ...     y, cache = block(x[:, i : i + 1], cache=cache, cache_index=i)
    >>> bool(np.allclose(ops.convert_to_numpy(y), whole[:, 4:], atol=1e-5))
    True

    Reference:
        Vaswani et al., 2017, https://arxiv.org/abs/1706.03762; pre-norm: Xiong et
        al., 2020, https://arxiv.org/abs/2002.04745
    """

    def build(self, inputs_shape, memory_shape=None):
        if memory_shape is None:
            raise ValueError(
                f"{self.name!r} has no weights yet, and needs to see inputs and a "
                "memory to make them: call it as block(inputs, memory), or build it "
                "by the shapes of both, before it is called with a cache."
            )
        depth = inputs_shape[-1]
        self.attention = self._build_attention(
            "attention", 3, depth, rotary=self.rotary
        )
        self.attention_norm = self._build_norm("attention_norm", depth)
        self.memory_attention = self._build_attention(
            "memory_attention", 4, depth, memory_shape[-1]
        )
        self.memory_norm = self._build_norm("memory_norm", depth)
        self._build_shared(depth)

    def make_cache(self, memory, length, memory_mask=None, dtype=None):
        """Make a cache for decoding step by step, with the memory's keys and values.

        Args:
            memory: Tensor of shape `(batch, source time, memory depth)`.
            length: Number of positions that there will be at most.
            memory_mask: Boolean tensor of shape `(batch, source time)`, false at
                padding.
            dtype: Data type of the self-attention's part, the compute dtype if
                `None`.

        Returns:
            Dictionary of the tensors `"attention"`, keys and values of the positions
            to come, of shape `(batch, 2, length, key and value heads, key_dim)`;
            `"memory"`, those of the memory, likewise; `"memory_mask"`, of shape
            `(batch, source time)`.

        Raises:
            ValueError: If the block is not built.
        """
        self._check_built()
        memory = ops.convert_to_tensor(memory, self.compute_dtype)
        batch_size, source_time = ops.shape(memory)[:2]
        if memory_mask is None:
            memory_mask = ops.ones((batch_size, source_time), "bool")
        return {
            "attention": self.attention.make_cache(batch_size, length, dtype),
            "memory": self.memory_attention.project_memory(memory),
            "memory_mask": ops.cast(memory_mask, "bool"),
        }

    def call(
        self,
        inputs,
        memory=None,
        memory_mask=None,
        attention_mask=None,
        use_causal_mask=True,
        cache=None,
        cache_index=None,
        inputs_mask=None,
        training=None,
    ):
        self._check_call(memory, cache, cache_index)
        x = self._before(self.attention_norm, inputs)
        options = {
            "value_mask": inputs_mask,
            "attention_mask": attention_mask,
            "training": training,
        }
        if cache is None:
            attended = self.attention(x, x, use_causal_mask=use_causal_mask, **options)
        else:
            options.update(cache=cache["attention"], cache_index=cache_index)
            attended, written = self.attention(x, x, use_causal_mask=True, **options)
            cache = {**cache, "attention": written}
        x = self._after(self.attention_norm, inputs, attended, training)
        x = self._look_at_memory(x, memory, memory_mask, cache, training)
        x = self._feed_forward(x, training)
        return x if cache is None else (x, cache)

    def _look_at_memory(self, x, memory, memory_mask, cache, training):
        query = self._before(self.memory_norm, x)
        if cache is None:
            attended = self.memory_attention(
                query, memory, value_mask=memory_mask, training=training
            )
        else:
            attended, _ = self.memory_attention(
                query,
                None,
                value_mask=cache["memory_mask"],
                cache=cache["memory"],
                training=training,
            )
        return self._after(self.memory_norm, x, attended, training)

    def _check_call(self, memory, cache, cache_index):
        self._check_cache(cache, cache_index)
        if (memory is None) == (cache is None):
            raise ValueError(
                f"{self.name!r} needs either a memory or a cache, which holds one, "
                f"received {'neither' if memory is None else 'both'}: call it as "
                "block(inputs, memory), or as block(inputs, cache=cache, "
                "cache_index=index) with a cache of block.make_cache(memory, length)."
            )

    def compute_output_shape(self, inputs_shape, memory_shape=None):
        return inputs_shape

    def compute_output_spec(
        self, inputs, memory=None, *args, cache=None, cache_index=None, **kwargs
    ):
        self._check_call(memory, cache, cache_index)
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if cache is None:
            return output
        return output, keras.tree.map_structure(
            lambda part: keras.KerasTensor(part.shape, dtype=part.dtype), cache
        )
