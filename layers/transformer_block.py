"""What the blocks of a Transformer's encoder and decoder share."""

import keras
from keras import ops

from .drop_path import DropPath
from .multi_head_attention import MultiHeadAttention
from .rates import add_rate, check_rate, rate_of


class TransformerBlock(keras.layers.Layer):
    """Sub-layers with residuals and norms round them; subclasses put them in a row.

    Args:
        num_heads: Number of attention heads.
        feed_forward_dim: Width of the layer between the two of the feed-forward part.
        key_dim: Width of a head, the inputs' depth over the heads if `None`.
        num_key_value_heads: Number of heads of keys and values.
        rotary: Whether queries and keys are turned by their positions.
        norm_first: Whether norms stand before the sub-layers.
        activation: Activation between the two layers of the feed-forward part.
        dropout: Rate of what is dropped of each sub-layer's output.
        attention_dropout: Rate of what is dropped of the attention's weights.
        drop_path: Rate at which a sample goes without a sub-layer.
        attention_bias: Whether the attention's projections have biases.
        epsilon: Added to the variance in the norms.
        kernel_initializer: Initialiser of all kernels.
        bias_initializer: Initialiser of all biases.
        kernel_regularizer: Regulariser of all kernels.
        kernel_constraint: Constraint of all kernels. Their units lie on other axes in
            the attention than behind it: `constrain(block, ...)` sets the right ones.
        seed: Integer seed of all that is dropped.
    """

    def __init__(
        self,
        num_heads,
        feed_forward_dim,
        *,
        key_dim=None,
        num_key_value_heads=None,
        rotary=False,
        norm_first=False,
        activation="relu",
        dropout=0.1,
        attention_dropout=0.0,
        drop_path=0.0,
        attention_bias=False,
        epsilon=1e-6,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        kernel_constraint=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = self._whole("num_heads", num_heads)
        self.feed_forward_dim = self._whole("feed_forward_dim", feed_forward_dim)
        self.key_dim = key_dim and self._whole("key_dim", key_dim)
        self.num_key_value_heads = num_key_value_heads
        if isinstance(rotary, dict):
            rotary = keras.saving.deserialize_keras_object(rotary)
        self.rotary = rotary
        self.norm_first = norm_first
        self.activation = keras.activations.get(activation)
        kind = type(self).__name__
        self.attention_dropout = check_rate(
            kind, attention_dropout, "attention_dropout"
        )
        self.attention_bias = attention_bias
        self.epsilon = epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.seed = seed
        self.dropout = VariableRateDropout(
            check_rate(kind, dropout, "dropout"),
            seed=self._seed(1),
            dtype=self.dtype_policy,
            name="dropout",
        )
        self.drop_path = DropPath(
            check_rate(kind, drop_path, "drop_path"),
            seed=self._seed(2),
            dtype=self.dtype_policy,
            name="drop_path",
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def _whole(self, name, number):
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"{type(self).__name__} needs {name} to be a whole number of at least "
                f"1, received {name}={number!r}."
            )
        return number

    def _seed(self, place):
        """Give what draws in a place its own seed: two of the same draw alike."""
        return None if self.seed is None else self.seed + place

    def _build_attention(self, name, place, depth, memory_depth=None, rotary=False):
        """Build a multi-head attention, to a memory where it has a depth."""
        if depth is None:
            raise ValueError(
                f"{type(self).__name__} needs to know the depth of its inputs."
            )
        if self.key_dim is None and depth % self.num_heads:
            raise ValueError(
                f"{type(self).__name__} has num_heads={self.num_heads}, which do not "
                f"divide the inputs' depth {depth}: choose a divisor of it, or say by "
                "key_dim how wide a head is."
            )
        attention = MultiHeadAttention(
            self.num_heads,
            self.key_dim or depth // self.num_heads,
            num_key_value_heads=self.num_key_value_heads,
            rotary=rotary,
            dropout=self.attention_dropout,
            use_bias=self.attention_bias,
            kernel_initializer=_again(self.kernel_initializer),
            bias_initializer=_again(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            kernel_constraint=self.kernel_constraint,
            seed=self._seed(place),
            dtype=self.dtype_policy,
            name=name,
        )
        attention.build((None, None, depth), (None, None, memory_depth or depth))
        return attention

    def _build_norm(self, name, depth):
        norm = keras.layers.LayerNormalization(
            epsilon=self.epsilon, dtype=self.dtype_policy, name=name
        )
        norm.build((None, None, depth))
        return norm

    def _build_shared(self, depth):
        """Build what both kinds of block have behind their attentions."""
        for drop in (self.dropout, self.drop_path):
            drop.build((None, None, depth))
        self.feed_forward_hidden = self._build_dense(
            "feed_forward_hidden", depth, self.feed_forward_dim, self.activation
        )
        self.feed_forward_output = self._build_dense(
            "feed_forward_output", self.feed_forward_dim, depth
        )
        self.feed_forward_norm = self._build_norm("feed_forward_norm", depth)

    def _build_dense(self, name, depth, units, activation=None):
        dense = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=_again(self.kernel_initializer),
            bias_initializer=_again(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            kernel_constraint=self.kernel_constraint,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build((None, None, depth))
        return dense

    def _before(self, norm, x):
        """Give what a sub-layer sees of `x`."""
        return norm(x) if self.norm_first else x

    def _after(self, norm, x, branch, training):
        """Join what a sub-layer gave with `x`."""
        branch = self.dropout(branch, training=training)
        x = x + self.drop_path(branch, training=training)
        return x if self.norm_first else norm(x)

    def _feed_forward(self, x, training):
        norm = self.feed_forward_norm
        hidden = self.feed_forward_hidden(self._before(norm, x))
        return self._after(norm, x, self.feed_forward_output(hidden), training)

    def _check_built(self):
        if not self.built:
            raise ValueError(
                f"{self.name!r} has no weights yet, so that it can make no cache: call "
                "it, or build it, first."
            )

    def _check_cache(self, cache, cache_index):
        if (cache is None) != (cache_index is None):
            raise ValueError(
                f"{self.name!r} needs both or neither of cache and cache_index, "
                f"received cache={'None' if cache is None else 'a cache'} and "
                f"cache_index={cache_index}. The index is the position of the first "
                "of the inputs, 0 for the beginning."
            )

    def get_config(self):
        rotary = self.rotary
        if not isinstance(rotary, bool):
            rotary = keras.saving.serialize_keras_object(rotary)
            rotary.pop("build_config", None)  # nothing that a build changes
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "feed_forward_dim": self.feed_forward_dim,
            "key_dim": self.key_dim,
            "num_key_value_heads": self.num_key_value_heads,
            "rotary": rotary,
            "norm_first": self.norm_first,
            "activation": keras.activations.serialize(self.activation),
            "dropout": rate_of(self.dropout.rate),
            "attention_dropout": self.attention_dropout,
            "drop_path": rate_of(self.drop_path.rate),
            "attention_bias": self.attention_bias,
            "epsilon": self.epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "seed": self.seed,
        }


class VariableRateDropout(keras.layers.Layer):
    """Dropout with its rate in a variable, as in `DropPath`."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = add_rate(self, rate)
        self.coins = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        keep = 1 - ops.convert_to_tensor(self.rate)
        kept = keras.random.uniform(ops.shape(inputs), seed=self.coins) < keep
        return ops.where(kept, inputs * ops.cast(1 / keep, inputs.dtype), 0.0)


def _again(initializer):
    """Copy an initialiser: one without a seed would draw the same numbers twice."""
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
