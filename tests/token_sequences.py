"""Sequences of tokens written as arrays, and as texts for those who take texts."""

import keras
import numpy as np

PAD, END = 0, 1


def number(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


def drawn(draw, longest, vocabulary=4, shortest=0):
    """Draw a sequence of tokens that are neither padding nor end."""
    return draw.integers(2, 2 + vocabulary, draw.integers(shortest, longest + 1))


def written(sequences, width, seed=0):
    """Write sequences into rows, each with an end token, and anything behind it.

    `None` is written as padding alone.
    """
    rows = np.random.default_rng(seed).integers(0, 5, (len(sequences), width))
    for row, tokens in zip(rows, sequences, strict=True):
        if tokens is None:
            row[:] = PAD
            continue
        row[: len(tokens)] = tokens
        row[len(tokens) : len(tokens) + 1] = END
    return rows


def text(tokens):
    return None if tokens is None else " ".join(map(str, tokens))


def many(build, count):
    """Build a metric that has counted as much of everything already."""
    metric = build()
    high, low, _ = metric.variables
    high.assign(np.full(high.shape, count // 2**24, "int32"))
    low.assign(np.full(low.shape, count % 2**24, "int32"))
    return metric
