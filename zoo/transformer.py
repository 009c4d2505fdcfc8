"""Transformer: Vaswani et al., 2017, Attention Is All You Need (figure 1, table 3), and
its halves: the encoder alone, which classifies, and the decoder alone, which writes on.

Variants:
- `transformer_base` and `transformer_big` are the paper's; its 65 and 213 million
  parameters are those of a vocabulary of some 40,000 tokens, which source and target
  share. Here it is 37,000, as the paper says of its English-German data.
- `transformer_tiny` is small enough for a processor and some ten thousand sentences.
- `transformer_classifier` is an encoder that answers with a class.
- `gpt` is a decoder that writes on: Radford et al., 2018.

Choices: the paper does not say where its shared embeddings begin; they are drawn from
a normal distribution of variance 1 / width, as in its code.
"""

import dataclasses
from typing import Any, Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .parts import Parts
from .pieces import mark
from .sequences import (
    SequencePartKeywords,
    check_counts,
    exchange,
    lengths_of,
    mark_logits,
)
from .space_rows import ACTIVATION, DROP_PATH, KERNELS, Between, OneOf

PAPER = "Vaswani et al., 2017, https://arxiv.org/abs/1706.03762"
OPTIONS = ("vocabulary", "target_vocabulary", "classes", "length", "depth", "width")
OPTIONS += ("heads", "feed_forward", "dropout", "norm_first", "positions")
OPTIONS += ("scheduled_sampling",)
COUNTS = ("vocabulary", "depth", "width", "heads", "feed_forward")
SIDES = {"source": "encoder", "target": "decoder"}
WITHOUT = ("norm", "attention")  # layer normalisation is part of the blocks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A row of the paper's table 3, or half of a network.

    Args:
        vocabulary: Number of tokens.
        half: `"encoder"`, `"decoder"` or `"both"`.
        depth: Blocks of the encoder, and of the decoder.
        width: Values of a token's vector.
        heads: Heads of each attention.
        feed_forward: Width of the layer inside of the feed-forward parts.
        dropout: Rate of what is dropped of each sub-layer's output.
        norm_first: Whether norms stand before the sub-layers.
        attention_bias: Whether the attentions' projections have biases.
        positions: `"sinusoidal"` or `"learned"`.
        length: Number of positions of a learned table.

    Example:

    >>> VARIANTS["transformer_big"].width
    1024
    """

    paper: str = PAPER
    task: str = "translation"
    input_shape: Any = (None,)
    classes: Any = None
    vocabulary: int = 37_000
    half: str = "both"
    depth: int = 6
    width: int = 512
    heads: int = 8
    feed_forward: int = 2048
    dropout: float = 0.1
    norm_first: bool = False
    attention_bias: bool = False
    positions: str = "sinusoidal"
    length: int | None = None


VARIANTS = {
    "transformer_base": Variant(
        summary="The paper's encoder and decoder of 6 blocks",
        accuracy="English-German newstest2014: 27.3 BLEU",
    ),
    "transformer_big": Variant(
        summary="Twice as wide",
        accuracy="English-German newstest2014: 28.4 BLEU",
        width=1024,
        heads=16,
        feed_forward=4096,
        dropout=0.3,
    ),
    "transformer_tiny": Variant(
        summary="Small, with norms before the sub-layers, for small data",
        vocabulary=100,
        depth=2,
        width=128,
        heads=4,
        feed_forward=512,
        norm_first=True,
    ),
    "transformer_classifier": Variant(
        summary="An encoder alone: a class of a text",
        task="text_classification",
        half="encoder",
        classes=2,
        vocabulary=20_000,
        depth=2,
        width=128,
        heads=4,
        feed_forward=512,
        norm_first=True,
    ),
    "gpt": Variant(
        summary="A decoder alone, which writes on",
        paper="Radford et al., 2018, Improving Language Understanding by Generative "
        "Pre-Training, https://openai.com/index/language-unsupervised",
        parts=Parts(activation="gelu", kernel_initializer="normal"),
        task="language_model",
        half="decoder",
        vocabulary=40_478,
        depth=12,
        width=768,
        heads=12,
        feed_forward=3072,
        attention_bias=True,
        positions="learned",
        length=512,
    ),
}
SPACE = {
    "depth": OneOf((1, 2, 3, 4, 6)),
    "width": OneOf((64, 128, 256, 512)),
    "heads": OneOf((2, 4, 8)),
    "feed_forward": OneOf((128, 256, 512, 1024, 2048)),
    "dropout": Between(0.0, 0.5),
    "norm_first": OneOf((False, True)),
    "positions": OneOf(("sinusoidal", "learned")),
    "activation": ACTIVATION,
    "drop_path": DROP_PATH,
    **KERNELS,
}


def transformer(
    variant="transformer_base",
    *,
    vocabulary=None,
    target_vocabulary=None,
    classes=None,
    length=None,
    depth=None,
    width=None,
    heads=None,
    feed_forward=None,
    dropout=None,
    norm_first=None,
    positions=None,
    scheduled_sampling=0.0,
    top=True,
    weights=None,
    **parts: Unpack[SequencePartKeywords],
):
    """Build a Transformer, or one half of it.

    Tokens are integers, 0 is padding that nothing looks at; logits carry its mask, so
    that losses and metrics in `fit` leave it out. A network with both halves takes
    the inputs `source` and `target`. In training the targets are those of teacher
    forcing: what stands before each token that is to be found.

    Endpoints: `memory` (what the encoder gave), `features`, `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        vocabulary: Number of tokens; the variant's if `None`.
        target_vocabulary: Number of tokens of the target where they are others than
            the source's. Without it both share one embedding.
        classes: Number of classes that the encoder alone answers with.
        length: Number of tokens, where it is known beforehand, or a pair of those of
            source and target; any if `None`. For learned positions it is the most
            that there may be.
        depth: Blocks of the encoder, and of the decoder; the variant's if `None`, as
            all numbers below.
        width: Values of a token's vector.
        heads: Heads of each attention.
        feed_forward: Width of the layer inside of the feed-forward parts.
        dropout: Rate of what is dropped of the embeddings and of each sub-layer's
            output.
        norm_first: Whether norms stand before the sub-layers.
        positions: `"sinusoidal"` or `"learned"`.
        scheduled_sampling: Share of the target's tokens that are replaced in training
            by what the network takes for most likely there. It may be changed while
            training: `model.get_layer("sampling").rate.assign(0.1)`.
        top: Whether the model ends in logits; it ends in features otherwise.
        weights: `None`, or the path of a file that Kerasmith wrote of the same network.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`: `activation`,
            `drop_path`, which rises from block to block, and those of kernels.

    Returns:
        Functional `keras.Model`. With both halves: of `{"source": (batch, time),
        "target": (batch, target time)}` to logits `(batch, target time, tokens)`;
        the encoder alone: of `(batch, time)` to `(batch, classes)`; the decoder alone:
        of `(batch, time)` to `(batch, time, tokens)`. Logits are float32 under every
        dtype policy.

    Raises:
        ValueError: If a number or a name cannot be, or the weights do not fit.
        OSError: If the weights cannot be read.

    Example:

    >>> model = transformer("transformer_tiny", vocabulary=30)
    >>> model.output_shape, model.get_layer("memory").output.shape
    ((None, None, 30), (None, None, 128))

    Reference:
        Vaswani et al., 2017, https://arxiv.org/abs/1706.03762
    """
    chosen = choose("variant of transformer", variant, VARIANTS)
    asked = {
        "vocabulary": vocabulary,
        "classes": classes,
        "depth": depth,
        "width": width,
        "heads": heads,
        "feed_forward": feed_forward,
        "dropout": dropout,
        "norm_first": norm_first,
        "positions": positions,
    }
    told = {name: value for name, value in asked.items() if value is not None}
    chosen = dataclasses.replace(chosen, **told)
    lengths = lengths_of("transformer", length, both=chosen.half == "both")
    source_length, target_length = lengths
    _check(chosen, told, lengths, target_vocabulary, scheduled_sampling)
    part = exchange(
        chosen.parts, "transformer", parts, without=WITHOUT, options=OPTIONS
    )
    stack = _Stack(chosen, part, "source", source_length)
    source = keras.Input(_shape(chosen, source_length), dtype="int32", name="source")
    if chosen.half != "both":
        x = _half(chosen, part, stack, source, top)
        return classifier.finish(variant, source, x, weights)
    memory = mark(stack.apply(source), "memory")
    target = keras.Input(_shape(chosen, target_length), dtype="int32", name="target")
    if target_vocabulary is not None:
        chosen = dataclasses.replace(chosen, vocabulary=target_vocabulary)
    shared = stack.embedding if target_vocabulary is None else None
    decoder = _Stack(chosen, part, "target", target_length, shared)
    seen = target
    if scheduled_sampling:
        said = decoder.logits(decoder.apply(target, memory))
        sampling = layers.ScheduledSampling(scheduled_sampling, name="sampling")
        seen = sampling([target, said])
    x = mark(decoder.apply(seen, memory), "features")
    if top:
        x = mark_logits(decoder.logits(x))
    return classifier.finish(variant, {"source": source, "target": target}, x, weights)


class _Stack:
    """Embedding, positions and blocks, made once and applied as often as needed."""

    def __init__(self, chosen, part, side, length, embedding=None):
        self.chosen, self.side = chosen, side
        self.embedding = embedding or layers.TokenEmbedding(
            chosen.vocabulary,
            chosen.width,
            mask_zero=True,
            reverse_dtype="float32",
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=chosen.width**-0.5
            ),
            name=f"{side}_embedding",
        )
        learned = chosen.positions == "learned"
        self.positions = layers.PositionalEncoding(
            chosen.positions,
            (length or chosen.length) if learned else None,
            scale=not learned,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            name=f"{side}_positions",
        )
        self.dropout = keras.layers.Dropout(chosen.dropout, name=f"{side}_dropout")
        self.blocks = [
            _block(chosen, part, side, number) for number in range(1, chosen.depth + 1)
        ]
        self.norm = None
        if chosen.norm_first:
            self.norm = keras.layers.LayerNormalization(
                epsilon=1e-6, name=f"{side}_norm"
            )

    def apply(self, tokens, memory=None, causal=False):
        """Give vectors of tokens, which may look at a memory."""
        x = self.dropout(self.positions(self.embedding(tokens)))
        for block in self.blocks:
            if memory is None:
                x = block(x, use_causal_mask=causal)
            else:
                x = block(x, memory)
        return x if self.norm is None else self.norm(x)

    def logits(self, x):
        """Give logits of the tokens that were embedded."""
        return self.embedding(x, reverse=True)


def _block(chosen, part, side, number):
    """Make a block of the encoder or the decoder."""
    kind = layers.TransformerEncoderBlock
    if side == "target":
        kind = layers.TransformerDecoderBlock
    place = "decoder" if "decoder" in (chosen.half, SIDES[side]) else "encoder"
    return kind(
        chosen.heads,
        chosen.feed_forward,
        norm_first=chosen.norm_first,
        activation=part.activation,
        dropout=chosen.dropout,
        drop_path=part.drop_path * number / chosen.depth,
        attention_bias=chosen.attention_bias,
        name=f"{place}_block{number}",
        **part.kernel_keywords(),
    )


def _shape(chosen, length):
    """Give the shape of tokens: a table of positions serves shorter ones, too."""
    return (None if chosen.positions == "learned" else length,)


def _half(chosen, part, stack, tokens, top):
    """Build an encoder that tells a class, or a decoder that writes on."""
    if chosen.half == "decoder":
        x = mark(stack.apply(tokens, causal=True), "features")
        return mark_logits(stack.logits(x)) if top else x
    x = mark(stack.apply(tokens), "memory")
    x = layers.MaskedAverage(name="features")(x)
    return part.dense(x, chosen.classes, name="logits", dtype="float32") if top else x


def _check(chosen, told, lengths, target_vocabulary, scheduled_sampling):
    """Refuse what cannot be, before any layer is built."""
    counts = {name: getattr(chosen, name) for name in COUNTS}
    counts |= {"target_vocabulary": target_vocabulary, "classes": chosen.classes}
    check_counts("transformer", counts)
    if chosen.width % chosen.heads:
        raise ValueError(
            f"transformer divides its width among its heads, received width="
            f"{chosen.width} and heads={chosen.heads}: make the one a multiple of the "
            "other."
        )
    choose("kind of positions", chosen.positions, ("sinusoidal", "learned"))
    if chosen.positions == "learned" and None in lengths and chosen.length is None:
        raise ValueError(
            "learned positions need to know how many there are: give length, the "
            "number of tokens of the longest sequence."
        )
    if chosen.half != "encoder" and "classes" in told:
        raise ValueError(
            "classes belong to the encoder alone, 'transformer_classifier', received "
            f"classes={chosen.classes!r}."
        )
    if chosen.half != "both" and (target_vocabulary or scheduled_sampling):
        raise ValueError(
            "target_vocabulary and scheduled_sampling belong to a network with an "
            "encoder and a decoder, and this is one of them."
        )
