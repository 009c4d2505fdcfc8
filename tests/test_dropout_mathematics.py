"""The layers that drop against their papers: statistics, gradients, and errors."""

import keras
import numpy as np
import pytest
from conformance.gradients import gradients
from draws import check_mean, check_variance
from scipy.optimize import brentq

from kerasmith import layers
from kerasmith.layers.drop_block import seed_probability


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def ones(*shape):
    return np.ones(shape, "float32")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# DropBlock


def coverage(sizes, blocks):
    """Count the blocks that cover each element, one place after another."""
    count = np.zeros(sizes, int)
    for corner in np.ndindex(*(n - b + 1 for n, b in zip(sizes, blocks, strict=True))):
        count[tuple(slice(c, c + b) for c, b in zip(corner, blocks, strict=True))] += 1
    return count


SIZES = [((9, 7), (3, 2)), ((5, 5), (5, 5)), ((11,), (4,)), ((6, 4, 5), (2, 3, 1))]


def exact(rate, sizes, blocks):
    """Solve for the probability of a seed by bisection in double precision."""
    count = coverage(sizes, blocks)
    return brentq(lambda g: np.mean((1 - g) ** count) - (1 - rate), 0, 1, xtol=1e-14)


@pytest.mark.parametrize("sizes, blocks", [*SIZES, ((56, 56), (7, 7)), ((14,), (14,))])
@pytest.mark.parametrize("rate", [1e-3, 0.1, 0.5, 0.9, 0.999])
def test_the_probability_of_a_seed_solves_the_equation(sizes, blocks, rate):
    found = seed_probability(keras.ops.convert_to_tensor(rate), sizes, blocks)
    assert float(found) == pytest.approx(exact(rate, sizes, blocks), rel=1e-4)


def test_the_formula_of_the_paper_is_its_first_order():
    def paper(rate, height, width, block):
        return (
            rate
            / block**2
            * height
            * width
            / (height - block + 1)
            / (width - block + 1)
        )

    for rate, error in ((1e-4, 1e-4), (1e-2, 1e-2)):
        found = float(
            seed_probability(keras.ops.convert_to_tensor(rate), (20, 13), (5, 5))
        )
        assert found == pytest.approx(paper(rate, 20, 13, 5), rel=error)
    found = float(seed_probability(keras.ops.convert_to_tensor(0.5), (20, 13), (5, 5)))
    assert found > 1.3 * paper(0.5, 20, 13, 5)


def masks(layer, sizes, count=1000, channels=2, first=False):
    """Draw masks, true where something is dropped, one for each sample and channel."""
    shape = (count, channels, *sizes) if first else (count, *sizes, channels)
    dropped = numbers(layer(ones(*shape), training=True)) == 0
    dropped = dropped if first else np.moveaxis(dropped, -1, 1)
    return dropped.reshape(-1, *sizes)


@pytest.mark.parametrize("sizes, blocks", SIZES)
@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_as_much_is_dropped_as_the_rate_says(sizes, blocks, rate):
    layer = layers.DropBlock(rate, blocks, seed=3)
    dropped = masks(layer, sizes)
    check_mean(dropped.reshape(len(dropped), -1).mean(-1), rate)
    # and everywhere as often as blocks that overlap there say
    miss = 1 - exact(rate, sizes, blocks)
    check_mean(dropped, 1 - miss ** coverage(sizes, blocks))


@pytest.mark.parametrize("sizes, blocks", SIZES)
def test_whatever_is_dropped_lies_in_a_block(sizes, blocks):
    for first in (False, True):
        layer = layers.DropBlock(
            0.3, blocks, seed=4, data_format=f"channels_{'first' if first else 'last'}"
        )
        for dropped in masks(layer, sizes, 30, first=first):
            explained = np.zeros(sizes, bool)
            places = (n - b + 1 for n, b in zip(sizes, blocks, strict=True))
            for corner in np.ndindex(*places):
                block = tuple(
                    slice(c, c + b) for c, b in zip(corner, blocks, strict=True)
                )
                explained[block] |= dropped[block].all()
            np.testing.assert_array_equal(explained, dropped)


def test_rows_go_against_height_and_columns_against_width():
    whole_rows = masks(layers.DropBlock(0.5, (1, 4), seed=1), (7, 4), 50)
    np.testing.assert_array_equal(whole_rows.all(2), whole_rows.any(2))
    assert np.any(whole_rows.any(1) != whole_rows.all(1))


def test_what_is_kept_is_scaled_by_count_over_kept():
    x = normal(5, 9, 8, 3)
    y = numbers(layers.DropBlock(0.4, 3, seed=2)(x, training=True))
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] * (kept.size / kept.sum()), 1e-5)


def test_channels_drop_alike_only_if_they_share():
    for share, alike in ((True, True), (False, False)):
        layer = layers.DropBlock(0.5, 2, share_channels=share, seed=1)
        dropped = numbers(layer(ones(4, 5, 6, 7), training=True)) == 0
        assert np.all(dropped == dropped[..., :1]) == alike
        assert np.any(dropped[0] != dropped[1])


def test_blocks_of_one_are_dropout():
    dropped = masks(layers.DropBlock(0.3, 1, seed=1), (5, 3), 2000)
    check_mean(dropped, 0.3)
    pairs = dropped[:, 0, 0] & dropped[:, 0, 1]
    check_mean(pairs, 0.09)


def test_a_rate_below_the_steps_of_the_draws_is_met_too():
    rate, block = 2e-4, 7  # a seed has a probability of 5e-6, a third of a step
    layer = layers.DropBlock(rate, block, seed=1)
    draws = [masks(layer, (21, 21), 64, 32).mean() for _ in range(60)]
    check_mean(draws, rate)


def test_the_gradient_of_drop_block_is_its_mask():
    x, layer = normal(4, 6, 5, 3), layers.DropBlock(0.3, 2, seed=1)
    layer.build(x.shape)
    with keras.StatelessScope():
        y = numbers(layer(x, training=True))

    def total(arrays):
        with keras.StatelessScope():
            return keras.ops.sum(layer(arrays[0], training=True))

    (slope,) = gradients(total, [x])
    np.testing.assert_allclose(slope * x, y, 1e-5)


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"block_size": (3, 3)}, (1, 2, 5, 1), r"fit blocks of \(3, 3\).*most 2 along"),
        ({"block_size": 4}, (1, 9, 3, 1), "most 3 along axis 2"),
        ({"block_size": 4, "data_format": "channels_first"}, (1, 1, 3, 9), "axis 2"),
        ({"block_size": (2, 2, 2)}, (1, 5, 5, 1), "one block length for each of the 2"),
        ({}, (1, 5), "one to three spatial axes"),
    ],
)
def test_drop_block_says_what_does_not_fit(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        layers.DropBlock(0.1, **arguments).build(shape)


@pytest.mark.parametrize("block_size", [0, (3, 0), 2.5, ()])
def test_drop_block_refuses_blocks_that_are_none(block_size):
    with pytest.raises(ValueError, match="block_size of 1 or more"):
        layers.DropBlock(0.1, block_size)
    with pytest.raises(ValueError, match="data_format"):
        layers.DropBlock(0.1, data_format="last")


# LockedDropout


def test_one_mask_holds_over_time():
    y = numbers(layers.LockedDropout(0.4, seed=1)(ones(2000, 5, 3), training=True))
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 5, 1))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / np.float32(0.6))}
    check_mean(y[:, 0], 1)
    check_mean(y[:, 0] == 0, 0.4)
    check_mean((y[:, 0, 0] == 0) & (y[:, 0, 1] == 0), 0.16)


def test_locked_dropout_needs_time():
    with pytest.raises(ValueError, match="Without a time axis, take keras.layers.Drop"):
        layers.LockedDropout(0.1)(ones(2, 3))


# RandomizedLeakyReLU


def test_what_is_negative_is_divided_by_a_uniform_number():
    layer = layers.RandomizedLeakyReLU(2.0, 7.0, seed=1)
    x = -ones(4000, 5)
    divisors = -1 / numbers(layer(x, training=True)).astype("float64")
    assert 2 <= divisors.min() < 2.01 and 6.99 < divisors.max() <= 7.00001
    check_mean(divisors, 4.5)
    check_variance(divisors, 25 / 12)
    for edge in (3, 4, 5, 6):
        check_mean(divisors < edge, (edge - 2) / 5)
    check_mean(divisors[:, 0] * divisors[:, 1], 4.5**2)


def test_what_is_positive_stays_and_inference_takes_the_mean_divisor():
    x = normal(30, 7)
    layer = layers.RandomizedLeakyReLU(seed=1)
    y = numbers(layer(x, training=True))
    np.testing.assert_array_equal(y[x > 0], x[x > 0])
    np.testing.assert_allclose(numbers(layer(x)), np.where(x > 0, x, x / 5.5), 1e-6)


def test_its_gradient_is_the_slope_drawn():
    x, layer = normal(30, 7), layers.RandomizedLeakyReLU(seed=1)
    with keras.StatelessScope():
        slopes = numbers(layer(x, training=True)) / x

    def total(arrays):
        with keras.StatelessScope():
            return keras.ops.sum(layer(arrays[0], training=True))

    np.testing.assert_allclose(gradients(total, [x])[0], slopes, 1e-5)


@pytest.mark.parametrize("bounds", [(0.5, 8), (8, 3), (0, 0)])
def test_bounds_that_are_none_are_an_error(bounds):
    with pytest.raises(ValueError, match="1 <= lower <= upper"):
        layers.RandomizedLeakyReLU(*bounds)


# What all of them share

RATED = {
    "block": lambda rate: layers.DropBlock(rate, 2),
    "path": lambda rate: layers.DropPath(rate),
    "locked": lambda rate: layers.LockedDropout(rate),
}


@pytest.mark.parametrize("build", list(RATED.values()), ids=list(RATED))
@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, 50, float("nan"), "0.5", None])
def test_a_rate_outside_is_an_error(build, rate):
    with pytest.raises(ValueError, match=r"needs a rate in \[0, 1\), received rate="):
        build(rate)


@pytest.mark.parametrize("build", list(RATED.values()), ids=list(RATED))
def test_rate_0_and_inference_change_nothing(build):
    x = normal(1, 4, 3, 5)
    np.testing.assert_array_equal(numbers(build(0)(x, training=True)), x)
    np.testing.assert_array_equal(numbers(build(0.9)(x, training=False)), x)


class SetRates(keras.callbacks.Callback):
    """Gives all layers the rate of the epoch."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_epoch_begin(self, epoch, logs=None):
        for name in RATED:
            self.model.get_layer(name).rate.assign(self.rates[epoch])


@pytest.mark.parametrize("jit", [False, "auto"])
def test_a_rate_assigned_acts_inside_a_compiled_fit(jit):
    inputs = keras.Input((4, 3, 5))
    same = keras.layers.Dense(5, kernel_initializer="identity")(inputs)
    outputs = {}
    for name, build in RATED.items():
        layer = build(0.0)
        layer.name = name
        outputs[name] = layer(same)
    model = keras.Model(inputs, outputs)
    losses = {name: "mse" for name in outputs}
    model.compile(keras.optimizers.SGD(0.0), losses, jit_compile=jit)
    x, rates = normal(64, 4, 3, 5), [0, 0.5, 0, 0.9]
    history = model.fit(
        x, {name: x for name in outputs}, epochs=4, verbose=0, callbacks=SetRates(rates)
    ).history
    for name in outputs:
        first, half, again, most = history[f"{name}_loss"]
        assert first == again == 0
        # a rate of p drops p of the energy, and scales the rest: p / (1 - p)
        assert 0.3 < half < 3 < most
