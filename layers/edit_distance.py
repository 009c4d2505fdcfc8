"""Error rates of token sequences: edit distance over the length of the truth."""

import keras
from keras import ops

from .sequence_metric import SequenceMetric


class ErrorRate(SequenceMetric):
    """Base of the error rates, which differ in what a token stands for.

    Args:
        keywords: As of `SequenceMetric`.
    """

    def __init__(self, **keywords):
        super().__init__(2, "down", **keywords)

    def counts(self, true, predicted):
        """Count edits and true tokens."""
        return [edit_distances(true, predicted), true.lengths]

    def result(self):
        """Give the errors a true token over everything counted.

        Returns:
            Scalar of at least 0. Without any true token it is infinite, or 0 where
            nothing was predicted either.
        """
        counts = self._counts.rounded()
        errors, length = counts[0], counts[1]
        rate = errors / ops.where(length > 0, length, 1.0)
        empty = ops.where(errors > 0, float("inf"), 0.0)
        return ops.cast(ops.where(length > 0, rate, empty), self.dtype)


@keras.saving.register_keras_serializable("kerasmith")
class WordErrorRate(ErrorRate):
    """Word error rate (WER): words to change, to add or to take away, a true word.

        WER = sum of edit distances / sum of true lengths

    over all batches, where the edit distance (Levenshtein) is the fewest tokens to
    substitute, insert or delete that turn the prediction into the truth. At least 0,
    and above 1 where there is more to take away than there should be.

    Tokens are the metric's words: it computes what `CharacterErrorRate` does, and is
    the word error rate where each word is one token. A sequence ends before its first
    `end` or `pad`. Counts are exact however many there are.

    Args:
        pad: Token behind the end of a sequence, or `None`.
        end: Token that ends a sequence and does not count, or `None`.
        sparse_y_pred: Whether predictions are tokens already. Otherwise the largest of
            the last axis is taken.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If `pad` or `end` is no token.

    Example:

    >>> import numpy as np
    >>> metric = WordErrorRate(end=1)
    >>> metric.update_state(
    ...     np.array([[5, 3, 4, 1], [6, 1, 0, 0]]), np.array([[5, 4, 1], [6, 7, 1]])
    ... )
    >>> float(metric.result())  # one is missing, one is too much, of four
    0.5

    Reference:
        Levenshtein, 1966, Binary Codes Capable of Correcting Deletions, Insertions,
        and Reversals, Soviet Physics Doklady 10
    """

    def __init__(
        self,
        *,
        pad=0,
        end=None,
        sparse_y_pred=True,
        name="word_error_rate",
        dtype=None,
    ):
        super().__init__(
            pad=pad, end=end, sparse_y_pred=sparse_y_pred, name=name, dtype=dtype
        )


@keras.saving.register_keras_serializable("kerasmith")
class CharacterErrorRate(ErrorRate):
    """Character error rate (CER): characters to change, add or take away, a true one.

        CER = sum of edit distances / sum of true lengths

    over all batches, where the edit distance (Levenshtein) is the fewest tokens to
    substitute, insert or delete that turn the prediction into the truth. At least 0,
    and above 1 where there is more to take away than there should be.

    Tokens are the metric's characters: it computes what `WordErrorRate` does, and is
    the character error rate where each character is one token. A sequence ends before
    its first `end` or `pad`. Counts are exact however many there are.

    Args:
        pad: Token behind the end of a sequence, or `None`.
        end: Token that ends a sequence and does not count, or `None`.
        sparse_y_pred: Whether predictions are tokens already. Otherwise the largest of
            the last axis is taken.
        name: Name of the metric.
        dtype: Dtype of the result.

    Raises:
        ValueError: If `pad` or `end` is no token.

    Example:

    >>> import numpy as np
    >>> def tokens(text):
    ...     return np.array([[ord(character) for character in text]])
    >>> metric = CharacterErrorRate()
    >>> metric.update_state(tokens("kitten"), tokens("sitting"))
    >>> float(metric.result())  # three of six
    0.5

    Reference:
        Levenshtein, 1966, Binary Codes Capable of Correcting Deletions, Insertions,
        and Reversals, Soviet Physics Doklady 10
    """

    def __init__(
        self,
        *,
        pad=0,
        end=None,
        sparse_y_pred=True,
        name="character_error_rate",
        dtype=None,
    ):
        super().__init__(
            pad=pad, end=end, sparse_y_pred=sparse_y_pred, name=name, dtype=dtype
        )


def edit_distances(first, second):
    """Give the edit distances of sequences, pair by pair.

    All of an anti-diagonal of the table of distances follows from the two before it, so
    that the loop has no other loop inside; it ends where the longest pair does.

    Args:
        first: `Sequences` of shape `(batch, time)`.
        second: `Sequences` of the same batch; the time may differ.

    Returns:
        int32 tensor of shape `(batch,)`.
    """
    # row i and column j of the table belong to beginnings of i and of j tokens
    tokens, others = _behind_one(first.tokens), _behind_one(second.tokens)
    rows = ops.arange(ops.shape(tokens)[1], dtype="int32")
    last = first.lengths + second.lengths
    end = ops.expand_dims(first.lengths, 1)

    def step(i, state):
        before, previous, found = state
        columns = ops.clip(i - rows, 0, ops.shape(others)[1] - 1)
        same = ops.equal(tokens, ops.take(others, columns, axis=1))
        swapped = ops.roll(before, 1, axis=1) + 1 - ops.cast(same, "int32")
        shifted = ops.minimum(previous, ops.roll(previous, 1, axis=1)) + 1
        edge = ops.logical_or(ops.equal(rows, 0), ops.equal(rows, i))
        now = ops.where(edge, i, ops.minimum(swapped, shifted))
        at_end = ops.squeeze(ops.take_along_axis(now, end, axis=1), axis=1)
        return previous, now, ops.where(ops.equal(last, i), at_end, found)

    zeros = ops.zeros_like(tokens)
    state = zeros, zeros, ops.zeros_like(last)
    return ops.fori_loop(1, ops.max(last, initial=0) + 1, step, state)[2]


def _behind_one(tokens):
    return ops.pad(tokens, ((0, 0), (1, 0)))
