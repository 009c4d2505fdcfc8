"""Rows of the callbacks that end a training with other statistics or weights."""

import numpy as np

from kerasmith import callbacks

X = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")

CALLBACKS = {
    "precise_batch_norm": lambda folder, **keywords: callbacks.PreciseBatchNorm(
        X, **keywords
    ),
    "weight_average": lambda folder, **keywords: callbacks.WeightAverage(
        start=0, data=X, **keywords
    ),
}

WITHOUT_STATE = {"precise_batch_norm": "what it does depends on the final model alone"}
