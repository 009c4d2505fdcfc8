"""Monte-Carlo dropout: its statistics, and what it must leave alone."""

import keras
import numpy as np
import pytest
from draws import check_mean

from kerasmith import layers


def numbers(tree):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, tree)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def noisy(rate=0.5, units=2):
    """Build a model with dropout, and batch norms at its top and inside."""
    inputs = keras.Input((5,))
    x = keras.layers.Dense(7, activation="tanh")(inputs)
    inner = keras.Sequential(
        [keras.layers.BatchNormalization(), keras.layers.Dropout(rate, seed=3)]
    )
    x = keras.layers.BatchNormalization(momentum=0.5)(inner(x))
    return keras.Model(inputs, keras.layers.Dense(units)(x))


class Subclassed(keras.Model):
    """Has a batch norm in a list, dropout, and two outputs."""

    def __init__(self, rate=0.5):
        super().__init__()
        self.parts = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        self.drop = keras.layers.Dropout(rate, seed=1)

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x, training=training)
        return {"dropped": self.drop(x, training=training), "plain": x}


def train_norms(model, x):
    """Move all moving statistics, so that they are not those of any batch."""
    for seed in range(3):
        model(x + normal(*x.shape, seed=seed), training=True)


def state(model):
    weights = [w.path for w in model.weights]
    return weights, [numbers(w.value) for w in model.weights]


@pytest.mark.parametrize("samples", [2, 9])
def test_mean_and_deviation_are_those_of_single_predictions(samples):
    x, inner = normal(6, 5), keras.Sequential([keras.layers.Dropout(0.4, seed=1)])
    inner.build(x.shape)
    seed = next(v for v in inner.variables)
    start = numbers(seed.value)
    single = np.stack([numbers(inner(x, training=True)) for _ in range(samples)])
    last = numbers(seed.value)
    seed.assign(start)
    found = numbers(layers.MonteCarlo(inner, samples)(x))
    np.testing.assert_allclose(found["mean"], single.mean(0), 1e-5, 1e-6)
    np.testing.assert_allclose(
        found["standard_deviation"], single.std(0, ddof=1), 1e-5, 1e-6
    )
    np.testing.assert_array_equal(numbers(seed.value), last)


def test_dropout_before_a_linear_unit_has_a_known_variance():
    x, rate = normal(3, 8), 0.3
    inner = keras.Sequential(
        [keras.layers.Dropout(rate, seed=1), keras.layers.Dense(1)]
    )
    model = layers.MonteCarlo(inner, 4)
    # each row draws by itself
    predicted = model.predict(np.repeat(x, 500, 0), batch_size=100, verbose=0)
    found = keras.tree.map_structure(lambda a: a.reshape(3, 500, 1), predicted)
    w = numbers(inner.layers[1].kernel.value)
    check_mean(found["mean"].swapaxes(0, 1), x @ w)
    variance = rate / (1 - rate) * (x**2 @ w**2)
    check_mean(found["standard_deviation"].swapaxes(0, 1) ** 2, variance)


def test_a_large_mean_hides_no_small_deviation():
    inner = keras.Sequential(
        [keras.layers.GaussianNoise(1.0, seed=1), keras.layers.Rescaling(1, 1e4)]
    )
    found = numbers(layers.MonteCarlo(inner, 200)(np.zeros((400, 3), "float32")))
    assert found["standard_deviation"].mean() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("build", [noisy, Subclassed])
def test_batch_norm_stays_in_inference_mode(build):
    x, inner = normal(6, 5), build(0.0)
    train_norms(inner, x)
    before = state(inner)
    expected = numbers(inner(x, training=False))
    found = numbers(layers.MonteCarlo(inner, 3)(x))
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6),
        found["mean"],
        expected,
    )
    for deviation in keras.tree.flatten(found["standard_deviation"]):
        assert np.max(deviation) < 1e-5
    assert state(inner)[0] == before[0]
    keras.tree.map_structure(np.testing.assert_array_equal, state(inner)[1], before[1])


def test_our_batch_norm_stays_in_inference_mode_too():
    ours = getattr(layers, "BatchNormalization", None)
    if ours is None:
        pytest.skip("there is none yet")
    x, inner = normal(6, 5), keras.Sequential([ours()])
    train_norms(inner, x)
    before = state(inner)[1]
    found = numbers(layers.MonteCarlo(inner, 3)(x))
    np.testing.assert_allclose(found["mean"], numbers(inner(x)), 1e-5, 1e-6)
    keras.tree.map_structure(np.testing.assert_array_equal, state(inner)[1], before)


class Counter(keras.layers.Layer):
    """Counts its training steps, as some normalisers do."""

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, inputs, training=False):
        if training:
            self.count.assign(self.count + 1)
        return inputs + self.count


def test_whatever_else_a_layer_would_keep_is_forgotten():
    inner = keras.Sequential([Counter()])
    found = numbers(layers.MonteCarlo(inner, 3)(np.zeros((2, 3), "float32")))
    assert numbers(inner.layers[0].count.value) == 0
    np.testing.assert_array_equal(found["mean"], 1)


class Failing(keras.layers.Layer):
    """Fails in training once it is told to."""

    fail = False

    def call(self, inputs, training=False):
        if training and self.fail:
            raise RuntimeError("as told")
        return inputs


def test_what_is_trainable_stays_so_even_after_an_error():
    norm, frozen = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
    failing = Failing()
    inner = keras.Sequential([norm, frozen, failing])
    x = normal(3, 5)
    inner(x)
    frozen.trainable = False
    norm.gamma.trainable = False
    model = layers.MonteCarlo(inner, 2)
    model(x)
    failing.fail = True
    with pytest.raises(RuntimeError, match="as told"):
        model(x)
    assert norm.trainable and norm.beta.trainable and not norm.gamma.trainable
    assert not (frozen.trainable or frozen.gamma.trainable)


@pytest.mark.parametrize("jit", [False, "auto"])
def test_predict_draws_anew_for_each_batch_and_each_call(jit):
    model = layers.MonteCarlo(noisy(), 3)
    model.compile(jit_compile=jit)
    x = np.repeat(normal(1, 5), 5, axis=0)
    first, second = (model.predict(x, batch_size=2, verbose=0) for _ in range(2))
    assert first["mean"].shape == first["standard_deviation"].shape == (5, 2)
    rows = np.concatenate([first["mean"], second["mean"]])
    assert len(np.unique(rows[:, 0])) == 10
    assert np.all(first["standard_deviation"] > 0)


def test_several_outputs_keep_their_structure():
    x = normal(4, 5)
    model = layers.MonteCarlo(Subclassed(), 5)
    found = numbers(model(x))
    assert (
        set(found["mean"]) == set(found["standard_deviation"]) == {"dropped", "plain"}
    )
    assert np.all(found["standard_deviation"]["plain"] < 1e-5)
    assert np.any(found["standard_deviation"]["dropped"] > 0.1)
    symbolic = model(keras.Input((5,)))
    assert symbolic["mean"]["plain"].shape == (None, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_it_counts_in_float32(policy):
    keras.config.set_dtype_policy(policy)
    model, x = layers.MonteCarlo(noisy(), 4), normal(4, 5)
    for found in (model(x), model(keras.Input((5,)))):
        kinds = {keras.backend.standardize_dtype(v.dtype) for v in found.values()}
        assert kinds == {"float32"}


def test_saved_and_loaded_it_draws_the_same(tmp_path):
    model, x = layers.MonteCarlo(noisy(), 4), normal(4, 5)
    train_norms(model.model, x)
    model(x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.samples == 4
    for ours, other in zip(model.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours.value), numbers(other.value))
    assert np.any(numbers(again(x))["standard_deviation"] > 0)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras exports no SavedModel from torch"
)
def test_a_saved_model_draws_at_each_call(tmp_path):
    import tensorflow as tf

    model, x = layers.MonteCarlo(noisy(), 40), normal(4, 5)
    train_norms(model.model, x)
    model(x)
    keywords = {"is_static": False} if keras.backend.backend() == "jax" else {}
    model.export(tmp_path / "saved", verbose=False, **keywords)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    first, second = (numbers_of(loaded.serve(x)) for _ in range(2))
    assert np.all(first["mean"] != second["mean"])
    error = first["standard_deviation"] / np.sqrt(40)
    expected = numbers(model(x))["mean"]
    assert np.all(np.abs(first["mean"] - expected) < 8 * error)


def numbers_of(outputs):
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize("samples", [1, 0, 2.5])
def test_one_sample_is_an_error(samples):
    with pytest.raises(ValueError, match="2 samples or more"):
        layers.MonteCarlo(noisy(), samples)


def test_no_model_is_an_error():
    with pytest.raises(TypeError, match="layer or model of Keras"):
        layers.MonteCarlo(lambda x: x)
