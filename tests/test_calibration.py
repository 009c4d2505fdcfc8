"""Calibration, held to the paper's formulas, to scikit-learn and to statistics."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn import metrics

from kerasmith.zoo.tools.calibration import calibration, fit_temperature, log_softmax


def drawn(examples=20_000, classes=5, seed=0):
    """Draw logits, and true classes from the very probabilities that they mean."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (examples, classes))
    shares = np.exp(log_softmax(logits)).cumsum(axis=1)
    truth = (random.random((examples, 1)) > shares[:, :-1]).sum(axis=1)
    return logits, truth


def by_the_paper(probabilities, truth, bins):
    """Equations 2, 3 and 5 of Guo et al., bin by bin, in plain loops."""
    gaps, error = [], 0.0
    for m in range(1, bins + 1):
        inside = [
            i
            for i, row in enumerate(probabilities)
            if (m - 1) / bins < max(row) <= m / bins
        ]
        if inside:
            right = [np.argmax(probabilities[i]) == truth[i] for i in inside]
            gaps.append(
                abs(np.mean(right) - np.mean([max(probabilities[i]) for i in inside]))
            )
            error += len(inside) / len(truth) * gaps[-1]
    return error, max(gaps)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_errors_are_those_of_the_paper(bins):
    logits, truth = drawn(300, 3)
    probabilities = np.exp(log_softmax(logits * 1.7))
    found = calibration(probabilities, truth, bins)
    error, largest = by_the_paper(probabilities, truth, bins)
    assert found.expected_error == pytest.approx(error, rel=1e-12)
    assert found.maximum_error == pytest.approx(largest, rel=1e-12)
    assert len(found.table) == bins
    assert sum(row["examples"] for row in found.table) == 300


def test_a_border_belongs_to_the_lower_bin_and_certainty_to_the_last():
    found = calibration([[0.5, 0.25, 0.25], [0, 1, 0]], [0, 1], bins=4)
    assert [row["examples"] for row in found.table] == [0, 1, 0, 1]
    assert found.table[0]["accuracy"] is None
    assert found.table[1] == {
        "above": 0.25, "up_to": 0.5, "examples": 1, "confidence": 0.5, "accuracy": 1.0,
    }  # fmt: skip


def test_the_brier_score_is_that_of_scikit_learn():
    logits, truth = drawn(200, 4)
    probabilities = np.exp(log_softmax(logits))
    theirs = sum(
        metrics.brier_score_loss(truth == i, probabilities[:, i]) for i in range(4)
    )
    assert calibration(probabilities, truth).brier == pytest.approx(theirs, rel=1e-9)


def test_what_is_as_sure_as_right_has_next_to_no_error():
    logits, truth = drawn()
    probabilities = np.exp(log_softmax(logits))
    assert calibration(probabilities, truth).expected_error < 0.02
    assert calibration(np.exp(log_softmax(3 * logits)), truth).expected_error > 0.1


@pytest.mark.parametrize("times", [0.25, 1.0, 3.0])
def test_the_temperature_undoes_what_made_logits_too_large_or_small(times):
    logits, truth = drawn()
    temperature = fit_temperature(times * logits, truth)
    assert temperature == pytest.approx(times, rel=0.03)
    scaled = np.exp(log_softmax(times * logits, temperature))
    assert calibration(scaled, truth).expected_error < 0.02
    # logarithms of probabilities serve as well as logits
    again = fit_temperature(log_softmax(times * logits), truth)
    assert again == pytest.approx(temperature, rel=1e-9)


def test_the_temperature_is_the_minimum_that_another_search_finds():
    logits, truth = drawn(100, 3, seed=4)

    def loss(temperature):
        return metrics.log_loss(truth, np.exp(log_softmax(logits, temperature)))

    theirs = minimize_scalar(loss, bounds=(0.05, 20), method="bounded")
    assert fit_temperature(logits, truth) == pytest.approx(theirs.x, rel=1e-3)


def test_a_temperature_without_a_minimum_ends_at_its_limit():
    logits = np.log([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(logits, [0, 1]) == pytest.approx(0.05)
    assert fit_temperature(logits, [1, 0]) == pytest.approx(20)


def test_logits_of_any_size_stay_finite():
    told = log_softmax([[1e5, 0.0], [-1e5, 0.0]], 0.05)
    assert np.isfinite(told).all()
    np.testing.assert_array_equal(np.exp(told), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    "probabilities, truth, bins",
    [([0.5, 0.5], [0, 1], 3), ([[0.5, 0.5]], [0, 1], 3), ([[0.5, 0.5]], [0], 0)],
)
def test_what_does_not_fit_is_refused(probabilities, truth, bins):
    with pytest.raises(ValueError, match="calibration needs probabilities of shape"):
        calibration(probabilities, truth, bins)
