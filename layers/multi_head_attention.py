"""Multi-head attention."""

import math
from typing import Any

import keras
from keras import ops

from .attention_cache import cache_shape, check_cache, write_cache, written_mask
from .attention_pairs import Pairs, conjunction, with_heads
from .attention_table import attend_with_scores, attend_without_scores
from .rates import check_rate
from .rotary_embedding import RotaryEmbedding

# what the projections share with the layer
_SHARED = (
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
)


@keras.saving.register_keras_serializable("kerasmith")
class MultiHeadAttention(keras.layers.MultiHeadAttention):
    """Attend to a sequence with several heads, in memory linear in its length.

    Takes what `keras.layers.MultiHeadAttention` takes and gives what it gives; weights
    and files of weights are exchangeable as long as `num_key_value_heads` is `None`.

    Args:
        num_heads: Number of heads.
        key_dim: Size of each head's queries and keys.
        value_dim: Size of each head's values, `key_dim` if `None`.
        dropout: Rate of dropping attention weights in training, in [0, 1).
        use_bias: Whether the projections have biases.
        num_key_value_heads: Number of heads that keys and values have; each serves
            `num_heads / num_key_value_heads` heads of queries. `None` for `num_heads`.
        rotary: Whether queries and keys are turned by their positions: `True`, or a
            `RotaryEmbedding`. Positions go on from `cache_index`.
        **kwargs: Keras' other arguments: `output_shape`, `attention_axes`,
            `sliding_window`, `flash_attention`, `use_gate`, `seed`, initialisers,
            regularisers, constraints. With `attention_axes` other than the axis behind
            the batch, or inputs of more than three axes, Keras' own way is taken.

    Call arguments:
        query: Tensor of shape `(batch, queries, features)`.
        value: Tensor of shape `(batch, keys, features)`; `None` where the cache holds
            all keys and values.
        key: Tensor of shape `(batch, keys, features)`, `value` if `None`.
        query_mask: Boolean tensor of shape `(batch, queries)`; Keras finds it.
        value_mask: Boolean tensor of shape `(batch, keys)`; Keras finds it. With a
            cache, of the new steps or of all positions of the cache.
        key_mask: Likewise.
        attention_mask: Boolean tensor of shape `(batch, queries, keys)`, with an axis
            of heads behind the batch if need be; true where a query may attend.
        return_attention_scores: Whether to give the attention weights, too. This
            computes the whole table.
        training: Whether to drop weights.
        use_causal_mask: Whether a query attends to no key behind itself.
        cache: Tensor from `make_cache` or `project_memory`.
        cache_index: Position in the cache of the first new step, an integer or an
            integer scalar tensor. `None` if the cache is full, from `project_memory`.

    Returns:
        Tensor of shape `(batch, queries, features)`; followed by the weights, of shape
        `(batch, heads, queries, keys)`, if asked for; and by the cache, if one was
        given. A query that may attend to nothing has the mean of all values.

    Raises:
        ValueError: If heads do not divide, `key_dim` is odd with `rotary`, or the
            cache does not fit.

    Example:

    >>> import numpy as np
    >>> steps = np.random.default_rng(1).normal(size=(1, 5, 6)).astype("float32")
    >>> layer = MultiHeadAttention(4, 2, num_key_value_heads=2, rotary=True)
    >>> at_once = ops.convert_to_numpy(layer(steps, steps, use_causal_mask=True))
    >>> cache = layer.make_cache(1, 5)
    >>> for i in range(5):
    ...     step = steps[:, i : i + 1]
    ...     last, cache = layer(step, step, cache=cache, cache_index=i)
    >>> bool(np.allclose(ops.convert_to_numpy(last)[:, 0], at_once[:, 4], atol=1e-5))
    True

    Reference:
        Vaswani et al., 2017, https://arxiv.org/abs/1706.03762; linear memory: Rabe,
        Staats, 2021, https://arxiv.org/abs/2112.05682, Dao et al., 2022,
        https://arxiv.org/abs/2205.14135; grouped queries: Ainslie et al., 2023,
        https://arxiv.org/abs/2305.13245
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        *,
        num_key_value_heads=None,
        rotary=False,
        **kwargs,
    ):
        super().__init__(
            num_heads,
            key_dim,
            value_dim=value_dim,
            dropout=dropout,
            use_bias=use_bias,
            **kwargs,
        )
        check_rate("MultiHeadAttention", dropout, "dropout")
        self.flash_attention = kwargs.get("flash_attention")
        self._axes = self.attention_axes  # as given: Keras fills them in at build
        config = super().get_config()
        self.use_gate, self.seed = config["use_gate"], config["seed"]
        self.sliding_window = config["sliding_window"]
        self._features = config["output_shape"]
        self.num_key_value_heads = num_key_value_heads
        if num_key_value_heads is not None and (
            num_key_value_heads < 1 or num_heads % num_key_value_heads
        ):
            raise ValueError(
                "MultiHeadAttention needs num_heads to be a multiple of "
                f"num_key_value_heads, received num_heads={num_heads} and "
                f"num_key_value_heads={num_key_value_heads}."
            )
        if isinstance(rotary, dict):
            rotary = keras.saving.deserialize_keras_object(rotary)
        elif rotary is True:
            rotary = RotaryEmbedding(dtype=self.dtype_policy)
        if rotary is not False and not isinstance(rotary, RotaryEmbedding):
            raise ValueError(
                "MultiHeadAttention needs rotary to be True, False or a "
                f"RotaryEmbedding, received {rotary!r}."
            )
        if rotary and key_dim % 2:
            raise ValueError(
                "MultiHeadAttention with rotary turns pairs of features and needs an "
                f"even key_dim, received key_dim={key_dim}."
            )
        self.rotary: Any = rotary

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        axes = (1,) if self._axes is None else self._axes
        self._plain = len(query_shape) == len(value_shape) == 3 and (
            [axis % 3 for axis in axes] == [1]
        )
        if not self._plain:
            self._refuse_extras(self.num_key_value_heads or self.rotary)
            super().build(query_shape, value_shape, key_shape)
            return
        if value_shape[1:-1] != key_shape[1:-1]:
            raise ValueError(
                "MultiHeadAttention needs as many keys as values, received key shape "
                f"{tuple(key_shape)} and value shape {tuple(value_shape)}."
            )
        heads, key_heads = self.num_heads, self.num_key_value_heads or self.num_heads
        self._query_dense = self._project("query", heads, self.key_dim, query_shape)
        self._key_dense = self._project("key", key_heads, self.key_dim, key_shape)
        if self.use_gate:
            self._gate_dense = self._project(
                "gate", heads, self.value_dim, query_shape, activation="sigmoid"
            )
        self._value_dense = self._project(
            "value", key_heads, self.value_dim, value_shape
        )
        self._output_dense = self._project_back(query_shape)
        if self.rotary:
            self.rotary.build((None, None, heads, self.key_dim))
        self._dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy
        )

    def _refuse_extras(self, wanted):
        if wanted is not None and wanted is not False:
            raise ValueError(
                "MultiHeadAttention with attention_axes other than the axis behind the "
                "batch, or with inputs of more than three axes, has no grouped "
                f"queries, rotary positions or cache; received {wanted!r}."
            )

    def _dense(self, equation, name, output_shape, bias_axes, **keywords):
        config = self.get_config()
        dense = keras.layers.EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self.use_bias else None,
            name=name,
            dtype=self.dtype_policy,
            **{argument: config[argument] for argument in _SHARED},
            **keywords,
        )
        dense.supports_masking = True  # the mask is this layer's business
        return dense

    def _project(self, name, heads, size, shape, **keywords):
        dense = self._dense(
            "abc,cde->abde", name, (None, heads, size), "de", **keywords
        )
        dense.build(shape)
        return dense

    def _project_back(self, query_shape):
        features = self._features or query_shape[-1:]
        axes = "efgh"[: len(features)]
        dense = self._dense(
            f"abcd,cd{axes}->ab{axes}", "attention_output", (None, *features), axes
        )
        dense.build((*query_shape[:-1], self.num_heads, self.value_dim))
        return dense

    def call(
        self,
        query,
        value=None,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
        cache=None,
        cache_index=None,
    ):
        if not self._plain:
            self._refuse_extras(cache)
            return super().call(
                query,
                value,
                key,
                query_mask,
                value_mask,
                key_mask,
                attention_mask,
                return_attention_scores,
                training,
                use_causal_mask,
            )
        keys, values, cache = self._remember(value, key, cache, cache_index)
        start, shown = 0, conjunction([value_mask, key_mask])
        if cache_index is not None:
            start, steps = cache_index, ops.shape(query)[1]
            if shown is not None or not use_causal_mask:
                shown = written_mask(shown, keys.shape[1], start, steps)
        pairs = Pairs(
            start=start,
            causal=use_causal_mask,
            window=self.sliding_window,
            key_mask=shown,
            attention_mask=with_heads(attention_mask),
        )
        queries = self._turn(self.query_dense(query), start)
        drop = self._dropout_layer if training and self.dropout else None
        scored = return_attention_scores
        attend = attend_with_scores if scored else attend_without_scores
        result, *scores = attend(queries, keys, values, pairs, query_mask, drop)
        if self.use_gate:
            result = result * self._gate_dense(query)
        outputs = (self.output_dense(result), *scores)
        outputs += () if cache is None else (cache,)
        return outputs if len(outputs) > 1 else outputs[0]

    def _turn(self, projected, start):
        return self.rotary(projected, offset=start) if self.rotary else projected

    def _remember(self, value, key, cache, cache_index):
        """Give all keys and values to attend to, and the cache that now holds them."""
        if cache is not None:
            steps = None if value is None else value.shape[1]
            check_cache(self, cache, steps, cache_index)
        if cache is not None and cache_index is None:
            if self.rotary:
                raise ValueError(
                    "MultiHeadAttention with rotary needs a cache_index: without it "
                    "nobody knows where the queries stand."
                )
            return cache[:, 0], cache[:, 1], cache
        start = 0 if cache_index is None else cache_index
        keys = self._turn(self.key_dense(value if key is None else key), start)
        values = self.value_dense(value)
        if cache is None:
            return keys, values, None
        cache = write_cache(cache, keys, values, start)
        return cache[:, 0], cache[:, 1], cache

    def make_cache(self, batch_size, length, dtype=None):
        """Make an empty cache of keys and values for decoding step by step.

        Args:
            batch_size: Number of sequences.
            length: Number of steps that they may come to have.
            dtype: Of the cache, the compute dtype if `None`.

        Returns:
            Tensor of zeros of shape
            `(batch_size, 2, length, key and value heads, key_dim)`.

        Raises:
            ValueError: If `key_dim` and `value_dim` differ.
        """
        shape = (batch_size, *cache_shape(self, length))
        return ops.zeros(shape, dtype or self.compute_dtype)

    def project_memory(self, value, key=None):
        """Compute keys and values of a sequence once, to attend to them often.

        Args:
            value: Tensor of shape `(batch, keys, features)`.
            key: The same, `value` if `None`.

        Returns:
            Tensor of shape `(batch, 2, keys, key and value heads, key_dim)`, for the
            argument `cache` of a call without `cache_index`.

        Raises:
            ValueError: If `key_dim` and `value_dim` differ, or weights are missing.
        """
        cache_shape(self, None)
        if not self.built:
            raise ValueError(
                "MultiHeadAttention has no weights yet: call it before project_memory."
            )
        keys = self.key_dense(value if key is None else key)
        return ops.stack([keys, self.value_dense(value)], axis=1)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count the projections, queries times keys, and weights times values."""
        shapes = [input_shape] if isinstance(input_shape[0], int) else input_shape
        caches = [shape for shape in shapes if len(shape) == 5 and self._plain]
        query, *rest = [shape for shape in shapes if shape and shape not in caches]
        rest = rest or ([query] if not caches else [])
        queries = math.prod(query[1:-1])
        work = [(self.query_dense, queries), (self.output_dense, queries)]
        work += [(self._gate_dense, queries)] if self.use_gate else []
        if rest:
            steps = math.prod(rest[0][1:-1])
            work += [(self.key_dense, steps), (self.value_dense, steps)]
        projections = sum(n * math.prod(part.kernel.shape) for part, n in work)
        if caches:
            keys = caches[0][2]
        else:
            axes = (1,) if self._plain else self.attention_axes
            keys = math.prod(rest[0][axis] for axis in axes)
        width = self.num_heads * (self.key_dim + self.value_dim)
        return projections + queries * keys * width

    def compute_output_spec(
        self,
        query,
        value: Any = None,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
        cache: Any = None,
        cache_index=None,
    ):
        shape = (*query.shape[:-1], *(self._features or query.shape[-1:]))
        outputs: Any = (keras.KerasTensor(shape, self.compute_dtype),)
        if return_attention_scores and not self._plain:
            return super().compute_output_spec(
                query, value, key, return_attention_scores=True
            )
        if return_attention_scores:
            keys = value.shape[1] if cache is None else cache.shape[2]
            table = (query.shape[0], self.num_heads, query.shape[1], keys)
            outputs += (keras.KerasTensor(table, self.compute_dtype),)
        if cache is not None:
            check_cache(self, cache, None, None)
            outputs += (keras.KerasTensor(cache.shape, cache.dtype),)
        return outputs if len(outputs) > 1 else outputs[0]

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        return (*query_shape[:-1], *(self._features or query_shape[-1:]))

    def get_config(self):
        rotary = self.rotary
        if rotary:
            rotary = keras.saving.serialize_keras_object(rotary)
            rotary.pop("build_config", None)  # nothing that a build changes
        return {
            **super().get_config(),
            "attention_axes": self._axes,
            "flash_attention": self.flash_attention,
            "num_key_value_heads": self.num_key_value_heads,
            "rotary": rotary,
        }
