"""A backbone thaws step by step: what is frozen stays, what has thawed goes on."""

import itertools
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasmith import callbacks
from kerasmith.callbacks import optimizer_hooks
from kerasmith.callbacks.training_state import variables_of

BACKEND = keras.backend.backend()
X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")
SCHEDULE = {1: "neck", 2: "body"}


def make_model(optimizer=None, frozen=(), norm=False, **options):
    keras.utils.set_random_seed(5)
    names = ("body", "neck", "head")
    sizes = zip(names, (4, 3, 1), strict=True)
    parts = [keras.layers.Dense(size, name=name) for name, size in sizes]
    if norm:
        parts.insert(1, keras.layers.BatchNormalization(name="body_norm"))
    model = keras.Sequential([keras.Input((3,)), *parts])
    for name in frozen:
        model.get_layer(name).trainable = False
    model.compile(optimizer or keras.optimizers.Adam(0.1), "mse", **options)
    return model


def fit(model, kept, epochs=4, x=X, y=Y, **options):
    options = {"batch_size": 6, "shuffle": False, "verbose": 0, **options}
    model.fit(x, y, epochs=epochs, callbacks=kept, **options)
    return model


class Seen(keras.callbacks.Callback):
    """Keeps the weights of every layer before each epoch, and at the end."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_begin(self, epoch, logs=None):
        self.weights.append({p.name: p.get_weights() for p in self.model.layers})

    def on_train_end(self, logs=None):
        self.on_epoch_begin(None)

    def moved(self, name):
        """Tell for each epoch whether all weights of a layer moved in it."""
        pairs = itertools.pairwise(entry[name] for entry in self.weights)
        return [
            [bool(np.any(new != old)) for old, new in zip(*pair, strict=True)]
            for pair in pairs
        ]


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "nadam": lambda: keras.optimizers.Nadam(0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "accumulating": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1)),
}
every_optimizer = pytest.mark.parametrize("name", list(OPTIMIZERS))
# these hold their slots as Adam and SGD do, and no compilation is of their own
EAGER = ("adamw", "nadam", "rmsprop")


@every_optimizer
def test_frozen_weights_stay_bit_for_bit_and_thawed_ones_move(name):
    seen, schedule = Seen(), callbacks.FreezeSchedule(SCHEDULE)
    fit(make_model(OPTIMIZERS[name](), run_eagerly=name in EAGER), [seen, schedule])
    assert seen.moved("head") == [[True, True]] * 4
    assert seen.moved("neck") == [[False, False]] + [[True, True]] * 3
    assert seen.moved("body") == [[False, False]] * 2 + [[True, True]] * 2
    assert schedule.history == [4, 19, 35, 35]


def adam(values, gradients_of, trains, steps):
    """Adam from its paper, with the count of all steps, for those that train."""
    m, v = [np.zeros_like(w) for w in values], [np.zeros_like(w) for w in values]
    for t in range(1, steps + 1):
        for i, g in enumerate(gradients_of(values, t)):
            if trains(i, t):
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g * g
                rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                values[i] = values[i] - rate * m[i] / (np.sqrt(v[i]) + 1e-7)
    return values


def gradients_of(values, step):
    """Gradients of the mean squared error of three linear layers, by hand."""
    x, y = (X[:6], Y[:6]) if step % 2 else (X[6:], Y[6:])
    w1, b1, w2, b2, w3, b3 = values
    h1 = x @ w1 + b1
    h2 = h1 @ w2 + b2
    d3 = 2 * (h2 @ w3 + b3 - y) / len(x)
    d2 = d3 @ w3.T
    d1 = d2 @ w2.T
    pairs = [(x, d1), (h1, d2), (h2, d3)]
    return [g for h, d in pairs for g in (h.T @ d, d.sum(0))]


@pytest.mark.parametrize("frozen", [(), ("body", "neck")], ids=["asked", "by_hand"])
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}], ids=str)
def test_momenta_live_on_as_in_adam_by_hand(frozen, options):
    model = make_model(frozen=frozen, **options)
    start = [w.astype("float64") for w in model.get_weights()]
    if frozen:  # Keras lists what is frozen behind what trains
        start = [w.astype("float64") for p in model.layers for w in p.get_weights()]
    fit(model, [callbacks.FreezeSchedule(SCHEDULE)])
    # two steps an epoch: head (4, 5) from the first, neck (2, 3) from the third ...
    first = [5, 5, 3, 3, 1, 1]
    expected = adam(start, gradients_of, lambda i, t: t >= first[i], 8)
    found = [w for p in model.layers for w in p.get_weights()]
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, wanted, 2e-3, 2e-4)


def slots(model):
    """Map the names of an optimizer's variables, without numbers, to their values."""
    found = {}
    for variable in optimizer_hooks.own_variables(model.optimizer):
        values = found.setdefault(re.sub(r"_\d+$", "", variable.name), [])
        values.append(keras.ops.convert_to_numpy(variable))
    return found


@every_optimizer
def test_an_optimizer_built_on_frozen_layers_keeps_its_slots(name):
    options = {"frozen": ("body", "neck"), "run_eagerly": name in EAGER}
    model = make_model(OPTIMIZERS[name](), **options)
    fit(model, [], epochs=2)
    before = slots(model)
    assert any(np.any(value) for values in before.values() for value in values)
    schedule = callbacks.FreezeSchedule(SCHEDULE)
    schedule.set_model(model)
    after = slots(model)
    for key, value in before.items():
        np.testing.assert_equal(after[key], value)
    assert [part.trainable for part in model.layers] == [False, False, True]
    fresh = make_model(OPTIMIZERS[name]())
    fresh.optimizer.build(fresh.trainable_variables)
    assert len(slots(fresh)) == len(after) > len(before)
    assert len(fresh.optimizer.variables) == len(model.optimizer.variables)
    seen = Seen()
    fit(model, [schedule, seen])
    assert seen.moved("neck")[:2] == [[False, False], [True, True]]


@pytest.mark.parametrize("thaw, moves", [(False, False), (True, True)])
def test_batch_norm_rests_while_frozen_and_after_it_if_wished(thaw, moves):
    seen = Seen()
    schedule = callbacks.FreezeSchedule({1: "body*"}, thaw_batch_norm=thaw)
    model = fit(make_model(norm=True), [schedule, seen], epochs=3)
    assert seen.moved("body_norm") == [[False] * 4, [moves] * 4, [moves] * 4]
    assert seen.moved("body") == [[False] * 2, [True] * 2, [True] * 2]
    assert model.get_layer("body_norm").trainable is thaw


class Watched(optimizer_hooks.OptimizerHook):
    def attach(self, optimizer):
        self.count = optimizer.add_variable((), "zeros", name="watched_count")

    def transform(self, gradients, variables):
        self.count.assign(self.count + len(variables))
        return [gradient / 2 for gradient in gradients]


class Hooking(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.hook = Watched()
        optimizer_hooks.attach(self.model, self.hook)

    def on_epoch_end(self, epoch, logs=None):
        self.count = int(keras.ops.convert_to_numpy(self.hook.count))

    def on_train_end(self, logs=None):
        optimizer_hooks.detach(self.model, self.hook)


@pytest.mark.parametrize("turned", [False, True])
def test_it_works_with_hooks_in_any_order(turned):
    kept = [callbacks.FreezeSchedule(SCHEDULE), Hooking()]
    seen = Seen()
    model = fit(make_model(), [seen, *(kept[::-1] if turned else kept)])
    assert kept[1].count == 2 * (2 + 4 + 6 + 6)
    assert seen.moved("neck")[:2] == [[False, False], [True, True]]
    alone = fit(make_model(keras.optimizers.Adam(0.1)), [kept[0], Hooking()])
    np.testing.assert_equal(model.get_weights(), alone.get_weights())


def test_a_run_broken_off_and_resumed_ends_as_if_nothing_happened(tmp_path):
    def kept(folder):
        schedule = callbacks.FreezeSchedule({1: "neck", 3: "body"})
        return schedule, callbacks.Resume(folder, (schedule,))

    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    for turn in (1, -1):
        whole = kept(tmp_path / f"whole{turn}")
        expected = fit(make_model(), whole[::turn], epochs=5)
        broken = kept(tmp_path / f"broken{turn}")
        with pytest.raises(KeyboardInterrupt):
            fit(make_model(), [*broken[::turn], Broken()], epochs=5)
        again = kept(tmp_path / f"broken{turn}")
        resumed = make_model()
        options = {"epochs": 5, "initial_epoch": again[1].epoch}
        fit(resumed, again[::turn], **options)
        assert again[0].history == whole[0].history
        pairs = zip(variables_of(resumed), variables_of(expected), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)
            )


def test_a_model_left_half_frozen_trains_on_and_is_saved(tmp_path):
    model = fit(make_model(), [callbacks.FreezeSchedule({9: "body"})], epochs=2)
    body = model.get_layer("body").get_weights()
    fit(model, [], epochs=2)
    np.testing.assert_equal(model.get_layer("body").get_weights(), body)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.predict(X, verbose=0), model.predict(X, verbose=0)
    )
    fit(loaded, [], epochs=1)


def test_nested_models_thaw_by_the_names_inside():
    keras.utils.set_random_seed(5)
    inside = [keras.layers.Dense(3, name=f"block{i}") for i in range(3)]
    backbone = keras.Sequential([keras.Input((3,)), *inside], name="backbone")
    model = keras.Sequential([keras.Input((3,)), backbone, keras.layers.Dense(1)])
    backbone.trainable = False
    model.compile("adam", "mse")
    schedule = callbacks.FreezeSchedule({1: "block2", 2: ["block1"], 3: backbone})
    fit(model, [schedule])
    assert schedule.history == [4, 16, 28, 40]
    assert model.predict(X, verbose=0).shape == (12, 1)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no such option there")
def test_it_works_with_several_steps_in_one_execution_and_validation():
    schedule, seen = callbacks.FreezeSchedule(SCHEDULE), Seen()
    model = make_model(steps_per_execution=2)
    fit(model, [schedule, seen], validation_data=(X, Y))
    assert seen.moved("body")[1:3] == [[False, False], [True, True]]


MIRRORED = """
import tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from test_callback_freezing import SCHEDULE, Seen, callbacks, fit, make_model, keras
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = make_model(keras.optimizers.Adam(0.1), frozen=("body",))
seen = Seen()
fit(model, [callbacks.FreezeSchedule(SCHEDULE), seen])
print(seen.moved("neck"), seen.moved("body"))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow")
def test_it_works_on_replicas():
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, cwd="tests"
    )
    no, yes = [False, False], [True, True]
    assert done.stdout.strip() == f"{[no, yes, yes, yes]} {[no, no, yes, yes]}", (
        done.stderr[-3000:]
    )


@pytest.mark.parametrize(
    "build, model, error, message",
    [
        (["body"], {}, TypeError, r"dictionary of epochs.*\['body'\]"),
        ({-1: "body"}, {}, TypeError, "dictionary of epochs"),
        ({1: "boddy"}, {}, ValueError, "'boddy', but .* body, neck, head"),
        ({1: 7}, {}, ValueError, "7, but the model has no such layer"),
        ({1: "*"}, {}, ValueError, r"no weight .* epoch 0.*\[1\] only"),
    ],
)
def test_bad_schedules_are_refused_before_the_first_step(build, model, error, message):
    with pytest.raises(error, match=message):
        fit(make_model(**model), [callbacks.FreezeSchedule(build)])


def test_models_that_cannot_be_served_are_refused():
    averaging = keras.optimizers.Adam(0.1, use_ema=True)
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(make_model(averaging), [callbacks.FreezeSchedule(SCHEDULE)])
    model = make_model()
    model.trainable = False
    with pytest.raises(ValueError, match="trainable=False"):
        fit(model, [callbacks.FreezeSchedule(SCHEDULE)])
    if BACKEND == "tensorflow":  # the others build the model before its callbacks
        unbuilt = keras.Sequential([keras.layers.Dense(1, name="body")])
        unbuilt.compile("sgd", "mse")
        with pytest.raises(ValueError, match="call it on a batch"):
            fit(unbuilt, [callbacks.FreezeSchedule({0: "body"})])
