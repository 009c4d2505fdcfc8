"""Rows of the callbacks that move rates, thaw layers and look into a training."""

import numpy as np

from kerasmith import callbacks

SAMPLES = np.random.default_rng(4).normal(size=(5, 3)).astype("float32")

CALLBACKS = {
    # nothing logged: a history log behind this one would have a column more than
    # one before it
    "dropout_schedule": lambda folder, **keywords: callbacks.DropoutSchedule(
        (0.1, 0.3, 3), log=None, **keywords
    ),
    "freeze_schedule": lambda folder, **keywords: callbacks.FreezeSchedule(
        {1: 1}, **keywords
    ),
    "training_monitor": lambda folder, **keywords: callbacks.TrainingMonitor(
        **{"every": 2, "data": SAMPLES, **keywords}
    ),
}

WITHOUT_STATE = {}
