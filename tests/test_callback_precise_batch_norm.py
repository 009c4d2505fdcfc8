"""Trainings that end with exact batch norm statistics, in any order of callbacks."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import callbacks
from kerasmith.callbacks import trial

RANDOM = np.random.default_rng(0)
X = (RANDOM.normal(size=(24, 3)) * 2 + 5).astype("float32")
Y = X @ np.array([[1], [-2], [0.5]], "float32")
V = (RANDOM.normal(size=(10, 3)) * 2 + 5).astype("float32")
NOT_ON_TORCH = {"jit_compile", "steps_per_execution"}
VALIDATION = V, V @ np.array([[1], [-2], [0.5]], "float32")


def make_model(optimizer="sgd", **options):
    keras.utils.set_random_seed(4)
    parts = [
        keras.layers.Dense(4, activation="tanh"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((3,)), *parts])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, kept, epochs=3, **options):
    options = {"verbose": 0, "batch_size": 8, "shuffle": False, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=kept, **options)


def norm_of(model):
    norm = model.get_layer("norm")
    return [ops.convert_to_numpy(v) for v in norm.non_trainable_variables]


def expected(model):
    """Compute the statistics of the second layer's inputs with NumPy."""
    kernel, bias = (ops.convert_to_numpy(v) for v in model.layers[0].weights)
    order = np.random.default_rng(0).permutation(len(X))
    inputs = np.tanh(X[order] @ kernel + bias).reshape(3, 8, -1)
    return [inputs.mean((0, 1)), inputs.var(1, ddof=1).mean(0)]


def same(found, other):
    for one, two in zip(found, other, strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-5)


class Rising(keras.callbacks.Callback):
    """Lets the first epoch be the best."""

    def on_epoch_end(self, epoch, logs=None):
        logs["rising"] = float(epoch)


def restoring(folder):
    stopping = keras.callbacks.EarlyStopping(
        "rising", mode="min", patience=9, restore_best_weights=True
    )
    best = callbacks.KeepBest(folder / "best.weights.h5", "rising", mode="min")
    return {"EarlyStopping": stopping, "KeepBest": best}


@pytest.mark.parametrize("name", ["EarlyStopping", "KeepBest"])
@pytest.mark.parametrize("first", [True, False])
def test_the_weights_a_training_ends_with_count(name, first, tmp_path):
    precise = callbacks.PreciseBatchNorm(X, batch_size=8)
    other = restoring(tmp_path)[name]
    pair = [precise, other] if first else [other, precise]
    model = make_model()
    fit(model, [Rising(), *pair])
    alone = make_model()
    fit(alone, [], epochs=1)
    same(model.layers[0].get_weights(), alone.layers[0].get_weights())
    same(norm_of(model), expected(model))
    assert not np.allclose(norm_of(model)[0], norm_of(alone)[0], 1e-2)
    assert precise.kept == "exact" and precise.summary == "kept exact statistics"


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"jit_compile": True},
        {"steps_per_execution": 2},
        {"optimizer": keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)},
        {"optimizer": keras.optimizers.SGD(0.01, use_ema=True)},
    ],
    ids=["eager", "jit", "steps", "accumulation", "ema"],
)
def test_however_the_training_runs(options):
    if keras.backend.backend() == "torch" and options.keys() & NOT_ON_TORCH:
        pytest.skip("PyTorch has no steps_per_execution, and compiles for a minute")
    if "optimizer" in options:  # one for each training
        config = options["optimizer"].get_config()
        options = {**options, "optimizer": keras.optimizers.SGD.from_config(config)}
    model = make_model(**options)
    fit(model, [callbacks.PreciseBatchNorm(X, batch_size=8)])
    same(norm_of(model), expected(model))


class AfterTraining(keras.callbacks.Callback):
    """Keeps the weights that each epoch's training ends with."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_test_begin(self, logs=None):
        if self.trains:
            self.weights.append([v.copy() for v in self.model.get_weights()])

    def on_epoch_begin(self, epoch, logs=None):
        self.trains = True

    def on_epoch_end(self, epoch, logs=None):
        self.trains = False


@pytest.mark.parametrize("first", [True, False])
def test_validation_sees_exact_statistics(first):
    precise, after = (
        callbacks.PreciseBatchNorm(X, every=2, batch_size=8),
        AfterTraining(),
    )
    pair = [precise, after] if first else [after, precise]
    history = fit(make_model(), pair, epochs=4, validation_data=VALIDATION).history
    other = make_model()
    for epoch, weights in enumerate(after.weights):
        other.set_weights(weights)
        if epoch % 2:
            callbacks.recompute_statistics(other, X, batch_size=8)
        loss = other.evaluate(*VALIDATION, verbose=0)
        np.testing.assert_allclose(history["val_loss"][epoch], loss, 1e-4)


def test_an_evaluation_outside_a_training_changes_nothing():
    precise, model = callbacks.PreciseBatchNorm(X, every=1), make_model()
    fit(model, [precise])
    model.get_layer("norm").moving_mean.assign([7.0] * 4)
    model.evaluate(*VALIDATION, verbose=0, callbacks=[precise])
    same(norm_of(model)[:1], [[7.0] * 4])


@pytest.mark.parametrize("keep", ["better", "exact"])
@pytest.mark.parametrize("shift", [0, 1000])
def test_the_better_stays(keep, shift):
    model, plain = make_model(), make_model()
    precise = callbacks.PreciseBatchNorm(
        X + shift, batch_size=8, validation=VALIDATION, keep=keep
    )
    # past the start, whose statistics are those of no data
    for net in (model, plain):
        net.get_layer("norm").momentum = 0.5
    fit(model, [precise])
    fit(plain, [])
    moving = plain.evaluate(*VALIDATION, verbose=0)
    callbacks.recompute_statistics(plain, X + shift, batch_size=8)
    exact = plain.evaluate(*VALIDATION, verbose=0)
    assert precise.losses == pytest.approx({"moving": moving, "exact": exact}, 1e-4)
    better = "exact" if exact <= moving else "moving"
    assert precise.kept == ("exact" if keep == "exact" else better)
    assert shift == 0 or better == "moving"
    assert precise.summary.endswith(f"kept {precise.kept} statistics")
    found = model.evaluate(*VALIDATION, verbose=0)
    np.testing.assert_allclose(found, precise.losses[precise.kept], 1e-4)


def test_no_norm_is_told_before_the_first_step():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match="PreciseBatchNorm found no batch norm"):
        fit(model, [callbacks.PreciseBatchNorm(X)])
    np.testing.assert_equal(model.get_weights(), before)


class BreaksOff(keras.callbacks.Callback):
    """Presses Ctrl-C."""

    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_a_training_broken_off_leaves_nothing_behind(tmp_path):
    model, precise = make_model(), callbacks.PreciseBatchNorm(X, batch_size=8)
    with pytest.raises(KeyboardInterrupt):
        fit(model, [precise, BreaksOff()])
    model.save(tmp_path / "model.keras")
    fit(model, [precise])
    same(norm_of(model), expected(model))


def test_an_evaluation_broken_off_takes_the_statistics_back(monkeypatch):
    model, plain = make_model(), make_model()
    fit(plain, [])
    losses = iter([1.0])
    monkeypatch.setattr(trial, "_loss", lambda model, validation: next(losses))
    precise = callbacks.PreciseBatchNorm(X, batch_size=8, validation=VALIDATION)
    with pytest.raises(StopIteration):
        fit(model, [precise])
    same(norm_of(model), norm_of(plain))


def test_weights_survive_an_evaluation_that_fails():
    model = make_model()

    class Broken(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, number):
            if number:
                raise KeyboardInterrupt
            return VALIDATION

    precise = callbacks.PreciseBatchNorm(X, validation=Broken())
    with pytest.raises(KeyboardInterrupt):
        fit(model, [precise])
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert model.predict(X, verbose=0).shape == (24, 1)


def test_a_list_of_callbacks_without_history_and_one_with_its_own():
    model = make_model()
    precise = callbacks.PreciseBatchNorm(X, batch_size=8)
    fit(model, [])  # leaves a history that is none of the next training
    alone = keras.callbacks.CallbackList([precise], model=model, epochs=1)
    model.fit(X, Y, verbose=0, callbacks=alone)
    same(norm_of(model), expected(model))
    model.get_layer("norm").moving_mean.assign([7.0] * 4)
    history = keras.callbacks.History()
    for kept in ([history, precise], [precise, history]):
        fit(model, kept)
        same(norm_of(model), expected(model))
        assert "on_train_end" not in vars(history)


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"every": 0}, "every >= 1"),
        ({"keep": "best"}, "choose 'better' or 'exact'"),
        ({"validation": iter([])}, "evaluates on the validation data twice"),
        ({"data": iter([X]), "batches": 1, "every": 1}, "pass a function"),
        ({"data": None}, "needs the training data"),
    ],
)
def test_bad_arguments(options, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        callbacks.PreciseBatchNorm(**{"data": X, **options})
