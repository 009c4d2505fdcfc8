"""The metrics of every epoch in a file."""

import csv
import io
import pathlib
import time

import keras
from keras import ops

from .files import write_text


def to_csv(rows):
    """Write rows as comma-separated values, with a column for every key met.

    Args:
        rows: List of dictionaries.

    Returns:
        The text; a value that a row lacks stays empty.

    Example:

    >>> to_csv([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "val_loss": 0.4}])
    'epoch,loss,val_loss\\n1,0.5,\\n2,,0.4\\n'
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class HistoryLog(keras.callbacks.Callback):
    """Write every epoch's metrics, learning rate and seconds to a CSV file.

    The file is whole at any moment: it is written beside and renamed. Epochs are
    counted from 1, as on the progress bar.

    Args:
        path: The file.

    Attributes:
        rows: One dictionary an epoch.

    Example:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> log = HistoryLog(tempfile.mkdtemp() + "/history.csv")
    >>> x, y = np.ones((4, 2)), np.ones((4, 1))
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[log])
    >>> log.path.read_text().splitlines()[0]
    'epoch,loss,learning_rate,seconds'
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        self.rows, self.newest = [], None

    def on_train_begin(self, logs=None):
        self.rows, self.newest = [], None

    def on_epoch_begin(self, epoch, logs=None):
        self._complete()
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        seconds = round(time.perf_counter() - self.began, 3)
        self.newest = epoch, logs or {}, rate, seconds
        self.rows = [*self.rows, {}]
        self._complete()

    def on_train_end(self, logs=None):
        self._complete()

    def _complete(self):
        """Write the newest row, with what callbacks behind this one have logged."""
        if self.newest is None:
            return
        epoch, logs, rate, seconds = self.newest
        values = {name: float(logs[name]) for name in sorted(logs)}
        # where a callback has logged the rate already, its word counts
        last = {"learning_rate": values.pop("learning_rate", rate), "seconds": seconds}
        row = {"epoch": epoch + 1, **values, **last}
        if row != self.rows[-1]:
            self.rows = [*self.rows[:-1], row]
            write_text(self.path, to_csv(self.rows))

    def get_state(self):
        """Give what an interrupted run must remember, ready for JSON.

        Returns:
            Dictionary.

        Example:

        >>> HistoryLog("history.csv").get_state()
        {'rows': []}
        """
        self._complete()
        return {"rows": self.rows}

    def set_state(self, state):
        """Take over what `get_state` gave.

        Args:
            state: The dictionary.

        Example:

        >>> HistoryLog("history.csv").set_state({"rows": [{"epoch": 1}]})
        """
        self.rows, self.newest = list(state["rows"]), None
