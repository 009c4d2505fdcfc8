"""GradientClipping: the papers' rules in NumPy, Keras' own clipping, and a training."""

import copy
import json
import math

import keras
import numpy as np
import pytest
from hooked_models import (
    Probe,
    Probing,
    Stop,
    X,
    Y,
    difference,
    fit,
    length,
    make_model,
)
from keras import ops

from kerasmith.callbacks import GradientClipping, optimizer_hooks

OURS_AND_KERAS = {
    "value": "clipvalue",
    "norm": "clipnorm",
    "global_norm": "global_clipnorm",
}
every_rule = pytest.mark.parametrize("by", OURS_AND_KERAS)


def scaling(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer)


OPTIMIZERS = {
    "sgd": lambda **clip: keras.optimizers.SGD(0.1, **clip),
    "momentum": lambda **clip: keras.optimizers.SGD(
        0.1, momentum=0.9, weight_decay=0.01, **clip
    ),
    "adam": lambda **clip: keras.optimizers.Adam(0.01, **clip),
    "accumulating": lambda **clip: keras.optimizers.SGD(
        0.1, gradient_accumulation_steps=2, **clip
    ),
    "scaling": lambda **clip: scaling(keras.optimizers.SGD(0.1, **clip)),
}


class Steps(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


def steps_with(optimizer, *kept, **keywords):
    steps = Steps()
    fit(make_model(optimizer, **keywords), steps, *kept)
    return [weight for weights in steps.weights for weight in weights]


# a rule knows no optimizer: all are asked with one, and each is asked with two
ASKED = [("global_norm", name) for name in OPTIMIZERS]
ASKED += [(by, name) for by in ("value", "norm") for name in ("sgd", "accumulating")]


@pytest.mark.parametrize("by, name", ASKED)
def test_it_is_equal_to_keras_own_at_every_step(by, name):
    make = OPTIMIZERS[name]
    ours = steps_with(make(), clipping := GradientClipping(0.4, by))
    keras_own = steps_with(make(**{OURS_AND_KERAS[by]: 0.4}))
    for one, other in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)
    assert clipping.rows[0]["clipped_share"] > 0.4
    free = steps_with(make())
    assert max(np.abs(a - b).max() for a, b in zip(ours, free, strict=True)) > 1e-3


@every_rule
def test_it_is_equal_to_keras_own_in_half_precision(by):
    keras.config.set_dtype_policy("mixed_float16")
    ours = steps_with(keras.optimizers.SGD(0.1), GradientClipping(0.4, by))
    keras_own = steps_with(keras.optimizers.SGD(0.1, **{OURS_AND_KERAS[by]: 0.4}))
    for one, other in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@every_rule
def test_rows_of_an_embedding_are_clipped_where_each_comes_once(by):
    def train(optimizer, *kept):
        # one row at a time: Keras takes the norm of rows that come twice wrongly
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Embedding(9, 4)])
        model.compile(optimizer, "mse")
        x, y = np.arange(6)[:, None] % 5, np.full((6, 1, 4), 2.0)
        model.fit(x, y, batch_size=1, verbose=0, callbacks=list(kept))
        return model

    ours = train(keras.optimizers.SGD(0.1), GradientClipping(0.3, by))
    keras_own = train(keras.optimizers.SGD(0.1, **{OURS_AND_KERAS[by]: 0.3}))
    assert difference(ours, keras_own) < 1e-6


def test_rows_that_come_twice_count_as_their_sum():
    clipping = GradientClipping(0.01)
    model = make_model(keras.optimizers.SGD(1.0), embedding=True)
    before = model.get_weights()
    fit(model, clipping, steps_per_epoch=1)
    moved = [a - b for a, b in zip(model.get_weights(), before, strict=True)]
    np.testing.assert_allclose(length(moved), 0.01, 1e-3)


RNG = np.random.default_rng(5)


def tensors(arrays):
    return [ops.convert_to_tensor(array) for array in arrays]


@pytest.mark.parametrize("history", [1000, 5])
def test_autoclip_takes_the_percentile_of_the_norms_so_far(history):
    # the gradients of a model that is linear in its input do not depend on its weights
    inputs = RNG.exponential(size=(12, 1)).astype("float32")
    clipping = GradientClipping(30, "percentile", history=history)
    steps = Steps()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), lambda y, found: ops.mean(found))
    before = model.get_weights()[0]
    options = {"batch_size": 1, "shuffle": False, "verbose": 0}
    model.fit(inputs, inputs, callbacks=[clipping, steps], **options)
    kernels = np.array([before, *[weights[0] for weights in steps.weights]]).ravel()
    norms = inputs.ravel()
    limits = [
        np.percentile(norms[max(0, i + 1 - history) : i + 1], 30) for i in range(12)
    ]
    np.testing.assert_allclose(-np.diff(kernels), np.minimum(norms, limits), 1e-3, 1e-6)
    assert clipping.rows[0]["clipped_share"] == np.mean(norms > limits)
    kept = sorted(norms[-history:] if history < 12 else norms)
    np.testing.assert_allclose(sorted(clipping.get_state()["norms"]), kept, 1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_no_part_of_the_percentiles(bad):
    model = make_model()
    x = X.copy()
    x[4:8] = bad
    clipping = GradientClipping(100, "percentile")
    model.fit(x, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[clipping])
    assert np.isfinite(clipping.get_state()["norms"]).all()
    assert clipping.get_state()["seen"] == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@every_rule
def test_what_is_not_finite_ends_as_with_keras(by, bad):
    gradients = [np.array([1, bad, 3], "float32"), np.array([4.0, 5.0], "float32")]
    found = []
    for optimizer, clipping in (
        (keras.optimizers.SGD(1.0), GradientClipping(0.5, by)),
        (keras.optimizers.SGD(1.0, **{OURS_AND_KERAS[by]: 0.5}), None),
    ):
        a, b = (
            keras.layers.Dense(1, use_bias=False),
            keras.layers.Dense(1, use_bias=False),
        )
        model = keras.Sequential([keras.Input((3,)), a, b])
        model.compile(optimizer, "mse")
        if clipping:
            clipping.set_model(model)
            clipping.on_train_begin()
        variables = [keras.Variable(np.zeros(3)), keras.Variable(np.zeros(2))]
        optimizer.built = False
        optimizer.build(variables)
        optimizer.apply(tensors(gradients), variables)
        found.append([-ops.convert_to_numpy(variable) for variable in variables])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, 1e-6)


def test_the_logs_tell_norms_and_shares():
    probing, clipping = Probing(Probe()), GradientClipping(0.0)
    history = fit(make_model(), clipping, probing, epochs=2).history.history
    # with a threshold of 0 the weights stay, and so do the gradients
    np.testing.assert_allclose(*history["gradient_norm"], rtol=1e-5)
    assert history["clipped_share"] == [1, 1]
    single = fit(make_model(), alone := Probing(Probe()), steps_per_epoch=1)
    first = fit(make_model(), clipping, steps_per_epoch=1).history.history
    np.testing.assert_allclose(first["gradient_norm"], alone.norms, 1e-5)
    assert single.history.history.keys() == {"loss"}


class Moving(keras.callbacks.Callback):
    def __init__(self, clipping, limits):
        super().__init__()
        self.clipping, self.limits, self.moved = clipping, limits, []

    def on_train_batch_begin(self, batch, logs=None):
        self.clipping.threshold.assign(self.limits[batch])
        self.before = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        pairs = zip(self.model.get_weights(), self.before, strict=True)
        self.moved.append(length([after - before for after, before in pairs]) / 0.1)


def test_a_threshold_that_moves_acts_in_the_compiled_step():
    clipping = GradientClipping(9.0)
    moving = Moving(clipping, [0.5, 0.1, 0.0, 0.2])
    model = fit(make_model(), clipping, moving)
    np.testing.assert_allclose(moving.moved, moving.limits, 1e-3, 1e-6)
    assert float(clipping.threshold) == 9.0, "of the next training"
    clipping.threshold.assign(0.0)
    before = model.get_weights()
    fit(model, clipping)
    np.testing.assert_equal(model.get_weights(), before)


class Handed(keras.callbacks.Callback):
    """Hands over a state where a resumed run does."""

    def __init__(self, clipping, state):
        super().__init__()
        self.clipping, self.state = clipping, state

    def on_epoch_begin(self, epoch, logs=None):
        if self.state is not None:
            self.clipping.set_state(self.state)
        self.state = None


@pytest.mark.parametrize("by", ["global_norm", "adaptive", "percentile"])
def test_a_resumed_training_is_bit_for_bit_the_same(by):
    start = {"global_norm": 0.5, "adaptive": 0.02, "percentile": 40}[by]
    make = {"by": by, "history": 6}
    whole = GradientClipping(start, **make)
    one = fit(make_model("adam"), whole, epochs=4)
    before, after = GradientClipping(start, **make), GradientClipping(start, **make)
    two = fit(make_model("adam"), before, epochs=2)
    state = json.loads(json.dumps(before.get_state()))
    fit(two, Handed(after, state), after, epochs=4, initial_epoch=2)
    assert difference(one, two) == 0
    assert after.get_state() == whole.get_state()


def test_the_optimizer_is_left_as_it_was(tmp_path):
    model = fit(make_model("adam"), GradientClipping(0.1), epochs=1)
    plain = fit(make_model("adam"))
    assert type(model.optimizer) is type(plain.optimizer)
    assert len(model.optimizer.variables) == len(plain.optimizer.variables)
    with pytest.raises(KeyboardInterrupt):
        fit(model, GradientClipping(0.1), Stop())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.optimizer.variables) == len(plain.optimizer.variables)


def test_adaptive_clipping_leaves_the_last_layer_and_biases():
    clipping = GradientClipping(0.0, "adaptive")
    model = make_model()
    before = model.get_weights()
    fit(model, clipping)
    same = [
        np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True)
    ]
    assert same == [True, False, False, False]


def test_two_owners_are_an_error_before_the_first_step():
    for argument in OURS_AND_KERAS.values():
        for wrap in (lambda optimizer: optimizer, scaling):
            model = make_model(wrap(keras.optimizers.SGD(0.1, **{argument: 1.0})))
            with pytest.raises(
                ValueError, match=f"clips gradients itself .{argument}=1"
            ):
                fit(model, GradientClipping(1.0))
    model = make_model()
    with pytest.raises(
        ValueError, match="two callbacks .*'value' and 'norm'|'norm' and"
    ):
        fit(model, GradientClipping(1.0, "value"), GradientClipping(1.0, "norm"))
    assert optimizer_hooks.attached_hooks(model.optimizer) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"by": "size"}, "no rule by='size'; choose one of value, norm,"),
        ({}, "by 'global_norm' needs a threshold"),
        ({"by": "value"}, "by 'value' needs a threshold"),
        ({"threshold": -1.0}, "received -1.0"),
        ({"threshold": math.nan}, "received nan"),
        ({"threshold": 101, "by": "percentile"}, r"\[0, 100\], received 101"),
        ({"threshold": 1, "epsilon": 0}, "epsilon=0"),
        ({"threshold": 1, "history": 0.5}, "history=0.5"),
    ],
)
def test_bad_arguments_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientClipping(**arguments)


def test_it_can_be_copied():
    clipping = copy.deepcopy(GradientClipping(0.5, "percentile", history=7))
    assert fit(make_model(), clipping).history.history["clipped_share"][0] <= 1


def test_its_picture(tmp_path):
    clipping = GradientClipping(50, "percentile")
    fit(make_model(), clipping, epochs=3)
    figure = clipping.plot(tmp_path / "clipping.png")
    norms, shares = figure.axes
    drawn = [line.get_ydata() for line in norms.get_lines()]
    assert list(drawn[0]) == [row["gradient_norm"] for row in clipping.rows]
    assert list(drawn[1]) == [row["limit"] for row in clipping.rows]
    heights = [bar.get_height() for bar in shares.patches]
    assert heights == [100 * row["clipped_share"] for row in clipping.rows]
    assert (tmp_path / "clipping.png").stat().st_size > 2000
