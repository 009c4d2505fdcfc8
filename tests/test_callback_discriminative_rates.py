"""Learning rates of layers: the change of each weight is multiplied."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from hooked_models import Stop, X, Y, difference, fit, make_model
from keras import ops

from kerasmith.callbacks import (
    DiscriminativeLearningRates,
    FreezeSchedule,
    GradientClipping,
    LearningRate,
)
from kerasmith.callbacks import optimizer_hooks as hooks

HERE = pathlib.Path(__file__).parent
optimizers = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda: optimizers.Adam(0.01),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "lion": lambda: optimizers.Lion(0.01),
    "averaging": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=9),
    "accumulating": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=4),
    "loss_scaling": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
}
MULTIPLIERS = (0.25, 0.25, 3.0, 3.0)


def rates():
    return DiscriminativeLearningRates({"hidden": 0.25, "last": 3})


def moved(model, *kept, **keywords):
    before = model.get_weights()
    after = fit(model, *kept, **keywords).get_weights()
    return [new - old for new, old in zip(after, before, strict=True)]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_one_update_changes_each_weight_by_its_multiple(make):
    micro = hooks.inner(make()).gradient_accumulation_steps or 1
    plain = moved(make_model(make()), steps_per_epoch=micro)
    found = moved(make_model(make()), rates(), steps_per_epoch=micro)
    for change, expected, multiplier in zip(found, plain, MULTIPLIERS, strict=True):
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(change, multiplier * expected, 1e-4, 1e-7)


def with_groups(weights, epochs, momentum=0.9, decay=0.1):
    """Train with SGD in NumPy, each weight at a learning rate of its own."""
    weights = [weight.astype("float64") for weight in weights]
    speeds = [0.0] * 4
    for step in range(4 * epochs):
        x, y = (values[step % 4 * 4 :][:4] for values in (X, Y))
        kernel, bias, last, end = weights
        hidden = np.tanh(x @ kernel + bias)
        error = 2 / 4 * (hidden @ last + end - y)
        back = error @ last.T * (1 - hidden**2)
        gradients = x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)
        for i, gradient in enumerate(gradients):
            rate = 0.1 * MULTIPLIERS[i]
            speeds[i] = momentum * speeds[i] - rate * gradient
            weights[i] = weights[i] * (1 - decay * rate) + speeds[i]
    return weights


def test_a_training_equals_one_with_a_rate_for_each_group():
    model = make_model(OPTIMIZERS["momentum"]())
    expected = with_groups(model.get_weights(), epochs=3)
    fit(model, rates(), epochs=3)
    for found, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, weight, 1e-4, 1e-5)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_it_acts_alike_however_the_step_is_compiled(jit_compile):
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("torch.compile takes most of a minute")
    model = fit(make_model("adam", jit_compile=jit_compile), rates())
    eager = fit(make_model("adam", run_eagerly=True), rates())
    assert difference(model, eager) < 1e-5


def test_rows_of_an_embedding_that_no_batch_asks_for_stay():
    plain = moved(make_model(embedding=True), steps_per_epoch=1)
    halved = DiscriminativeLearningRates({keras.layers.Embedding: 0.5})
    found = moved(make_model(embedding=True), halved, steps_per_epoch=1)
    np.testing.assert_allclose(found[0], plain[0] / 2, 1e-4, 1e-7)


def test_the_last_that_names_a_layer_counts():
    found = DiscriminativeLearningRates({"*": 0.1, keras.layers.Dense: 0.5, 0: 2})
    model = fit(make_model(), found)
    assert list(found.applied.values()) == [2, 2, 0.5, 0.5]
    assert list(found.applied) == [weight.path for weight in model.weights]


def test_a_layer_with_others_in_it_stands_for_them():
    inside = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(2)], name="in")
    model = keras.Sequential([keras.Input((3,)), inside, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    found = DiscriminativeLearningRates({"in": 0.5})
    model.fit(X, Y, verbose=0, callbacks=[found])
    assert list(found.applied.values()) == [0.5, 0.5, 0.5, 0.5, 1, 1]


def test_the_optimizer_is_as_before_and_goes_on(tmp_path):
    model = fit(make_model("adam"), rates())
    assert not hooks.attached_hooks(model.optimizer)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.embeds = False
    assert difference(fit(model, rates()), fit(loaded, rates())) < 1e-6


def test_after_a_training_that_was_broken_off_another_is_plain():
    model = make_model()
    with pytest.raises(KeyboardInterrupt):
        fit(model, rates(), Stop())
    weights = model.get_weights()
    found, plain = make_model(), make_model()
    for other in (found, plain):
        other.set_weights(weights)
    hooks.detach_all(model)
    assert difference(fit(model), fit(plain)) == 0


@pytest.mark.parametrize("turned", [False, True])
def test_it_works_with_those_that_steer_the_same_step(turned):
    def kept():
        return [
            rates(),
            LearningRate("linear", peak=0.1),
            GradientClipping(0.1),
            FreezeSchedule({1: "hidden"}),
        ][:: -1 if turned else 1]

    def trained():
        return fit(make_model(), *kept(), epochs=3)

    assert difference(trained(), trained()) == 0
    first = moved(make_model(), *kept(), steps_per_epoch=1)
    # clipped to 0.1, at a rate of 0.1; the hidden layer is frozen
    length = np.sqrt(sum(np.square(change).sum() for change in first))
    np.testing.assert_allclose(length, 3 * 0.1 * 0.1, 1e-4)
    assert not first[0].any()


def test_constraints_hold_after_it():
    model = make_model()
    model.layers[0].kernel.constraint = keras.constraints.UnitNorm(0)
    fit(model, rates())
    lengths = np.linalg.norm(model.get_weights()[0], axis=0)
    np.testing.assert_allclose(lengths, 1, 1e-5)


def test_averages_follow_the_weights():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.0)
    model = make_model(optimizer)
    fit(model, rates(), epochs=2)
    final = [ops.convert_to_numpy(value) for value in model.weights]
    optimizer.finalize_variable_values(model.trainable_variables)
    for weight, average in zip(model.get_weights(), final, strict=True):
        np.testing.assert_allclose(weight, average, 1e-6)


@pytest.mark.parametrize("wrong", [None, {}, 0.1, [("hidden", 0.1)]])
def test_it_needs_a_dictionary(wrong):
    with pytest.raises(TypeError, match="a dictionary of layers and multipliers"):
        DiscriminativeLearningRates(wrong)


@pytest.mark.parametrize("wrong", [0, -0.1, float("nan"), float("inf"), "1", True])
def test_multipliers_are_above_0(wrong):
    with pytest.raises(ValueError, match=r"above 0, received .* for 'hidden'"):
        DiscriminativeLearningRates({"hidden": wrong})


def test_what_names_no_layer_is_told_before_a_step():
    model = make_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match="'hiden', but .* are hidden, last"):
        fit(model, DiscriminativeLearningRates({"hiden": 0.1}))
    np.testing.assert_equal(model.get_weights(), before)


@pytest.mark.parametrize("name", ["Ftrl", "ScheduleFreeAdamW"])
def test_optimizers_with_sums_of_their_own_are_refused(name):
    model = make_model(getattr(optimizers, name)(0.1))
    with pytest.raises(ValueError, match=f"cannot serve {name}.* such as AdamW"):
        fit(model, rates())


def test_two_replicas_are_like_one():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("replicas are those of tf.distribute")
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "mirrored_rates.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert not done.returncode, done.stderr[-3000:]
    assert max(json.loads(done.stdout.splitlines()[-1])) < 1e-6
