"""Rows of the callbacks that stop a training."""

from kerasmith import callbacks

CALLBACKS = {
    "early_stopping": lambda folder, **keywords: callbacks.EarlyStopping(
        callbacks.Patience(3) | callbacks.TimeBudget(60),
        **{"monitor": "loss", **keywords},
    ),
    "early_stopping_file": lambda folder, **keywords: callbacks.EarlyStopping(
        callbacks.GeneralizationLoss(50) | callbacks.Diverged(100),
        **{"monitor": "loss", "keep": folder / "stopping.weights.h5", **keywords},
    ),
}

WITHOUT_STATE = {}
