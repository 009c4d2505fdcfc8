"""Several callbacks with hooks in one optimizer: in any order, broken off, resumed."""

import itertools
import json

import keras
import numpy as np
import pytest
from hooked_models import X, Y, values_of

from kerasmith import callbacks
from kerasmith.callbacks import norm_hook, optimizer_hooks

RATE, LIMIT = 0.05, 0.3
BATCHES, EPOCHS = 4, 3
ORDERS = list(itertools.permutations(range(3)))
NAMES = ("norms", "rate", "clipping")
OPTIMIZERS = {
    "adam": lambda rate=0.9, **clip: keras.optimizers.Adam(rate, **clip),
    "accumulating": lambda rate=0.9, **clip: keras.optimizers.SGD(
        rate, momentum=0.9, gradient_accumulation_steps=2, **clip
    ),
}
CLIPPING = {
    "value": {"threshold": 0.1},
    "norm": {"threshold": 0.2},
    "global_norm": {"threshold": LIMIT},
    "adaptive": {"threshold": 0.02},
    "percentile": {"threshold": 40, "history": 5},
}


def decay():
    return keras.optimizers.schedules.CosineDecay(RATE, BATCHES * EPOCHS)


def make_model(optimizer=None, policy="float32", **keywords):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)  # for the test
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dropout(0.2, seed=3),
            keras.layers.Dense(1, name="last", dtype="float32"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.9), "mse", **keywords)
    return model


def make_kept(by="global_norm"):
    return [
        callbacks.TrainingMonitor(every=1),
        callbacks.LearningRate("cosine", peak=RATE),
        callbacks.GradientClipping(by=by, **CLIPPING[by]),
    ]


def batches():
    return callbacks.ShuffledBatches(X, Y, batch_size=4, seed=3)


def fit(model, kept, data=None, **keywords):
    options = {"epochs": EPOCHS, "shuffle": False, "verbose": 0, **keywords}
    return model.fit(data or batches(), callbacks=kept, **options)


def left(model, kept):
    """Give all that a training leaves, in a form to compare."""
    states = [json.dumps(callback.get_state()) for callback in kept]
    return values_of(model.weights + model.optimizer.variables), states


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_in_any_order_the_step_is_that_of_keras(order):
    kept = make_kept()
    model = make_model()
    history = fit(model, [kept[place] for place in order]).history
    plain = make_model(keras.optimizers.SGD(decay(), global_clipnorm=LIMIT))
    fit(plain, [])
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)
    monitor, _, clipping = kept
    norms = [np.linalg.norm(sample["gradient"]) for sample in monitor.samples]
    means = np.reshape(norms, (EPOCHS, BATCHES)).mean(axis=1)
    np.testing.assert_allclose(history["gradient_norm"], means, 1e-5)
    shares = np.reshape(np.greater(norms, LIMIT), (EPOCHS, BATCHES)).mean(axis=1)
    np.testing.assert_allclose(history["clipped_share"], shares)
    assert 0 < np.mean(shares) and max(norms) > LIMIT
    # and the update is the clipped gradient at the rate of its step
    rates = [float(decay()(step)) for step in range(EPOCHS * BATCHES)]
    updates = [np.linalg.norm(sample["update"]) for sample in monitor.samples]
    np.testing.assert_allclose(updates, rates * np.minimum(norms, LIMIT), 1e-3)


class Norms(keras.callbacks.Callback):
    """Keeps the hook of `TrainingMonitor` at work, which measures every step here."""

    def on_train_begin(self, logs=None):
        self.hook = norm_hook.NormHook(norm_hook.by_layer(self.model.weights))
        optimizer_hooks.attach(self.model, self.hook)
        self.hook.set_due(True)

    def on_train_end(self, logs=None):
        self.state = self.hook.read().tolist()
        optimizer_hooks.detach(self.model, self.hook)

    def get_state(self):
        return getattr(self, "state", None)

    def set_state(self, state):
        """Its norms are variables of the optimizer, which come back with it."""


class BreakOff(keras.callbacks.Callback):
    """Breaks training off in its second epoch, as Ctrl-C does."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            raise KeyboardInterrupt


def train(folder, optimizer, order, by, more=(), **keywords):
    kept = [Norms(), *make_kept(by)[1:]]
    model = make_model(optimizer(), **keywords)
    data = batches()
    resume = callbacks.Resume(folder, kept, data=data, every=1, by="step")
    listed = [*kept, resume]
    listed = [listed[place] for place in order]
    fit(model, [*more, *listed], data, initial_epoch=resume.epoch)
    return left(model, kept)


TRAININGS = [
    ("adam", by, order, "float32")
    for by, order in zip(CLIPPING, itertools.cycle([(0, 1, 2, 3), (3, 2, 1, 0)]))
] + [
    ("adam", "percentile", (2, 3, 0, 1), "float32"),
    ("adam", "percentile", (1, 0, 3, 2), "mixed_float16"),
    ("accumulating", "percentile", (2, 1, 3, 0), "float32"),
    ("accumulating", "global_norm", (0, 3, 1, 2), "mixed_float16"),
]


@pytest.mark.parametrize("name, by, order, policy", TRAININGS)
def test_broken_off_and_resumed_it_ends_as_if_nothing_happened(
    name, by, order, policy, tmp_path
):
    common = {"optimizer": OPTIMIZERS[name], "by": by, "policy": policy}
    whole = train(tmp_path / "whole", order=order, **common)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", order=order, more=[BreakOff()], **common)
    # nothing depends on where in the list one stood before
    again = train(tmp_path / "broken", order=order[::-1], **common)
    for one, other in zip(again[0], whole[0], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other, kind in zip(again[1], whole[1], NAMES, strict=True):
        assert one == other, kind


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_after_ctrl_c_the_model_is_saved_as_a_plain_one(name, policy, tmp_path):
    def broken_off(kept):
        model = make_model(OPTIMIZERS[name](), policy)
        with pytest.raises(KeyboardInterrupt):
            fit(model, [*kept, BreakOff()])
        return model

    model, plain = broken_off(make_kept()), broken_off([])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is type(plain.optimizer)
    assert again.optimizer.get_config().keys() == plain.optimizer.get_config().keys()
    found = again.optimizer.variables
    expected = optimizer_hooks.own_variables(model.optimizer)
    assert len(found) == len(expected) == len(plain.optimizer.variables)
    for one, other in zip(values_of(found), values_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    fit(again, [])
