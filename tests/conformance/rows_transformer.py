"""Rows of the Transformer's parts, and of squeeze and excitation."""

import keras
from conformance.row import Row

from kerasmith import layers


def _wide(deviation):
    """Draw weights so large that each matters, and its slope can be measured."""
    return keras.initializers.RandomNormal(stddev=deviation)


def _decoder():
    return layers.TransformerDecoderBlock(
        2,
        10,
        activation="gelu",
        kernel_initializer=_wide(0.5),
        bias_initializer=_wide(0.5),
    )


def _decoding():
    """Decode a sequence that looks at a memory of its own projections."""
    sequence = keras.Input((None, 6))
    memory = keras.layers.Dense(4, use_bias=False)(sequence)
    decoded = _decoder()(sequence, memory)
    return keras.Model(sequence, keras.layers.Identity(dtype="float32")(decoded))


def _class_token():
    return layers.ClassToken(token_initializer=_wide(1.0))


def _mean_with_class():
    """Take the mean over the token and what is not masked."""
    sequence = keras.Input((None, 6))
    pooling = keras.layers.GlobalAveragePooling1D(dtype="float32")
    return keras.Model(sequence, pooling(_class_token()(sequence)))


LAYERS = {
    "class_token": Row(
        _mean_with_class, (3, 5, 6), unknown=(1,), mask="consumed", part=_class_token
    ),
    "masked_average": Row(
        lambda: layers.MaskedAverage(), (3, 5, 6), unknown=(1,), mask="consumed"
    ),
    "masked_maximum": Row(
        lambda: layers.MaskedMaximum(),
        (3, 5, 6),
        unknown=(1,),
        mask="consumed",
        corners=True,
    ),
    "positional_encoding": Row(
        lambda: layers.PositionalEncoding(scale=True),
        (3, 5, 6),
        unknown=(1,),
        mask="passed",
    ),
    "positional_encoding_learned": Row(
        lambda: layers.PositionalEncoding("learned", max_length=9),
        (3, 5, 3),
        unknown=(1,),
        mask="passed",
    ),
    "squeeze_excite": Row(
        lambda: layers.SqueezeExcite(
            2,
            activation="silu",
            kernel_initializer=_wide(1.0),
            bias_initializer=_wide(1.0),
            kernel_regularizer=keras.regularizers.L2(0.01),
        ),
        (3, 5, 3, 6),
        unknown=(1, 2),
        mask="passed",
    ),
    "squeeze_excite_sequence": Row(
        lambda: layers.SqueezeExcite(units=2, gate_activation="hard_sigmoid"),
        (3, 5, 4),
        unknown=(1,),
        mask="passed",
        corners=True,
    ),
    "transformer_encoder_block": Row(
        lambda: layers.TransformerEncoderBlock(2, 10, seed=3),
        (3, 5, 6),
        unknown=(1,),
        mask="passed",
        corners=True,
    ),
    "transformer_encoder_block_pre_norm": Row(
        lambda: layers.TransformerEncoderBlock(
            4,
            10,
            key_dim=2,
            num_key_value_heads=2,
            rotary=True,
            norm_first=True,
            activation="gelu",
            drop_path=0.2,
            attention_bias=True,
            kernel_initializer=_wide(0.5),
            bias_initializer=_wide(0.5),
        ),
        (3, 5, 6),
        unknown=(1,),
        mask="passed",
    ),
    "transformer_decoder_block": Row(
        _decoding, (3, 5, 6), unknown=(1,), mask="passed", part=_decoder
    ),
}
