"""One learning rate, composed of a base, a warm-up, a plateau and a person's word."""

import math
import pathlib
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from . import monitor as monitors
from . import rate_hook, rates
from .plateau import Memory
from .rate_checks import check, read_rate, refuse_other_owners, refuse_python


class LearningRate(keras.callbacks.Callback):
    """Steer the learning rate, in one place and for each update.

    The rate of an update is `base * warm-up * plateau factor`, or the number in
    `file`, where a person has written one. By `"step"` it is computed inside the
    compiled step from the optimizer's count of updates, so that it is exact with
    `steps_per_execution`, too; micro-steps of a gradient accumulation are no updates.
    By `"epoch"` it stays the same for an epoch. The rate of an epoch's last update is
    logged as `learning_rate`. After training, the optimizer has the rate or schedule
    it came with; a model saved meanwhile has the rate that was reached, and is a
    plain Keras model.

    Args:
        base: A number; the name of a decay over the whole training (see
            `kerasmith.callbacks.rates.decay`); a Keras `LearningRateSchedule`; a
            function of the step (a float32 tensor) or of the epoch (an integer), both
            counted from 0 and from the end of the warm-up; or `None` for the
            optimizer's own rate or schedule.
        peak: Highest rate of a decay given by name; the optimizer's own if `None`.
        warmup: Steps (or epochs) of a straight rise to the base's first value, or
            a share of the training in (0, 1).
        epochs: Length of a decay given by name; all of the training if `None`.
        plateau: A `Plateau`, or `None`.
        by: `"step"` or `"epoch"`: what a base and a warm-up count.
        file: Text file with a number that overrides the rate. It is read anew at the
            beginning of each epoch and where an interrupted training goes on; a
            missing or empty one overrides nothing.

    Attributes:
        factor: The product of the plateau's factors so far.
        memory: The plateau's `Memory`.

    Raises:
        ValueError: If an argument is out of its range, or if another callback of the
            training sets the rate, too; the latter before the first step.
        TypeError: If the base is none of those.
        KeyError: If the plateau's metric is not logged.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> rate = LearningRate("cosine", peak=0.1, warmup=2)
    >>> fit = {"batch_size": 2, "epochs": 3, "verbose": 0, "callbacks": [rate]}
    >>> history = model.fit(np.ones((8, 2)), np.ones((8, 1)), **fit).history
    >>> [round(rate, 4) for rate in history["learning_rate"]]
    [0.0976, 0.05, 0.0024]

    Reference:
        Goyal et al., 2017, https://arxiv.org/abs/1706.02677 (warm-up)
    """

    curve: Any  # a function while there is a training

    def __init__(
        self,
        base=None,
        *,
        peak=None,
        warmup=0,
        epochs=None,
        plateau=None,
        by="step",
        file=None,
    ):
        super().__init__()
        check(base, peak, warmup, epochs, plateau, by)
        self.base, self.peak, self.warmup, self.epochs = base, peak, warmup, epochs
        self.plateau, self.by = plateau, by
        self.file = pathlib.Path(file) if file is not None else None
        self.training = False
        self._reset()

    def _reset(self):
        self.start = self.epoch = self.curve = None
        self.factor, self.memory, self.override = 1.0, Memory(), None
        self.rate, self.returning = None, False
        self.best_weights = []
        self.warned = set()

    def set_model(self, model):
        super().set_model(model)
        self.training = False
        rate_hook.release(model)  # one that a broken-off training has left
        # Now, that it is the same in a resumed run: its own variables are put back
        # where training begins
        self.own = rate_hook.own_rate(model.optimizer)

    def on_train_begin(self, logs=None):
        self._reset()
        refuse_other_owners(LearningRate)
        minimum = self.plateau.minimum if self.plateau else 0.0
        self.hook = rate_hook.RateHook(self.own, minimum=minimum)
        self._compose()
        rate_hook.take(self.model, self.hook)
        self.training = True

    def _compose(self):
        """Put base and warm-up together, now that the length of training is known."""
        self.micro_steps = rate_hook.micro_steps(self.model.optimizer)
        length: Any = rates.training_length(
            self.by, self.epochs, self.params, self.micro_steps
        )
        needs_length = isinstance(self.base, str) or isinstance(self.warmup, float)
        if needs_length and length is None:
            raise ValueError(
                "LearningRate cannot tell how many steps the training has, as its data "
                "does not: pass steps_per_epoch to fit(), or take by='epoch'."
            )
        warmup = self.warmup
        if isinstance(warmup, float):
            warmup = round(warmup * length)
        base = self.base
        if base is None:
            number = isinstance(self.own, float)
            base = rates.constant(self.own) if number else self.hook.own_now
        elif isinstance(base, str):
            base = rates.decay(base, self._peak(), rates.decay_length(length, warmup))
        elif not callable(base):
            base = rates.constant(base)
        self.curve = lambda position: rates.warmed_up(base, warmup, position)
        if self.by == "step":
            refuse_python(self.base)
            self.hook.curve = self.curve

    def _peak(self):
        peak = self.own if self.peak is None else self.peak
        if not isinstance(peak, (int, float)):
            raise ValueError(
                f"LearningRate({self.base!r}) needs a peak: the optimizer has a "
                "schedule and no rate of its own to begin with."
            )
        return float(peak)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.start is None:
            self.start = self.hook.updates() - rates.updates_before(
                epoch, self.params, self.micro_steps
            )
        elif self.rate is not None and self.rate != self._rate_now():
            self._warn_once(
                "another callback has set the learning rate, too: it is overwritten. "
                "Give LearningRate the say alone, or leave it out."
            )
        self._read_file()
        self._return_to_best()
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        self.rate = self._rate_now()
        if logs is not None:
            logs["learning_rate"] = self.rate
        if self.plateau is None:
            return
        value = monitors.read(self.plateau.monitor, logs, "LearningRate")
        can_fall = self.rate > np.float32(self.plateau.minimum)
        self.memory, best, fall = self.plateau.judge(self.memory, value, can_fall)
        if fall:
            self.factor *= self.plateau.factor
        if self.plateau.return_to_best:
            if best:
                self.best_weights = [copied(w) for w in self.model.weights]
            # Not now: callbacks behind this one would see other weights than those
            # before it.
            self.returning = fall and bool(self.best_weights)

    def on_train_end(self, logs=None):
        self.training = False
        rate_hook.release(self.model)

    def _rate_now(self):
        return float(ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _read_file(self):
        try:
            self.override = read_rate(self.file) if self.file else None
        except ValueError as problem:  # half-typed perhaps: what was in force stays
            self._warn_once(str(problem))

    def _warn_once(self, text):
        if text not in self.warned:
            self.warned = self.warned | {text}
            warnings.warn(text, stacklevel=3)

    def _return_to_best(self):
        if self.returning and self.best_weights:
            for weight, best in zip(self.model.weights, self.best_weights, strict=True):
                weight.assign(copied(best))
            self.returning = False

    def _write(self):
        """Hand the hook what it needs for the steps to come."""
        _ = self.model  # on JAX, this brings the variables up to date
        hook = self.hook
        hook.start.assign(self.start)
        hook.factor.assign(self.factor)
        hook.override.assign(-1.0 if self.override is None else self.override)
        if self.by == "epoch":
            hook.level.assign(as_float(self.curve(self.epoch)))
        rate = as_float(hook.rate())
        if not 0 <= rate < math.inf:
            raise ValueError(
                f"LearningRate would give epoch {self.epoch} the rate {rate}; it needs "
                f"one that is finite and not negative. It comes of {self.base!r}."
            )
        hook.show()

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary; the best weights are apart, in `get_arrays`.

        Example:

        >>> LearningRate(0.1).get_state()["factor"]
        1.0
        """
        names = ("start", "factor", "override", "returning")
        state = {name: getattr(self, name) for name in names}
        return {**state, "memory": list(self.memory)}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> rate = LearningRate(0.1)
        >>> rate.set_state({**rate.get_state(), "factor": 0.5})
        >>> rate.factor
        0.5
        """
        self.memory = Memory(*state["memory"])
        for name in state.keys() - {"memory"}:
            setattr(self, name, state[name])
        self.rate = None  # that of the optimizer may be of the middle of an epoch
        self._take_over()

    def get_arrays(self):
        """Give the best weights, if they are to be returned to.

        Returns:
            List of NumPy arrays.

        Example:

        >>> LearningRate(0.1).get_arrays()
        []
        """
        return [ops.convert_to_numpy(weight) for weight in self.best_weights]

    def set_arrays(self, arrays):
        """Take over what `get_arrays` gave.

        Args:
            arrays: List of NumPy arrays.

        Example:

        >>> LearningRate(0.1).set_arrays([])
        """
        self.best_weights = list(arrays)
        self._take_over()

    def _take_over(self):
        """Put a state into force that came after this callback's epoch had begun."""
        if self.training and self.epoch is not None:
            self._read_file()
            self._return_to_best()
            self._write()


def as_float(value):
    """Bring a number or a tensor to Python.

    Args:
        value: A number or a scalar tensor.

    Returns:
        A float.

    Example:

    >>> as_float(ops.ones(()))
    1.0
    """
    return float(
        value if isinstance(value, (int, float)) else ops.convert_to_numpy(value)
    )


def copied(value):
    """Copy on the device; a compiled step may take over what a variable holds.

    Args:
        value: A variable, a tensor or an array.

    Returns:
        Tensor.

    Example:

    >>> copied(keras.Variable([1.0])).shape == (1,)
    True
    """
    return ops.copy(ops.convert_to_tensor(value))
