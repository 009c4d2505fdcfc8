"""What a training monitor measures is right, and what it finds is there."""

import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import callbacks
from kerasmith.callbacks.activations import Activations
from kerasmith.callbacks.training_state import variables_of

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")


def make_model(optimizer=None, **options):
    keras.utils.set_random_seed(5)
    parts = [keras.layers.Dense(4, "tanh", name="first"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *parts])
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse", **options)
    return model


def fit(model, monitor, epochs=2, kept=(), x=X, y=Y, **options):
    options = {"batch_size": 6, "shuffle": False, "verbose": 0, **options}
    model.fit(x, y, epochs=epochs, callbacks=[*kept, monitor], **options)
    return monitor


def norms_by_hand(weights, x, y):
    """Gradient norms of the two layers, from the formula of the mean squared error."""
    w1, b1, w2, b2 = (w.astype("float64") for w in weights)
    hidden = np.tanh(x @ w1 + b1)
    last = 2 * (hidden @ w2 + b2 - y) / len(x)
    first = (last @ w2.T) * (1 - hidden**2)
    pairs = [(x, first), (hidden, last)]
    return [math.sqrt(np.sum((h.T @ d) ** 2) + np.sum(d.sum(0) ** 2)) for h, d in pairs]


def norms_of(weights):
    pairs = [weights[:2], weights[2:]]
    return [math.sqrt(sum(float(np.sum(w**2)) for w in pair)) for pair in pairs]


class Weights(keras.callbacks.Callback):
    """Keeps the weights before every batch."""

    def on_train_begin(self, logs=None):
        self.before = []

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(self.model.get_weights())


MODES = [{}, {"run_eagerly": True}, {"jit_compile": BACKEND != "torch"}]


@pytest.mark.parametrize("options", MODES, ids=str)
def test_norms_are_those_by_hand(options):
    seen = Weights()
    monitor = fit(make_model(**options), callbacks.TrainingMonitor(every=1), 2, [seen])
    assert [sample["step"] for sample in monitor.samples] == [0, 1, 2, 3]
    for sample, weights in zip(monitor.samples, seen.before, strict=True):
        batch = slice(0, 6) if sample["batch"] == 0 else slice(6, 12)
        expected = norms_by_hand(weights, X[batch], Y[batch])
        np.testing.assert_allclose(sample["gradient"], expected, 1e-4)
        np.testing.assert_allclose(sample["weight"], norms_of(weights), 1e-5)
        # plain descent: the change is the rate times the gradient
        np.testing.assert_allclose(sample["update"], 0.1 * np.array(expected), 1e-4)


def test_an_update_of_adam_is_the_change_of_the_weights():
    seen = Weights()
    model = make_model(keras.optimizers.Adam(0.01))
    monitor = fit(model, callbacks.TrainingMonitor(every=1), 1, [seen])
    old, new = seen.before
    changes = norms_of([a - b for a, b in zip(new, old, strict=True)])
    np.testing.assert_allclose(monitor.samples[0]["update"], changes, 1e-4)


def test_only_every_third_step_is_sampled():
    monitor = fit(make_model(), callbacks.TrainingMonitor(every=3), 4)
    places = [(s["epoch"], s["batch"], s["step"]) for s in monitor.samples]
    assert places == [(0, 0, 0), (1, 1, 3), (3, 0, 6)]


def test_training_goes_on_as_without_it():
    model, plain = make_model("adam"), make_model("adam")
    monitor = callbacks.TrainingMonitor(every=2, data=X[:4])
    fit(model, monitor, 3)
    plain.fit(X, Y, 6, 3, shuffle=False, verbose=0)
    for found, expected in zip(variables_of(model), variables_of(plain), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(found), ops.convert_to_numpy(expected), 1e-5, 1e-7
        )
    assert type(model.optimizer) is type(plain.optimizer)


def test_gradients_accumulate_before_they_are_measured():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    seen = Weights()
    monitor = fit(make_model(optimizer), callbacks.TrainingMonitor(every=1), 2, [seen])
    assert [sample["step"] for sample in monitor.samples] == [0, 2]
    for sample, weights in zip(monitor.samples, seen.before[::2], strict=True):
        expected = norms_by_hand(weights, X, Y)  # the mean of two halves
        np.testing.assert_allclose(sample["gradient"], expected, 1e-4)
        np.testing.assert_allclose(sample["update"], 0.1 * np.array(expected), 1e-4)


def test_scaled_losses_are_unscaled_and_clipping_comes_after():
    optimizer = keras.optimizers.SGD(0.1, clipvalue=1e-3)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)
    seen = Weights()
    monitor = fit(make_model(scaled), callbacks.TrainingMonitor(every=1), 1, [seen])
    expected = norms_by_hand(seen.before[0], X[:6], Y[:6])
    np.testing.assert_allclose(monitor.samples[0]["gradient"], expected, 1e-4)
    assert max(monitor.samples[0]["update"]) < 1e-3 * 0.1 * 5


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no such option there")
def test_several_steps_in_one_execution_are_one_sample():
    seen = Weights()
    model = make_model(steps_per_execution=2)
    monitor = fit(model, callbacks.TrainingMonitor(every=1), 2, [seen])
    assert [sample["step"] for sample in monitor.samples] == [0, 2]
    old, new = seen.before
    changes = norms_of([a - b for a, b in zip(new, old, strict=True)])
    np.testing.assert_allclose(monitor.samples[0]["update"], changes, 1e-4)


def test_a_layer_that_does_not_train_has_no_norms():
    monitor = callbacks.TrainingMonitor(every=1)
    model = make_model()
    fit(model, monitor, 2, [callbacks.FreezeSchedule({1: "first"})])
    firsts = [sample["gradient"][0] for sample in monitor.samples]
    assert firsts[:2] == [None, None] and min(firsts[2:]) > 0
    assert isinstance(monitor.findings(), list)


def nested():
    keras.utils.set_random_seed(1)
    conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")
    norm = keras.layers.BatchNormalization(name="norm")
    inner = keras.Sequential([keras.Input((6, 5, 2)), conv, norm], name="inner")
    image = keras.Input((6, 5, 2))
    x = keras.layers.Reshape((12, 4), name="rows")(inner(image))
    outputs = keras.layers.Dense(1, name="head")(keras.layers.LSTM(3, name="rnn")(x))
    return keras.Model(image, outputs), inner


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [keras.layers.Dense(3, "relu", name=f"part{i}") for i in range(2)]

    def call(self, x):  # no argument `training`
        for part in self.parts:
            x = part(x)
        return x


def test_activations_are_those_of_the_layers():
    model, inner = nested()
    x = RANDOM.normal(size=(4, 6, 5, 2)).astype("float32")
    measure = Activations(model)
    found = measure(x)
    assert measure.names == ["conv", "norm", "rows", "rnn", "head"]
    outputs = [inner.get_layer(name).output for name in ("conv", "norm")]
    expected = keras.Model(inner.inputs, outputs).predict(x, verbose=0)
    for i, values in enumerate(expected):
        np.testing.assert_allclose(found["mean"][i], values.mean(), 1e-4)
        np.testing.assert_allclose(found["std"][i], values.std(), 1e-4)
    np.testing.assert_array_equal(found["dead"][1:], -1)
    head = model.predict(x, verbose=0)
    np.testing.assert_allclose(found["mean"][-1], head.mean(), 1e-4, 1e-6)


def test_activations_of_subclassed_models_and_dead_units():
    model = Subclassed()
    model(X[:2])
    model.parts[0].bias.assign([-100.0, 5.0, -100.0])
    measure = Activations(model)
    found = measure(X[:5])
    assert measure.names == ["part0", "part1"]
    np.testing.assert_allclose(found["dead"][0], 2 / 3, 1e-6)
    assert not any("call" in vars(part) for part in model.parts)


def deep(activation, initializer="glorot_uniform", layers=20):
    keras.utils.set_random_seed(2)
    parts = [
        keras.layers.Dense(
            8, activation, kernel_initializer=initializer, name=f"layer{i:02d}"
        )
        for i in range(layers)
    ]
    model = keras.Sequential([keras.Input((3,)), *parts, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-6), "mse", run_eagerly=True)
    return model


def kinds(monitor):
    return [sentence.split(":")[0] for sentence in monitor.findings()]


def test_sigmoids_in_a_deep_stack_make_the_gradient_vanish():
    monitor = fit(deep("sigmoid"), callbacks.TrainingMonitor(every=1), 1)
    found = [s for s in monitor.findings() if s.startswith("vanishing")]
    assert len(found) == 1 and "layer00 gets" in found[0]
    tame = make_model(keras.optimizers.SGD(0.01))
    assert kinds(fit(tame, callbacks.TrainingMonitor(every=1, data=X), 1)) == []


def test_a_large_initialisation_makes_the_gradient_explode():
    large = keras.initializers.RandomNormal(stddev=3.0, seed=1)
    monitor = fit(deep("relu", large, 8), callbacks.TrainingMonitor(every=1), 1)
    assert "exploding gradient" in kinds(monitor)


def test_low_biases_kill_rectifiers():
    model = deep("relu", layers=1)
    model.layers[0].bias.assign([-100.0] * 6 + [1.0] * 2)
    monitor = fit(model, callbacks.TrainingMonitor(every=1, data=X), 1)
    assert [row["dead"] for row in monitor.activations] == [[0.75, None]]
    assert "dead units" in kinds(monitor)
    lenient = fit(model, callbacks.TrainingMonitor(every=1, data=X, dead=0.8), 1)
    assert "dead units" not in kinds(lenient)


def test_rates_too_large_and_too_small_are_told():
    for rate, kind in [(0.9, "large updates"), (1e-9, "small updates")]:
        model = make_model(keras.optimizers.SGD(rate))
        assert kind in kinds(fit(model, callbacks.TrainingMonitor(every=1), 1))


def test_a_step_that_loss_scaling_leaves_out_has_no_norms():
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=2.0**127
    )
    model = make_model(scaled)
    monitor = fit(model, callbacks.TrainingMonitor(every=1), 1, y=Y * 1e4)
    assert monitor.samples[0]["gradient"] == [None, None]


def written(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def test_tensorboard_reads_what_was_written(tmp_path):
    from tensorboard.util import tensor_util

    monitor = callbacks.TrainingMonitor(every=1, data=X, log_dir=tmp_path / "logs")
    fit(make_model(), monitor, 2)
    read = written(tmp_path / "logs")
    tags = read.Tags()["tensors"]
    first = monitor.layers[0]
    assert {f"gradient/{first}", f"weights/{first}", "activation_std/first"} <= set(
        tags
    )
    events = read.Tensors(f"gradient/{first}")
    values = [float(tensor_util.make_ndarray(e.tensor_proto)) for e in events]
    expected = [sample["gradient"][0] for sample in monitor.samples]
    np.testing.assert_allclose(values, expected, 1e-6)
    assert [event.step for event in events] == [0, 1, 2, 3]
    table = tensor_util.make_ndarray(read.Tensors(f"weights/{first}")[-1].tensor_proto)
    assert table.shape == (30, 3) and table[:, 2].sum() == 16


def test_the_page_of_plots_is_written(tmp_path):
    monitor = fit(make_model(), callbacks.TrainingMonitor(every=1, data=X), 3)
    lines = monitor.plot(tmp_path / "page.png").axes[0].get_lines()
    assert (tmp_path / "page.png").stat().st_size > 5000
    np.testing.assert_allclose(
        lines[0].get_ydata(), [sample["gradient"][0] for sample in monitor.samples]
    )


def test_a_state_is_plain_json_and_a_run_goes_on_from_it():
    whole = fit(make_model(), callbacks.TrainingMonitor(every=3, data=X), 4)
    model = make_model()
    before = fit(model, callbacks.TrainingMonitor(every=3, data=X), 2)
    state = json.loads(json.dumps(before.get_state()))
    after = callbacks.TrainingMonitor(every=3, data=X)
    after.set_state(state)
    assert after.findings() == []
    assert len(after.plot().axes) == 6
    hand_over = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 2 and after.set_state(state)
    )
    options = {"batch_size": 6, "shuffle": False, "verbose": 0, "initial_epoch": 2}
    model.fit(X, Y, epochs=4, callbacks=[after, hand_over], **options)
    assert after.get_state() == whole.get_state()


MIRRORED = """
import json
import tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from test_callback_training_monitor import X, callbacks, fit, make_model
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = make_model()
print(json.dumps(fit(model, callbacks.TrainingMonitor(every=1, data=X), 2).get_state()))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow")
def test_replicas_measure_what_one_device_does():
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, cwd="tests"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = json.loads(done.stdout)
    alone = fit(make_model(), callbacks.TrainingMonitor(every=1, data=X), 2)
    for found, expected in zip(state["samples"], alone.samples, strict=True):
        for name in ("gradient", "weight", "update"):
            np.testing.assert_allclose(found[name], expected[name], 1e-4)


def test_bad_arguments_are_refused_at_once():
    with pytest.raises(ValueError, match="every >= 1, received 0"):
        callbacks.TrainingMonitor(every=0)
    with pytest.raises(TypeError, match="vanish"):
        callbacks.TrainingMonitor(vanish=0.1)
