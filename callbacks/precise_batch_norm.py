"""Batch norms that end a training with exact statistics."""

import warnings

import keras

from . import batches as batches_
from . import norm_statistics, trial
from .last import Last


class PreciseBatchNorm(keras.callbacks.Callback):
    """End a training with exact batch norm statistics for its final weights.

    In place of the running averages, which lag behind the weights, batch norms get
    what these stand for: see `recompute_statistics`. It is done after all other
    callbacks have ended the training, so for the weights that it ends with (the best
    ones where a callback restores them), wherever in the list this stands. Only
    `WeightAverage` comes later: its average brings statistics of its own, and is
    compared with these weights and these statistics. What another callback saves
    before has the running averages: save after `fit`.

    With few batches of data, exact is not always better: with `validation` data both
    are evaluated, and the better stays.

    Where the training is broken off by an exception, Keras does not tell its
    callbacks: call `recompute_statistics`.

    Args:
        data: The training data, as `recompute_statistics` takes them.
        batches: Number of batches to read; `None` for all.
        every: Epochs between two computations during the training, right before the
            validation, so that `val_loss` and all that follows it are those of exact
            statistics. `None` for none.
        batch_size: Samples of a batch where the data are arrays: that of the training.
        validation: Data to compare on, as `evaluate` takes them, arrays as `(x, y)`;
            `fit` does not show its own to callbacks.
        keep: With validation data, `"better"` keeps the statistics of the lower loss,
            `"exact"` the exact ones whatever the losses.

    Attributes:
        kept: `"exact"` or `"moving"`, `None` before the end.
        losses: Dictionary of the validation losses with `"moving"` and with `"exact"`
            statistics, `None` without validation data.
        summary: What was found, in a line of text.

    Raises:
        ValueError: If an argument is out of range, if data without an end come
            without `batches`, or, before the first step, if the model has no batch
            norm that is not frozen.
        TypeError: If the data are none, or can be read only once but must be read
            again.

    Example:

    >>> import numpy as np
    >>> norm = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((1,)), norm])
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[1.0], [3.0], [8.0]])
    >>> precise = PreciseBatchNorm(x, validation=(x, x))
    >>> _ = model.fit(x, x, epochs=1, verbose=0, callbacks=[precise])
    >>> precise.summary
    'validation loss ... with moving statistics, ... with exact statistics: kept ...'

    Reference:
        Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self,
        data,
        batches=None,
        *,
        every=None,
        batch_size=32,
        validation=None,
        keep="better",
    ):
        super().__init__()
        batches_.check(data, batches, "PreciseBatchNorm")
        trial.check(validation, keep, ("better", "exact"), "PreciseBatchNorm")
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(
                "PreciseBatchNorm needs every >= 1 epochs, or None for the end alone, "
                f"received every={every!r}."
            )
        if every is not None and hasattr(data, "__next__"):
            raise TypeError(
                "PreciseBatchNorm reads the data again every few epochs, received a "
                "generator: pass a function that makes one."
            )
        self.data, self.batches, self.batch_size = data, batches, batch_size
        self.every, self.validation, self.keep = every, validation, keep
        self.kept = self.losses = self.summary = self.epoch = None

    def on_train_begin(self, logs=None):
        norm_statistics.require_norms(self.model, "PreciseBatchNorm")
        self.kept = self.losses = self.summary = self.epoch = None
        self.last, self.sums = Last(self), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_test_begin(self, logs=None):
        # the validation of an epoch: outside a training there is none
        if self.epoch is not None and self.every and not (self.epoch + 1) % self.every:
            self._recompute()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = None

    def on_train_end(self, logs=None):
        # after those that restore weights
        self.last.run(1, self._finish)

    def _recompute(self):
        self.sums = norm_statistics.sums_of(self.model, self.sums)
        _, norms = norm_statistics.recompute(
            self.model, self.data, self.batches, self.batch_size, self.sums
        )
        if not norms:
            warnings.warn(
                "PreciseBatchNorm found that the model calls every batch norm with "
                "training=False: their statistics stay.",
                stacklevel=2,
            )

    def _finish(self):
        norms = norm_statistics.norms_in(self.model)
        kept, losses = trial.attempt(
            self.model,
            self._recompute,
            [v for norm in norms for v in norm.non_trainable_variables],
            self.validation,
            always=self.keep == "exact",
        )
        self.sums = None
        names = ("moving", "exact")
        self.kept = names[kept]
        self.losses = losses and dict(zip(names, losses, strict=True))
        self.summary = trial.describe([f"{n} statistics" for n in names], kept, losses)
