"""Rows of the callbacks that keep what a training has reached."""

from kerasmith import callbacks

CALLBACKS = {
    "history_log": lambda folder, **keywords: callbacks.HistoryLog(
        folder / "history.csv", **keywords
    ),
    "keep_best": lambda folder, **keywords: callbacks.KeepBest(
        folder / "best.weights.h5", **{"monitor": "loss", **keywords}
    ),
    "resume": lambda folder, **keywords: callbacks.Resume(
        folder / "states", **keywords
    ),
}

WITHOUT_STATE = {"resume": "its state is what it writes to its folder"}
