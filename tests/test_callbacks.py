"""Callbacks: the best is kept, the history whole, a run resumed where it stopped."""

import csv
import json
import math

import keras
import numpy as np
import pytest

from kerasmith import callbacks
from kerasmith.callbacks import generations, training_state
from kerasmith.callbacks.files import replacing, write_text
from kerasmith.callbacks.monitor import direction

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def make_model(**compile_options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, activation="tanh"),
            # seeded: unseeded dropout on PyTorch leaves Keras' generators aside
            keras.layers.Dropout(0.3, seed=5),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", **compile_options)
    return model


class Ordered:
    """Gives the epochs in an order that depends on nothing but their number."""

    def __init__(self):
        self.epoch = 0

    def __call__(self, epoch):
        order = np.random.default_rng(epoch).permutation(len(X))
        return X[order], Y[order]


def fit_epoch_by_epoch(model, kept, first, last):
    """One `fit` with data that follows the epoch."""

    class Data(keras.utils.PyDataset):
        epoch = first

        def __len__(self):
            return 4

        def __getitem__(self, step):
            x, y = Ordered()(self.epoch)
            return x[step * 10 : step * 10 + 10], y[step * 10 : step * 10 + 10]

        def on_epoch_end(self):
            self.epoch += 1

    return model.fit(
        Data(workers=1),
        epochs=last,
        initial_epoch=first,
        callbacks=kept,
        shuffle=False,
        verbose=0,
    )


class StopAfter(keras.callbacks.Callback):
    """Breaks training off in the middle of an epoch, as a killed process would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def kept_in(folder):
    best = callbacks.KeepBest(folder / "best.weights.h5", "loss")
    log = callbacks.HistoryLog(folder / "history.csv")
    return best, log, callbacks.Resume(folder / "states", (best, log))


def without_seconds(log):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in log.rows]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_run_broken_off_and_resumed_ends_as_if_nothing_happened(tmp_path, order):
    whole = make_model()
    best, log, resume = kept_in(tmp_path / "whole")
    fit_epoch_by_epoch(whole, [best, log, resume], 0, 6)

    broken = kept_in(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        kept = [*(broken[i] for i in order), StopAfter(3)]
        fit_epoch_by_epoch(make_model(), kept, 0, 6)

    again = make_model()
    again_best, again_log, again_resume = kept_in(tmp_path / "broken")
    assert again_resume.epoch == 3
    parts = (again_best, again_log, again_resume)
    fit_epoch_by_epoch(again, [parts[i] for i in order], again_resume.epoch, 6)

    for found, expected in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert without_seconds(again_log) == without_seconds(log)
    assert (again_best.best, again_best.best_epoch) == (best.best, best.best_epoch)


def test_a_torn_state_is_passed_over_with_a_warning(tmp_path):
    best, log, resume = kept_in(tmp_path)
    fit_epoch_by_epoch(make_model(), [best, log, resume], 0, 5)
    states = sorted(path.name for path in (tmp_path / "states").iterdir())
    assert states == ["epoch-00003-step-00000000", "epoch-00004-step-00000000"]
    torn = tmp_path / "states" / "epoch-00004-step-00000000" / "arrays.bin"
    torn.write_bytes(torn.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="checksum"):
        assert callbacks.Resume(tmp_path / "states", (best, log)).epoch == 3


def test_a_state_of_another_model_is_refused(tmp_path):
    fit_epoch_by_epoch(make_model(), [callbacks.Resume(tmp_path)], 0, 2)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="of another model"):
        fit_epoch_by_epoch(other, [callbacks.Resume(tmp_path)], 1, 2)


def test_forgetting_the_initial_epoch_is_told(tmp_path):
    fit_epoch_by_epoch(make_model(), [callbacks.Resume(tmp_path)], 0, 3)
    with pytest.raises(ValueError, match="pass initial_epoch=resume.epoch"):
        fit_epoch_by_epoch(make_model(), [callbacks.Resume(tmp_path)], 0, 3)


def test_a_training_begun_anew_leaves_no_state_of_the_old(tmp_path):
    resume = callbacks.Resume(tmp_path)
    fit_epoch_by_epoch(make_model(), [resume], 0, 5)
    assert callbacks.Resume(tmp_path).epoch == 4
    fit_epoch_by_epoch(make_model(), [resume], 0, 2)
    assert callbacks.Resume(tmp_path).epoch == 1


def test_a_state_of_other_callbacks_is_refused(tmp_path):
    fit_epoch_by_epoch(make_model(), [callbacks.Resume(tmp_path)], 0, 2)
    log = callbacks.HistoryLog(tmp_path / "history.csv")
    with pytest.raises(ValueError, match="of the callbacks"):
        fit_epoch_by_epoch(make_model(), [callbacks.Resume(tmp_path, (log,))], 1, 2)


def test_a_callback_without_a_state_is_refused(tmp_path):
    with pytest.raises(TypeError, match="RemoteMonitor"):
        callbacks.Resume(tmp_path, (keras.callbacks.RemoteMonitor(),))


def test_half_precision_survives_a_state(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    try:
        first, second = make_model(), make_model()
    finally:
        keras.config.set_dtype_policy(before)
    resume = callbacks.Resume(tmp_path)
    resume.set_model(first)
    changed = [w + 1 for w in first.get_weights()]
    first.set_weights(changed)
    resume.save(2)
    state, data = generations.newest(tmp_path)
    arrays = generations.split(data, state["variables"] + state["metrics"])
    training_state.put(second, [], state, arrays)
    for found, expected in zip(second.get_weights(), changed, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_training_ends_with_the_weights_of_the_best_epoch(tmp_path):
    model = make_model()
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(
            (logs["loss"], model.get_weights())
        )
    )
    model.optimizer.learning_rate = 2.0  # so large that it gets worse again
    best = callbacks.KeepBest(tmp_path / "best.weights.h5", "loss")
    model.fit(X, Y, epochs=8, verbose=0, callbacks=[watch, best])
    losses = [loss for loss, _ in seen]
    assert best.best_epoch == int(np.argmin(losses)) and best.best == min(losses)
    expected = seen[best.best_epoch][1]
    for found, wanted in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_loss_that_is_not_finite_is_never_the_best(tmp_path):
    best = callbacks.KeepBest(tmp_path / "best.weights.h5", "loss")
    best.set_model(make_model())
    best.on_epoch_end(0, {"loss": math.nan})
    assert best.best is None and not best.path.exists()


def test_a_missing_metric_lists_those_there_are(tmp_path):
    best = callbacks.KeepBest(tmp_path / "best.weights.h5", "val_loss")
    with pytest.raises(KeyError, match=r"only \['loss'\] were logged"):
        make_model().fit(X, Y, verbose=0, callbacks=[best])


def test_the_direction_is_told_by_the_name_or_asked_for():
    assert direction("val_mean_io_u", "max") == 1
    with pytest.raises(ValueError, match="pass mode"):
        direction("val_money")
    with pytest.raises(ValueError, match="'max', 'min' or 'auto'"):
        direction("loss", "smallest")


def test_the_history_is_what_fit_returns_with_rate_and_seconds(tmp_path):
    log = callbacks.HistoryLog(tmp_path / "history.csv")
    model = make_model()
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[log]).history
    with open(log.path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == history["loss"]
    assert all(float(row["learning_rate"]) == pytest.approx(1e-3) for row in rows)
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError, match="half-way"), replacing(path) as beside:
        beside.write_text("ne")
        raise RuntimeError("half-way")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_takes_the_place_of_a_full_one(tmp_path):
    for text in ("old", "new"):
        with replacing(tmp_path / "model") as beside:
            beside.mkdir()
            (beside / f"{text}.txt").write_text(text)
    assert [entry.name for entry in (tmp_path / "model").iterdir()] == ["new.txt"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_states_are_plain_json(tmp_path):
    best, log, resume = kept_in(tmp_path)
    fit_epoch_by_epoch(make_model(), [best, log, resume], 0, 2)
    for callback in (best, log):
        again = json.loads(json.dumps(callback.get_state()))
        assert again == callback.get_state()
