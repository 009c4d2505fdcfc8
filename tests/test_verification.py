"""Verification and retrieval, held to scikit-learn and to plain counting."""

import math

import numpy as np
import pytest
from scipy.optimize import root_scalar
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from kerasmith.zoo.tools import verification
from kerasmith.zoo.tools.verification import (
    OneShot,
    accuracy_at,
    area_under_curve,
    best_threshold,
    equal_error_rate,
    one_shot_accuracy,
    recall_at_k,
    roc,
)

# many distances are equal where there are few steps between 0 and 3
STEPS = (3, 17, 10**6)
every_step = pytest.mark.parametrize("steps", STEPS)


def drawn_pairs(steps, pairs=83, seed=0):
    """Draw distances in so many steps, lower ones where a pair is the same."""
    random = np.random.default_rng(seed)
    same = random.random(pairs) < 0.3
    distances = random.normal(1.5 - 0.6 * same, 0.5).clip(0, 3)
    return np.round(distances / 3 * steps) / steps * 3, same


def drawn_examples(examples=67, classes=5, spread=1.0, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, examples)
    centres = random.normal(size=(classes, 7))
    return centres[labels] + spread * random.normal(size=(examples, 7)), labels


@every_step
def test_the_curve_is_that_of_scikit_learn(steps):
    distances, same = drawn_pairs(steps)
    theirs = metrics.roc_curve(same, -distances, drop_intermediate=False)
    for found, expected in zip(roc(distances, same), theirs, strict=True):
        sign = -1 if expected is theirs[2] else 1
        np.testing.assert_allclose(found, sign * expected, rtol=1e-12)


@every_step
def test_the_rates_are_counted_pairs(steps):
    distances, same = drawn_pairs(steps, pairs=31)
    for false, true, threshold in zip(*roc(distances, same), strict=True):
        accepted = distances <= threshold
        assert false == np.sum(accepted & ~same) / np.sum(~same)
        assert true == np.sum(accepted & same) / np.sum(same)


@every_step
def test_the_area_is_the_chance_that_a_same_pair_is_closer(steps):
    distances, same = drawn_pairs(steps)
    found = area_under_curve(distances, same)
    wins = [(a < b) + 0.5 * (a == b) for a in distances[same] for b in distances[~same]]
    assert found == pytest.approx(np.mean(wins), rel=1e-12)
    assert found == pytest.approx(metrics.roc_auc_score(same, -distances), rel=1e-12)


@every_step
def test_the_equal_error_is_where_the_curve_meets_the_diagonal(steps):
    distances, same = drawn_pairs(steps)
    false, true, _ = metrics.roc_curve(same, -distances, drop_intermediate=False)
    # along the curve, a point and a half being half way between two points
    place = np.arange(len(false))

    def gap(where):
        return np.interp(where, place, false) - (1 - np.interp(where, place, true))

    where = root_scalar(gap, bracket=(0, place[-1]), xtol=1e-13).root
    expected = np.interp(where, place, false)
    assert equal_error_rate(distances, same) == pytest.approx(expected, abs=1e-9)


def test_the_equal_error_of_a_perfect_a_reversed_and_a_silent_distance():
    same = np.array([True, True, False])
    assert equal_error_rate([0.1, 0.2, 0.3], same) == 0
    assert equal_error_rate([0.3, 0.3, 0.1], same) == 1
    assert equal_error_rate([0.3, 0.3, 0.3], same) == 0.5
    assert area_under_curve([0.3, 0.3, 0.3], same) == 0.5


@every_step
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_tells_more_pairs_rightly(steps, seed):
    distances, same = drawn_pairs(steps, pairs=41, seed=seed)
    threshold = best_threshold(distances, same)
    levels = [-1.0, *np.unique(distances)]
    rights = [np.mean((distances <= level) == same) for level in levels]
    assert np.mean((distances <= threshold) == same) == max(rights)
    # it is half way between two neighbours, as long as it has two
    below, above = distances[distances <= threshold], distances[distances > threshold]
    if len(below) and len(above):
        assert threshold == pytest.approx((below.max() + above.min()) / 2, rel=1e-12)


@pytest.mark.parametrize(
    "distances, same, expected",
    [
        # equally good at 0.15, where no pair is accepted wrongly, and at 0.65
        ([0.1, 0.2, 0.3, 0.4, 0.9], [1, 0, 1, 1, 0], 0.65),
        # three of four at 0.2 and at 0.65: as uneven, so the lower
        ([0.1, 0.3, 0.4, 0.9], [1, 0, 1, 0], 0.2),
        # four of six at 0.15, 0.35 and 0.55; in the middle both errors are alike
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 0, 1, 0, 1, 0], 0.35),
    ],
)
def test_of_equally_good_thresholds_the_errors_decide(distances, same, expected):
    assert best_threshold(distances, same) == pytest.approx(expected)


def test_a_threshold_that_accepts_nothing_or_everything():
    nothing = best_threshold([0.0, 0.5, 0.6], [0, 0, 1])
    assert nothing < 0 and accuracy_at([0.0, 0.5, 0.6], [0, 0, 1], nothing) == 2 / 3
    everything = best_threshold([0.2, 0.5, 0.6], [0, 1, 1])
    assert everything == 0.6


def test_a_threshold_between_neighbouring_numbers_divides_them():
    low = np.float64(0.1)
    distances = [low, np.nextafter(low, 1)]
    threshold = best_threshold(distances, [True, False])
    assert accuracy_at(distances, [True, False], threshold) == 1
    # and so do numbers of fewer digits: the threshold keeps all of its own
    single = np.array([low, np.nextafter(np.float32(low), np.float32(1))], "float32")
    threshold = best_threshold(single, [True, False])
    assert accuracy_at(single, [True, False], threshold) == 1


def test_a_column_of_distances_is_as_good():
    distances, same = drawn_pairs(17)
    for function in (roc, equal_error_rate, area_under_curve, best_threshold):
        rows = function(distances[:, None].astype("float32"), same[:, None])
        np.testing.assert_allclose(rows, function(distances.astype("float32"), same))


def by_counting(embeddings, labels, k):
    """Sort the others of each example by their distance, one by one."""
    hits = []
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        if any(labels[j] == label for j in others):
            others.sort(key=lambda j: math.dist(embeddings[i], embeddings[j]))
            hits.append(any(labels[j] == label for j in others[:k]))
    return np.mean(hits)


@pytest.mark.parametrize("block", [1, 200, 2**22])
@pytest.mark.parametrize("k", [1, 2, 5, 100])
def test_the_recall_is_counted(k, block, monkeypatch):
    monkeypatch.setattr(verification, "BLOCK", block)
    embeddings, labels = drawn_examples()
    labels[3] = 9  # alone in its class
    expected = by_counting(embeddings, labels, k)
    assert recall_at_k(embeddings, labels, k) == pytest.approx(expected, rel=1e-12)
    assert expected == 1 if k == 100 else expected < 1


def test_the_recall_at_1_is_the_accuracy_of_the_nearest_neighbour():
    embeddings, labels = drawn_examples(seed=3)
    right = 0
    for i in range(len(labels)):
        kept = np.arange(len(labels)) != i
        nearest = KNeighborsClassifier(1).fit(embeddings[kept], labels[kept])
        right += nearest.predict(embeddings[i : i + 1])[0] == labels[i]
    found = recall_at_k(embeddings.astype("float32"), labels, 1)
    assert found == pytest.approx(right / len(labels), rel=1e-12)


def test_far_from_the_origin_nothing_is_lost():
    embeddings, labels = drawn_examples()
    there = recall_at_k(embeddings + 1e6, labels, 1)
    assert there == recall_at_k(embeddings, labels, 1)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_embeddings_that_are_all_the_same_find_nothing(value):
    labels = np.arange(12) // 2
    assert recall_at_k(np.full((12, 7), value), labels, 10) == 0
    assert recall_at_k(np.full((12, 7), value), labels, 11) == 1


def test_no_more_is_held_than_a_block(monkeypatch):
    monkeypatch.setattr(verification, "BLOCK", 1000)
    sizes = []

    class Watched(np.ndarray):
        def __array_finalize__(self, source):
            sizes.append(self.size)

    embeddings, labels = drawn_examples(150)
    plain = verification._examples

    def examples(*arguments):
        rows, names, numbers = plain(*arguments)
        return rows.view(Watched), names, numbers

    monkeypatch.setattr(verification, "_examples", examples)
    recall_at_k(embeddings, labels, 1)
    assert max(sizes) == embeddings.size > 1000 > 150 * 6 in sizes


def test_one_shot_recognises_what_is_far_apart_and_guesses_what_is_not():
    apart, labels = drawn_examples(120, spread=0.01)
    assert one_shot_accuracy(apart, labels, ways=5, episodes=50) == OneShot(1, (1, 1))
    noise = np.random.default_rng(1).normal(size=(2000, 7))
    found = one_shot_accuracy(noise, np.arange(2000) % 9, ways=5, episodes=2000)
    assert found.accuracy == pytest.approx(0.2, abs=0.02)
    alike = one_shot_accuracy(np.ones((120, 7)), labels, ways=5, episodes=20)
    assert alike.accuracy == pytest.approx(0.2)


@pytest.mark.parametrize("shots", [1, 2])
def test_one_shot_is_the_mean_over_all_that_can_be_drawn(shots):
    """Two classes of three examples: every episode there is, one by one."""
    embeddings, labels = drawn_examples(6, spread=1.5, seed=4)
    labels = np.array([0, 0, 0, 1, 1, 1])
    rights = []
    for query in range(6):
        kin = [j for j in range(6) if labels[j] == labels[query] and j != query]
        others = [j for j in range(6) if labels[j] != labels[query]]
        # what is left out: none of two others, or one of them; of strangers any
        for mine in (kin,) if shots == 2 else ([j] for j in kin):
            for left in range(3):
                theirs = [j for n, j in enumerate(others) if n != left]
                theirs = theirs if shots == 2 else [others[left]]
                near, far = (
                    min(math.dist(embeddings[query], embeddings[j]) for j in group)
                    for group in (mine, theirs)
                )
                rights.append(near < far)
    expected = np.mean(rights)
    assert 0.1 < expected < 0.9
    found = one_shot_accuracy(embeddings, labels, ways=2, shots=shots, episodes=4000)
    assert found.accuracy == pytest.approx(expected, abs=0.03)
    low, high = found.interval
    assert low < expected < high and found.accuracy == pytest.approx((low + high) / 2)


def test_the_interval_holds_the_accuracy_19_times_of_20():
    embeddings, labels = drawn_examples(40, spread=2.0)
    exact = one_shot_accuracy(embeddings, labels, ways=3, episodes=8000, seed=99)
    found = [
        one_shot_accuracy(embeddings, labels, ways=3, episodes=60, seed=seed)
        for seed in range(100)
    ]
    held = [each.interval[0] < exact.accuracy < each.interval[1] for each in found]
    assert 88 <= sum(held) <= 99


def test_the_episodes_follow_from_the_seed():
    drawn = drawn_examples(spread=2.0)
    first, again, other = (
        one_shot_accuracy(*drawn, ways=4, episodes=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_class_with_too_few_examples_is_not_drawn():
    # the example that is alone would be confused with those of class 0
    embeddings = np.array([[0.0], [0.1], [5.0], [5.1], [0.05]])
    labels = ["a", "a", "b", "b", "c"]
    found = one_shot_accuracy(embeddings, labels, ways=2, episodes=30)
    assert found.accuracy == 1


PAIR_FUNCTIONS = (roc, equal_error_rate, area_under_curve, best_threshold)


@pytest.mark.parametrize("function", PAIR_FUNCTIONS)
@pytest.mark.parametrize(
    "distances, same, message",
    [
        ([0.1, 0.2], [1, 1], "received 2 pairs and none that is different"),
        ([0.1, 0.2], [0, 0], "received 2 pairs and none that is same"),
        ([0.1, 0.2], [1], r"received shapes \(2,\) and \(1,\)"),
        ([[0.1, 0.2]], [[1, 0]], r"received shapes \(1, 2\)"),
        ([], [], r"received shapes \(0,\)"),
        ([0.1, math.nan], [1, 0], "1 of 2 distances are not finite"),
        ([0.1, 0.2, 0.3], [1, 0, 7], r"same must be true or false.*\[0, 1, 7\]"),
    ],
)
def test_what_is_no_pairs_is_refused(function, distances, same, message):
    with pytest.raises(ValueError, match=message):
        function(np.array(distances), np.array(same))


def test_an_accuracy_needs_a_pair_but_not_both_kinds():
    assert accuracy_at([0.1, 0.4], [True, True], 0.2) == 0.5
    with pytest.raises(ValueError, match="one or more pairs"):
        accuracy_at([], [], 0.2)


@pytest.mark.parametrize(
    "embeddings, labels, k, message",
    [
        (np.ones((3, 2)), [0, 0, 1], 0, "k to be a whole number of at least 1"),
        (np.ones((3, 2)), [0, 0, 1], 1.5, "received 1.5"),
        (np.ones((3, 2)), [0, 0], 1, r"received shapes \(3, 2\) and \(2,\)"),
        (np.ones(3), [0, 0, 1], 1, r"received shapes \(3,\)"),
        (np.ones((3, 2)), [0, 1, 2], 1, "two examples of a class, received 3"),
        (np.full((3, 2), np.inf), [0, 0, 1], 1, "3 of 3 embeddings are not finite"),
    ],
)
def test_recall_refuses_what_it_cannot_count(embeddings, labels, k, message):
    with pytest.raises(ValueError, match=message):
        recall_at_k(embeddings, labels, k)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"ways": 1}, "ways to be a whole number of at least 2"),
        ({"ways": 2, "shots": 0}, "shots to be a whole number of at least 1"),
        ({"ways": 2, "episodes": 1}, "episodes to be a whole number of at least 2"),
        (
            {"ways": 3},
            "3 classes of 2 examples or more, received 2 such classes among 3",
        ),
        ({"ways": 2, "shots": 2}, "2 classes of 3 examples or more, received 1 such"),
    ],
)
def test_one_shot_refuses_too_few(keywords, message):
    labels = [0, 0, 0, 1, 1, 2]
    with pytest.raises(ValueError, match=message):
        one_shot_accuracy(np.ones((6, 2)), labels, **keywords)
