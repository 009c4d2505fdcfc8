"""Averages of weights, against NumPy and the weights that a training went through."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import callbacks

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X @ np.array([[1], [-2], [0.5]], "float32")
VALIDATION = X[:10] + 0.1, Y[:10]


def make_model(norm=False, **options):
    keras.utils.set_random_seed(4)
    parts = [keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)]
    if norm:
        parts.insert(1, keras.layers.BatchNormalization(name="norm"))
    model = keras.Sequential([keras.Input((3,)), *parts])
    optimizer = options.pop("optimizer", None) or keras.optimizers.SGD(0.2)
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, kept, epochs=6, **options):
    options = {"verbose": 0, "batch_size": 8, "shuffle": False, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=kept, **options)


class Recorder(keras.callbacks.Callback):
    """Keeps the weights at the ends of epochs."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        found = [ops.convert_to_numpy(v) for v in self.model.trainable_variables]
        self.weights.append([value.astype("float64") for value in found])


def equal_average(weights):
    return [np.mean(values, 0) for values in zip(*weights, strict=True)]


def exponential_average(weights, momentum):
    average = weights[0]
    for newest in weights[1:]:
        pairs = zip(average, newest, strict=True)
        average = [momentum * old + (1 - momentum) * new for old, new in pairs]
    return average


def trainable(model):
    return [ops.convert_to_numpy(v) for v in model.trainable_variables]


def same(found, expected, tolerance=2e-6):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, tolerance, tolerance)


@pytest.mark.parametrize(
    "start, every, chosen", [(0, 1, range(6)), (2, 1, [2, 3, 4, 5]), (1, 2, [1, 3, 5])]
)
@pytest.mark.parametrize("mode", ["swa", "ema"])
def test_the_average_against_numpy(start, every, chosen, mode):
    recorder, model = Recorder(), make_model()
    average = callbacks.WeightAverage(start, every=every, mode=mode, momentum=0.7)
    fit(model, [average, recorder])
    weights = [recorder.weights[epoch] for epoch in chosen]
    if mode == "swa":
        expected = equal_average(weights)
    else:
        expected = exponential_average(weights, 0.7)
    same(trainable(model), expected)
    assert average.epochs == list(chosen)
    assert average.summary == "kept average weights"


def test_averaging_does_not_disturb_the_training():
    recorders = [Recorder(), Recorder()]
    fit(make_model(), [recorders[0]])
    fit(make_model(), [recorders[1], callbacks.WeightAverage(1)])
    np.testing.assert_equal(recorders[1].weights, recorders[0].weights)


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"jit_compile": True},
        {"steps_per_execution": 2},
        {"gradient_accumulation_steps": 2},
    ],
    ids=str,
)
def test_however_the_training_runs(options):
    on_torch = keras.backend.backend() == "torch"
    if on_torch and options.keys() & {"jit_compile", "steps_per_execution"}:
        pytest.skip("PyTorch has no steps_per_execution, and compiles for a minute")
    if "gradient_accumulation_steps" in options:
        options = {"optimizer": keras.optimizers.SGD(0.1, **options)}
    recorder, model = Recorder(), make_model(**options)
    fit(model, [callbacks.WeightAverage(1), recorder], epochs=3)
    same(trainable(model), equal_average(recorder.weights[1:]))


def test_half_precision_is_averaged_in_single():
    keras.config.set_dtype_policy("float16")
    try:
        model, recorder = make_model(), Recorder()
    finally:
        keras.config.set_dtype_policy("float32")
    average = callbacks.WeightAverage(0)
    fit(model, [average, recorder])
    same(average.get_arrays(), equal_average(recorder.weights), 1e-6)
    assert {value.dtype.name for value in average.get_arrays()} == {"float32"}
    assert {v.dtype for v in model.trainable_variables} == {"float16"}


@pytest.mark.parametrize("turn", range(3))
def test_the_statistics_are_those_of_the_average_in_any_order(turn, tmp_path):
    average = callbacks.WeightAverage(2, data=X, batch_size=24)
    recorder = Recorder()
    best = callbacks.KeepBest(tmp_path / "best.weights.h5", "loss")
    kept = [average, recorder, best]
    model = make_model(norm=True)
    fit(model, kept[turn:] + kept[:turn])
    expected = equal_average(recorder.weights[2:])
    same(trainable(model), expected)
    inputs = np.tanh(X @ expected[0] + expected[1])
    found = model.get_layer("norm").non_trainable_variables
    found = [ops.convert_to_numpy(v) for v in found]
    same(found, [inputs.mean(0), inputs.var(0, ddof=1)], 1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_together_with_exact_statistics_from_other_data(first):
    pair = [
        callbacks.WeightAverage(2, data=X),
        callbacks.PreciseBatchNorm(X[:10], batch_size=10),
    ]
    model = make_model(norm=True)
    recorder = Recorder()
    fit(model, [*(pair if first else pair[::-1]), recorder])
    kernel, bias, *_ = equal_average(recorder.weights[2:])
    inputs = np.tanh(X[:10] @ kernel + bias)
    found = ops.convert_to_numpy(model.get_layer("norm").moving_mean)
    same([found], [inputs.mean(0)], 1e-5)


@pytest.mark.parametrize("keep", ["better", "average"])
@pytest.mark.parametrize("rate", [0.2, 0.01])
def test_the_better_stays(keep, rate):
    model, plain = (
        make_model(norm=True, optimizer=keras.optimizers.SGD(rate)) for _ in range(2)
    )
    average = callbacks.WeightAverage(0, data=X, validation=VALIDATION, keep=keep)
    recorder = Recorder()
    fit(model, [average])
    fit(plain, [recorder])
    last = plain.evaluate(*VALIDATION, verbose=0)
    for variable, value in zip(
        plain.trainable_variables, equal_average(recorder.weights), strict=True
    ):
        variable.assign(value)
    callbacks.recompute_statistics(plain, X)
    losses = {"last": last, "average": plain.evaluate(*VALIDATION, verbose=0)}
    assert average.losses == pytest.approx(losses, 1e-4)
    chosen = "average" if keep == "average" else min(losses, key=losses.get)
    assert average.kept == chosen
    found = model.evaluate(*VALIDATION, verbose=0)
    np.testing.assert_allclose(found, losses[chosen], 1e-4)


def test_norms_without_data_are_told_before_the_first_step():
    model = make_model(norm=True)
    before = model.get_weights()
    with pytest.raises(ValueError, match="pass the training data as data="):
        fit(model, [callbacks.WeightAverage(0)])
    np.testing.assert_equal(model.get_weights(), before)
    model.get_layer("norm").trainable = False  # its statistics are the user's affair
    model.compile("sgd", "mse")
    fit(model, [callbacks.WeightAverage(0)])


def test_a_training_that_ends_too_early_keeps_its_weights():
    average, model, plain = callbacks.WeightAverage(9), make_model(), make_model()
    with pytest.warns(UserWarning, match="ended before epoch start=9"):
        fit(model, [average])
    fit(plain, [])
    np.testing.assert_equal(model.get_weights(), plain.get_weights())
    assert average.kept is None and not average.apply()


class BreaksOff(keras.callbacks.Callback):
    """Presses Ctrl-C at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


class TakenUp(keras.callbacks.Callback):
    """Hands over state and arrays where a resumed training does."""

    def __init__(self, callback, state, arrays):
        super().__init__()
        self.callback, self.state, self.arrays = callback, state, arrays

    def on_epoch_begin(self, epoch, logs=None):
        if self.state is not None:
            self.callback.set_state(json.loads(self.state))
            self.callback.set_arrays(self.arrays)
        self.state = None


@pytest.mark.parametrize("mode", ["swa", "ema"])
@pytest.mark.parametrize("stop", [1, 4])
def test_a_training_broken_off_and_resumed_ends_as_if_nothing_happened(mode, stop):
    def averaging():
        return callbacks.WeightAverage(2, mode=mode)

    whole, broken = make_model(), make_model()
    fit(whole, [averaging()])
    before, after = averaging(), averaging()
    with pytest.raises(KeyboardInterrupt):
        fit(broken, [before, BreaksOff(stop)])
    state, arrays = json.dumps(before.get_state()), before.get_arrays()
    assert all(isinstance(value, np.ndarray) for value in arrays)
    taken_up = TakenUp(after, state, arrays)
    fit(broken, [taken_up, after], initial_epoch=stop)
    np.testing.assert_equal(broken.get_weights(), whole.get_weights())


def test_a_state_without_its_arrays_is_refused():
    after = callbacks.WeightAverage(0)
    with pytest.raises(ValueError, match="call set_arrays, too"):
        fit(make_model(), [TakenUp(after, '{"epochs": [0, 1]}', []), after])


def test_what_was_averaged_when_broken_off_can_be_applied():
    average, recorder = callbacks.WeightAverage(0, data=X), Recorder()
    model = make_model(norm=True)
    with pytest.raises(KeyboardInterrupt):
        fit(model, [average, recorder, BreaksOff(3)])
    assert average.apply()
    same(trainable(model), equal_average(recorder.weights))
    fit(model, [average])


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"start": -1}, "integer of 0 or more"),
        ({"start": 0.75}, "integer of 0 or more"),
        ({"every": 0}, "every >= 1"),
        ({"mode": "polyak"}, "choose one of swa, ema"),
        ({"momentum": 1.0}, r"momentum in \[0, 1\)"),
        ({"keep": "best"}, "choose 'better' or 'average'"),
        ({"data": 3}, "needs the training data"),
        ({"data": iter([X])}, "tell with batches="),
    ],
)
def test_bad_arguments(options, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        callbacks.WeightAverage(**{"start": 0, **options})
