"""Concrete dropout against its paper: the relaxation, the penalty, the rate learned."""

import keras
import numpy as np
import pytest
from draws import check_mean, check_variance
from scipy import integrate, optimize, special

from kerasmith import layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def ones(*shape):
    return np.ones(shape, "float32")


def moments(rate, temperature):
    """Give mean and mean square of what is kept, by integrals over the uniform u."""

    def kept(u):
        return special.expit(-(special.logit(rate) + special.logit(u)) / temperature)

    edge = 1 - rate  # half is kept there, and the integrand jumps nearly
    points = [max(edge - 0.1, edge / 2), edge, min(edge + 0.1, (1 + edge) / 2)]
    return (
        integrate.quad(lambda u, n=n: kept(u) ** n, 0, 1, points=points)[0]
        for n in (1, 2)
    )


def identity(**arguments):
    """Build the layer round a dense one that passes everything."""
    dense = keras.layers.Dense(3, kernel_initializer="identity")
    return layers.ConcreteDropout(dense, seed=1, **arguments)


@pytest.mark.parametrize("rate, temperature", [(0.1, 0.1), (0.5, 0.1), (0.3, 0.5)])
def test_factors_have_the_moments_of_the_relaxation(rate, temperature):
    layer = identity(initial_rate=rate, temperature=temperature)
    found = numbers(layer(ones(5000, 3), training=True)).astype("float64") * (1 - rate)
    mean, square = moments(rate, temperature)
    check_mean(found, mean)
    check_variance(found, square - mean**2)
    check_mean(found[:, 0] * found[:, 1], mean**2)


def test_at_a_low_temperature_it_is_dropout():
    found = numbers(
        identity(initial_rate=0.3, temperature=1e-4)(ones(4000, 3), training=True)
    )
    values = np.unique(np.round(found, 3))
    np.testing.assert_allclose([values.min(), values.max()], [0, 1 / 0.7], 1e-3)
    check_mean(found == 0, 0.3)


def test_inference_is_the_layer_alone():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = layers.ConcreteDropout(keras.layers.Dense(4))
    np.testing.assert_array_equal(numbers(layer(x)), numbers(layer.layer(x)))


@pytest.mark.parametrize("first", [False, True])
def test_images_lose_whole_channels(first):
    if first and keras.backend.backend() == "tensorflow":
        pytest.skip("no convolution of channels first on the CPU")
    depthwise = keras.layers.Conv2D(
        6,
        1,
        groups=6 if first else 1,
        kernel_initializer="ones" if first else identity_kernel,
        data_format="channels_first" if first else "channels_last",
    )
    layer = layers.ConcreteDropout(depthwise, 0.5, temperature=1e-3, seed=1)
    y = numbers(layer(ones(*((9, 6, 4, 5) if first else (9, 4, 5, 6))), training=True))
    y = y if first else np.moveaxis(y, -1, 1)
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :, :1, :1], y.shape), 1e-5)
    assert 0.2 < np.mean(y < 1) < 0.8


def identity_kernel(shape, dtype=None):
    return keras.ops.reshape(keras.ops.eye(shape[-1], dtype=dtype), shape)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9])
def test_the_penalty_is_that_of_the_paper(rate):
    layer = layers.ConcreteDropout(
        keras.layers.Dense(4), rate, weight_regularizer=0.3, dropout_regularizer=0.7
    )
    layer(ones(2, 6, 5), training=True)
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    squares = np.sum(numbers(layer.layer.kernel) ** 2)
    expected = 0.3 * squares / (1 - rate) - 0.7 * 5 * entropy
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_an_image_layer_counts_its_channels():
    layer = layers.ConcreteDropout(
        keras.layers.Conv1D(2, 3), 0.5, weight_regularizer=0, dropout_regularizer=1
    )
    layer.build((None, 9, 5))
    layer(ones(1, 9, 5))
    assert float(sum(layer.losses)) == pytest.approx(-5 * np.log(2), rel=1e-5)


# The right rate of a linear regression
#
# With inputs whose second moments are exactly the identity, targets x w*, and the
# squared error of predictions (x k / (1 - p)) w, k of mean m and mean square s, the
# expected objective is
#   sum_k w*^2 - 2 w* w m/(1-p) + w^2 s/(1-p)^2 + a w^2/(1-p)  -  b K H(p).
# It is least in w at w = w* m (1-p) / (s + a (1-p)). For plain dropout, m = s = 1 - p,
# its least value in p is at log((1-p)/p) = |w*|^2 / ((1 + a) b K).

WEIGHT, DROPOUT, FEATURES, STEPS = 0.02, 0.25, 8, 600


def objective(rate, truth, temperature):
    mean, square = moments(rate, temperature)
    keep = 1 - rate
    gain = np.sum(truth**2) * mean**2 / (square + WEIGHT * keep)
    entropy = -rate * np.log(rate) - keep * np.log(keep)
    return -gain - DROPOUT * FEATURES * entropy


def whitened(count):
    """Draw inputs whose second moments are exactly the identity."""
    raw = np.random.default_rng(0).normal(size=(count, FEATURES))
    return (np.linalg.qr(raw)[0] * np.sqrt(count)).astype("float32")


@pytest.mark.parametrize("initial_rate", [0.05, 0.6])
def test_the_rate_learned_is_the_right_one(initial_rate):
    keras.utils.set_random_seed(3)
    truth = np.random.default_rng(1).normal(size=(FEATURES, 1))
    truth *= np.sqrt(3.0) / np.linalg.norm(truth)
    x = np.tile(whitened(512), (STEPS, 1))  # all examples at each step
    y = (x @ truth).astype("float32")
    layer = layers.ConcreteDropout(
        keras.layers.Dense(1, use_bias=False),
        initial_rate,
        weight_regularizer=WEIGHT,
        dropout_regularizer=DROPOUT,
    )
    model = keras.Sequential([keras.Input((FEATURES,)), layer])
    decay = keras.optimizers.schedules.CosineDecay(0.05, STEPS, alpha=0.01)
    model.compile(keras.optimizers.Adam(decay), "mse")
    model.fit(x, y, batch_size=512, shuffle=False, verbose=0)
    right = optimize.minimize_scalar(
        lambda rate: objective(rate, truth, 0.1), bounds=(0.01, 0.9), method="bounded"
    ).x
    plain = special.expit(-3.0 / ((1 + WEIGHT) * DROPOUT * FEATURES))
    assert right == pytest.approx(plain, abs=0.02)
    assert float(layer.rate) == pytest.approx(right, abs=0.01)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"initial_rate": 0}, "initial_rate between 0 and 1"),
        ({"initial_rate": 1.5}, "initial_rate between 0 and 1"),
        ({"weight_regularizer": -1}, "weight_regularizer of 0 or more"),
        ({"dropout_regularizer": -1}, "dropout_regularizer of 0 or more"),
        ({"temperature": 0}, "temperature above 0"),
    ],
)
def test_numbers_out_of_range_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.ConcreteDropout(keras.layers.Dense(3), **arguments)


def test_a_layer_without_a_kernel_is_an_error():
    layer = layers.ConcreteDropout(keras.layers.Flatten())
    with pytest.raises(ValueError, match="needs a layer with a kernel, such as Dense"):
        layer.build((None, 3, 2))
    with pytest.raises(ValueError, match="layer"):
        layers.ConcreteDropout("dense")
