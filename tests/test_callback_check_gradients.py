"""Gradients are checked: right ones pass, errors are found, kinks are no errors."""

import random

import keras
import numpy as np
import pytest
from planted import HalfStopped, Planted

from kerasmith import callbacks, layers
from kerasmith.callbacks.differences import slope
from kerasmith.callbacks.double_precision import double_precision
from kerasmith.callbacks.gradient_report import judge
from kerasmith.callbacks.rebuilding import rebuilt

DRAW = np.random.default_rng(0)
FLAT, STEPS = DRAW.normal(size=(4, 5)), DRAW.normal(size=(2, 4, 6))
MAPS = DRAW.normal(size=(3, 7, 9, 2))
LABELS = DRAW.integers(0, 3, 4)
# on other backends than PyTorch our kernels of attention compute in float32


def verdicts(report):
    return {w.path.rpartition("/")[2]: w.verdict for w in report.weights}


RIGHT = {
    "dense": (lambda: keras.layers.Dense(3, activation="gelu"), FLAT),
    "convolution": (lambda: keras.layers.Conv2D(4, 3, activation="relu"), MAPS),
    "batch norm": (lambda: keras.layers.BatchNormalization(), MAPS),
    "lstm": (lambda: keras.layers.LSTM(3), STEPS),
    "attention": (lambda: keras.layers.MultiHeadAttention(2, 3), (STEPS, STEPS)),
    "embedding": (
        lambda: keras.layers.Embedding(500, 4),
        DRAW.integers(0, 500, (3, 4)),
    ),
    "drop path": (lambda: layers.DropPath(0.4, seed=1), FLAT),
}


@pytest.mark.parametrize("build, data", RIGHT.values(), ids=RIGHT)
def test_right_gradients_pass(build, data):
    report = callbacks.check_gradients(
        build(), data, inputs=not isinstance(data, np.ndarray) or data.dtype == float
    )
    assert report.passed, report
    assert any(weight.verdict in ("great", "good") for weight in report.weights)


def test_our_attention_is_exact():
    build = layers.MultiHeadAttention(2, 3)
    report = callbacks.check_gradients(build, (STEPS, STEPS))
    assert report.passed, report
    assert verdicts(report)["bias"] in ("great", "good")
    key = next(w for w in report.weights if w.path.endswith("key/bias"))
    assert key.verdict == "zero"  # a softmax does not mind what all scores share
    assert report.noise < 1e-12 and "float32" not in str(report)


@pytest.mark.parametrize(
    "factor, verdict", [(1, "great"), (1.01, "wrong"), (-1, "wrong")]
)
def test_a_planted_error_is_found_where_it_is(factor, verdict):
    report = callbacks.check_gradients(Planted(factor), FLAT)
    assert verdicts(report) == {"kernel": verdict, "bias": "great"}
    assert report.passed == (verdict == "great")
    kernel = report.weights[0]
    assert kernel.automatic == pytest.approx(factor * kernel.numerical, rel=1e-6)
    expected = abs(factor - 1) / (1 + abs(factor))
    assert kernel.relative_error == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_a_small_planted_error_is_to_be_looked_at():
    report = callbacks.check_gradients(Planted(1.0001), FLAT)
    assert verdicts(report)["kernel"] == "look again" and not report.passed
    assert "look again" in str(report)


@pytest.mark.parametrize("factor", [1, 1.01])
def test_a_transformer_passes_and_a_percent_is_found_in_it(factor):
    keras.utils.set_random_seed(1)
    image = keras.Input(STEPS.shape[1:])
    x = layers.TransformerEncoderBlock(2, 12, dropout=0.3)(image)
    x = keras.layers.GlobalMaxPooling1D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(Planted(factor, name="own")(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    report = callbacks.check_gradients(
        model, (STEPS, LABELS[:2]), entries=5, dropout=True
    )
    wrong = [w.path for w in report.weights if w.verdict == "wrong"]
    assert wrong == ["own/kernel"] * (factor != 1), report
    assert report.passed == (factor == 1), report


def test_a_forgotten_path_is_found():
    assert not callbacks.check_gradients(HalfStopped(), FLAT).passed


def test_an_error_is_found_among_many_entries_of_a_compiled_model():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dropout(0.5),
            Planted(1.01, name="planted"),
            keras.layers.Dense(3, kernel_regularizer="l2"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    weights = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    random.seed(3)
    report = callbacks.check_gradients(model, (FLAT, LABELS), entries=10, dropout=True)
    assert random.random() == random.Random(3).random()
    wrong = [w.path for w in report.weights if w.verdict == "wrong"]
    assert wrong == ["planted/kernel"], report
    assert all(w.verdict in ("great", "wrong") for w in report.weights), report
    assert loss.dtype == keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"
    for old, variable in zip(weights, model.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), old)
    assert keras.backend.result_type("float32", "float32") == "float32"


def test_rates_held_in_variables_are_off_unless_asked_for():
    layer = layers.DropPath(0.5, seed=1)
    layer(FLAT)
    slopes = {}
    for dropout in (False, True):
        report = callbacks.check_gradients(layer, FLAT, inputs=True, dropout=dropout)
        assert report.passed, report
        slopes[dropout] = report.weights[0].numerical
    alone = callbacks.check_gradients(layers.DropPath(0.0), FLAT, inputs=True)
    assert slopes[False] == pytest.approx(alone.weights[0].numerical, rel=1e-9)
    copy = rebuilt(layer, lambda new: new(FLAT), without=("dropout",))
    outputs = keras.ops.convert_to_numpy(copy(FLAT, training=True))
    np.testing.assert_allclose(outputs, FLAT, rtol=1e-6)


def test_the_loss_has_its_regularisation_and_weights_of_outputs():
    image = keras.Input((5,))
    hidden = keras.layers.Dense(4, activation="tanh", activity_regularizer="l2")(image)
    outputs = [keras.layers.Dense(1, kernel_regularizer="l1")(hidden) for _ in "ab"]
    model = keras.Model(image, outputs)
    model.compile("sgd", ["mse", keras.losses.Huber()], loss_weights=[1.0, 30.0])
    y = [DRAW.normal(size=(4, 1)) for _ in "ab"]
    report = callbacks.check_gradients(model, (FLAT, y))
    assert report.passed, report
    by_hand = model.weights[3]  # the bias of the first output: 2 mean(error)
    error = np.asarray(keras.ops.convert_to_numpy(model(FLAT)[0])) - y[0]
    found = next(w for w in report.weights if w.path == by_hand.path)
    assert found.numerical == pytest.approx(2 * np.mean(error), rel=1e-4)


def test_kinks_are_no_errors():
    x = np.zeros((3, 5))  # all units exactly at the kink of ReLU
    layer = keras.layers.Dense(4, activation="relu")
    report = callbacks.check_gradients(layer, x)
    assert verdicts(report) == {"kernel": "zero", "bias": "kinks"} and report.passed
    assert report.weights[1].kinks == 4 and report.weights[1].worst is None


def test_slopes_near_kinks_are_those_of_the_side_they_are_on():
    for distance in (1e-3, 1e-4, 1e-5, 3e-6, 3e-7):
        found = slope(lambda t, d=distance: 2 * max(t - d, 0) + 3 * t, 1e-4, 1e-16, 1)
        assert not found.kink and found.value == pytest.approx(3, rel=1e-7)
    assert slope(lambda t: max(t - 1e-7, 0), 1e-4, 1e-16, 1).kink  # too near to tell
    assert slope(lambda t: max(t, 0), 1e-4, 1e-16, 1).kink
    assert not slope(np.sin, 1e-4, 1e-16, 1).kink
    assert judge([slope(np.sin, 1e-4, 1e-16, 1)], [1.0])[2] == "great"


class Noise(keras.layers.Layer):
    def call(self, inputs):
        return inputs + np.random.normal()


class Closed(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.dense = keras.layers.Dense(units)

    def call(self, inputs):
        return self.dense(inputs)


def test_what_cannot_be_checked_is_said():
    with pytest.raises(TypeError, match="received int"):
        callbacks.check_gradients(3, FLAT)
    with pytest.raises(ValueError, match="entries >= 1, received 0"):
        callbacks.check_gradients(keras.layers.Dense(1), FLAT, entries=0)
    with pytest.raises(ValueError, match="no trainable weights.*inputs=True"):
        callbacks.check_gradients(keras.layers.ReLU(), FLAT)
    with pytest.raises(ValueError, match="get_config that tells every argument"):
        callbacks.check_gradients(Closed(2), FLAT)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=r"needs data as \(x, y\)"):
        callbacks.check_gradients(model, FLAT)
    with pytest.raises(ValueError, match="finite"):
        callbacks.check_gradients(model, (FLAT * np.nan, FLAT[:, :1]))


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="drawn once when compiled"
)
def test_a_loss_that_does_not_repeat_itself_is_refused():
    with pytest.raises(ValueError, match="repeats itself"):
        callbacks.check_gradients(Noise(), FLAT, inputs=True)


def test_float64_is_kept_and_then_put_back():
    with double_precision() as kept:
        assert kept
        layer = keras.layers.Dense(200)
        x = DRAW.normal(size=(3, 50))
        y = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x)))
        kernel = keras.ops.convert_to_numpy(layer.kernel)
    np.testing.assert_allclose(y, x @ kernel, rtol=0, atol=1e-13)
    assert keras.layers.Dense(1).dtype_policy.name == "float32"
    narrow = "float64" if keras.backend.backend() == "tensorflow" else "float32"
    assert keras.backend.result_type("float64", "float64") == narrow
