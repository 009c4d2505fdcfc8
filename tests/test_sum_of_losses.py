"""Losses that are added: against each by itself."""

import keras
import numpy as np
import pytest

from kerasmith.layers import SoftDice, SumOfLosses, Tversky

TRUTH = np.random.default_rng(0).integers(0, 3, (4, 5, 7))
LOGITS = np.random.default_rng(1).normal(size=(4, 5, 7, 3)).astype("float32")


def both():
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return entropy, SoftDice(from_logits=True)


def test_it_is_the_weighed_sum_of_its_losses():
    one, other = both()
    found = SumOfLosses([one, other], [0.5, 2.0])(TRUTH, LOGITS)
    expected = 0.5 * float(one(TRUTH, LOGITS)) + 2 * float(other(TRUTH, LOGITS))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_weights_of_samples_reach_each_of_them():
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    two = SoftDice(from_logits=True), Tversky(from_logits=True)
    found = SumOfLosses(two)(TRUTH, LOGITS, sample_weight=weights)
    expected = sum(float(loss(TRUTH, LOGITS, weights)) for loss in two)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_it_survives_its_config_and_trains():
    loss = SumOfLosses(both(), [1.0, 3.0])
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(TRUTH, LOGITS)) == pytest.approx(float(loss(TRUTH, LOGITS)))
    model = keras.Sequential([keras.Input((5, 7, 3)), keras.layers.Dense(3)])
    model.compile("adam", again)
    losses = model.fit(LOGITS, TRUTH, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (([],), ValueError, "one loss or more"),
        ((["MeanSquaredError"], [1, 2]), ValueError, "a weight for each of 1"),
        ((["mean_squared_error"],), TypeError, "losses with a reduction"),
    ],
)
def test_what_cannot_be_added_is_told(arguments, kind, message):
    with pytest.raises(kind, match=message):
        SumOfLosses(*arguments)
