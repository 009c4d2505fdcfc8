"""Sequence to sequence with attention: Bahdanau et al., 2014, Neural Machine
Translation by Jointly Learning to Align and Translate; Luong et al., 2015, Effective
Approaches to Attention-based Neural Machine Translation.

Variants:
- `seq2seq_bahdanau`: a bidirectional GRU reads, and a GRU that looks by the additive
  score before each step writes (table 1 of its appendix).
- `seq2seq_luong`: stacked LSTMs; the multiplicative score looks after each step, and
  what it gave is fed to the next (input feeding).

Choices: both read in both directions, at all levels; each state that writing begins
with is `tanh` of a projection of the last states of both directions. Bahdanau's maxout
before the logits is a projection to the width of the embedding here.
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
from .space_rows import KERNELS, Between, OneOf

CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "simple": keras.layers.SimpleRNNCell,
}
SCORES = ("additive", "multiplicative", "dot")
OPTIONS = ("vocabulary", "target_vocabulary", "length", "cell", "depth", "width")
OPTIONS += ("embedding", "score", "input_feeding", "dropout", "zoneout")
OPTIONS += ("tie_embeddings", "scheduled_sampling")
WITHOUT = ("norm", "attention", "activation", "drop_path")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A way to read a sequence and to write another.

    Args:
        vocabulary: Number of tokens.
        cell: `"lstm"`, `"gru"` or `"simple"`.
        depth: Levels of the encoder, and of the decoder.
        width: Units of a cell.
        embedding: Values of a token's vector.
        score: Of the attention: `"additive"`, `"multiplicative"` or `"dot"`.
        dropout: Rate of features that are dropped for a whole sequence.

    Example:

    >>> VARIANTS["seq2seq_luong"].score
    'multiplicative'
    """

    task: str = "translation"
    input_shape: Any = (None,)
    classes: Any = None
    vocabulary: int
    cell: str
    depth: int
    width: int
    embedding: int
    score: str
    dropout: float = 0.0


VARIANTS = {
    "seq2seq_bahdanau": Variant(
        summary="A GRU reads in both directions; a GRU looks, then writes",
        paper="Bahdanau et al., 2014, https://arxiv.org/abs/1409.0473",
        accuracy="English-French newstest2014: 28.5 BLEU",
        vocabulary=30_000,
        cell="gru",
        depth=1,
        width=1000,
        embedding=620,
        score="additive",
    ),
    "seq2seq_luong": Variant(
        summary="Four levels of LSTM; looks after each step, with input feeding",
        paper="Luong et al., 2015, https://arxiv.org/abs/1508.04025",
        accuracy="English-German newstest2014: 20.9 BLEU (local attention, unknown "
        "words replaced)",
        vocabulary=50_000,
        cell="lstm",
        depth=4,
        width=1000,
        embedding=1000,
        score="multiplicative",
        dropout=0.2,
    ),
}
SPACE = {
    "cell": OneOf(("gru", "lstm")),
    "depth": OneOf((1, 2, 3, 4)),
    "width": OneOf((64, 128, 256, 512, 1024)),
    "embedding": OneOf((32, 64, 128, 256, 512)),
    "score": OneOf(("additive", "multiplicative")),
    "input_feeding": OneOf((False, True)),
    "dropout": Between(0.0, 0.5),
    "zoneout": Between(0.0, 0.3),
    "scheduled_sampling": Between(0.0, 0.5),
    **KERNELS,
}


def seq2seq(
    variant="seq2seq_bahdanau",
    *,
    vocabulary=None,
    target_vocabulary=None,
    length=None,
    cell=None,
    depth=None,
    width=None,
    embedding=None,
    score=None,
    input_feeding=True,
    dropout=None,
    zoneout=0.0,
    tie_embeddings=False,
    scheduled_sampling=0.0,
    top=True,
    weights=None,
    **parts: Unpack[SequencePartKeywords],
):
    """Build a network that reads a sequence and writes another, looking at the first.

    Tokens are integers, 0 is padding that nothing looks at; logits carry its mask, so
    that losses and metrics in `fit` leave it out. In training the targets are those of
    teacher forcing: what stands before each token that is to be found.

    Endpoints: `memory` (what the encoder gave), `features`, `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        vocabulary: Number of tokens; the variant's if `None`.
        target_vocabulary: Number of tokens of the target where they are others than
            the source's. Without it both share one embedding.
        length: Number of tokens, where it is known beforehand, or a pair of those of
            source and target; any if `None`.
        cell: `"lstm"`, `"gru"` or `"simple"`; the variant's if `None`, as all below.
        depth: Levels of the encoder, and of the decoder.
        width: Units of a cell; the memory is twice as wide.
        embedding: Values of a token's vector.
        score: Of the attention: `"additive"`, `"multiplicative"` or `"dot"`, see
            `kerasmith.layers.AttentionCell`.
        input_feeding: Whether what was seen is fed to the next step; the additive
            score does in any case.
        dropout: Rate of features that are dropped for a whole sequence, before each
            level and before the logits.
        zoneout: Rate of units that keep their state at a step.
        tie_embeddings: Whether logits are made with the weights of the target's
            embedding; by a matrix of their own otherwise.
        scheduled_sampling: Share of the target's tokens that are replaced in training
            by what the network takes for most likely there. It may be changed while
            training: `model.get_layer("sampling").rate.assign(0.1)`.
        top: Whether the model ends in logits; it ends in features otherwise.
        weights: `None`, or the path of a file that Kerasmith wrote of the same network.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`: those of kernels.

    Returns:
        Functional `keras.Model` of `{"source": (batch, time), "target": (batch, target
        time)}` to logits `(batch, target time, tokens)`, float32 under every dtype
        policy, or features `(batch, target time, embedding)`.

    Raises:
        ValueError: If a number or a name cannot be, or the weights do not fit.
        OSError: If the weights cannot be read.

    Example:

    >>> model = seq2seq(vocabulary=30, width=16, embedding=8)
    >>> model.output_shape, model.get_layer("memory").output.shape
    ((None, None, 30), (None, None, 32))

    Reference:
        Bahdanau et al., 2014, https://arxiv.org/abs/1409.0473
    """
    chosen = choose("variant of seq2seq", variant, VARIANTS)
    asked = {
        "vocabulary": vocabulary,
        "cell": cell,
        "depth": depth,
        "width": width,
        "embedding": embedding,
        "score": score,
        "dropout": dropout,
    }
    told = {name: value for name, value in asked.items() if value is not None}
    chosen = dataclasses.replace(chosen, **told)
    part = exchange(Parts(), "seq2seq", parts, without=WITHOUT, options=OPTIONS)
    lengths = lengths_of("seq2seq", length)
    _check(chosen, target_vocabulary, zoneout)
    source = keras.Input(lengths[:1], dtype="int32", name="source")
    target = keras.Input(lengths[1:], dtype="int32", name="target")
    builder = _Builder(chosen, part, input_feeding, zoneout)
    own = target_vocabulary is not None
    source_embedding = builder.embed(
        "source_embedding", chosen.vocabulary, tie_embeddings or own
    )
    target_embedding = source_embedding
    if own:
        target_embedding = builder.embed(
            "target_embedding", target_vocabulary, tie_embeddings
        )
    memory, states = builder.read(source_embedding(source))
    decoder = builder.decoder(target_embedding, memory.shape[-1])
    begin = decoder.cell.initial_state(memory, cell_states=states)
    seen = target
    if scheduled_sampling:
        said = decoder.logits(decoder.write(target, begin))
        sampling = layers.ScheduledSampling(scheduled_sampling, name="sampling")
        seen = sampling([target, said])
    x = mark(decoder.write(seen, begin), "features")
    if top:
        x = mark_logits(decoder.logits(x))
    return classifier.finish(variant, {"source": source, "target": target}, x, weights)


class _Builder:
    """Makes the layers of an encoder and a decoder."""

    def __init__(self, chosen, part, input_feeding, zoneout):
        self.chosen, self.part = chosen, part
        self.input_feeding, self.zoneout = input_feeding, zoneout

    def embed(self, name, vocabulary, tie_weights):
        return layers.TokenEmbedding(
            vocabulary,
            self.chosen.embedding,
            tie_weights=tie_weights,
            mask_zero=True,
            reverse_dtype="float32",
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=self.chosen.embedding**-0.5
            ),
            name=name,
        )

    def read(self, x):
        """Give the memory, and the states that the decoder begins with."""
        states = []
        for level in range(1, self.chosen.depth + 1):
            name = f"encoder{level}"
            x = self.drop(f"{name}_dropout")(x)
            layer = self.recurrent(name, return_sequences=True, return_state=True)
            x, *ends = keras.layers.Bidirectional(layer, name=name)(x)
            half = len(ends) // 2
            for number, pair in enumerate(zip(ends[:half], ends[half:], strict=True)):
                both = f"{name}_end{number + 1}"
                both = keras.layers.Concatenate(name=both)(pair)
                bridge = keras.layers.Dense(
                    self.chosen.width,
                    activation="tanh",
                    name=f"bridge{level}_{number + 1}",
                    **self.part.kernel_keywords(),
                )
                states.append(bridge(both))
        return mark(x, "memory"), states

    def drop(self, name):
        return layers.LockedDropout(self.chosen.dropout, name=name)

    def recurrent(self, name, **options):
        """Make one level of the encoder."""
        if self.zoneout and self.chosen.cell != "simple":
            kind = {"lstm": layers.ZoneoutLSTM, "gru": layers.ZoneoutGRU}
            options["hidden_rate"] = self.zoneout
            if self.chosen.cell == "lstm":
                options["cell_rate"] = self.zoneout
            kind = kind[self.chosen.cell]
        elif self.zoneout:
            return keras.layers.RNN(self.cell(), name=name, **options)
        else:
            kind = {
                "lstm": keras.layers.LSTM,
                "gru": keras.layers.GRU,
                "simple": keras.layers.SimpleRNN,
            }[self.chosen.cell]
        keywords = self.part.kernel_keywords()
        return kind(self.chosen.width, name=name, **keywords, **options)

    def cell(self):
        """Make one level of the decoder."""
        keywords = self.part.kernel_keywords()
        cell = CELLS[self.chosen.cell](self.chosen.width, **keywords)
        if not self.zoneout:
            return cell
        rates = {"hidden_rate": self.zoneout}
        if self.chosen.cell == "lstm":
            rates["cell_rate"] = self.zoneout
        return layers.Zoneout(cell, **rates)

    def decoder(self, embedding, memory_dim):
        """Make what writes."""
        cells = [self.cell() for _ in range(self.chosen.depth)]
        cell = layers.AttentionCell(
            cells if len(cells) > 1 else cells[0],
            memory_dim,
            score=self.chosen.score,
            input_feeding=self.input_feeding,
            kernel_initializer=self.part.kernel_keywords()["kernel_initializer"],
            name="attention",
        )
        projection = None
        if cell.output_size != self.chosen.embedding:
            projection = keras.layers.Dense(
                self.chosen.embedding,
                activation="tanh",
                name="projection",
                **self.part.kernel_keywords(),
            )
        return _Decoder(
            embedding,
            self.drop("target_dropout"),
            keras.layers.RNN(cell, return_sequences=True, name="decoder"),
            self.drop("output_dropout"),
            projection,
        )


@dataclasses.dataclass(frozen=True)
class _Decoder:
    """What writes a sequence, made once and applied as often as needed."""

    embedding: Any
    first_dropout: Any
    recurrent: Any
    last_dropout: Any
    projection: Any

    @property
    def cell(self):
        return self.recurrent.cell

    def write(self, tokens, states):
        """Give features of each token, from what stands before it."""
        x = self.first_dropout(self.embedding(tokens))
        x = self.last_dropout(self.recurrent(x, initial_state=states))
        return x if self.projection is None else self.projection(x)

    def logits(self, x):
        """Give logits of the tokens."""
        return self.embedding(x, reverse=True)


def _check(chosen, target_vocabulary, zoneout):
    """Refuse what cannot be, before any layer is built."""
    choose("cell of seq2seq", chosen.cell, CELLS)
    choose("score of seq2seq", chosen.score, SCORES)
    names = ("vocabulary", "depth", "width", "embedding")
    check_counts(
        "seq2seq",
        {name: getattr(chosen, name) for name in names}
        | {"target_vocabulary": target_vocabulary},
    )
    if not 0 <= zoneout < 1:
        raise ValueError(f"seq2seq needs a zoneout in [0, 1), received {zoneout!r}.")
