"""Texts of any length as batches of tokens."""

import numpy as np

from .compiling import rounded

CHUNK = 1024  # texts that are encoded together


def encoded(vocabulary, texts, length=None):
    """Turn texts into tokens, with the end token behind each.

    Args:
        vocabulary: `Vocabulary`.
        texts: List of texts.
        length: Tokens at most, or `None`; longer texts are cut, their end is kept.

    Returns:
        List of an int32 array for each.

    Example:

    >>> from kerasmith.zoo.data import Vocabulary
    >>> letters = Vocabulary.learn(["banana"])
    >>> [row.tolist() for row in encoded(letters, ["ban", ""])]
    [[6, 4, 5, 3], [3]]
    """
    rows = []
    for begin in range(0, len(texts), CHUNK):
        chunk = texts[begin : begin + CHUNK]
        ids = vocabulary.encode(chunk, length=length, end=True).numpy()
        rows += [
            row[:count].copy()
            for row, count in zip(ids, (ids != 0).sum(1), strict=True)
        ]
    return rows


def batches(columns, sizes, batch_size, room=None):
    """Go through rows of tokens in batches of similar length.

    Args:
        columns: List of lists of int32 arrays: the sources, say, and the targets.
        sizes: For each column a pair of the fixed number of tokens and the largest,
            `None` where there is none.
        batch_size: Rows of a batch at most.
        room: Function of the number of tokens of the columns that gives the rows that
            there is room for, or `None`.

    Yields:
        The rows' places in the lists, and an int32 array for each column, padded
        with 0. There may be more rows in it than places; they stand behind.

    Example:

    >>> rows = [[np.array([5, 3], "int32"), np.array([3], "int32")]]
    >>> for places, (tokens,) in batches(rows, [(None, None)], 8):
    ...     places, tokens.tolist()
    ([1, 0], [[3, 0], [5, 3]])
    """
    lengths = [tuple(len(row) for row in rows) for rows in zip(*columns, strict=True)]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    while order:
        places = order[:batch_size]
        widths = _widths(lengths, places, sizes)
        if room is not None and len(places) > room(widths):
            places = places[: max(1, room(widths))]
            widths = _widths(lengths, places, sizes)
        order = order[len(places) :]
        rows = rounded(len(places), batch_size)
        # what is there to fill the batch is a row that can be read
        filled = places + [places[0]] * (rows - len(places))
        yield (
            places,
            [
                _padded([column[place] for place in filled], width)
                for column, width in zip(columns, widths, strict=True)
            ],
        )


def _widths(lengths, places, sizes):
    """Give the tokens of each column of a batch."""
    longest = [
        max(column) for column in zip(*(lengths[p] for p in places), strict=True)
    ]
    return tuple(
        fixed or rounded(length, most)
        for length, (fixed, most) in zip(longest, sizes, strict=True)
    )


def _padded(rows, width):
    tokens = np.zeros((len(rows), width), "int32")
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return tokens
