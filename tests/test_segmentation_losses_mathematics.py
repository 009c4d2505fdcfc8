"""Losses of segmentation against their formulas, in NumPy loops over positions."""

import functools
import math

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers

POSITIONS = [(), (7,), (5, 3), (3, 1, 2)]
OVERLAPS = {
    "dice": (layers.SoftDice, lambda h, p, t: (2 * h, p + t)),
    "jaccard": (layers.SoftJaccard, lambda h, p, t: (h, p + t - h)),
    "tversky": (
        functools.partial(layers.Tversky, 0.2, 0.9),
        lambda h, p, t: (h, h + 0.2 * (p - h) + 0.9 * (t - h)),
    ),
}
ALL = {
    "dice": layers.SoftDice,
    "jaccard": layers.SoftJaccard,
    "tversky": functools.partial(layers.Tversky, gamma=4 / 3),
    "cross_entropy": layers.BoundaryWeightedCrossEntropy,
    "focal": functools.partial(layers.Focal, 1.5, [0.2, 0.7, 1.3, 0.4]),
}
every_loss = pytest.mark.parametrize("build", ALL.values(), ids=ALL)
every_overlap = pytest.mark.parametrize("name", OVERLAPS)


def number(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def labels_for(*shape, classes=4, seed=1):
    return np.random.default_rng(seed).integers(0, classes, shape)


def softmax(logits):
    powers = np.exp(logits.astype("float64") - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def one_hot(labels, classes=4):
    return np.eye(classes, dtype="float32")[labels]


def sums_by_loops(p, t, c):
    """Give the overlap, the predicted and the true size of class `c`."""
    hits = predicted = true = 0.0
    for at in np.ndindex(p.shape[:-1]):
        hits += p[at][c] * t[at][c]
        predicted += p[at][c]
        true += t[at][c]
    return hits, predicted, true


def overlap_by_loops(parts, p, t, smooth=0.0, penalise=False):
    """Give the mean loss over the classes, from arrays `(positions ..., classes)`."""
    lost = []
    for c in range(p.shape[-1]):
        hits, predicted, true = sums_by_loops(p, t, c)
        if true or penalise:
            above, below = parts(hits, predicted, true)
            lost.append(1 - (above + smooth) / (below + smooth))
    return np.mean(lost) if lost else 0.0


@every_overlap
@pytest.mark.parametrize("positions", POSITIONS, ids=str)
def test_overlaps_in_every_form_of_truth(name, positions):
    build, parts = OVERLAPS[name]
    logits, labels = drawn(3, *positions, 4), labels_for(3, *positions)
    p, t = softmax(logits), one_hot(labels)
    expected = [overlap_by_loops(parts, *both) for both in zip(p, t, strict=True)]
    loss = build(from_logits=True, reduction=None)
    for truth in (labels, labels[..., None], t, labels.astype("uint8")):
        np.testing.assert_allclose(number(loss(truth, logits)), expected, 1e-5, 1e-6)
    found = number(build(reduction=None)(labels, p.astype("float32")))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-6)
    whole = number(build(over="batch", reduction=None)(labels, p))
    np.testing.assert_allclose(whole, [overlap_by_loops(parts, p, t)] * 3, 1e-5)


@every_overlap
def test_overlaps_of_a_single_channel(name):
    build, parts = OVERLAPS[name]
    logits, labels = 2 * drawn(2, 5, 3, 1), labels_for(2, 5, 3, classes=2)
    p, t = 1 / (1 + np.exp(-logits)), labels[..., None].astype("float32")
    expected = [overlap_by_loops(parts, *both) for both in zip(p, t, strict=True)]
    for truth in (labels, t):
        found = build(from_logits=True, reduction=None)(truth, logits)
        np.testing.assert_allclose(number(found), expected, 1e-5)
    found = build(reduction=None)(labels, p)
    np.testing.assert_allclose(number(found), expected, 1e-5)


@every_overlap
def test_overlaps_with_shares_as_truth(name):
    build, parts = OVERLAPS[name]
    p, t = softmax(drawn(2, 4, 4)), softmax(2 * drawn(2, 4, 4, seed=3))
    expected = [overlap_by_loops(parts, *both) for both in zip(p, t, strict=True)]
    np.testing.assert_allclose(number(build(reduction=None)(t, p)), expected, 1e-5)


@every_overlap
def test_a_class_that_is_true_nowhere_is_skipped_or_penalised(name):
    build, parts = OVERLAPS[name]
    p, labels = softmax(drawn(2, 5, 3, 4)), labels_for(2, 5, 3)
    labels[0][labels[0] == 2] = 1
    labels[1] = 3
    t = one_hot(labels)
    for keywords in ({}, {"empty": "penalise", "smooth": 0.5}, {"smooth": 0.5}):
        expected = [
            overlap_by_loops(
                parts, *both, keywords.get("smooth", 0.0), "empty" in keywords
            )
            for both in zip(p, t, strict=True)
        ]
        found = number(build(reduction=None, **keywords)(labels, p))
        np.testing.assert_allclose(found, expected, 1e-5)
    whole = number(build(over="batch")(labels, p))  # classes 1 to 3 are somewhere
    assert whole == pytest.approx(overlap_by_loops(parts, p, t), rel=1e-5)


def test_what_is_predicted_of_an_empty_class_is_lost_and_unlearned():
    labels, p = np.zeros((1, 6), int), np.full((1, 6, 1), 0.5, "float32")
    loss = layers.SoftDice(empty="penalise", smooth=1.0)
    assert number(loss(labels, p)) == pytest.approx(3 / (3 + 1))
    (slope,) = gradients(lambda a: loss(labels, a[0]), [p])
    np.testing.assert_allclose(slope, 1 / (3 + 1) ** 2, rtol=1e-5)
    assert number(layers.SoftDice()(labels, p)) == 0


def test_dice_with_squares_is_that_of_v_net():
    p, labels = softmax(drawn(2, 5, 3, 4)), labels_for(2, 5, 3)
    expected = []
    for q, t in zip(p, one_hot(labels), strict=True):
        above = 2 * (q * t).sum((0, 1))
        below = (q**2).sum((0, 1)) + (t**2).sum((0, 1))
        expected.append(1 - np.mean(above / below))
    found = number(layers.SoftDice(squared=True, reduction=None)(labels, p))
    np.testing.assert_allclose(found, expected, 1e-5)


def test_the_focal_form_of_tversky():
    p, labels = softmax(drawn(1, 5, 3, 4)), labels_for(1, 5, 3)
    lost = []
    for c in range(4):
        hits, predicted, true = sums_by_loops(p, one_hot(labels), c)
        index = hits / (hits + 0.3 * (predicted - hits) + 0.7 * (true - hits))
        lost.append((1 - index) ** 0.75)
    found = number(layers.Tversky(gamma=4 / 3)(labels, p))
    assert found == pytest.approx(np.mean(lost), rel=1e-5)


def test_overlaps_agree_with_keras_where_every_class_is_true():
    p, labels = softmax(drawn(2, 7, 9, 3)), labels_for(2, 7, 9, classes=3)
    t = one_hot(labels, 3)
    dice = keras.losses.Dice(axis=(1, 2))
    # alike, because Keras 3.15 gives alpha to what is missed
    tversky = keras.losses.Tversky(0.4, 0.4)
    assert number(layers.SoftDice()(labels, p)) == pytest.approx(
        number(dice(t, p)), rel=1e-4
    )
    one = layers.Tversky(0.4, 0.4, over="batch")(labels == 1, p[..., 1:2])
    peer = tversky(t[..., 1:2], p[..., 1:2].astype("float32"))
    assert number(one) == pytest.approx(number(peer), rel=1e-4)


def focal_by_loops(p, labels, gamma, alpha):
    """Give equation 5 of the paper at each position."""
    values = np.zeros(labels.shape)
    for at in np.ndindex(labels.shape):
        true = p[at][labels[at]]
        values[at] = -alpha[labels[at]] * (1 - true) ** gamma * math.log(true)
    return values


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2.0, 5])
@pytest.mark.parametrize("positions", POSITIONS, ids=str)
def test_focal_at_each_position(gamma, positions):
    logits, labels = 2 * drawn(3, *positions, 4), labels_for(3, *positions)
    p = softmax(logits)
    for alpha in (None, 0.25, [0.1, 2.0, 0.3, 1.0]):
        weights = alpha if isinstance(alpha, list) else [alpha or 1.0] * 4
        expected = focal_by_loops(p, labels, gamma, weights)
        loss = layers.Focal(gamma, alpha, from_logits=True, reduction=None)
        for truth in (labels, labels[..., None], one_hot(labels)):
            np.testing.assert_allclose(number(loss(truth, logits)), expected, 1e-4)
        found = layers.Focal(gamma, alpha, reduction=None)(labels, p)
        np.testing.assert_allclose(number(found), expected, 1e-4)


@pytest.mark.parametrize("alpha, weights", [(None, (1, 1)), (0.25, (0.75, 0.25))])
def test_focal_of_a_single_channel(alpha, weights):
    logits, labels = 2 * drawn(2, 5, 3, 1), labels_for(2, 5, 3, classes=2)
    p = 1 / (1 + np.exp(-logits))
    expected = focal_by_loops(np.concatenate([1 - p, p], -1), labels, 2, weights)
    for truth in (labels, labels[..., None]):
        loss = layers.Focal(2, alpha, from_logits=True, reduction=None)
        np.testing.assert_allclose(number(loss(truth, logits)), expected, 1e-4)
    found = layers.Focal(2, [weights[0], weights[1]], reduction=None)(labels, p)
    np.testing.assert_allclose(number(found), expected, 1e-4)


def test_focal_agrees_with_keras():
    logits, labels = drawn(3, 5, 4), labels_for(3, 5)
    peer = keras.losses.CategoricalFocalCrossentropy(0.25, 2.0, from_logits=True)
    found = layers.Focal(2.0, 0.25, from_logits=True)(labels, logits)
    expected = number(peer(one_hot(labels), logits))
    assert number(found) == pytest.approx(expected, rel=1e-4)
    logits, labels = logits[..., :1], labels[..., None] % 2
    peer = keras.losses.BinaryFocalCrossentropy(True, 0.25, 2.0, from_logits=True)
    found = layers.Focal(2.0, 0.25, from_logits=True)(labels, logits)
    expected = number(peer(labels, logits))
    assert number(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean", None])
@pytest.mark.parametrize("ignore_class", [None, 255, -1, 2])
def test_cross_entropy_agrees_with_keras(reduction, ignore_class):
    logits, labels = drawn(3, 5, 3, 4), labels_for(3, 5, 3)
    if ignore_class is not None:
        labels[:, 1:3, 1] = ignore_class
    keywords = {"ignore_class": ignore_class, "reduction": reduction}
    keywords["from_logits"] = True
    peer = keras.losses.SparseCategoricalCrossentropy(**keywords)
    loss = layers.BoundaryWeightedCrossEntropy(**keywords)
    weights = np.random.default_rng(2).uniform(0, 9, (3, 5, 3)).astype("float32")
    for given in (None, weights):
        expected = number(peer(labels, logits, given))
        np.testing.assert_allclose(number(loss(labels, logits, given)), expected, 1e-5)


def test_equation_1_of_u_net():
    logits, labels = drawn(2, 5, 3, 4), labels_for(2, 5, 3)
    weights = np.random.default_rng(2).uniform(0.5, 11, (2, 5, 3)).astype("float32")
    energy = -sum(
        weights[at] * math.log(softmax(logits)[at][labels[at]])
        for at in np.ndindex(labels.shape)
    )
    loss = layers.BoundaryWeightedCrossEntropy(from_logits=True, reduction="sum")
    for given in (weights, weights[..., None]):
        assert number(loss(labels, logits, given)) == pytest.approx(energy, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight"])
def test_weights_of_samples_are_those_of_all_their_positions(reduction):
    logits, labels = drawn(3, 5, 3, 4), labels_for(3, 5, 3)
    labels[1, 2:] = 9
    loss = layers.Focal(from_logits=True, ignore_class=9, reduction=reduction)
    weights = np.array([2.0, 0.5, 3.0], "float32")
    each = focal_by_loops(softmax(logits), labels % 9, 2, [1] * 4) * (labels != 9)
    counted = weights[:, None, None] * (labels != 9)
    below = {"sum": 1, "mean": (labels != 9).sum()}.get(reduction, counted.sum())
    expected = (each * counted).sum() / below
    spread = np.broadcast_to(weights[:, None, None], labels.shape)
    for given in (weights, weights[:, None], spread):
        found = number(loss(labels, logits, sample_weight=given))
        assert found == pytest.approx(expected, rel=1e-4)


@every_loss
def test_the_gradient_is_that_of_float64(build):
    """By central differences of a reference that knows nothing of the library."""
    logits, labels = drawn(2, 3, 2, 4), labels_for(2, 3, 2)
    loss = build(from_logits=True)
    references = {
        layers.SoftDice: lambda p, t: overlap_by_loops(OVERLAPS["dice"][1], p, t),
        layers.SoftJaccard: lambda p, t: overlap_by_loops(OVERLAPS["jaccard"][1], p, t),
        layers.Tversky: focal_tversky,
        layers.Focal: lambda p, t: focal_by_loops(
            p, t.argmax(-1), 1.5, [0.2, 0.7, 1.3, 0.4]
        ).mean(),
        layers.BoundaryWeightedCrossEntropy: lambda p, t: focal_by_loops(
            p, t.argmax(-1), 0, [1] * 4
        ).mean(),
    }

    def reference(z):
        pairs = zip(softmax(z), one_hot(labels), strict=True)
        return np.mean([references[type(loss)](*pair) for pair in pairs])

    expected, step = np.zeros(logits.shape), 1e-5
    for at in np.ndindex(logits.shape):
        moved = np.zeros(logits.shape)
        moved[at] = step
        rise = reference(logits + moved) - reference(logits - moved)
        expected[at] = rise / (2 * step)
    (found,) = gradients(lambda arrays: loss(labels, arrays[0]), [logits])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def focal_tversky(p, t):
    lost = []
    for c in range(p.shape[-1]):
        hits, predicted, true = sums_by_loops(p, t, c)
        if true:
            below = hits + 0.3 * (predicted - hits) + 0.7 * (true - hits)
            lost.append((1 - hits / below) ** 0.75)
    return np.mean(lost)
