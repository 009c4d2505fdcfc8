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


class WholeRecorder(keras.callbacks.Callback):
    """Keeps all weights at the ends of epochs, moving statistics with them."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append([value.copy() for value in self.model.get_weights()])


def start_alike(model):
    """Give a model weights that are the same on all backends."""
    draws = np.random.default_rng(4)
    for layer in (model.layers[0], model.layers[-1]):
        layer.kernel.assign(draws.normal(scale=0.6, size=layer.kernel.shape))


def ways_to_end(best, weights):
    """Give the validation loss and the weights of each way to end a training."""
    model = make_model(norm=True)
    ways = {}

    def add(name):
        ways[name] = model.evaluate(*VALIDATION, verbose=0), model.get_weights()

    model.set_weights(best)
    add("moving")
    callbacks.recompute_statistics(model, X, batch_size=24)
    add("exact")
    model.set_weights([np.mean(values, 0) for values in zip(*weights, strict=True)])
    callbacks.recompute_statistics(model, X, batch_size=24)
    add("average")
    return ways


@pytest.mark.parametrize(
    "rate, momentum, end",
    # in the first the average is better than moving statistics, and worse than exact
    [(0.02, 0.0, "exact"), (0.15, 0.7, "average"), (0.1, 0.9, "moving")],
)
def test_the_best_of_all_ways_to_end_in_any_order(rate, momentum, end, tmp_path):
    options = {"batch_size": 24, "validation": VALIDATION}
    average = callbacks.WeightAverage(1, data=X, **options)
    precise = callbacks.PreciseBatchNorm(X, **options)
    stopping = callbacks.EarlyStopping(callbacks.Patience(9))
    recorder, keep = WholeRecorder(), callbacks.KeepBest(tmp_path / "a.weights.h5")
    kept = [average, stopping, recorder, precise, keep]
    ways = {}
    for order in (kept, kept[::-1]):  # in which every pair is turned round
        optimizer = keras.optimizers.SGD(rate, momentum)
        model = make_model(norm=True, optimizer=optimizer)
        start_alike(model)
        fit(model, order, epochs=5, validation_data=VALIDATION)
        best = recorder.weights[stopping.best_epoch]
        ways = ways or ways_to_end(best, recorder.weights[1:])
        losses = {name: loss for name, (loss, _) in ways.items()}
        assert end == min(losses, key=losses.get)
        same(model.get_weights(), ways[end][1], 1e-5)
        third = losses.pop("average")
        assert precise.losses == pytest.approx(losses, 1e-3)
        expected = {"last": min(losses.values()), "average": third}
        assert average.losses == pytest.approx(expected, 1e-3)


def test_without_validation_data_the_average_takes_the_place_of_the_best():
    average = callbacks.WeightAverage(1, data=X, batch_size=24)
    precise = callbacks.PreciseBatchNorm(X[:10], batch_size=10)
    stopping = callbacks.EarlyStopping(callbacks.Patience(9), "loss")
    recorder, model = WholeRecorder(), make_model(norm=True)
    fit(model, [average, precise, stopping, recorder], epochs=3)
    ways = ways_to_end(recorder.weights[0], recorder.weights[1:])
    same(model.get_weights(), ways["average"][1], 1e-5)


def test_layers_that_thaw_on_the_way_are_averaged_over_all_epochs():
    recorder, model = WholeRecorder(), make_model()
    average = callbacks.WeightAverage(1)
    fit(model, [callbacks.FreezeSchedule({3: 0}), average, recorder])
    np.testing.assert_equal(recorder.weights[2][0], recorder.weights[0][0])
    assert not np.array_equal(recorder.weights[3][0], recorder.weights[0][0])
    same(model.get_weights(), equal_average(recorder.weights[1:]))


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


class BreaksOffWithin(keras.callbacks.Callback):
    """Presses Ctrl-C in the middle of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (3, 1):
            raise KeyboardInterrupt


@pytest.mark.parametrize("mode", ["swa", "ema"])
def test_resume_in_the_middle_of_an_epoch_ends_like_the_whole_training(mode, tmp_path):
    data = callbacks.ShuffledBatches(X, Y, batch_size=8, seed=1)

    def train(folder, *others):
        average = callbacks.WeightAverage(1, mode=mode, data=X)
        resume = callbacks.Resume(folder, [average], data=data, by="step")
        begin, model = (resume.epoch, resume.step), make_model(norm=True)
        kept = [average, callbacks.PreciseBatchNorm(X), resume, *others]
        options = {"initial_epoch": begin[0], "epochs": 6, "verbose": 0}
        model.fit(data, callbacks=kept, **options)
        return begin, average, model.get_weights()

    _, whole, weights = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", BreaksOffWithin())
    begin, resumed, found = train(tmp_path / "broken")
    assert begin == (3, 1)
    np.testing.assert_equal(found, weights)
    np.testing.assert_equal(resumed.get_arrays(), whole.get_arrays())
    assert resumed.get_state() == whole.get_state()


def test_a_state_without_its_arrays_is_refused():
    after, state = callbacks.WeightAverage(0), '{"epochs": [0, 1], "trained": [0]}'
    with pytest.raises(ValueError, match="call set_arrays, too"):
        fit(make_model(), [TakenUp(after, state, []), after])


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
