"""Rows of attention with many heads, and of rotary positions."""

import keras
from conformance.row import Row

from kerasmith import layers


def self_attention(shape, layer, **keywords):
    """Build a model in which a sequence attends to itself."""
    steps = keras.Input(shape)
    result = layer()(steps, steps, **keywords)
    # as of any model: its result has float32
    return keras.Model(
        steps, keras.layers.Activation("linear", dtype="float32")(result)
    )


def multi_head(**keywords):
    """Give a builder of the layer."""
    return lambda: layers.MultiHeadAttention(4, 6, **keywords)


LAYERS = {
    "multi_head_attention": Row(
        # a bias of the keys moves no weight, as a row of scores moves as one
        lambda: self_attention((None, 10), multi_head(use_bias=False)),
        (3, 7, 10),
        unknown=(1,),
        mask="passed",
        part=multi_head(),
    ),
    "multi_head_attention_grouped": Row(
        lambda: self_attention(
            (None, 10),
            multi_head(
                value_dim=3,
                dropout=0.2,
                num_key_value_heads=2,
                rotary=True,
                output_shape=5,
                use_gate=True,
                seed=1,
            ),
            use_causal_mask=True,
        ),
        (3, 7, 10),
        unknown=(1,),
        mask="passed",
        part=multi_head(
            num_key_value_heads=2,
            rotary=layers.RotaryEmbedding(100.0, scaling=2.0, interleaved=False),
            attention_axes=(1,),
            sliding_window=3,
            kernel_constraint=keras.constraints.NonNeg(),
        ),
    ),
    "rotary_embedding": Row(
        layers.RotaryEmbedding, (3, 7, 2, 6), unknown=(1, 2), mask="passed"
    ),
    "rotary_embedding_halves": Row(
        lambda: layers.RotaryEmbedding(100.0, scaling=2.0, interleaved=False),
        (3, 7, 6),
        unknown=(1,),
        mask="passed",
    ),
}
