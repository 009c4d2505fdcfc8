"""Error rates by the definition and by brute force; exact matches; scores of texts."""

import collections
import itertools
import math

import keras
import numpy as np
import pytest
from token_sequences import END, PAD, drawn, many, number, text, written

from kerasmith import layers
from kerasmith.layers.text_scores import edit_distance

RATES = [layers.WordErrorRate, layers.CharacterErrorRate]
# the others have one way to compile, or none
JITS = [False, True] if keras.backend.backend() == "tensorflow" else ["auto"]
every_rate = pytest.mark.parametrize("build", RATES)


def brute_force(first, second):
    """Fill the table of Wagner and Fischer (1974)."""
    table = np.add.outer(np.arange(len(first) + 1), np.arange(len(second) + 1))
    for i, token in enumerate(first):
        for j, other in enumerate(second):
            swapped = table[i, j] + (token != other)
            around = min(table[i, j + 1], table[i + 1, j]) + 1
            table[i + 1, j + 1] = min(swapped, around)
    return table[-1, -1]


def one_edit_away(word, longest=4):
    for i in range(len(word) + 1):
        yield from (word[:i] + (token,) + word[i:] for token in (2, 3))
        if i < len(word):
            yield word[:i] + word[i + 1 :]
            yield from (word[:i] + (token,) + word[i + 1 :] for token in (2, 3))


def fewest_edits(start, longest):
    """Search what edits lead to, from nearest to furthest: the definition itself."""
    steps, queue = {start: 0}, collections.deque([start])
    while queue:
        word = queue.popleft()
        for other in one_edit_away(word):
            if other not in steps and len(other) <= longest:
                steps[other] = steps[word] + 1
                queue.append(other)
    return steps


def errors(metric):
    """Give errors and true tokens, exactly."""
    high, low, rest = (keras.ops.convert_to_numpy(v) for v in metric.variables)
    return (high * 2.0**24 + low + rest).tolist()


def test_distances_are_the_fewest_edits():
    """Of all pairs of words of at most three letters out of two."""
    words = [
        word for size in range(4) for word in itertools.product((2, 3), repeat=size)
    ]
    pairs, expected = list(itertools.product(words, words)), []
    steps = {word: fewest_edits(word, 4) for word in words}
    expected = [steps[first][second] for first, second in pairs]
    assert [edit_distance(*pair) for pair in pairs] == expected
    assert [brute_force(*pair) for pair in pairs] == expected
    first, second = zip(*pairs, strict=True)
    metric = layers.WordErrorRate(end=END)
    sides = metric._ended(written(first, 3)), metric._ended(written(second, 5, 1))
    found = keras.ops.convert_to_numpy(metric.counts(*sides)[0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("times", [(1, 9), (13, 1), (9, 14), (17, 17)], ids=str)
def test_distances_of_random_sequences(times):
    draw = np.random.default_rng(sum(times))
    for vocabulary in (1, 2, 5):
        true, predicted = (
            [drawn(draw, time, vocabulary) for _ in range(5)] for time in times
        )
        metric = layers.CharacterErrorRate(end=END)
        metric.update_state(written(true, times[0]), written(predicted, times[1], 1))
        distances = [brute_force(*pair) for pair in zip(true, predicted, strict=True)]
        assert errors(metric) == [sum(distances), sum(map(len, true))]
        pairs = zip(true, predicted, strict=True)
        assert distances == [edit_distance(a.tolist(), b.tolist()) for a, b in pairs]


@every_rate
def test_the_rate_is_of_the_sums(build):
    metric = build(pad=PAD)
    metric.update_state(np.array([[5, 3, 0], [4, 0, 0]]), np.array([[5], [4]]))
    metric.update_state(np.array([[2, 3, 4, 5, 6]]), np.array([[2, 3, 3, 5, 6, 7, 0]]))
    assert number(metric) == pytest.approx((1 + 0 + 2) / (2 + 1 + 5))
    metric.update_state(np.array([[9]]), np.full((1, 30), 8))
    assert number(metric) == pytest.approx((3 + 30) / 9)
    assert metric._direction == "down"


def test_without_any_true_token_the_rate_is_infinite_or_0():
    metric = layers.WordErrorRate()
    assert number(metric) == 0
    metric.update_state(np.zeros((2, 3), int), np.zeros((2, 0), int))
    metric.update_state(np.zeros((0, 3), int), np.zeros((0, 4), int))
    assert number(metric) == 0
    metric.update_state(np.zeros((1, 0), int), np.array([[5, 3]]))
    assert number(metric) == math.inf
    metric.update_state(np.array([[5]]), np.zeros((1, 0), int))
    assert number(metric) == 3


def test_logits_and_a_mask():
    draw = np.random.default_rng(2)
    y_true = written([drawn(draw, 6, shortest=3) for _ in range(3)], 7)
    y_pred = written([drawn(draw, 5, shortest=4) for _ in range(3)], 5, 1)
    mask = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]], bool)
    logits = keras.ops.convert_to_tensor(np.eye(6)[y_pred].astype("float32"))
    for build in (*RATES, layers.ExactMatch):
        plain, expected = build(end=END), build(end=END)
        plain.update_state(y_true, y_pred)
        metric = build(end=END, sparse_y_pred=False)
        metric.update_state(y_true, logits)
        assert errors(metric) == errors(plain)
        masked = logits + 0
        masked._keras_mask = keras.ops.convert_to_tensor(mask)
        metric = build(end=END, sparse_y_pred=False)
        metric.update_state(y_true, masked)
        expected.update_state(y_true, np.where(mask, y_pred, PAD))
        assert errors(metric) == errors(expected)


@pytest.mark.parametrize("count", [2**24 - 1, 2**31 - 1, 2**40])
@pytest.mark.parametrize("build", [*RATES, layers.ExactMatch])
def test_counts_are_exact_beyond_what_floats_and_whole_numbers_hold(build, count):
    metric = many(build, count)
    for _ in range(5):
        metric.update_state(np.array([[5, 3, 4], [4, 0, 0]]), np.array([[5], [4]]))
    added = (10, 20) if build in RATES else (5, 10)
    assert errors(metric) == [count + more for more in added]


@pytest.mark.parametrize("build", [*RATES, layers.ExactMatch])
def test_a_weight_counts_a_sequence_as_many_times(build):
    draw = np.random.default_rng(1)
    y_true, y_pred = (
        written([drawn(draw, 3, 2) for _ in range(9)], 4, seed) for seed in (0, 1)
    )
    weights = draw.integers(0, 4, 9)
    metric, repeated, parts = build(end=END), build(end=END), build(end=END)
    metric.update_state(y_true, y_pred, sample_weight=weights)
    again = np.repeat(np.arange(9), weights)
    repeated.update_state(y_true[again], y_pred[again])
    assert errors(metric) == errors(repeated)
    for _ in range(4):
        parts.update_state(y_true, y_pred, sample_weight=weights[:, None] / 4)
    assert errors(parts) == errors(repeated)


def test_exact_matches_are_told_by_what_stands_before_the_end():
    true = [[2, 3, 4], [2, 3], [], [5], [2, 3, 4], [4, 2], []]
    predicted = [[2, 3, 4], [2, 3, 4], [], [], [2, 3], [4, 3], [2]]
    metric = layers.ExactMatch(end=END)
    metric.update_state(written(true, 5), written(predicted, 4, 1))
    metric.update_state(written(predicted, 3), written(true, 6, 1))
    assert errors(metric) == [4, 14]
    assert number(metric) == pytest.approx(4 / 14)
    assert number(layers.ExactMatch()) == 0
    whole = layers.ExactMatch(pad=None)
    whole.update_state(
        np.array([[5, 1, 0], [5, 1, 0]]), np.array([[5, 1, 0], [5, 1, 2]])
    )
    assert number(whole) == 0.5


class Batches(keras.utils.PyDataset):
    """Batches of different sizes and times."""

    def __init__(self, vocabulary):
        super().__init__()
        draw = np.random.default_rng(8)
        sizes = [(3, 6, 5), (2, 9, 4), (3, 6, 5)]
        self.parts = []
        for size, time, other in sizes:
            true = written([drawn(draw, time) for _ in range(size)], time)
            predicted = written([drawn(draw, other) for _ in range(size)], other, 1)
            predicted[0, :other] = true[0, :other]
            self.parts.append((true, np.eye(vocabulary, dtype="float32")[predicted]))

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        true, logits = self.parts[index]
        return logits, true


@pytest.mark.parametrize("jit", JITS)
def test_batches_of_unknown_sizes_are_counted_in_compiled_steps(jit):
    batches = Batches(6)
    kinds = (layers.BLEU, layers.WordErrorRate, layers.ExactMatch)
    model = keras.Sequential([keras.Input((None, 6)), keras.layers.Identity()])
    model.compile(
        loss=lambda y_true, y_pred: keras.ops.mean(0 * y_pred, axis=(1, 2)),
        metrics=[kind(end=END, sparse_y_pred=False) for kind in kinds],
        jit_compile=jit,
    )
    found = model.evaluate(batches, verbose=0, return_dict=True)
    for kind in kinds:
        expected = kind(end=END)
        for true, logits in batches.parts:
            expected.update_state(true, logits.argmax(-1))
        assert found[expected.name] == pytest.approx(number(expected), rel=1e-6)


def rate(pairs):
    return sum(brute_force(*pair) for pair in pairs) / sum(len(a) for a, _ in pairs)


def test_texts_have_the_rates_of_their_words_and_characters():
    references = ["the cat  sat on the mat", "Æther, naïve", "", "a b c"]
    outputs = ["a cat sat on mat ", "ether, naive", "so", "a b c"]
    pairs = list(zip(references, outputs, strict=True))
    found = layers.text_scores(references, outputs)
    words = [(first.split(), second.split()) for first, second in pairs]
    assert found["character_error_rate"] == pytest.approx(rate(pairs))
    assert found["word_error_rate"] == pytest.approx(rate(words))
    assert found["exact_match"] == 0.25
    several = layers.text_scores([["b c", "a b c d", "a b"]], ["a b c"])
    assert several["word_error_rate"] == pytest.approx(1 / 2)  # of those, the first
    assert several["exact_match"] == 0
    assert layers.text_scores([["b", "a"]], ["a"])["exact_match"] == 1
    assert layers.text_scores([""], ["a"])["word_error_rate"] == math.inf
    assert layers.text_scores([""], [""])["character_error_rate"] == 0


def test_texts_have_the_scores_of_their_tokens():
    draw = np.random.default_rng(6)
    true, predicted = ([drawn(draw, 9, 3) for _ in range(6)] for _ in range(2))
    predicted[2] = true[2]
    y_true, y_pred = written(true, 9), written(predicted, 10, 1)
    found = layers.text_scores(list(map(text, true)), list(map(text, predicted)))
    for build, name in (
        (layers.WordErrorRate, "word_error_rate"),
        (layers.ExactMatch, "exact_match"),
    ):
        metric = build(end=END)
        metric.update_state(y_true, y_pred)
        assert number(metric) == pytest.approx(found[name], rel=1e-6)


@pytest.mark.parametrize(
    "references, outputs, kind, message",
    [
        ([], [], ValueError, "at least one, received 0 references"),
        (["a"], ["a", "b"], ValueError, "received 1 references and 2 outputs"),
        ([["a"], []], ["a", "b"], ValueError, "no reference for output 1"),
        ("a", ["a"], TypeError, "list of texts as references"),
        (["a"], "a", TypeError, "list of texts as outputs"),
        (["a"], [b"a"], TypeError, "received b'a' at place 0"),
        ([["a", 3]], ["a"], TypeError, "received 3 at place 0"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(references, outputs, kind, message):
    with pytest.raises(kind, match=f"text_scores.*{message}"):
        layers.text_scores(references, outputs)


@pytest.mark.parametrize("keywords", [{"pad": 0.0}, {"end": "<end>"}, {"pad": True}])
def test_what_is_no_token_is_refused(keywords):
    with pytest.raises(ValueError, match="ExactMatch needs the number of a token"):
        layers.ExactMatch(**keywords)


@pytest.mark.parametrize("build", [*RATES, layers.ExactMatch])
def test_several_references_are_refused(build):
    with pytest.raises(
        ValueError, match=r"needs true tokens of shape \(batch, time\),"
    ):
        build().update_state(np.zeros((2, 3, 5), int), np.zeros((2, 5), int))
