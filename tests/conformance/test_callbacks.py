"""What is asked of callbacks."""

import inspect
import json
import pathlib
import time

import keras
import numpy as np
import pytest
from conformance.tables import CALLBACKS, WITHOUT_STATE, every

from kerasmith import layers

STATEFUL = {name: b for name, b in CALLBACKS.items() if name not in WITHOUT_STATE}
NOWHERE = pathlib.Path("nowhere")
WATCHING = {
    name: build
    for name, build in CALLBACKS.items()
    if "monitor" in inspect.signature(type(build(NOWHERE)).__init__).parameters
}
X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X @ np.array([[1], [-2], [0.5]], "float32")


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch):
    """Let no state differ by the seconds that it took."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)


def make_model():
    keras.utils.set_random_seed(3)
    # before the one layer that most need: one with a rate to move, one with statistics,
    # and one to freeze
    parts = [layers.DropPath(0.0, seed=5), keras.layers.BatchNormalization()]
    parts += [keras.layers.Dense(3), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *parts])
    # no compilation for four steps
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    return model


def fit(kept, epochs, model=None, **keywords):
    model = model or make_model()
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **keywords}
    model.fit(X, Y, epochs=epochs, callbacks=kept, **options)
    return model


def state_of(callback):
    """Give its state as JSON keeps it, `None` for one without."""
    if not hasattr(callback, "get_state"):
        return None
    return json.loads(json.dumps(callback.get_state()))


def arrays_of(callback):
    """Give the arrays that belong to its state, none for one without."""
    return callback.get_arrays() if hasattr(callback, "get_arrays") else None


def left_in(folder):
    """Name the files of a folder, with what the readable ones say."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.suffix == ".csv" else ""
        for path in folder.rglob("*")
    }


class StateSet(keras.callbacks.Callback):
    """Hands over states where a resumed run does: before the first epoch."""

    def __init__(self, callback, state, arrays):
        super().__init__()
        self.callback, self.state, self.arrays = callback, state, arrays

    def on_epoch_begin(self, epoch, logs=None):
        if self.state is not None:
            self.callback.set_state(self.state)
            if self.arrays is not None:
                self.callback.set_arrays(self.arrays)
        self.state = None


class StateTaken(keras.callbacks.Callback):
    """Takes a state in the middle of a training, and what it says then."""

    def __init__(self, callback):
        super().__init__()
        self.callback = callback

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.state = self.callback.get_state()
            self.text = json.dumps(self.state)


@every(CALLBACKS, "build")
def test_a_second_fit_is_like_a_first(build, tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    new, used = build(once), build(twice)
    fit([used], epochs=4)
    weights = [fit([callback], epochs=2).get_weights() for callback in (new, used)]
    np.testing.assert_equal(weights[1], weights[0])
    assert state_of(used) == state_of(new)
    assert left_in(twice) == left_in(once)


def outcome(folder, order):
    kept = {name: build(folder) for name, build in CALLBACKS.items()}
    model = fit([kept[name] for name in order], epochs=3)
    states = {name: state_of(callback) for name, callback in kept.items()}
    return model.get_weights(), states, left_in(folder)


@pytest.fixture(scope="module")
def as_named(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "perf_counter", lambda: 0.0)
        return outcome(tmp_path_factory.mktemp("named"), list(CALLBACKS))


# the reverse turns every pair round, and others come first and last than in the list
@pytest.mark.parametrize("turn", [*range(1, len(CALLBACKS), 4), "reverse"])
def test_the_order_in_the_list_changes_nothing(turn, as_named, tmp_path):
    names = list(CALLBACKS)
    turned = names[::-1] if turn == "reverse" else names[turn:] + names[:turn]
    np.testing.assert_equal(outcome(tmp_path, turned), as_named)


def test_only_callbacks_with_a_reason_have_no_state(tmp_path):
    for name, build in CALLBACKS.items():
        callback = build(tmp_path)
        stateful = hasattr(callback, "get_state") and hasattr(callback, "set_state")
        assert stateful != (name in WITHOUT_STATE), name


@every(STATEFUL, "build")
def test_a_state_survives_json(build, tmp_path):
    callback, other = build(tmp_path / "one"), build(tmp_path / "other")
    fit([callback], epochs=2)
    state = state_of(callback)
    assert state != state_of(other), "training must leave something to remember"
    other.set_state(state)
    assert state_of(other) == state


@every(STATEFUL, "build")
def test_a_state_is_a_snapshot(build, tmp_path):
    callback = build(tmp_path)
    taken = StateTaken(callback)
    fit([callback, taken], epochs=3)
    assert json.dumps(taken.state) == taken.text != json.dumps(callback.get_state())


@every(STATEFUL, "build")
def test_an_interrupted_training_ends_like_a_whole_one(build, tmp_path):
    whole, before, after = (build(tmp_path / part) for part in ("whole", "1", "2"))
    fit([whole], epochs=4)
    model = fit([before], epochs=2)
    resumed = [StateSet(after, state_of(before), arrays_of(before)), after]
    fit(resumed, epochs=4, model=model, initial_epoch=2)
    assert state_of(after) == state_of(whole)


@every(WATCHING, "build")
def test_a_missing_metric_is_an_error_that_lists_those_there_are(build, tmp_path):
    callback = build(tmp_path, monitor="val_missing_loss")
    with pytest.raises((KeyError, ValueError), match=r"val_missing_loss.*'loss'"):
        fit([callback], epochs=1)


@every(CALLBACKS, "build")
def test_it_serves_a_compiled_training(build, tmp_path):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile="auto")
    callback, eager = build(tmp_path / "compiled"), build(tmp_path / "eager")
    weights = fit([callback], epochs=3, model=model).get_weights()
    for found, expected in zip(weights, fit([eager], 3).get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, 1e-4, 1e-5)
    assert set(left_in(tmp_path / "compiled")) == set(left_in(tmp_path / "eager"))
