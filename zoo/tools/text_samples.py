"""Texts that are handed over: lists of them, their bytes, and some to check with."""

import numpy as np

from ..data.vocabulary import Vocabulary

COUNT = 6  # texts to check with, where none are given
LONGEST = 12  # tokens of these


def listed(texts, what="texts", who="a Translator"):
    """Refuse what is no list of texts.

    Args:
        texts: What was received.
        what: What it is, for messages.
        who: Who takes it, for messages.

    Returns:
        List of `str` or `bytes`.

    Raises:
        TypeError: If it is a single text, or something in it is no text.
        ValueError: If there is none.

    Example:

    >>> listed("one")
    Traceback (most recent call last):
    TypeError: a Translator takes a list of texts, received a single one: write ['one'].
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"{who} takes a list of {what}, received a single one: write "
            f"[{texts[:40]!r}]."
        )
    try:
        texts = list(texts)
    except TypeError:
        raise TypeError(
            f"{who} takes a list of {what}, received {type(texts).__name__}."
        ) from None
    for place, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise TypeError(
                f"{who} takes a list of {what}, received {type(text).__name__} at "
                f"place {place}."
            )
    if not texts:
        raise ValueError(f"{who} needs one of the {what} or more, received none.")
    return texts


def as_bytes(text):
    r"""Give a text in UTF-8.

    Lone surrogates, by which a command line hands on what is no UTF-8, stay what a
    vocabulary does not know.

    Args:
        text: `str` or `bytes`.

    Returns:
        `bytes`.

    Example:

    >>> as_bytes("é"), as_bytes(b"\xff")
    (b'\xc3\xa9', b'\xff')
    """
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def as_text(text):
    r"""Give what can be shown of a text.

    Args:
        text: `str` or `bytes`.

    Returns:
        `str`.

    Example:

    >>> as_text(b"a\xff")
    'a\ufffd'
    """
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def drawn(vocabulary):
    """Make texts of a vocabulary's tokens.

    Args:
        vocabulary: `Vocabulary`.

    Returns:
        List of texts, the same each time.

    Example:

    >>> len(drawn(Vocabulary.learn(["banana"])))
    6
    """
    draw = np.random.default_rng(0)
    rows = [
        draw.integers(Vocabulary.END + 1, len(vocabulary), size)
        for size in draw.integers(1, LONGEST + 1, COUNT)
    ]
    return [vocabulary.decode(row).numpy().decode() for row in rows]
