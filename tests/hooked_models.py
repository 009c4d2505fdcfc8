"""Small trainings that tests of gradients and their hooks share."""

import math

import keras
import numpy as np
from keras import ops

from kerasmith.callbacks import optimizer_hooks as hooks

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X @ np.array([[1], [-2], [0.5]], "float32")
# rows of an embedding; the first comes several times in every batch
TOKENS = np.random.default_rng(1).integers(0, 9, size=(16, 3)) * [1, 0, 1]


class Probe(hooks.OptimizerHook):
    """Multiplies the gradients, and measures what it sees."""

    def __init__(self, factor=None, order=0):
        self.factor, self.order = factor, order

    def attach(self, optimizer):
        def add(name):
            return optimizer.add_variable(
                (), "zeros", "float32", "only_first_replica", name=name
            )

        self.norm, self.seen, self.changed = map(add, ("norm", "seen", "changed"))

    def transform(self, gradients, variables):
        squares = [ops.sum(ops.square(gradient)) for gradient in gradients]
        self.norm.assign(ops.sqrt(sum(squares)))
        self.seen.assign(self.seen + 1)
        if self.factor is None:
            return gradients
        return [gradient * self.factor for gradient in gradients]

    def updated(self, variables):
        self.changed.assign(self.changed + 1)


class Probing(keras.callbacks.Callback):
    """Attaches probes for the time of a training, and reads them after each epoch."""

    def __init__(self, *probes):
        super().__init__()
        self.probes = probes

    def on_train_begin(self, logs=None):
        for probe in self.probes:
            hooks.attach(self.model, probe)

    def on_epoch_end(self, epoch, logs=None):
        self.model  # noqa: B018  on JAX this brings the variables up to date
        self.norms, self.seen, self.changed = (
            [float(ops.convert_to_numpy(getattr(p, name))) for p in self.probes]
            for name in ("norm", "seen", "changed")
        )

    def on_train_end(self, logs=None):
        for probe in self.probes:
            hooks.detach(self.model, probe)


class Stop(keras.callbacks.Callback):
    """Breaks a training off as Ctrl-C does."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt


def make_model(optimizer="sgd", embedding=False, **keywords):
    """Make a small model with the same weights at every call."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh", name="hidden")]
    if embedding:
        layers = [layers[0], keras.layers.Embedding(9, 4), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(1, name="last")], name="net")
    if isinstance(optimizer, str):
        optimizer = {"sgd": keras.optimizers.SGD(0.1), "adam": keras.optimizers.Adam()}[
            optimizer
        ]
    model.compile(optimizer, "mse", **keywords)
    model.embeds = embedding
    return model


def fit(model, *kept, epochs=1, **keywords):
    """Train on four batches an epoch, always in the same order."""
    options = {"batch_size": 4, "shuffle": False, "verbose": 0, **keywords}
    x = TOKENS if model.embeds else X
    model.fit(x, Y, epochs=epochs, callbacks=list(kept), **options)
    return model


def values_of(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def difference(one, other):
    """Give the largest difference of two models' weights."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def length(arrays):
    """Take the norm of arrays as if they were one vector."""
    return math.sqrt(sum(float(np.square(a, dtype="float64").sum()) for a in arrays))
