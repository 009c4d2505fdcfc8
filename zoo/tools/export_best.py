"""Exporting the best model so far while training goes on."""

import pathlib
import warnings

import keras

from ...callbacks import monitor as monitors
from ...callbacks.keep_best import improves
from .export import ExportMismatch, export


class ExportBest(keras.callbacks.Callback):
    """Export the model after each epoch that improved the metric, checked for parity.

    What stands in the folder is at any moment the whole export of the best epoch so
    far: it is written beside, its answers are compared with the model's in a process
    without Keras, and it is renamed then. Where the comparison fails the earlier
    export stays, training goes on, and a warning says by how much they differ.

    An export takes some seconds. `every` bounds how often there is one.

    Args:
        path: Folder that receives the files, as for `export`.
        monitor: Name of the metric to watch.
        mode: `"max"`, `"min"`, or `"auto"` to tell by the metric's name.
        every: Epochs between two exports at the least. An epoch that is skipped so
            is made up for at the next improvement only.
        **options: `formats`, `labels`, `preprocess` and `samples` of `export`.

    Attributes:
        best: Value of the epoch exported, or `None`.
        best_epoch: That epoch, counted from 0, or `None`.
        files: Dictionary of each format to its path, empty before the first export.

    Raises:
        ValueError: If the direction cannot be told or `every` is below 1; at the first
            export, if an option does not fit.
        KeyError: If the metric is not logged.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    >>> model = keras.Sequential(flat)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("sgd", loss)
    >>> best = ExportBest(tempfile.mkdtemp(), "loss", labels=["a", "b", "c"])
    >>> x, y = np.ones((4, 2, 2, 1)), np.ones(4)
    >>> _ = model.fit(x, y, verbose=0, callbacks=[best])
    >>> best.best_epoch, best.files["saved_model"].name
    (0, 'saved_model')
    """

    def __init__(self, path, monitor="val_loss", *, mode="auto", every=1, **options):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"ExportBest needs every >= 1, received {every!r}.")
        self.path, self.monitor, self.mode = pathlib.Path(path), monitor, mode
        self.every, self.options = every, options
        self.direction = monitors.direction(monitor, mode)
        self._forget()

    def _forget(self):
        self.best, self.best_epoch, self.files = None, None, {}

    def on_train_begin(self, logs=None):
        self._forget()

    def on_epoch_end(self, epoch, logs=None):
        value = monitors.read(self.monitor, logs, "ExportBest")
        last = self.best_epoch
        too_soon = last is not None and epoch - last < self.every
        if too_soon or not improves(value, self.best, self.direction):
            return
        try:
            self.files = export(self.model, self.path, **self.options)
        except ExportMismatch as mismatch:
            warnings.warn(
                f"the model of epoch {epoch + 1} was not exported: {mismatch} What "
                "was exported before stays.",
                stacklevel=2,
            )
            return
        self.best, self.best_epoch = value, epoch

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> ExportBest("exported").get_state()
        {'best': None, 'best_epoch': None, 'files': {}}
        """
        files = {name: str(path) for name, path in self.files.items()}
        return {"best": self.best, "best_epoch": self.best_epoch, "files": files}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> best = ExportBest("exported")
        >>> best.set_state({"best": 0.5, "best_epoch": 3, "files": {}})
        >>> best.best_epoch
        3
        """
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        files = state["files"].items()
        self.files = {name: pathlib.Path(path) for name, path in files}
