"""Exact resume: a training broken off anywhere ends as one that never was."""

import csv
import gc
import json
import os
import random
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from kerasmith import callbacks
from kerasmith.callbacks import generations, keras_callbacks, positions

X = np.random.default_rng(0).normal(size=(42, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")
BACKEND = keras.backend.backend()
EPOCHS, BATCHES = 5, 6
K = keras.callbacks


def make_model(steps_per_execution=1, **options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3, seed=5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05, **options),
        "mse",
        metrics=["mae"],
        steps_per_execution=steps_per_execution,
    )
    return model


class Own(keras.utils.PyDataset):
    """A data set that draws from NumPy's generator, and always the same batches."""

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        noise = np.random.normal(scale=0.01, size=(7, 3))
        return X[7 * index :][:7] + noise, Y[7 * index :][:7]


def shuffled():
    return callbacks.ShuffledBatches(X, Y, batch_size=7, seed=3)


def own():
    return Own(workers=1)


def pipeline():
    import tensorflow as tf

    return (
        tf.data.Dataset.from_tensor_slices((X, Y))
        .shuffle(42, seed=1, reshuffle_each_iteration=False)
        .batch(7)
    )


def ours_and_keras(folder):
    return [
        callbacks.HistoryLog(folder / "history.csv"),
        K.EarlyStopping("loss", patience=2, min_delta=0.4, restore_best_weights=True),
        K.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=0.05),
        K.CSVLogger(folder / "log.csv"),
        K.ModelCheckpoint(folder / "best.keras", "loss", save_best_only=True),
    ]


class BreakOff(K.Callback):
    """Breaks training off before a step, as a killed process would."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise KeyboardInterrupt


def train(folder, make_data, make_kept, more=(), every=2, **model_options):
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(7)  # before a pipeline takes its seed from it
    data, kept, model = make_data(), make_kept(folder), make_model(**model_options)
    resume = callbacks.Resume(
        folder / "states", kept, data=data, every=every, by="step"
    )
    history = model.fit(
        data,
        validation_data=(X[:9], Y[:9]),
        epochs=EPOCHS,
        initial_epoch=resume.epoch,
        shuffle=False,
        verbose=0,
        callbacks=[*more, *kept, resume],
    )
    return model, history, kept


def left(outcome, folder):
    """Give all that a training leaves, in a form to compare."""
    model, history, kept = outcome
    numbers = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
    states = [keras_callbacks.state_of(callback) for callback in kept]
    rows = [
        {k: v for k, v in row.items() if k != "seconds"}
        for path in sorted(folder.glob("*.csv"))
        for row in csv.DictReader(path.open())
    ]
    for state in states:
        state.pop("rows", None)
    return {
        "weights": model.get_weights() + numbers,
        "history": (history.epoch, history.history),
        "states": json.dumps(states),
        "rows": rows,
    }


def assert_equal(found, expected):
    assert found["history"] == expected["history"]
    assert found["states"] == expected["states"]
    assert found["rows"] == expected["rows"]
    for one, other in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_array_equal(one, other)


DATA = [shuffled, own] + [pipeline] * (BACKEND == "tensorflow")
PLACES = [(0, 1), (1, 4), (2, 0), (2, 5)]
BROKEN = [(shuffled, place) for place in PLACES]
BROKEN += [(make, place) for make in DATA[1:] for place in PLACES[1::2]]
WHOLE = {}  # what a training that nothing broke off leaves, by the kind of data


@pytest.mark.parametrize("make_data, place", BROKEN)
def test_broken_off_anywhere_it_ends_as_if_nothing_happened(make_data, place, tmp_path):
    whole = tmp_path / "whole"
    if make_data not in WHOLE:
        WHOLE[make_data] = left(train(whole, make_data, ours_and_keras), whole)
    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(folder, make_data, ours_and_keras, [BreakOff(*place)])
    gc.collect()  # what reads ahead for the broken training draws no longer
    random.seed(99)
    np.random.seed(99)
    again = train(folder, make_data, ours_and_keras)
    assert_equal(left(again, folder), WHOLE[make_data])


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch takes one step an execution")
def test_several_steps_an_execution(tmp_path):
    options = {"steps_per_execution": 4}  # does not divide the six batches
    whole = train(tmp_path / "whole", shuffled, ours_and_keras, **options)
    with pytest.raises(KeyboardInterrupt):
        broken = [BreakOff(1, 7)]
        train(tmp_path / "broken", shuffled, ours_and_keras, broken, **options)
    names = [path.name for path in generations.found_in(tmp_path / "broken/states")]
    assert names[-1] == "epoch-00001-step-00000004"
    again = train(tmp_path / "broken", shuffled, ours_and_keras, **options)
    assert_equal(left(again, tmp_path / "broken"), left(whole, tmp_path / "whole"))


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_that_keras_swaps_in_and_out(swap_on_epoch, tmp_path):
    def kept(folder):
        return [K.SwapEMAWeights(swap_on_epoch=swap_on_epoch)]

    options = {"use_ema": True, "ema_momentum": 0.9}
    whole = train(tmp_path / "whole", shuffled, kept, **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", shuffled, kept, [BreakOff(2, 3)], **options)
    again = train(tmp_path / "broken", shuffled, kept, **options)
    assert_equal(left(again, tmp_path / "broken"), left(whole, tmp_path / "whole"))


def test_gradients_that_are_gathered_over_steps(tmp_path):
    options = {"gradient_accumulation_steps": 4}
    whole = train(tmp_path / "whole", shuffled, ours_and_keras, every=1, **options)
    with pytest.raises(KeyboardInterrupt):
        broken = [BreakOff(1, 2)]
        train(tmp_path / "broken", shuffled, ours_and_keras, broken, 1, **options)
    again = train(tmp_path / "broken", shuffled, ours_and_keras, every=1, **options)
    assert_equal(left(again, tmp_path / "broken"), left(whole, tmp_path / "whole"))


def test_the_same_object_goes_on_after_ctrl_c(tmp_path):
    data, model = shuffled(), make_model()
    resume = callbacks.Resume(tmp_path / "states", data=data, every=1, by="step")
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, epochs=3, verbose=0, callbacks=[BreakOff(1, 3), resume])
    assert (resume.epoch, resume.step) == (1, 3)
    start = resume.epoch
    model.fit(data, epochs=3, initial_epoch=start, verbose=0, callbacks=[resume])
    whole = make_model()
    other = callbacks.Resume(tmp_path / "other", data=data, every=1, by="step")
    whole.fit(data, epochs=3, verbose=0, callbacks=[other])
    for found, expected in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_states_are_as_far_apart_as_asked_for(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        generations, "write", lambda folder, state, arrays: written.append(state)
    )
    train(tmp_path, shuffled, lambda folder: [], every=4)
    steps = [BATCHES * state["epoch"] + state["step"] for state in written]
    assert steps == list(range(4, EPOCHS * BATCHES, 4))


# ---- what is refused -----------------------------------------------------------------


class Turning(Own):
    def on_epoch_end(self):
        self.turn = True


@pytest.mark.parametrize(
    "make_data, error, match",
    [
        (lambda: (X, Y), TypeError, "in which order fit takes arrays.*ShuffledBatches"),
        (lambda: (i for i in range(3)), TypeError, "a generator back"),
        (lambda: Turning(workers=1), TypeError, "order of Turning, which changes"),
    ],
)
def test_data_whose_order_is_not_known(make_data, error, match, tmp_path):
    resume = callbacks.Resume(tmp_path, data=make_data())
    with pytest.raises(error, match=match):
        make_model().fit(X, Y, verbose=0, callbacks=[resume])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="asks a pipeline of TensorFlow")
def test_data_that_comes_in_another_order_each_time(tmp_path):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(42).batch(7)
    resume = callbacks.Resume(tmp_path, data=data)
    with pytest.raises(ValueError, match="another order each time.*reshuffle_each"):
        make_model().fit(data, verbose=0, callbacks=[resume])
    positions.check(pipeline())


def test_another_model_or_configuration_is_told_apart(tmp_path):
    data = shuffled()
    make_model().fit(
        data, epochs=2, verbose=0, callbacks=[callbacks.Resume(tmp_path, data=data)]
    )
    other = make_model(beta_1=0.5)
    with pytest.raises(ValueError, match=r"optimizer beta_1 was 0\.9 and is 0\.5"):
        other.fit(data, verbose=0, callbacks=[callbacks.Resume(tmp_path)])
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    wider.compile(keras.optimizers.Adam(0.05), "mse")
    with pytest.raises(ValueError, match="layers number 2 was|layers were 4 and are 1"):
        wider.fit(data, verbose=0, callbacks=[callbacks.Resume(tmp_path)])
    fewer = callbacks.ShuffledBatches(X[:14], Y[:14], batch_size=7)
    resume = callbacks.Resume(tmp_path, data=fewer)
    with pytest.raises(ValueError, match="with 6 steps an epoch, but fit takes 2"):
        make_model().fit(fewer, initial_epoch=1, verbose=0, callbacks=[resume])


def test_steps_that_cut_through_the_data(tmp_path):
    data = shuffled()
    resume = callbacks.Resume(tmp_path, data=data)
    with pytest.raises(ValueError, match="takes 4 steps an epoch of data that has 6"):
        make_model().fit(data, steps_per_epoch=4, verbose=0, callbacks=[resume])


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"by": "hour"}, "'epoch', 'step', 'minute'"),
        ({"every": 0}, "every >= 1"),
        ({"every": 0.5}, "every >= 1"),
        ({"every": 3, "by": "step"}, "pass data="),
    ],
)
def test_intervals_that_cannot_be(arguments, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        callbacks.Resume(tmp_path, **arguments)


@pytest.mark.parametrize("name", ["state.json", "arrays.bin", "state.sha256"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_state_that_was_harmed_is_passed_over(name, harm, tmp_path):
    for step in (1, 2):
        state = {"epoch": 0, "step": step}
        path = generations.write(tmp_path, state, [np.arange(5.0)]) / name
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if harm == "changed" else content[:-3])
    with pytest.warns(UserWarning, match="passing over the state"):
        state, data = generations.newest(tmp_path)
    assert state["step"] == 1 and len(data) == 40


def test_a_log_of_keras_is_not_emptied_by_a_state_of_another_model(tmp_path):
    data = shuffled()
    kept = [K.CSVLogger(tmp_path / "log.csv")]
    resume = callbacks.Resume(tmp_path / "states", kept, data=data)
    make_model().fit(data, epochs=3, verbose=0, callbacks=[*kept, resume])
    before = (tmp_path / "log.csv").read_text()
    again = callbacks.Resume(tmp_path / "states", [K.CSVLogger(tmp_path / "log.csv")])
    with pytest.raises(ValueError, match="another model or configuration"):
        make_model(beta_1=0.3).fit(data, verbose=0, callbacks=[again])
    assert (tmp_path / "log.csv").read_text() == before


def test_shuffled_batches_hold_every_example_once_an_epoch():
    weights = np.arange(42)
    data = callbacks.ShuffledBatches(
        {"a": X, "b": X[:, 0]}, Y, batch_size=10, sample_weight=weights
    )
    orders = []
    for epoch in (0, 1, 0):
        data.seek(epoch)
        batches = [data[index] for index in range(len(data))]
        assert [len(batch[1]) for batch in batches] == [10, 10, 10, 10, 2]
        orders.append(np.concatenate([batch[2] for batch in batches]))
        inputs = np.concatenate([batch[0]["a"] for batch in batches])
        np.testing.assert_array_equal(inputs, X[orders[-1]])
    assert sorted(orders[0]) == list(range(42))
    assert (orders[0] != orders[1]).any() and (orders[0] == orders[2]).all()
    with pytest.raises(ValueError, match="of one length"):
        callbacks.ShuffledBatches(X, Y[:3])


# ---- a machine that is taken back ----------------------------------------------------

PREEMPTED = textwrap.dedent(
    """
    import sys, pathlib
    sys.path.insert(0, {tests!r})
    import conftest
    import test_callback_resume as this

    conftest.pytest_collection_finish()  # the arithmetic of the tests' own process

    class Told(this.K.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            print("training", flush=True)
            this.os.kill(this.os.getpid(), this.signal.SIGTERM) if batch == 4 else None

    this.train(pathlib.Path(sys.argv[1]), this.shuffled, this.ours_and_keras, [Told()],
               every=1000)
    """
)


def test_sigterm_saves_and_ends_with_143(tmp_path):
    script = PREEMPTED.format(tests=os.path.dirname(__file__))
    folder = tmp_path / "broken"
    process = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True
    )
    assert process.returncode == 143, process.stderr
    (state,) = generations.found_in(folder / "states")
    assert state.name in ("epoch-00000-step-00000004", "epoch-00000-step-00000005")
    whole = train(tmp_path / "whole", shuffled, ours_and_keras, every=1000)
    again = train(folder, shuffled, ours_and_keras, every=1000)
    assert_equal(left(again, folder), left(whole, tmp_path / "whole"))


def test_sigterm_after_training_does_what_it_did_before(tmp_path):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("former"))
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, shuffled, lambda folder: [], [BreakOff(0, 2)])
        os.kill(os.getpid(), signal.SIGTERM)
        signal.getsignal(signal.SIGTERM)
        assert seen == ["former"]
        train(tmp_path, shuffled, lambda folder: [])
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == ["former", "former"]
    finally:
        signal.signal(signal.SIGTERM, before)
