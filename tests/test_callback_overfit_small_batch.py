"""Ten examples are learned by heart, or it is said what is wrong."""

import keras
import numpy as np
import pytest
from planted import Rolled, Shuffled, Stopped, Transposed
from sklearn.datasets import load_digits

from kerasmith import callbacks, layers, zoo
from kerasmith.callbacks import label_kinds as kinds

DIGITS = load_digits()
X = (DIGITS.data[:40] / 16).astype("float32")
Y = DIGITS.target[:40]


def make_model(*top, optimizer="adam", from_logits=True, units=32, middle=()):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(units, activation="relu", name="hidden"),
            *middle,
            keras.layers.Dense(10, name="logits"),
            *top,
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(optimizer, loss)
    return model


def overfit(model, **options):
    return callbacks.overfit_small_batch(model, (X, Y), **{"steps": 200, **options})


def test_lenet_learns_ten_digits():
    keras.utils.set_random_seed(1)
    images = np.pad(DIGITS.images[:20] / 16, ((0, 0), (12, 12), (12, 12)))[..., None]
    model = zoo.build("lenet5_modern")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    result = callbacks.overfit_small_batch(model, (images, DIGITS.target[:20]))
    assert result.passed and result.accuracy == 1 and result.steps < 200, result
    assert result.advice == () and result.last_loss == result.curve[-1]
    assert result.target == pytest.approx(0.05 * result.first_loss, rel=0.2)


def test_dropout_and_regularisation_are_off_and_the_model_is_untouched():
    middle = [keras.layers.Dropout(0.9), keras.layers.BatchNormalization()]
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=10.0)
    model = make_model(optimizer=optimizer, middle=middle)
    model.get_layer("hidden").kernel.regularizer = keras.regularizers.L2(10.0)
    model.fit(X, Y, verbose=0)
    held = [*model.variables, *model.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in held]
    result = overfit(model)
    assert result.passed, result
    for variable, old in zip(held, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), old)
    model.fit(X, Y, verbose=0)
    assert model.layers[1].rate == 0.9


WRONG = {
    "shuffled": (lambda: make_model(Shuffled()), "differ from one call to the next"),
    "constant": (lambda: make_model(keras.layers.Rescaling(0.0)), "same for all"),
    "softmax twice": (
        lambda: make_model(
            keras.layers.Softmax(), keras.layers.Softmax(), from_logits=False
        ),
        "Softmax may be applied twice",
    ),
    "no softmax": (lambda: make_model(from_logits=False), "no probabilities"),
    "rate of 1000": (
        lambda: make_model(optimizer=keras.optimizers.SGD(1e3)),
        "learning rate is too high",
    ),
    "rate of Adam": (
        lambda: make_model(optimizer=keras.optimizers.Adam(10.0)),
        "learning rate is too high",
    ),
    "axis of a shift": (lambda: make_model(Rolled()), "depends on the others"),
    "axis of a transposition": (
        lambda: make_model(middle=[Transposed()]),
        "depends on the others",
    ),
    "relu on top": (lambda: make_model(keras.layers.ReLU()), "ReLU behind the last"),
    "detached": (lambda: make_model(Stopped()), "No step changed any weight"),
    "detached below": (
        lambda: make_model(middle=[Stopped()], units=2),
        "No step changed hidden/kernel, hidden/bias",
    ),
}


@pytest.mark.parametrize("build, advice", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_first(build, advice):
    result = overfit(build())
    assert not result.passed and advice in result.advice[0], result
    assert "failed" in str(result) and result.advice[0] in str(result)


def make_for_two_inputs(activation, units, loss, last=None):
    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(32, activation=activation)
    top = keras.layers.Dense(units, activation=last)
    model = keras.Sequential([keras.Input((2,)), hidden, top])
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
ODD = np.array([[0], [1], [1], [0]])
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)
TWO = {
    "sparse": (2, SPARSE, None, "linear in the inputs"),
    "binary": (1, BINARY, None, "linear in the inputs"),
    "squares": (1, "mse", None, "linear in the inputs"),
    "softmax": (2, "sparse_categorical_crossentropy", "softmax", "linear in the"),
    "softmax of one": (1, "binary_crossentropy", "softmax", "over a single unit"),
    "no sigmoid": (1, "binary_crossentropy", None, "end the model in a sigmoid"),
}


@pytest.mark.parametrize("units, loss, last, advice", TWO.values(), ids=TWO)
def test_exclusive_or_needs_an_activation(units, loss, last, advice):
    options = {"units": units, "loss": loss, "last": last}
    result = callbacks.overfit_small_batch(
        make_for_two_inputs(None, **options), (CORNERS, ODD), steps=300
    )
    assert not result.passed and advice in " ".join(result.advice[:2]), result
    if "linear" in advice:
        assert advice in result.advice[0]
        right = make_for_two_inputs("tanh", **options)
        assert callbacks.overfit_small_batch(right, (CORNERS, ODD)).passed


def test_labels_that_contradict_each_other_are_found():
    twice = np.repeat(X[:5], 2, axis=0)
    result = callbacks.overfit_small_batch(make_model(), (twice, Y[:10]), steps=50)
    assert not result.passed and "same inputs" in result.advice[0], result


def test_a_transformer_learns_ten_digits():
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8))
    x = layers.TransformerEncoderBlock(2, 16, dropout=0.3)(image)
    x = keras.layers.GlobalMaxPooling1D()(x)
    model = keras.Model(image, keras.layers.Dense(10)(x))
    model.compile(keras.optimizers.Adam(3e-3), SPARSE)
    images = DIGITS.images[:10] / 16
    assert callbacks.overfit_small_batch(model, (images, Y[:10])).passed
    model.compile(keras.optimizers.Adam(5.0), SPARSE)
    result = callbacks.overfit_small_batch(model, (images, Y[:10]), steps=200)
    assert "learning rate is too high" in result.advice[0], result


def test_frozen_layers_are_named():
    model = make_model(units=1)
    model.get_layer("hidden").trainable = False
    model.compile("adam", model.loss)
    result = overfit(model)
    assert not result.passed and "hidden may not be trained" in result.advice[0]
    model.trainable = False
    model.compile("adam", model.loss)
    result = overfit(model)
    assert result.steps == 0 and "No weight of the model" in result.advice[0]


def test_a_regression_and_batches_of_data():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X, Y[:, None].astype("float32")

    result = callbacks.overfit_small_batch(model, Batches())
    assert result.passed and result.accuracy is None, result


def test_the_curve_is_drawn(tmp_path):
    result = overfit(make_model(), steps=30)
    figure = result.plot(tmp_path / "curve.png")
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), result.curve)
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_kinds_of_labels():
    three, one = np.ones((2, 3)), np.ones((2, 1))
    found = [
        kinds.kind_of_labels(np.array([2, 0]), three, "mse"),
        kinds.kind_of_labels(np.array([[0.0, 0, 1], [1, 0, 0]]), three, "mse"),
        kinds.kind_of_labels(np.array([[0.5, 0, 1], [1, 0, 0]]), three, "mse"),
        kinds.kind_of_labels(np.array([0, 1]), one, "binary_crossentropy"),
        kinds.kind_of_labels(np.array([0, 1]), one, "mse"),
        kinds.kind_of_labels(np.array([0, 1]), None, "mse"),
    ]
    assert found == ["sparse", "one-hot", None, "binary", None, None]
    logits = np.array([[-2.0], [3.0]])
    assert kinds.accuracy(np.array([0, 1]), logits, "binary") == 1
    assert kinds.accuracy(np.array([1, 1]), np.array([[0.2], [0.9]]), "binary") == 0.5


def test_bad_arguments_are_refused():
    model = make_model()
    with pytest.raises(TypeError, match="received int"):
        callbacks.overfit_small_batch(3, (X, Y))
    with pytest.raises(ValueError, match="share=2"):
        overfit(model, share=2)
    with pytest.raises(ValueError, match="examples=0"):
        overfit(model, examples=0)
    with pytest.raises(ValueError, match="to be compiled"):
        overfit(keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)]))
