"""What metrics of token sequences share: where a sequence ends, and exact counts."""

from typing import Any, NamedTuple

import keras
from keras import ops

from . import targets
from .exact_counts import ExactCounts


class Sequences(NamedTuple):
    """A batch of sequences of tokens.

    Args:
        tokens: int32 tensor of shape `(batch, time)`.
        inside: Boolean tensor of shape `(batch, time)`, true up to a sequence's end.
        lengths: int32 tensor of shape `(batch,)`.
        there: Boolean tensor of shape `(batch,)`: whether anything stands there but
            padding. An end token alone is an empty sequence, padding alone is none.
    """

    tokens: Any
    inside: Any
    lengths: Any
    there: Any


class SequenceMetric(keras.metrics.Metric):
    """Base of metrics that compare sequences of tokens up to their ends.

    Args:
        size: How many counts the metric sums over all sequences.
        direction: `"up"` where more is better, or `"down"`.
        pad: Token behind the end of a sequence, or `None`.
        end: Token that ends a sequence and does not count, or `None`.
        sparse_y_pred: Whether predictions are tokens already.
        keywords: `name` and `dtype`.
    """

    # whether there may be several true sequences for each predicted one
    several = False

    def __init__(self, size, direction, *, pad, end, sparse_y_pred, **keywords):
        super().__init__(**keywords)
        for name, token in (("pad", pad), ("end", end)):
            if token is not None and type(token) is not int:
                raise ValueError(
                    f"{type(self).__name__} needs the number of a token or None as "
                    f"{name}, received {name}={token!r}."
                )
        self.pad = pad
        self.end = end
        self.sparse_y_pred = sparse_y_pred
        self._direction = direction  # by which keras-tuner knows what is better
        self._counts = ExactCounts(self, size)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: Tokens `(batch, time)`; for `BLEU` also several references for
                each sequence, `(batch, references, time)`.
            y_pred: Tokens `(batch, time)`, or without `sparse_y_pred` logits
                `(batch, time, vocabulary)`. The two times may differ. Where there is
                a mask, a sequence ends before its first masked position.
            sample_weight: Weights `(batch,)`: how many times each sequence counts.

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        y_pred, mask = targets.unmasked(y_pred)
        self._check(y_true, y_pred)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=-1)
        predicted = self._ended(y_pred, mask)
        several = len(y_true.shape) == 3
        true = [y_true[:, i] for i in range(y_true.shape[1])] if several else [y_true]
        true = [self._ended(tokens) for tokens in true]
        each = self.counts(true if self.several else true[0], predicted)
        if sample_weight is not None:
            sample_weight = targets.spread_weights(
                type(self).__name__,
                ops.convert_to_tensor(sample_weight),
                predicted.lengths,
            )
        self._counts.add(ops.stack(each, axis=1), sample_weight)

    def counts(self, true, predicted):
        """Count each sample: `size` int32 tensors of shape `(batch,)`."""
        raise NotImplementedError

    def _ended(self, tokens, mask=None):
        """Find out where sequences end."""
        tokens = ops.cast(tokens, "int32")
        stops = ops.zeros_like(tokens)
        for token in {self.pad, self.end} - {None}:
            stops = ops.maximum(stops, ops.cast(ops.equal(tokens, token), "int32"))
        if mask is not None:
            masked = 1 - ops.cast(mask, "int32")
            stops = ops.maximum(stops, targets.spread(masked, tokens))
        inside = ops.equal(ops.cumsum(stops, axis=1), 0)
        lengths = ops.sum(ops.cast(inside, "int32"), axis=1)
        if self.pad is None:
            there = ops.ones_like(lengths, dtype="bool")
        else:
            there = ops.any(ops.not_equal(tokens, self.pad), axis=1)
        return Sequences(tokens, inside, lengths, there)

    def _check(self, y_true, y_pred):
        """Refuse shapes that do not fit, as far as they are known."""
        owner = type(self).__name__
        true, predicted = (
            _shape(owner, "y_true", y_true),
            _shape(owner, "y_pred", y_pred),
        )
        if len(predicted) != (2 if self.sparse_y_pred else 3):
            needed = "tokens of shape (batch, time)"
            if not self.sparse_y_pred:
                needed = "logits of shape (batch, time, vocabulary)"
            raise ValueError(
                f"{owner} with sparse_y_pred={self.sparse_y_pred} needs {needed}, "
                f"received y_pred of shape {predicted}. sparse_y_pred tells whether "
                "predictions are tokens already."
            )
        if len(true) != 2 and not (self.several and len(true) == 3):
            several = " or (batch, references, time)" if self.several else ""
            raise ValueError(
                f"{owner} needs true tokens of shape (batch, time){several}, received "
                f"y_true of shape {true}."
            )
        if len(true) == 3 and not true[1]:
            raise ValueError(
                f"{owner} needs a known number of references, at least 1, received "
                f"y_true of shape {true}. Give all sequences as many, those of padding "
                "alone are left out, and set the shape, as with tf.ensure_shape."
            )
        if not targets.fits(true[:1], predicted[:1]):
            raise ValueError(
                f"{owner} needs as many true sequences as predicted ones, received "
                f"y_true of shape {true} and y_pred of shape {predicted}."
            )

    def get_config(self):
        return {
            **super().get_config(),
            "pad": self.pad,
            "end": self.end,
            "sparse_y_pred": self.sparse_y_pred,
        }


def _shape(owner, name, tensor):
    if getattr(tensor.shape, "rank", 0) is None:
        raise ValueError(
            f"{owner} received {name} without any shape: set it in the dataset, as "
            "with tf.ensure_shape."
        )
    return tuple(tensor.shape)
