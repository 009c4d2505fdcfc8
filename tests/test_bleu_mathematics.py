"""BLEU against sacrebleu, against the paper's words in fractions, and at its edges."""

import fractions
import math
import pydoc_data.topics
import re

import keras
import numpy as np
import pytest
import sacrebleu
from token_sequences import END, PAD, drawn, many, number, text, written

from kerasmith import layers

SMOOTHINGS = [
    (None, None),
    ("exp", None),
    ("floor", None),
    ("floor", 0.02),
    ("add_k", None),
    ("add_k", 0.3),
]
every_smoothing = pytest.mark.parametrize(
    "smoothing, value", SMOOTHINGS, ids=lambda value: str(value)
)


def peers_score(outputs, references, order=4, smoothing=None, value=None):
    """Score texts by sacrebleu, each with a list of references or `None`s."""
    method = {None: "none", "add_k": "add-k"}.get(smoothing, smoothing)
    peer = sacrebleu.BLEU(
        tokenize="none",
        force=True,
        smooth_method=method,
        smooth_value=value,
        max_ngram_order=order,
    )
    return peer.corpus_score(outputs, list(zip(*references, strict=True))).score / 100


def papers_score(outputs, references, order):
    """Score token lists as section 2 of the paper says, in exact fractions."""
    logarithms, length, closest = 0.0, 0, 0
    for n in range(1, order + 1):
        clipped = total = 0
        for out, true in zip(outputs, references, strict=True):
            grams = [tuple(out[i : i + n]) for i in range(len(out) - n + 1)]
            there = [
                [tuple(one[i : i + n]) for i in range(len(one) - n + 1)] for one in true
            ]
            total += len(grams)
            clipped += sum(
                min(grams.count(gram), max(one.count(gram) for one in there))
                for gram in set(grams)
            )
        if not clipped:
            return 0.0
        logarithms += math.log(fractions.Fraction(clipped, total)) / order
    for out, true in zip(outputs, references, strict=True):
        length += len(out)
        closest += min(map(len, true), key=lambda size: (abs(size - len(out)), size))
    return math.exp(logarithms + min(0.0, 1 - fractions.Fraction(closest, length)))


def corpus(seed, size, references, longest=11, vocabulary=3):
    """Draw outputs, the first and some others empty, and references of each."""
    draw = np.random.default_rng(seed)
    outputs = [drawn(draw, longest, vocabulary).tolist() for _ in range(size)]
    outputs[0] = []
    true = [
        [drawn(draw, longest, vocabulary).tolist() for _ in range(references)]
        for _ in range(size)
    ]
    return outputs, true


def arrays(outputs, true, width=12, room=13):
    several = [written(rows, room, 5) for rows in zip(*true, strict=True)]
    return np.stack(several, axis=1), written(outputs, width)


@every_smoothing
@pytest.mark.parametrize("references", [1, 3])
def test_it_is_what_sacrebleu_gives_on_random_tokens(smoothing, value, references):
    outputs, true = corpus(references, 8, references)
    texts = [text(out) for out in outputs], [list(map(text, one)) for one in true]
    expected = peers_score(*texts, 4, smoothing, value)
    keywords = {"smoothing": smoothing, "smoothing_value": value}
    y_true, y_pred = arrays(outputs, true)
    metric = layers.BLEU(pad=PAD, end=END, **keywords)
    metric.update_state(y_true[:4], y_pred[:4])
    metric.update_state(y_true[4:], y_pred[4:])
    assert number(metric) == pytest.approx(expected, abs=1e-6)
    assert expected > 0
    found = layers.text_scores(texts[1], texts[0], **keywords)["bleu"]
    assert found == pytest.approx(expected, abs=1e-9)


@every_smoothing
def test_it_is_what_sacrebleu_gives_where_nothing_or_little_matches(smoothing, value):
    none = [], [[], None]  # adds nothing
    cases = [
        [([2, 3, 4], [[5, 6], None]), none],
        [([2, 3], [[2, 3], None]), none],  # no n-grams of three and four at all
        [([], [[2, 3], None]), none],
        [([2], [[], None]), none],
        [([2, 3, 4, 5, 6], [[2, 9, 4, 5, 9], None]), none],  # two orders unmatched
        [([2, 3, 4, 5], [[4, 2], [2, 3, 9]]), ([], [[], [7]])],
    ]
    for case in cases:
        outputs, true = zip(*case, strict=True)
        texts = [text(out) for out in outputs], [list(map(text, one)) for one in true]
        expected = peers_score(*texts, 4, smoothing, value)
        keywords = {"smoothing": smoothing, "smoothing_value": value}
        metric = layers.BLEU(end=END, **keywords)
        metric.update_state(*arrays(outputs, true, 6, 6))
        assert number(metric) == pytest.approx(expected, abs=1e-6)
        given = [[one for one in each if one is not None] for each in texts[1]]
        found = layers.text_scores(given, texts[0], **keywords)["bleu"]
        assert found == pytest.approx(expected, abs=1e-9)


def sentences(draw, share):
    """Give sentences of Python's help, and outputs with some words of others."""
    whole = " ".join(pydoc_data.topics.topics[name] for name in ("assert", "if", "del"))
    true = [line.split() for line in re.split(r"(?<=[.:])\s", whole) if line.split()]
    words = sorted({word for line in true for word in line})
    outputs = []
    for line in true:
        out = [
            words[draw.integers(len(words))] if draw.uniform() < share else word
            for word in line
            if draw.uniform() > share / 2
        ]
        outputs.append(out)
    return outputs, [[line, line[::-1], line[2:]] for line in true], words


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_it_is_what_sacrebleu_gives_on_sentences(share):
    outputs, true, words = sentences(np.random.default_rng(4), share)
    texts = [" ".join(out) for out in outputs], [[" ".join(w) for w in t] for t in true]
    expected = peers_score(*texts)
    assert 0.1 < expected < 0.95
    assert layers.text_scores(texts[1], texts[0])["bleu"] == pytest.approx(expected)
    numbers = {word: i + 2 for i, word in enumerate(words)}
    outputs = [[numbers[word] for word in out] for out in outputs]
    true = [[[numbers[word] for word in one] for one in each] for each in true]
    longest = max(len(one) for each in [*true, outputs] for one in each)
    metric = layers.BLEU(end=END)
    metric.update_state(*arrays(outputs, true, longest, longest + 1))
    assert number(metric) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_it_is_what_the_paper_says(order):
    outputs, true = corpus(order, 4, 3)
    expected = papers_score(outputs, true, order)
    metric = layers.BLEU(order, end=END)
    metric.update_state(*arrays(outputs, true))
    assert number(metric) == pytest.approx(expected, abs=1e-6)
    texts = [text(out) for out in outputs], [list(map(text, one)) for one in true]
    assert expected == pytest.approx(peers_score(*texts, order), abs=1e-9)
    found = layers.text_scores(texts[1], texts[0], max_order=order)["bleu"]
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_examples_of_the_paper():
    """`the` seven times, of which a reference has two: a precision of 2/7."""
    the, cat, is_, on, mat, there, a = range(2, 9)
    true = [[the, cat, is_, on, the, mat], [there, is_, a, cat, on, the, mat]]
    metric = layers.BLEU(1, end=END)
    metric.update_state(*arrays([[the] * 7], [true], 7, 9))
    assert metric.statistics()["matches"].tolist() == [2]
    assert metric.statistics()["totals"].tolist() == [7]
    # 6 and 7 are there, 7 is closest
    assert metric.statistics()["reference_length"] == 7
    assert number(metric) == pytest.approx(2 / 7)


def test_the_closest_length_counts_and_of_two_the_shorter():
    true = np.zeros((1, 3, 9), int)
    for i, length in enumerate((7, 3, 9)):
        true[0, i, :length] = 5
    for length, closest in ((5, 3), (6, 7), (8, 7), (0, 3), (9, 9)):
        metric = layers.BLEU()
        metric.update_state(true, (np.arange(9) < length)[None] * 5)
        assert metric.statistics()["reference_length"] == closest


def test_padding_alone_is_no_reference_where_there_are_others():
    draw = np.random.default_rng(3)
    outputs = [drawn(draw, 4, shortest=4) for _ in range(3)]
    first = written([drawn(draw, 9, shortest=9) for _ in range(3)], 10)
    second = written([drawn(draw, 9), [], drawn(draw, 9)], 10)
    y_true, y_pred = np.stack([first, second], axis=1), written(outputs, 10)
    y_true[0, 1] = PAD  # none; that of the second has an end, and is empty
    y_true[2] = PAD  # none at all: as one that is empty
    texts = [
        [None if not np.any(row) else text(row[: row.tolist().index(END)]) for row in t]
        for t in y_true
    ]
    texts[2][0] = ""
    metric = layers.BLEU(2, smoothing="exp", pad=PAD, end=END)
    metric.update_state(y_true, y_pred)
    expected = peers_score([text(out) for out in outputs], texts, 2, "exp")
    assert number(metric) == pytest.approx(expected, abs=1e-6)
    # of 4 tokens an empty reference is closer than one of 9, if it is one
    assert metric.statistics()["reference_length"] == 9 + 0 + 0


def test_sequences_end_where_they_are_said_to():
    y_true, y_pred = np.array([[5, 3, 4, 1, 5]]), np.array([[5, 3, 1, 9, 5, 0, 3]])

    def lengths(**keywords):
        metric = layers.BLEU(**keywords)
        metric.update_state(y_true, y_pred)
        found = metric.statistics()
        return found["length"], found["reference_length"]

    assert lengths() == (5, 5)
    assert lengths(end=1) == (2, 3)
    assert lengths(pad=None) == (7, 5)
    assert lengths(pad=None, end=3) == (1, 1)
    assert lengths(pad=3, end=9) == (1, 1)
    assert lengths(pad=5) == (0, 0)


def test_logits_and_a_mask():
    outputs, true = corpus(1, 4, 1)
    y_true, y_pred = arrays(outputs, true)
    logits = np.eye(6)[y_pred] * 3 - 1
    expected = layers.BLEU(2, end=END)
    expected.update_state(y_true, y_pred)
    for labels in (y_true, y_true[:, 0], y_true[:, 0].astype("uint8")):
        metric = layers.BLEU(2, end=END, sparse_y_pred=False)
        metric.update_state(labels, logits.astype("float32"))
        assert 0 < number(metric) == number(expected)
    mask = keras.ops.convert_to_tensor(np.arange(12) < np.array([[4], [3], [0], [9]]))
    for sparse, values in ((True, y_pred), (False, logits)):
        values = keras.ops.convert_to_tensor(values.astype("float32"))
        keras.tree.map_structure(lambda x: setattr(x, "_keras_mask", mask), values)
        metric = layers.BLEU(2, end=END, sparse_y_pred=sparse)
        metric.update_state(y_true, values)
        cut = layers.BLEU(2, end=END)
        cut.update_state(y_true, np.where(mask, y_pred, PAD))
        assert metric.statistics()["length"] == cut.statistics()["length"]
        assert number(metric) == number(cut)


def test_a_weight_counts_a_sequence_as_many_times():
    outputs, true = corpus(5, 4, 3)
    weights = [2, 0, 3, 1]
    metric = layers.BLEU(2, end=END)
    metric.update_state(*arrays(outputs, true), sample_weight=np.array(weights))
    repeated = [i for i, weight in enumerate(weights) for _ in range(weight)]
    texts = (
        [text(outputs[i]) for i in repeated],
        [[text(one) for one in true[i]] for i in repeated],
    )
    assert number(metric) == pytest.approx(peers_score(*texts, 2), abs=1e-6)
    # only their ratio matters, and fractions add up
    parts = layers.BLEU(2, end=END)
    for _ in range(3):
        part = np.array(weights)[:, None] / 4
        parts.update_state(*arrays(outputs, true), sample_weight=part)
    assert number(parts) == pytest.approx(number(metric), rel=1e-6)
    for name, value in metric.statistics().items():
        np.testing.assert_allclose(parts.statistics()[name], 0.75 * value)


@pytest.mark.parametrize("count", [2**24 - 1, 2**31 - 1, 2**40])
def test_counts_are_exact_beyond_what_floats_and_whole_numbers_hold(count):
    metric = many(lambda: layers.BLEU(2), count)
    for _ in range(3):
        metric.update_state(np.array([[5, 3, 4, 2]]), np.array([[5, 3, 2]]))
    found = metric.statistics()
    np.testing.assert_array_equal(found["matches"], count + np.array([9, 3]))
    np.testing.assert_array_equal(found["totals"], count + np.array([9, 6]))
    assert found["length"] == count + 9
    assert found["reference_length"] == count + 12


def test_nothing_gives_0():
    metric = layers.BLEU(2)
    assert number(metric) == 0
    metric.update_state(np.zeros((2, 0), int), np.zeros((2, 0), int))
    metric.update_state(np.zeros((2, 3), int), np.zeros((2, 1), int))
    metric.update_state(np.zeros((0, 3), int), np.zeros((0, 2), int))
    assert number(metric) == 0
    metric.update_state(np.zeros((1, 3), int), np.array([[5]]))
    metric.update_state(np.array([[5]]), np.zeros((1, 0), int))
    assert number(metric) == 0
    assert metric.statistics()["length"] == metric.statistics()["reference_length"] == 1


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"max_order": 0}, "max_order of at least 1, received 0"),
        ({"max_order": 2.0}, "max_order of at least 1, received 2.0"),
        ({"smoothing": "add-k"}, "no smoothing 'add-k'; choose one of None, 'exp'"),
        ({"smoothing_value": 0.1}, "'floor' and 'add_k' alone, received"),
        ({"smoothing": "exp", "smoothing_value": 1}, "'floor' and 'add_k' alone"),
        ({"smoothing": "floor", "smoothing_value": 0}, "above 0, received 0"),
        ({"smoothing": "floor", "smoothing_value": "1"}, "above 0, received '1'"),
    ],
)
def test_arguments_out_of_range_are_refused(keywords, message):
    with pytest.raises(ValueError, match=f"BLEU.*{message}"):
        layers.BLEU(**keywords)
    with pytest.raises(ValueError, match=f"text_scores.*{message}"):
        layers.text_scores(["a"], ["a"], **keywords)


@pytest.mark.parametrize(
    "keywords, true, predicted, message",
    [
        ({}, (2, 5), (2, 5, 3), r"needs tokens.*\(2, 5, 3\)"),
        ({"sparse_y_pred": False}, (2, 5), (2, 5), r"needs logits.*\(2, 5\)"),
        ({}, (2,), (2, 5), r"\(batch, references, time\).*y_true of shape \(2,\)"),
        ({}, (2, 0, 5), (2, 5), r"references, at least 1.*\(2, 0, 5\)"),
        ({}, (3, 5), (2, 5), "as many true sequences as predicted"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(keywords, true, predicted, message):
    metric = layers.BLEU(**keywords)
    with pytest.raises(ValueError, match=f"BLEU.*{message}"):
        metric.update_state(np.zeros(true, int), np.zeros(predicted, int))


def test_weights_that_do_not_fit_are_refused():
    zeros = np.zeros((2, 5), int)
    with pytest.raises(ValueError, match="BLEU.*sample_weight of shape"):
        layers.BLEU().update_state(zeros, zeros, sample_weight=np.ones((2, 5)))
