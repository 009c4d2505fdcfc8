"""Stopping before the training overfits, and ending with its best weights."""

import logging
import sys
import time
import warnings

import keras

from . import monitor as monitors
from .best_weights import InFile, OnDevice
from .expected_metrics import refuse_unlogged
from .interruption import Interruption
from .keep_best import improves
from .stopping import Criterion, Curves, training_name


class EarlyStopping(keras.callbacks.Callback):
    """Stop when a criterion says so, and end with the best weights.

    The best weights are those of the first epoch with the best value of the metric
    watched, batch-norm statistics with them; the optimizer's state and the random
    generators stay where they are. The model ends with them however training ended:
    stopped, all epochs used up, stopped by another callback, or by Ctrl-C, which is
    held back until the step is over (a second one acts at once). Where an error ends
    it, Keras tells its callbacks nothing: call `fit` inside `with stopping:`, or call
    `stopping.restore()` afterwards.

    Args:
        criterion: When to stop, such as `Patience(10)`; combine several by `|` and
            `&`.
        monitor: Name of the metric to watch, logged after every epoch.
        mode: `"max"`, `"min"`, or `"auto"` to tell by the metric's name.
        restore_best_weights: Whether to end with them. `False` keeps no copy.
        keep: Where they wait: `"device"`, or the path of a `.weights.h5` file, which
            takes no memory and survives the process.
        verbose: 1 to write why and when the training ended; the logger `kerasmith`
            is told it in any case, at level INFO.

    Attributes:
        best: Best value so far, or `None`.
        best_epoch: The epoch it was reached in, counted from 0, or `None`.
        best_steps: Batches trained up to that epoch's end; `None` where the number of
            batches an epoch is not known.
        stopped_epoch: The epoch after which the criterion said stop, or `None`.
        reason: What it said, or `None`.
        curves: The `Curves` of the training so far.

    Raises:
        ValueError: If the criterion cannot judge the metric, or the direction cannot
            be told.
        KeyError: If a metric is not logged: one of the validation data before the
            first step, where `fit` has none.

    Example:

    >>> import numpy as np
    >>> from kerasmith.callbacks import Patience, TimeBudget
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> stopping = EarlyStopping(Patience(5) | TimeBudget(60), "loss")
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> with stopping:
    ...     _ = model.fit(x, y, epochs=3, verbose=0, callbacks=[stopping])
    >>> stopping.best_epoch, stopping.reason
    (2, None)
    """

    def __init__(
        self,
        criterion,
        monitor="val_loss",
        *,
        mode="auto",
        restore_best_weights=True,
        keep="device",
        verbose=0,
    ):
        super().__init__()
        if not isinstance(criterion, Criterion):
            raise TypeError(
                f"EarlyStopping needs a criterion such as Patience(10), received "
                f"{criterion!r}."
            )
        self.criterion, self.monitor, self.mode = criterion, monitor, mode
        self.restore_best_weights, self.keep = restore_best_weights, keep
        self.verbose = verbose
        self.direction = monitors.direction(monitor, mode)
        criterion.check(monitor, self.direction)
        named = keep == "device"
        self.weights = OnDevice() if named else InFile(keep, "EarlyStopping(keep=...)")
        self.interruption = Interruption(self)
        self._reset()

    def _reset(self):
        self.best = self.best_epoch = self.best_steps = None
        self.stopped_epoch = self.reason = None
        self.epochs, self.metrics, self.seconds = [], {}, 0.0
        self.under_way = self.restored = False
        self.weights.forget()

    @property
    def curves(self):
        """The `Curves` of the training so far."""
        minutes = self.seconds / 60
        return Curves(self.metrics, self.monitor, self.direction, minutes)

    def on_train_begin(self, logs=None):
        self._reset()
        refuse_unlogged(self._watched(), self)
        self.under_way, self.clock = True, time.perf_counter()
        self.interruption.__enter__()

    def on_epoch_begin(self, epoch, logs=None):
        self._heed_interruption()

    def on_train_batch_begin(self, batch, logs=None):
        self._heed_interruption()

    def on_test_batch_begin(self, batch, logs=None):
        self._heed_interruption()

    def _heed_interruption(self):
        if self.interruption.asked:
            self._end()
            self.interruption.go_on()

    def on_epoch_end(self, epoch, logs=None):
        try:
            self._record(epoch, logs)
            self._keep(epoch)
            reason = self.criterion.stop(self.curves)
        except ValueError:  # of a metric that turned out to be none for the criterion
            self._end()
            raise
        if reason:
            self.reason, self.stopped_epoch = reason, epoch
            self.model.stop_training = True

    def _watched(self):
        return sorted({self.monitor, *self.criterion.metrics(self.monitor)})

    def _record(self, epoch, logs):
        values = {n: monitors.read(n, logs, "EarlyStopping") for n in self._watched()}
        beside = training_name(self.monitor)  # for the picture, where there is one
        if beside and beside in (logs or {}):
            values[beside] = float(logs[beside])
        for name, value in values.items():
            self.metrics.setdefault(name, []).append(value)
        self.epochs.append(epoch)
        now = time.perf_counter()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def _keep(self, epoch):
        value = self.metrics[self.monitor][-1]
        if not improves(value, self.best, self.direction):
            return
        if self.restore_best_weights:
            self.weights.keep(self.model)
        self.best, self.best_epoch = value, epoch
        steps = (self.params or {}).get("steps")
        self.best_steps = steps and steps * len(self.epochs)

    def on_train_end(self, logs=None):
        self._end()
        if self.interruption.asked:
            self.interruption.go_on()
        self.interruption.__exit__()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.under_way:  # fit raised: it told its callbacks nothing
            self._end()
        self.interruption.__exit__()

    def _end(self):
        """End with the best weights, and tell why the training ended."""
        self.under_way = False
        self.restored = self.restore_best_weights and self.restore()
        if self.best_epoch is not None and self.restored < self.restore_best_weights:
            warnings.warn(
                f"EarlyStopping has no weights of the best epoch {self.best_epoch + 1} "
                "to end with: the resumed state was without them. Resume with "
                "kerasmith.callbacks.Resume, or keep them in a file.",
                stacklevel=2,
            )
        tell(describe_end(self, self.restored), self.verbose)

    def restore(self, model=None):
        """Give the model the best weights.

        Args:
            model: Model that takes them; that of the training if `None`.

        Returns:
            Whether there were any.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> EarlyStopping(Patience(5)).restore()
        False
        """
        if self.best_epoch is None or not self.restore_best_weights:
            return False
        # on JAX `self.model` also gives a model that was broken off its variables back
        return self.weights.put_back(model or self.model)

    def plot(self, path=None):
        """Draw the curves, with the measures of Prechelt and the decision.

        Args:
            path: Where to write the picture too, if anywhere; its suffix names the
                format.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: If there was no epoch yet.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> stopping = EarlyStopping(Patience(5))
        >>> stopping.set_state(
        ...     {"metrics": {"val_loss": [0.5, 0.3, 0.4]}, "epochs": [0, 1, 2]}
        ... )
        >>> [axes.get_ylabel() for axes in stopping.plot().axes]
        ['loss', 'GL in %', 'UP']
        """
        from .stopping_picture import draw

        return draw(self, path)

    def findings(self):
        """Say how the training ended.

        Returns:
            List of one sentence.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> EarlyStopping(Patience(5)).findings()
        ['Ended before the first epoch was over.']
        """
        return [describe_end(self, self.restored)]

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary; the weights are given by `get_arrays`.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> EarlyStopping(Patience(5)).get_state()["metrics"]
        {}
        """
        names = ("best", "best_epoch", "best_steps", "stopped_epoch", "reason")
        return {
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "epochs": list(self.epochs),
            "seconds": self.seconds,
            **{name: getattr(self, name) for name in names},
        }

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> stopping = EarlyStopping(Patience(5))
        >>> stopping.set_state(EarlyStopping(Patience(5)).get_state())
        """
        self.metrics = {name: list(v) for name, v in state["metrics"].items()}
        self.epochs = list(state["epochs"])
        self.seconds, self.clock = state.get("seconds", 0.0), time.perf_counter()
        for name in ("best", "best_epoch", "best_steps", "stopped_epoch", "reason"):
            setattr(self, name, state.get(name))

    def get_arrays(self):
        """Give the best weights, for who saves the state of an interrupted run.

        Returns:
            List of NumPy arrays; empty if there are none, or they are in a file.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> EarlyStopping(Patience(5)).get_arrays()
        []
        """
        return self.weights.get_arrays()

    def set_arrays(self, arrays):
        """Take over what `get_arrays` gave.

        Args:
            arrays: List of NumPy arrays.

        Example:

        >>> from kerasmith.callbacks import Patience
        >>> EarlyStopping(Patience(5)).set_arrays([])
        """
        self.weights.set_arrays(arrays)


def describe_end(stopping, restored):
    """Word how a training ended.

    Args:
        stopping: The `EarlyStopping`.
        restored: Whether the model has its best weights.

    Returns:
        A line of text; epochs are counted from 1, as on the progress bar.

    Example:

    >>> from kerasmith.callbacks import Patience
    >>> stopping = EarlyStopping(Patience(5))
    >>> stopping.best, stopping.best_epoch, stopping.epochs = 0.25, 3, range(9)
    >>> describe_end(stopping, True)
    'Epoch 9: ended unstopped; best val_loss 0.25 in epoch 4, whose weights are back.'
    """
    if not stopping.epochs:
        return "Ended before the first epoch was over."
    why = f"stopped early: {stopping.reason}" if stopping.reason else "ended unstopped"
    found = f"no finite {stopping.monitor}"
    if stopping.best_epoch is not None:
        found = f"best {stopping.monitor} {stopping.best:.5g} "
        found += f"in epoch {stopping.best_epoch + 1}"
    back = ", whose weights are back" if restored else ""
    return f"Epoch {stopping.epochs[-1] + 1}: {why}; {found}{back}."


def tell(line, verbose):
    """Log a line, and write it where Keras writes its own if that is wanted.

    Args:
        line: The text.
        verbose: Whether to write it, too.

    Example:

    >>> tell("stopped", verbose=1)
    stopped
    """
    logging.getLogger("kerasmith").info(line)
    if verbose and keras.config.is_interactive_logging_enabled():
        sys.stdout.write(line + "\n")
