"""Rows of the callbacks that check whether a training goes well."""

import numpy as np

from kerasmith import callbacks

X = np.random.default_rng(4).normal(size=(5, 3)).astype("float32")
DATA = {name: (X + shift, X[:, :1]) for shift, name in enumerate(("a", "b", "c"))}

CALLBACKS = {
    "bias_variance": lambda folder, **keywords: callbacks.BiasVariance(
        DATA["a"], DATA["b"], DATA["c"], **{"monitor": "loss", **keywords}
    ),
}
