"""Averages of the weights along a training."""

import warnings

import keras
from keras import ops

from . import batches as batches_
from . import norm_statistics, trial
from .last import Last

MODES = ("swa", "ema")


def is_due(epoch, start, every):
    """Tell whether the weights at the end of an epoch go into the average.

    Args:
        epoch: The epoch, counted from 0.
        start: The first epoch that does.
        every: Epochs from one to the next.

    Returns:
        Boolean.

    Example:

    >>> [epoch for epoch in range(10) if is_due(epoch, 3, 2)]
    [3, 5, 7, 9]
    """
    return epoch >= start and (epoch - start) % every == 0


def share_of_newest(count, mode, momentum):
    """Tell what share the newest weights have in the average.

    Args:
        count: Number of weights in the average, the newest included.
        mode: `"swa"` for equal shares, `"ema"` for exponential ones.
        momentum: Share that stays of the average with `"ema"`.

    Returns:
        Float.

    Example:

    >>> share_of_newest(4, "swa", 0.9), round(share_of_newest(4, "ema", 0.9), 3)
    (0.25, 0.1)
    """
    return 1 / count if mode == "swa" or count == 1 else 1 - momentum


class WeightAverage(keras.callbacks.Callback):
    """End a training with the average of its weights at the ends of epochs.

    Stochastic weight averaging (`"swa"`) takes the equal average over the epochs
    `start`, `start + every`, ...: with a high constant learning rate, or with a
    cyclical one and `every` the epochs of a cycle, whose ends are averaged then. The
    exponential moving average (`"ema"`) forgets the earlier ones:

        average <- momentum average + (1 - momentum) weights

    from epoch to epoch. For one from step to step give the optimizer `use_ema=True`,
    and take `PreciseBatchNorm` with it.

    The statistics of batch norms are computed anew for the averaged weights, see
    `recompute_statistics`. That is done after all other callbacks have ended the
    training, wherever in the list this stands: the average takes the place of the
    weights that they end with (the best ones where one restores these, with exact
    statistics where `PreciseBatchNorm` stands in the list), or with `validation` data
    it is compared with them, and the better stays. The average stays on the device,
    and takes as much memory there as the weights. Weights that never train stay out
    of it.

    Where the training is broken off by an exception, Keras does not tell its
    callbacks: call `apply()`.

    Args:
        start: The first epoch averaged, counted from 0: about three quarters of the
            training.
        every: Epochs from one averaged to the next.
        mode: `"swa"` or `"ema"`.
        momentum: Share of the average that stays with `"ema"`, in [0, 1).
        data: The training data, as `recompute_statistics` takes them. Needed for
            models with batch norms.
        batches: Number of batches to read; `None` for all.
        batch_size: Samples of a batch where the data are arrays: that of the training.
        validation: Data to compare on, as `evaluate` takes them, arrays as `(x, y)`.
        keep: With validation data, `"better"` keeps the weights of the lower loss,
            `"average"` the averaged ones whatever the losses.

    Attributes:
        epochs: The epochs averaged so far, counted from 0.
        kept: `"average"` or `"last"`, `None` before the end.
        losses: Dictionary of the validation losses with the `"last"` weights, those
            that all other callbacks end with, and with the `"average"`, `None`
            without validation data.
        summary: What was found, in a line of text.

    Raises:
        ValueError: If an argument is out of range, or, before the first step, if the
            model has batch norms but there are no data to compute statistics from.
        TypeError: If the data are nothing that gives batches.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.ones((4, 1))
    >>> average = WeightAverage(start=3, validation=(x, x))
    >>> _ = model.fit(x, x, epochs=5, verbose=0, callbacks=[average])
    >>> average.epochs
    [3, 4]
    >>> average.summary
    'validation loss ... with last weights, ... with average weights: kept last weights'

    Reference:
        Izmailov et al., 2018, https://arxiv.org/abs/1803.05407
    """

    def __init__(
        self,
        start,
        *,
        every=1,
        mode="swa",
        momentum=0.9,
        data=None,
        batches=None,
        batch_size=32,
        validation=None,
        keep="better",
    ):
        super().__init__()
        _check(start, every, mode, momentum)
        if data is not None:
            batches_.check(data, batches, "WeightAverage")
        trial.check(validation, keep, ("better", "average"), "WeightAverage")
        self.start, self.every = start, every
        self.mode, self.momentum = mode, momentum
        self.data, self.batches, self.batch_size = data, batches, batch_size
        self.validation, self.keep = validation, keep
        self._reset()

    def _reset(self):
        self.epochs, self.average, self.trained = [], None, set()
        self.kept = self.losses = self.summary = None

    def on_train_begin(self, logs=None):
        if self.data is None and norm_statistics.norms_in(self.model):
            raise ValueError(
                "WeightAverage found batch normalisation in the model, whose "
                "statistics are wrong for averaged weights: pass the training data "
                "as data= to compute them anew."
            )
        self._reset()
        self.last = Last(self)

    def on_epoch_end(self, epoch, logs=None):
        if not is_due(epoch, self.start, self.every):
            return
        if self.epochs and self.average is None:
            raise ValueError(
                f"WeightAverage was told of {len(self.epochs)} epochs averaged before "
                "by set_state, but not of their average: call set_arrays, too."
            )
        self.epochs = [*self.epochs, epoch]
        share = share_of_newest(len(self.epochs), self.mode, self.momentum)
        weights = _averaged(self.model)
        newest = [_wide(weight) for weight in weights]
        # others may train later on: what they were until then counts, too
        self.trained |= {i for i, weight in enumerate(weights) if weight.trainable}
        if self.average is None:
            # a copy: the training step changes its variables in place
            self.average = [ops.copy(value) for value in newest]
        else:
            pairs = zip(self.average, newest, strict=True)
            self.average = [old + share * (new - old) for old, new in pairs]

    def on_train_end(self, logs=None):
        # after the statistics: weights without average are compared at their best
        self.last.run(2, self._finish)

    def _finish(self):
        if self.average is None:
            warnings.warn(
                f"WeightAverage has nothing to average: the training ended before "
                f"epoch start={self.start} did. The weights stay.",
                stacklevel=2,
            )
            return
        kept, losses = trial.attempt(
            self.model,
            self.apply,
            self.model.weights,
            self.validation,
            always=self.keep == "average",
        )
        names = ("last", "average")
        self.kept = names[kept]
        self.losses = losses and dict(zip(names, losses, strict=True))
        self.summary = trial.describe([f"{n} weights" for n in names], kept, losses)

    def apply(self, model=None):
        """Put the average of the weights so far into a model.

        Args:
            model: Model of the same weights; that of the training if `None`.

        Returns:
            Whether there was one.

        Example:

        >>> WeightAverage(start=3).apply()
        False
        """
        if self.average is None:
            return False
        model = model or self.model
        pairs = zip(_averaged(model), self.average, strict=True)
        for place, (weight, value) in enumerate(pairs):
            if place in self.trained:
                # a copy: on JAX the next training takes the buffers it is given
                weight.assign(ops.copy(ops.cast(value, weight.dtype)))
        if self.data is not None and norm_statistics.norms_in(model):
            norm_statistics.recompute(model, self.data, self.batches, self.batch_size)
        return True

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        The average itself is in `get_arrays`.

        Returns:
            Dictionary.

        Example:

        >>> WeightAverage(start=3).get_state()
        {'epochs': [], 'trained': []}
        """
        return {"epochs": list(self.epochs), "trained": sorted(self.trained)}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> WeightAverage(start=3).set_state({"epochs": [3, 4], "trained": [0, 1]})
        """
        self.epochs, self.trained = list(state["epochs"]), set(state["trained"])

    def get_arrays(self):
        """Give the average of the weights.

        Returns:
            List of NumPy arrays in the order of those of the model's weights that
            hold floats, empty before the first epoch averaged.

        Example:

        >>> WeightAverage(start=3).get_arrays()
        []
        """
        return [ops.convert_to_numpy(value) for value in self.average or []]

    def set_arrays(self, arrays):
        """Take over what `get_arrays` gave.

        Args:
            arrays: The list.

        Example:

        >>> average = WeightAverage(start=3)
        >>> average.set_arrays(WeightAverage(start=3).get_arrays())
        """
        self.average = [ops.convert_to_tensor(value) for value in arrays] or None


def _check(start, every, mode, momentum):
    if not isinstance(start, int) or start < 0:
        raise ValueError(
            "WeightAverage needs start, the first epoch to average counted from 0, "
            f"as an integer of 0 or more, received {start!r}."
        )
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"WeightAverage needs every >= 1 epochs, received {every!r}.")
    if mode not in MODES:
        raise ValueError(
            f"WeightAverage has no mode {mode!r}; choose one of {', '.join(MODES)}."
        )
    if not 0 <= momentum < 1:
        raise ValueError(
            f"WeightAverage needs a momentum in [0, 1), received {momentum!r}."
        )


def _averaged(model):
    """Give the weights with an average, in an order that no freezing changes."""
    return [weight for weight in model.weights if "float" in weight.dtype]


def _wide(variable):
    """Give a variable's value, in float32 where it has fewer digits."""
    dtype = keras.backend.result_type(variable.dtype, "float32")
    return ops.cast(ops.convert_to_tensor(variable), dtype)
