"""Metrics of segmentation against scikit-learn, and counts beyond what floats hold."""

import keras
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from kerasmith import layers

POSITIONS = [(), (7,), (5, 3), (3, 1, 2)]
SCORES = {
    "iou": (layers.MeanIoU, jaccard_score),
    "dice": (layers.MeanDice, f1_score),
}
both = pytest.mark.parametrize("build, score", SCORES.values(), ids=SCORES)


def labels_for(*shape, classes=4, seed=1):
    return np.random.default_rng(seed).integers(0, classes, shape)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def scores_of(score, true, chosen, classes=4, **keywords):
    """Score each class by scikit-learn, NaN where it is nowhere."""
    true, chosen = np.ravel(true), np.ravel(chosen)
    found = score(
        true,
        chosen,
        labels=range(classes),
        average=None,
        zero_division=0,
        **keywords,
    )
    there = [c in true or c in chosen for c in range(classes)]
    return np.where(there, found, np.nan)


def check(metric, expected):
    np.testing.assert_allclose(metric.per_class(), expected, rtol=1e-6)
    mean = float(keras.ops.convert_to_numpy(metric.result()))
    assert mean == pytest.approx(np.nanmean(expected), rel=1e-5)


@both
@pytest.mark.parametrize("positions", POSITIONS, ids=str)
def test_scores_in_every_form(build, score, positions):
    true, logits = labels_for(3, *positions), drawn(3, *positions, 4)
    true[true == 3] = 0
    logits[..., 3] -= 9  # the last class is nowhere
    chosen = logits.argmax(-1)
    expected = scores_of(score, true, chosen)
    assert np.isnan(expected[3])
    for shown in (true, true[..., None], np.eye(4)[true], true.astype("uint8")):
        metric = build(4)
        metric.update_state(shown, logits)
        check(metric, expected)
        for choice in (chosen, chosen[..., None]):
            metric = build(4, sparse_y_pred=True)
            metric.update_state(shown, choice)
            check(metric, expected)


@both
def test_scores_of_a_single_channel(build, score):
    true, logits = labels_for(2, 5, 3, classes=2), drawn(2, 5, 3, 1)
    expected = scores_of(score, true, logits > 0, classes=2)
    p = 1 / (1 + np.exp(-logits))
    for shown in (true, true[..., None], np.eye(2)[true]):
        for metric, y_pred in ((build(2), p), (build(2, from_logits=True), logits)):
            metric.update_state(shown, y_pred)
            check(metric, expected)


@both
@pytest.mark.parametrize("ignored", [255, -1, 0])
def test_ignored_positions_do_not_count(build, score, ignored):
    true, chosen = labels_for(2, 5, 3), labels_for(2, 5, 3, seed=2)
    true[:, 1:3] = ignored
    counted = true != ignored
    expected = scores_of(score, true[counted], chosen[counted])
    if ignored == 0:
        expected[0] = np.nan
    rows = np.array([np.eye(4)[n] if 0 <= n < 4 else np.zeros(4) for n in true.flat])
    for shown in (true, rows.reshape(2, 5, 3, 4)):
        metric = build(4, ignore_class=ignored, sparse_y_pred=True)
        metric.update_state(shown, chosen)
        check(metric, expected)


@both
def test_weights_weigh(build, score):
    true, chosen = labels_for(3, 5, 3), labels_for(3, 5, 3, seed=2)
    weights = np.random.default_rng(3).uniform(0, 2, (3, 5, 3))
    per_sample = np.array([0.3, 2.0, 0.0])
    spread = np.broadcast_to(per_sample[:, None, None], true.shape)
    for given, each in ((weights, weights), (weights[..., None], weights)):
        metric = build(4, sparse_y_pred=True)
        metric.update_state(true, chosen, sample_weight=given)
        expected = scores_of(score, true, chosen, sample_weight=each.ravel())
        check(metric, expected)
    metric = build(4, sparse_y_pred=True)
    metric.update_state(true, chosen, sample_weight=per_sample)
    check(metric, scores_of(score, true, chosen, sample_weight=spread.ravel()))
    matrix = confusion_matrix(
        true.ravel(), chosen.ravel(), sample_weight=spread.ravel()
    )
    np.testing.assert_allclose(metric.confusion_matrix(), matrix, rtol=1e-6)


def test_the_matrix_has_a_row_for_each_true_class():
    true, chosen = labels_for(40), labels_for(40, seed=2)
    metric = layers.MeanIoU(4, sparse_y_pred=True)
    metric.update_state(true, chosen)
    np.testing.assert_array_equal(
        metric.confusion_matrix(), confusion_matrix(true, chosen)
    )


def start_at(metric, count):
    """Let both of the wrong cells of two classes and the right ones hold a count."""
    counts = np.array([count, count, count, count, 0], "int64")
    high, low, rest = metric.variables
    high.assign((counts // 2**24).astype("int32"))
    low.assign((counts % 2**24).astype("int32"))


@pytest.mark.parametrize("count", [2**24 - 1, 2**25 - 1, 2**31 - 1, 2**32 - 1, 2**40])
def test_counts_are_exact_beyond_what_floats_and_whole_numbers_hold(count):
    true, chosen = np.array([[0, 0, 1, 1, 1]]), np.array([[0, 1, 1, 1, 0]])
    metric = layers.MeanIoU(2, sparse_y_pred=True)
    start_at(metric, count)
    for _ in range(3):
        metric.update_state(true, chosen)
    expected = count + 3.0 * np.array([[1, 1], [1, 2]])
    np.testing.assert_array_equal(metric.confusion_matrix(), expected)
    # a digit never grows to where whole numbers of 32 bits end
    assert np.all(keras.ops.convert_to_numpy(metric.variables[1]) < 2**24)
    diagonal = np.diag(expected)
    iou = diagonal / (expected.sum(0) + expected.sum(1) - diagonal)
    check(metric, iou)


def test_weighed_counts_carry_their_fractions():
    metric = layers.MeanDice(2, sparse_y_pred=True)
    start_at(metric, 2**31 - 1)
    for _ in range(7):
        metric.update_state(
            np.array([[0, 1], [1, 1]]),
            np.array([[0, 1], [0, 1]]),
            sample_weight=np.array([[0.75, 1.5], [2.25, 3.0]]),
        )
    added = 7 * np.array([[0.75, 0], [2.25, 4.5]])
    np.testing.assert_array_equal(metric.confusion_matrix(), 2**31 - 1.0 + added)


def test_many_weights_of_one_lose_nothing():
    """One float32 sum of them all would stop at 2 ** 24."""
    metric = layers.MeanIoU(2, sparse_y_pred=True)
    pixels = np.zeros((2, 2**11, 2**12 + 1), "uint8")
    metric.update_state(pixels, pixels, sample_weight=np.ones(2))
    assert metric.confusion_matrix()[0, 0] == pixels.size > 2**24


def test_a_class_that_is_none_makes_the_result_nan_but_not_at_weight_0():
    metric = layers.MeanIoU(3, sparse_y_pred=True)
    true, chosen = np.array([[0, 255, 1]]), np.array([[0, 1, 1]])
    metric.update_state(true, chosen, sample_weight=np.array([[1, 0, 1]]))
    assert float(keras.ops.convert_to_numpy(metric.result())) == 1
    metric.update_state(true, chosen)
    assert np.isnan(keras.ops.convert_to_numpy(metric.result()))
    metric.reset_state()
    metric.update_state(np.array([[0, 2, 1]]), np.array([[0, 3, 1]]))
    assert np.isnan(keras.ops.convert_to_numpy(metric.result()))


def test_without_anything_counted_the_result_is_0():
    metric = layers.MeanDice(3, ignore_class=9)
    assert float(keras.ops.convert_to_numpy(metric.result())) == 0
    metric.update_state(np.full((2, 4), 9), drawn(2, 4, 3))
    assert float(keras.ops.convert_to_numpy(metric.result())) == 0
    assert np.all(np.isnan(metric.per_class()))


@pytest.mark.parametrize(
    "keywords, true, predicted, message",
    [
        ({"classes": 4}, (2, 5), (2, 5, 3), "needs predictions of shape.*4.*received"),
        ({"classes": 3}, (2, 5), (2, 5, 1), "a single channel needs classes=2"),
        ({"classes": 3}, (2, 4), (2, 5, 3), r"y_true of shape \(2, 4\)"),
        ({"classes": 3, "sparse_y_pred": True}, (2, 4), (2, 5), r"shape \(2, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(keywords, true, predicted, message):
    with pytest.raises(ValueError, match=f"MeanIoU.*{message}"):
        metric = layers.MeanIoU(**keywords)
        metric.update_state(np.zeros(true, int), np.zeros(predicted, "float32"))


@pytest.mark.parametrize("classes", [1, 0, 2.0, None])
def test_fewer_than_two_classes_are_refused(classes):
    with pytest.raises(ValueError, match="at least 2, the background among them"):
        layers.MeanDice(classes)
