"""What networks of sequences share: their lengths, their counts, their logits."""

import dataclasses
from typing import Any, TypedDict

import keras

from .choices import choose

# what every network of sequences takes beside its parts
OPTIONS = ("top", "weights")


class SequencePartKeywords(TypedDict, total=False):
    """The keywords by which networks of sequences take their parts: see `Parts`.

    Example:

    >>> SequencePartKeywords(activation="gelu")
    {'activation': 'gelu'}
    """

    activation: Any
    drop_path: float
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any


def exchange(part, family, keywords, *, without, options):
    """Exchange parts by keyword, and refuse what only networks of images have.

    Args:
        part: The `Parts` of the paper.
        family: Name of the architecture, for messages.
        keywords: Mapping of the parts to exchange.
        without: Parts that have no place in this architecture.
        options: Options of this architecture.

    Returns:
        New `Parts`.

    Raises:
        ValueError: If a keyword is unknown or has no place.

    Example:

    >>> from .parts import Parts
    >>> exchange(Parts(), "gpt", {"stem": 1}, without=(), options=("depth",))
    Traceback (most recent call last):
    ValueError: there is no option of gpt 'stem'; choose one of top, weights, depth, ...
    """
    places = [field.name for field in dataclasses.fields(part)]
    places = [name for name in places if name not in without]
    known = list(dict.fromkeys([*OPTIONS, *options, *places]))
    for name in keywords:
        if name not in without:  # which `override` tells
            choose(f"option of {family}", name, known)
    return part.override(family, keywords, without=without, options=options)


def lengths_of(family, length, *, both=True):
    """Give the lengths of source and target.

    Args:
        family: Name of the architecture, for messages.
        length: Number of tokens, a pair of those of source and target, or `None`.
        both: Whether there are a source and a target.

    Returns:
        Pair of lengths, `None` where any will do.

    Raises:
        ValueError: If a length is none.

    Example:

    >>> lengths_of("transformer", 7), lengths_of("transformer", (9, None))
    ((7, 7), (9, None))
    """
    pair = isinstance(length, tuple | list)
    if pair and not (both and len(length) == 2):
        raise ValueError(
            f"{family} needs one length, or a pair of those of source and target where "
            f"it has both, received length={length!r}."
        )
    lengths = tuple(length) if pair else (length, length)
    for one in lengths:
        check_counts(family, {"length": one})
    return lengths


def check_counts(family, counts):
    """Refuse numbers that count nothing.

    Args:
        family: Name of the architecture, for messages.
        counts: Mapping of names to numbers, `None` where there is none.

    Raises:
        ValueError: If one is not a whole number of 1 or more.

    Example:

    >>> check_counts("seq2seq", {"depth": 0})
    Traceback (most recent call last):
    ValueError: seq2seq needs depth to be 1, 2, ..., received 0.
    """
    for name, value in counts.items():
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(
                f"{family} needs {name} to be 1, 2, ..., received {value!r}."
            )


def mark_logits(x):
    """Name the endpoint of logits, which are float32.

    Args:
        x: Symbolic tensor.

    Returns:
        The same tensor, as the output of a layer.

    Example:

    >>> mark_logits(keras.Input((None, 7))).shape
    (None, None, 7)
    """
    return keras.layers.Identity(name="logits", dtype="float32")(x)
