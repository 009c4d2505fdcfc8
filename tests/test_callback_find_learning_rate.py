"""The range test: what it finds, and that it leaves no trace."""

import random

import keras
import matplotlib.figure
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits
from slope import fit, make_model

from kerasmith.callbacks import LearningRate, find_learning_rate
from kerasmith.callbacks.range_test import RangeTest, smooth, steepest

DIGITS = load_digits()
IMAGES = (DIGITS.data / 16).astype("float32")
LABELS = DIGITS.target.astype("int32")
on_torch = keras.backend.backend() == "torch"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def busy_model(optimizer=None, built=True, **options):
    """A model with all kinds of variables."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            *([keras.Input((3,))] if built else []),
            keras.layers.Dense(8, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        optimizer or keras.optimizers.Adam(), "mse", metrics=["mae"], **options
    )
    return model


def everything(model):
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assert_unchanged(model, before):
    after = everything(model)
    assert len(after) == len(before)
    for new, old in zip(after, before, strict=True):
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new, old)


def test_the_suggestion_trains_digits_better_than_far_lower_and_higher():
    def model(rate):
        keras.utils.set_random_seed(3)
        layers = keras.layers.Dense(32, "relu"), keras.layers.Dense(10)
        model = keras.Sequential([keras.Input((64,)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
        return model

    test = find_learning_rate(model(0.01), (IMAGES[:1400], LABELS[:1400]))
    scores = []
    for times in (1, 1 / 30, 30):
        trained = model(test.suggestion * times)
        trained.fit(IMAGES[:1400], LABELS[:1400], epochs=3, verbose=0)
        scores.append(trained.evaluate(IMAGES[1400:], LABELS[1400:], verbose=0))
    assert scores[0] < 0.7 * min(scores[1:])


@pytest.mark.parametrize("curvature", [0.5, 2.0, 30.0])
def test_a_quadratic_diverges_beyond_two_over_its_curvature(curvature):
    # (curvature / 2) w^2 with w at 1 falls while the rate is below 2 / curvature
    class Quadratic(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            return inputs * 0.5 * curvature * ops.square(self.w)

    model = keras.Sequential([keras.Input((1,)), Quadratic()])
    model.compile("sgd", lambda truth, prediction: prediction)
    ones, steps = np.ones((1, 1), "float32"), 200
    test = find_learning_rate(
        model, (ones, ones), low=1e-4 / curvature, high=1e3 / curvature, steps=steps
    )
    ratio = 1e7 ** (1 / (steps - 1))
    turned = test.rates[int(np.argmin(test.losses))]
    assert 2 / curvature / 1.01 <= turned <= 2 / curvature * ratio * 1.01
    assert len(test.rates) < steps
    assert test.suggestion < 2 / curvature
    # as NumPy has it
    w, losses = 1.0, []
    for rate in test.rates:
        losses.append(0.5 * curvature * w**2)
        w -= rate * curvature * w
    high = np.array(losses) > 1e-10
    np.testing.assert_allclose(
        np.array(test.losses)[high], np.array(losses)[high], 0.01
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": keras.optimizers.SGD},
        {"optimizer": lambda: keras.optimizers.Adam(use_ema=True)},
        {"optimizer": lambda: keras.optimizers.Adam(gradient_accumulation_steps=3)},
        {
            "optimizer": lambda: keras.optimizers.LossScaleOptimizer(
                keras.optimizers.Adam()
            )
        },
        {"steps_per_execution": 4},
    ],
    ids=["adam", "sgd", "ema", "accumulation", "loss scale", "execution"],
)
def test_model_optimizer_seeds_and_metrics_are_put_back_bit_by_bit(options):
    if on_torch and "steps_per_execution" in options:
        pytest.skip("PyTorch has no steps_per_execution")
    optimizer = options.pop("optimizer", lambda: None)
    model = busy_model(optimizer(), **options)
    model.fit(X, Y, verbose=0)
    before = everything(model)
    drawn = random.getstate(), np.random.get_state()[1].tolist()
    config = model.optimizer.get_config()
    test = find_learning_rate(model, (X, Y), steps=20)
    assert_unchanged(model, before)
    assert drawn == (random.getstate(), np.random.get_state()[1].tolist())
    assert model.optimizer.get_config() == config
    np.testing.assert_allclose(
        test.rates, np.geomspace(1e-7, 10, 20)[: len(test.rates)]
    )
    model.fit(X, Y, verbose=0)


def test_training_goes_on_as_if_nothing_had_happened():
    weights = []
    for find in (False, True):
        model = busy_model()
        # a first `fit` builds, and on PyTorch draws random numbers for it
        model.fit(X, Y, verbose=0, shuffle=False)
        if find:
            find_learning_rate(model, (X, Y), steps=20)
        model.fit(X, Y, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("inside", [True, False])
def test_an_interrupted_test_leaves_no_trace_either(inside, monkeypatch):
    model = busy_model()
    model.fit(X, Y, verbose=0)
    before, step = everything(model), model.train_on_batch
    calls = iter(range(9))

    def stop(*batch, **options):
        if next(calls) == 5:
            if inside:
                step(*batch, **options)
            raise KeyboardInterrupt
        return step(*batch, **options)

    monkeypatch.setattr(model, "train_on_batch", stop)
    with pytest.raises(KeyboardInterrupt):
        find_learning_rate(model, (X, Y), steps=20)
    assert_unchanged(model, before)
    model.fit(X, Y, verbose=0)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, step):
        return X[16 * step : 16 * step + 16], Y[16 * step : 16 * step + 16]


def generator(times=1000):
    for _ in range(times):
        yield from (Batches(workers=1)[step] for step in range(4))


def dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


def weighted():
    return X, Y, np.ones(64)


@pytest.mark.parametrize(
    "data",
    [
        lambda: Batches(workers=1),
        generator,
        dataset,
        lambda: dataset().repeat(),
        weighted,
        lambda: [Batches(workers=1)[step] for step in range(4)].__iter__(),
    ],
    ids=["sequence", "generator", "dataset", "repeated", "weighted", "iterator"],
)
def test_data_of_every_kind_is_taken(data):
    test = find_learning_rate(busy_model(), data(), low=1e-5, high=1, steps=12)
    assert len(test.rates) == (4 if "__iter__" in data.__code__.co_names else 12)
    assert test.losses[0] > 0


def test_a_model_that_is_not_built_and_inputs_by_name():
    model = busy_model(built=False)
    find_learning_rate(model, (X, Y), steps=9)
    inputs = {name: keras.Input((3,), name=name) for name in ("one", "other")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, keras.layers.Dense(1)(joined))
    model.compile("sgd", "mse")
    test = find_learning_rate(model, ({"one": X, "other": X}, Y), steps=9)
    assert len(test.rates) == 9


def test_an_optimizer_with_a_schedule_keeps_it():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = make_model(keras.optimizers.SGD(schedule))
    ones = np.ones((4, 1), "float32")
    fit(model, [], steps=3, epochs=1)
    before = everything(model)
    # it falls by as much as the rates before, which the optimizer's has no part in
    test = find_learning_rate(model, (ones, ones), low=0.1, high=0.4, steps=3)
    np.testing.assert_allclose(-np.diff(test.losses), [0.1, 0.2], 1e-5)
    assert_unchanged(model, before)
    fit(model, [], steps=1, epochs=1)
    rate = before[0] - everything(model)[0]
    np.testing.assert_allclose(rate, 0.1 * 0.5 ** (3 / 10), 1e-5)


def test_it_follows_and_precedes_a_training_with_a_callback():
    model, ones = make_model(keras.optimizers.SGD(0.25)), np.ones((4, 1))

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, [LearningRate(0.5), Break()])
    find_learning_rate(model, (ones, ones), steps=5)
    assert model.optimizer.get_config()["learning_rate"] == 0.25
    fit(model, [LearningRate("cosine")])


def test_the_smoothing_shifts_nothing():
    bump = np.exp(-0.5 * ((np.arange(101) - 60) / 8) ** 2)
    smoothed = smooth(bump)
    assert int(np.argmax(smoothed)) == 60
    np.testing.assert_allclose(smoothed[20:], [*smoothed[20:]][::-1][::-1])
    expected = [np.mean(bump[i - 5 : i + 6]) for i in range(5, 96)]
    np.testing.assert_allclose(smoothed[5:96], expected)


def test_what_is_not_finite_ends_the_curve_and_counts_for_nothing():
    test = RangeTest.of([1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.5, np.nan])
    assert test.rates == (1e-3, 1e-2, 1e-1)
    with pytest.raises(ValueError, match="no rate .* lowered the loss"):
        steepest([0.1, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no rate .* lowered the loss"):
        steepest([], [])


@pytest.mark.parametrize(
    "data, keywords, problem, message",
    [
        ((X, Y), {"low": 1.0, "high": 0.1}, ValueError, "low < high"),
        ((X, Y), {"steps": 2}, ValueError, "steps >= 3"),
        ((X, Y[:3]), {}, ValueError, r"lengths \[3, 64\]"),
        ((X[:0], Y[:0]), {}, ValueError, "no data"),
        (3, {}, TypeError, "find_learning_rate needs data .* received int"),
        (iter([X]), {}, TypeError, "received ndarray"),
    ],
)
def test_what_means_nothing_is_refused(data, keywords, problem, message):
    model = busy_model()
    before = everything(model)
    with pytest.raises(problem, match=message):
        find_learning_rate(model, data, **keywords)
    assert_unchanged(model, before)


def test_a_model_must_be_compiled():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="compile it first"):
        find_learning_rate(model, (X, Y))


def test_the_picture_shows_both_suggestions(tmp_path):
    rates = np.geomspace(1e-5, 1, 50)
    test = RangeTest.of(rates, 1 - 0.5 / (1 + (0.01 / rates) ** 2) + rates)
    figure = test.plot(tmp_path / "find.png")
    assert isinstance(figure, matplotlib.figure.Figure)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(lines["smoothed"].get_ydata(), test.smoothed)
    assert f"steepest: {test.steepest:.2g}" in lines
    assert (tmp_path / "find.png").read_bytes()[1:4] == b"PNG"
    test.plot()
