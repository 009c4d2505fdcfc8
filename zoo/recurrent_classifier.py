"""Recurrent classifiers of texts: Schuster and Paliwal, 1997, Bidirectional Recurrent
Neural Networks; Conneau et al., 2017, Supervised Learning of Universal Sentence
Representations from Natural Language Inference Data (section 3.2.2).

Variants:
- `bilstm_classifier`: LSTMs read a text from both sides, and the largest of each of
  their values over time tells the class.

Choices: it is as small as thousands of texts need. Conneau et al. have 2,048 units and
vectors of 300 values, learned elsewhere, and compare pairs of sentences by a hidden
layer of 512 units; here the logits follow what was taken of the text. Whole features
are dropped of a text, before each level (Gal and Ghahramani, 2016).
"""

import dataclasses
from typing import Any, Unpack

import keras

from .. import layers
from ..layers.masked_average import MaskedAverage
from ..layers.masked_maximum import MaskedMaximum
from . import classifier
from .choices import choose
from .parts import Parts
from .pieces import mark
from .sequences import SequencePartKeywords, check_counts, exchange, lengths_of
from .space_rows import KERNELS, Between, OneOf

CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple": keras.layers.SimpleRNN,
}
POOLINGS = ("mean", "max", "last")
OPTIONS = ("vocabulary", "classes", "length", "cell", "depth", "width", "embedding")
OPTIONS += ("pooling", "dropout")
COUNTS = ("vocabulary", "classes", "depth", "width", "embedding")
WITHOUT = ("norm", "attention", "activation", "drop_path")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A way to read a text from both sides.

    Args:
        vocabulary: Number of tokens.
        cell: `"lstm"`, `"gru"` or `"simple"`.
        depth: Levels.
        width: Units of a cell.
        embedding: Values of a token's vector.
        pooling: `"mean"`, `"max"` or `"last"`.
        dropout: Rate of what is dropped before each level, and before the logits.

    Example:

    >>> VARIANTS["bilstm_classifier"].pooling
    'max'
    """

    task: str = "text_classification"
    input_shape: Any = (None,)
    classes: int = 2
    vocabulary: int
    cell: str
    depth: int
    width: int
    embedding: int
    pooling: str
    dropout: float


VARIANTS = {
    "bilstm_classifier": Variant(
        summary="LSTMs read from both sides; the largest values tell the class",
        paper="Conneau et al., 2017, https://arxiv.org/abs/1705.02364",
        vocabulary=20_000,
        cell="lstm",
        depth=1,
        width=128,
        embedding=128,
        pooling="max",
        dropout=0.2,
    ),
}
SPACE = {
    "cell": OneOf(("lstm", "gru", "simple")),
    "depth": OneOf((1, 2, 3)),
    "width": OneOf((32, 64, 128, 256)),
    "embedding": OneOf((32, 64, 128, 256)),
    "pooling": OneOf(POOLINGS),
    "dropout": Between(0.0, 0.6),
    **KERNELS,
}


def recurrent_classifier(
    variant="bilstm_classifier",
    *,
    vocabulary=None,
    classes=None,
    length=None,
    cell=None,
    depth=None,
    width=None,
    embedding=None,
    pooling=None,
    dropout=None,
    top=True,
    weights=None,
    **parts: Unpack[SequencePartKeywords],
):
    """Build a network that reads a text from both sides and tells its class.

    Tokens are integers, 0 is padding, which changes nothing.

    Endpoints: `memory` (what was read at each token, from both sides), `features`,
    `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        vocabulary: Number of tokens; the variant's if `None`, as all below.
        classes: Number of classes.
        length: Number of tokens, where it is known beforehand; any if `None`.
        cell: `"lstm"`, `"gru"` or `"simple"`.
        depth: Levels.
        width: Units of a cell; memory and features are twice as wide.
        embedding: Values of a token's vector.
        pooling: What the features are of the memory: the `"mean"` of each value over
            time or its `"max"`, or the `"last"` state of either direction, behind the
            last token and before the first.
        dropout: Rate of features that are dropped for a whole text before each level,
            and of those before the logits.
        top: Whether the model ends in logits; it ends in features otherwise.
        weights: `None`, or the path of a file that Kerasmith wrote of the same network.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`: those of kernels.

    Returns:
        Functional `keras.Model` of `(batch, time)` to logits `(batch, classes)`,
        float32 under every dtype policy, or features `(batch, 2 width)`.

    Raises:
        ValueError: If a number or a name cannot be, or the weights do not fit.
        OSError: If the weights cannot be read.

    Example:

    >>> model = recurrent_classifier(vocabulary=30, classes=5, width=16)
    >>> model.output_shape, model.get_layer("memory").output.shape
    ((None, 5), (None, None, 32))

    Reference:
        Schuster and Paliwal, 1997, https://doi.org/10.1109/78.650093; Conneau et al.,
        2017, https://arxiv.org/abs/1705.02364
    """
    chosen = choose("variant of recurrent_classifier", variant, VARIANTS)
    asked = {
        "vocabulary": vocabulary,
        "classes": classes,
        "cell": cell,
        "depth": depth,
        "width": width,
        "embedding": embedding,
        "pooling": pooling,
        "dropout": dropout,
    }
    told = {name: value for name, value in asked.items() if value is not None}
    chosen = dataclasses.replace(chosen, **told)
    length, _ = lengths_of("recurrent_classifier", length, both=False)
    _check(chosen)
    part = exchange(
        Parts(), "recurrent_classifier", parts, without=WITHOUT, options=OPTIONS
    )
    source = keras.Input((length,), dtype="int32", name="source")
    x = keras.layers.Embedding(
        chosen.vocabulary,
        chosen.embedding,
        mask_zero=True,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=chosen.embedding**-0.5
        ),
        name="source_embedding",
    )(source)
    x, ends = _read(chosen, part, x)
    x = _pool(chosen.pooling, x, ends)
    if top:
        x = keras.layers.Dropout(chosen.dropout, name="features_dropout")(x)
        x = part.dense(x, chosen.classes, name="logits", dtype="float32")
    return classifier.finish(variant, source, x, weights)


def _read(chosen, part, x):
    """Give the memory, and the last states of both directions."""
    ends = []
    for level in range(1, chosen.depth + 1):
        name = f"encoder{level}"
        x = layers.LockedDropout(chosen.dropout, name=f"{name}_dropout")(x)
        one = CELLS[chosen.cell](
            chosen.width,
            return_sequences=True,
            return_state=True,
            name=name,
            **part.kernel_keywords(),
        )
        x, *states = keras.layers.Bidirectional(one, name=name)(x)
        # of an LSTM the cell's state stands behind the output
        ends = states[0], states[len(states) // 2]
    return mark(x, "memory"), ends


def _pool(pooling, x, ends):
    """Make features of the memory, or of the last states."""
    if pooling == "last":
        return keras.layers.Concatenate(name="features")(ends)
    kind = {"mean": MaskedAverage, "max": MaskedMaximum}[pooling]
    return kind(name="features")(x)


def _check(chosen):
    """Refuse what cannot be, before any layer is built."""
    choose("cell of recurrent_classifier", chosen.cell, CELLS)
    choose("pooling of recurrent_classifier", chosen.pooling, POOLINGS)
    counts = {name: getattr(chosen, name) for name in COUNTS}
    check_counts("recurrent_classifier", counts)
