"""What a translator asks of its network, on tokens: in Python and in a SavedModel."""

import math
import numbers

import keras
from keras import ops

from ... import layers
from ..data.vocabulary import Vocabulary
from ..steps import steps_of
from .alignments import align

# what is no text is not said
FORBIDDEN = (Vocabulary.PAD, Vocabulary.UNKNOWN, Vocabulary.START)


class TranslatorNetwork:
    """A network that reads tokens and writes others, with its limits.

    Args:
        model: `keras.Model` of `zoo.seq2seq` or `zoo.transformer`.

    Attributes:
        model: The model.
        limits: Dictionary of the most tokens of `"source"` and `"target"`, `None`
            where any number will do.
        widths: Dictionary of the number of tokens that both embeddings know.

    Raises:
        TypeError: If it is no model.
        ValueError: If it is none that reads a source and writes a target.

    Example:

    >>> from ..transformer import transformer
    >>> small = transformer("transformer_tiny", vocabulary=30, length=(9, 7))
    >>> network = TranslatorNetwork(small)
    >>> network.limits, network.widths
    ({'source': 9, 'target': 7}, {'source': 30, 'target': 30})
    """

    def __init__(self, model):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"Translator needs a keras.Model, received {type(model).__name__}."
            )
        self.steps = steps_of(model)
        self.model = model
        if "logits" not in {layer.name for layer in model.layers}:
            raise ValueError(
                f"{model.name!r} ends in features and says no tokens: build it with "
                "top=True."
            )
        self.limits = {side: _limit(model, side) for side in ("source", "target")}
        source = model.get_layer("source_embedding")
        self.widths = {
            "source": source.input_dim,
            "target": self.steps.embedding.input_dim,
        }

    def fixed(self, side):
        """Give the number of tokens that a side always has, `None` for any."""
        return self.model.get_layer(side).output.shape[1]

    def search(self, source, *, length, width, best, length_penalty):
        """Find the most likely sequences of tokens.

        Args:
            source: int32 tensor `(batch, tokens)`, padded with 0.
            length: Tokens of a sequence at most.
            width: Number of beams; in a graph of TensorFlow it may be a tensor.
            best: Number of sequences, likewise.
            length_penalty: Exponent of the length in the scores.

        Returns:
            `layers.Decoded`.
        """
        step, state = self.steps(source, length, width)
        return layers.beam_search(
            step,
            state,
            ops.full_like(source[:, 0], Vocabulary.START),
            end=Vocabulary.END,
            length=length,
            width=width,
            best=best,
            length_penalty=length_penalty,
            pad=Vocabulary.PAD,
            forbidden=FORBIDDEN,
        )

    def align(self, source, target):
        """Tell how much each token of the target looks at each of the source.

        Args:
            source: int32 tensor `(batch, source tokens)`, padded with 0.
            target: int32 tensor `(batch, target tokens)`, padded with 0.

        Returns:
            float32 tensor `(batch, target tokens, source tokens)`, 0 at padding.
        """
        weights = align(self.steps, source, _seen(target))
        return ops.where(ops.not_equal(target, 0)[..., None], weights, 0.0)

    def log_probability(self, source, target):
        """Tell how likely a target is.

        Args:
            source: int32 tensor `(batch, source tokens)`, padded with 0.
            target: int32 tensor `(batch, target tokens)`, padded with 0.

        Returns:
            float32 tensor `(batch,)`.
        """
        tokens = {"source": source, "target": _seen(target)}
        logits = ops.cast(self.model(tokens, training=False), "float32")
        said = ops.take_along_axis(logits, target[..., None], axis=2)[..., 0]
        surprise = ops.logsumexp(logits, axis=2) - said
        return -ops.sum(ops.where(ops.not_equal(target, 0), surprise, 0.0), axis=1)


def check_whole(name, value, most=None, why=""):
    """Refuse a number that counts nothing, or too much.

    Args:
        name: Its name.
        value: The number received.
        most: The largest that there may be, or `None`.
        why: What sets it, for the message.

    Raises:
        ValueError: If it is not a whole number of 1 or more, or too large.

    Example:

    >>> check_whole("best", 5, 4, "the number of beams")
    Traceback (most recent call last):
    ValueError: Translator needs best to be at most 4, the number of beams, received 5.
    """
    if type(value) is not int or value < 1:
        raise ValueError(
            f"Translator needs {name} to be 1, 2, ..., received {value!r}."
        )
    if most is not None and value > most:
        raise ValueError(
            f"Translator needs {name} to be at most {most}, {why}, received {value}."
        )


def check_penalty(value):
    """Refuse what is no exponent of a length.

    Args:
        value: The number received.

    Raises:
        ValueError: If it is below 0 or no number.

    Example:

    >>> check_penalty(-1)
    Traceback (most recent call last):
    ValueError: Translator needs a length_penalty of 0 or more, received -1.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (real and 0 <= float(value) < math.inf):
        raise ValueError(
            f"Translator needs a length_penalty of 0 or more, received {value!r}."
        )


def _seen(target):
    """Give what stands before each token of a target."""
    start = ops.full_like(target[:, :1], Vocabulary.START)
    return ops.concatenate([start, target[:, :-1]], axis=1)


def _limit(model, side):
    """Give the most tokens that a side may have, as far as there is a limit."""
    sizes = [model.get_layer(side).output.shape[1]]
    for layer in model.layers:
        if layer.name == f"{side}_positions" and layer.kind == "learned":
            sizes.append(layer.max_length)
    return min((size for size in sizes if size is not None), default=None)
