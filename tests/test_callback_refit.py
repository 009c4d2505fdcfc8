"""Using the validation data too, against a training written in NumPy."""

import keras
import numpy as np
import pytest

from kerasmith.callbacks import EarlyStopping, Patience, refit
from kerasmith.callbacks.joining import joined

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 24)).astype("float32")
Y = (X[:, :1] + 0.7 * RANDOM.normal(size=(70, 1))).astype("float32")
TRAIN, VALIDATION = (X[:32], Y[:32]), (X[32:], Y[32:])
RATE, SIZE = 0.1, 8
EAGER = {"run_eagerly": True}


def build(optimizer=None, **compile_options):
    """A linear model, so that NumPy can train it too."""
    model = keras.Sequential(
        [keras.Input((24,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(
        optimizer or keras.optimizers.SGD(RATE), "mse", **{**EAGER, **compile_options}
    )
    return model


def stopped(epochs=40, patience=3, **keywords):
    stopping = EarlyStopping(Patience(patience), **keywords)
    options = {"batch_size": SIZE, "shuffle": False, "verbose": 0}
    model = build()
    model.fit(
        *TRAIN,
        epochs=epochs,
        validation_data=VALIDATION,
        callbacks=[stopping],
        **options,
    )
    return model, stopping


def step(weights, bias, x, y):
    error = x @ weights + bias - y
    gradient = 2 / len(x) * x.T @ error
    return weights - RATE * gradient, bias - RATE * 2 * error.mean()


def steps(weights, bias, number, x, y):
    """The mini-batch descent in NumPy, from batch 0 on, in order."""
    batches = -(-len(x) // SIZE)
    for i in range(number):
        at = slice(i % batches * SIZE, i % batches * SIZE + SIZE)
        weights, bias = step(weights, bias, x[at], y[at])
    return weights, bias


def mse(weights, bias, x, y):
    return float(np.mean((x @ weights + bias - y) ** 2))


REFIT = {"batch_size": SIZE, "shuffle": False, "verbose": 0}


def test_anew_trains_on_both_for_the_steps_found():
    _, stopping = stopped()
    assert 0 < stopping.best_epoch < stopping.epochs[-1]
    done = refit(build, TRAIN, VALIDATION, stopping, **REFIT)
    assert done.steps == stopping.best_steps == 4 * (stopping.best_epoch + 1)
    assert done.reached and done.steps % 9, "the last epoch is to be cut short"
    weights, bias = steps(np.zeros((24, 1)), np.zeros(1), done.steps, X, Y)
    np.testing.assert_allclose(done.model.get_weights()[0], weights, 1e-4, 1e-5)
    np.testing.assert_allclose(done.model.get_weights()[1], bias, 1e-4, 1e-5)


def test_anew_trains_for_the_passes_found():
    _, stopping = stopped()
    done = refit(build, TRAIN, VALIDATION, stopping, unit="epochs", **REFIT)
    assert done.steps == 9 * (stopping.best_epoch + 1)
    assert len(done.history["loss"]) == stopping.best_epoch + 1
    weights, _ = steps(np.zeros((24, 1)), np.zeros(1), done.steps, X, Y)
    np.testing.assert_allclose(done.model.get_weights()[0], weights, 1e-4, 1e-5)


@pytest.mark.parametrize("place", ["device", "file"])
def test_continuing_ends_where_the_validation_loss_meets_the_training_loss(
    place, tmp_path
):
    keep = "device" if place == "device" else tmp_path / "best.weights.h5"
    model, stopping = stopped(keep=keep)
    weights, bias = model.get_weights()
    target = mse(weights, bias, *TRAIN)
    assert mse(weights, bias, *VALIDATION) > target
    epochs = 0
    while mse(weights, bias, *VALIDATION) > target and epochs < 100:
        weights, bias = steps(weights, bias, 9, X, Y)
        epochs += 1
    assert epochs > 1
    done = refit(build, TRAIN, VALIDATION, stopping, way="continue", **REFIT)
    assert done.reached and done.steps == 9 * epochs
    np.testing.assert_allclose(done.target, target, 1e-5)
    np.testing.assert_allclose(done.model.get_weights()[0], weights, 1e-4, 1e-5)
    assert done.model is not model


def test_continuing_has_a_bound_and_says_so():
    _, stopping = stopped()
    with pytest.warns(UserWarning, match="raise max_epochs"):
        done = refit(
            build,
            TRAIN,
            VALIDATION,
            stopping,
            way="continue",
            max_epochs=1,
            **{**REFIT, "batch_size": 70},
        )
    assert not done.reached and done.steps == 1


def test_nothing_is_left_to_do_where_the_validation_loss_is_lower_already():
    _, stopping = stopped()
    easy = (X[:8], stopping.model.predict(X[:8], verbose=0))
    done = refit(build, TRAIN, easy, stopping, way="continue", **REFIT)
    assert done.reached and done.steps == 0 and done.history == {}


@pytest.mark.parametrize("way", ["anew", "continue"])
def test_a_compiled_training_with_callbacks_of_its_own(way):
    _, stopping = stopped()
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_end=seen.append)
    compiled = lambda: build(run_eagerly=False)  # noqa: E731
    options = {**REFIT, "callbacks": [watch], "way": way}
    done = refit(compiled, TRAIN, VALIDATION, stopping, **options)
    eager = refit(build, TRAIN, VALIDATION, stopping, **REFIT, way=way)
    assert done.steps == eager.steps and len(seen) == 1
    np.testing.assert_allclose(
        done.model.get_weights()[0], eager.model.get_weights()[0], 1e-4, 1e-5
    )


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // SIZE)

    def __getitem__(self, index):
        at = slice(index * SIZE, (index + 1) * SIZE)
        return self.x[at], self.y[at]


def test_data_that_come_in_batches():
    _, stopping = stopped()
    data = Batches(*TRAIN), Batches(*VALIDATION)
    options = {"shuffle": False, "verbose": 0}
    for way in ("anew", "continue"):
        done = refit(build, *data, stopping, way=way, **options)
        arrays = refit(build, TRAIN, VALIDATION, stopping, way=way, **REFIT)
        assert done.steps == arrays.steps
        np.testing.assert_allclose(
            done.model.get_weights()[0], arrays.model.get_weights()[0], 1e-4, 1e-5
        )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its data sets")
def test_data_sets_of_tensorflow():
    import tensorflow as tf

    _, stopping = stopped()
    data = [
        tf.data.Dataset.from_tensor_slices(pair).batch(SIZE)
        for pair in (TRAIN, VALIDATION)
    ]
    done = refit(build, *data, stopping, verbose=0)
    arrays = refit(build, TRAIN, VALIDATION, stopping, **REFIT)
    assert done.steps == arrays.steps
    np.testing.assert_allclose(
        done.model.get_weights()[0], arrays.model.get_weights()[0], 1e-4, 1e-5
    )
    with pytest.raises(ValueError, match="without `repeat`"):
        refit(build, data[0].repeat(), data[1], stopping, verbose=0)


def test_arrays_in_dictionaries_are_joined():
    one = {"a": np.zeros((2, 3)), "b": np.zeros((2, 1))}, np.zeros(2), np.ones(2)
    two = {"a": np.ones((1, 3)), "b": np.ones((1, 1))}, np.ones(1), np.ones(1)
    x, y, weights = joined(one, two)
    assert x["a"].shape == (3, 3) and x["b"][:, 0].tolist() == [0, 0, 1]
    assert y.tolist() == [0, 0, 1] and weights.shape == (3,)
    assert joined((keras.ops.ones((2, 1)), np.ones(2)), (X[:1, :1], Y[0]))[0].shape == (
        3,
        1,
    )


def uncompiled():
    return keras.Sequential([keras.Input((24,)), keras.layers.Dense(1)])


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"way": "again"}, ValueError, "knows the ways"),
        ({"unit": "hours"}, ValueError, "the units"),
        ({"epochs": 5}, ValueError, "sets epochs itself"),
        ({"way": "continue", "max_epochs": 0}, ValueError, "max_epochs >= 1"),
        ({"model_builder": uncompiled}, ValueError, "is compiled"),
        ({"train": iter([TRAIN])}, TypeError, "joins two tuples"),
        ({"validation": (*VALIDATION, np.ones(38))}, ValueError, "2 and 3 parts"),
        ({"stopping": EarlyStopping(Patience(3))}, ValueError, "train with it first"),
    ],
)
def test_what_cannot_be_is_refused(change, error, message):
    stopping = EarlyStopping(Patience(3))
    stopping.best_epoch, stopping.epochs, stopping.best_steps = 0, [0], 4
    arguments = {"model_builder": build, "train": TRAIN, "validation": VALIDATION}
    with pytest.raises(error, match=message):
        refit(**{**arguments, "stopping": stopping, **change})


def test_the_trained_model_itself_is_no_new_one():
    model, stopping = stopped(epochs=2)
    with pytest.raises(ValueError, match="builds a new model"):
        refit(lambda: model, TRAIN, VALIDATION, stopping, **REFIT)
    _, without = stopped(epochs=2, restore_best_weights=False)
    with pytest.raises(ValueError, match="restore_best_weights=True"):
        refit(build, TRAIN, VALIDATION, without, way="continue", **REFIT)


def test_steps_that_are_not_known_are_told():
    _, stopping = stopped(epochs=2)
    stopping.best_steps = None
    with pytest.raises(ValueError, match="unit='epochs'"):
        refit(build, TRAIN, VALIDATION, stopping, **REFIT)
