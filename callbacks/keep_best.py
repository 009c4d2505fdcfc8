"""Ending with the best weights of the run."""

import math

import keras

from . import monitor as monitors
from .best_weights import InFile


def improves(value, best, direction):
    """Tell whether a value is strictly better than the best so far.

    Args:
        value: The new value; one that is not finite never improves.
        best: The best so far, or `None`.
        direction: 1 if larger is better, -1 if smaller is.

    Returns:
        Boolean.

    Example:

    >>> improves(0.3, 0.4, -1), improves(0.4, 0.4, -1), improves(math.nan, None, 1)
    (True, False, False)
    """
    if not math.isfinite(value):
        return False
    return best is None or (value - best) * direction > 0


class KeepBest(keras.callbacks.Callback):
    """Write the best weights to a file, and end the training with them.

    The file is written beside and renamed whenever an epoch improved the metric, so
    that the best weights survive a process killed at any moment. Where training is
    broken off by an exception, Keras does not tell its callbacks: call `restore()`.

    Args:
        path: The file, ending in `.weights.h5`.
        monitor: Name of the metric to watch.
        mode: `"max"`, `"min"`, or `"auto"` to tell by the metric's name.

    Attributes:
        best: Best value so far, or `None`.
        best_epoch: The epoch it was reached in, counted from 0, or `None`.

    Raises:
        ValueError: If the path ends otherwise, or the direction cannot be told.
        KeyError: If the metric is not logged.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> best = KeepBest(tempfile.mkdtemp() + "/best.weights.h5", "loss")
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[best])
    >>> best.best_epoch
    1
    """

    def __init__(self, path, monitor="val_loss", *, mode="auto"):
        super().__init__()
        self.file = InFile(path, "KeepBest")
        self.path = self.file.path
        self.monitor, self.mode = monitor, mode
        self.direction = monitors.direction(monitor, mode)
        self.best = self.best_epoch = None

    def on_train_begin(self, logs=None):
        self.best = self.best_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        value = monitors.read(self.monitor, logs, "KeepBest")
        if improves(value, self.best, self.direction):
            self.file.keep(self.model)
            self.best, self.best_epoch = value, epoch

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self, model=None):
        """Load the best weights.

        Args:
            model: Model to load them into; that of the training if `None`.

        Returns:
            Whether there were any.

        Example:

        >>> KeepBest("best.weights.h5").restore()
        False
        """
        if self.best_epoch is None:
            return False
        return self.file.put_back(model or self.model)

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> KeepBest("best.weights.h5").get_state()
        {'best': None, 'best_epoch': None}
        """
        return {"best": self.best, "best_epoch": self.best_epoch}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> KeepBest("best.weights.h5").set_state({"best": 0.5, "best_epoch": 3})
        """
        self.best, self.best_epoch = state["best"], state["best_epoch"]
