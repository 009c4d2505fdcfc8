"""Texts made here: dates, sums and help topics, read by rules of this file's own."""

import collections
import re
import sys

import numpy as np
import pytest

from kerasmith.zoo.data import TextPairs, arithmetic, dates, help_topics
from kerasmith.zoo.data.dates import ordinal
from kerasmith.zoo.data.help_topics import TOPICS, sentences

# how the months begin in the languages of the set, without capitals
MONTHS = [
    "jan|ene|gen|janv|sty|янв",
    "feb|fév|fev|lut|фев",
    "mar|mär|mrt|maart|mars|мар",
    "apr|abr|avr|kwi|апр",
    "may|mai|mag|mei|maj|мая",
    "jun|juin|giu|cze|июн",
    "jul|juil|lug|lip|июл",
    "aug|ago|aoû|sie|авг",
    "sep|set|wrz|сен",
    "oct|okt|ott|out|paź|окт",
    "nov|lis|ноя",
    "dec|dez|déc|dic|gru|дек",
]
SHARES = ("train", "dev", "test")


def month_of(word):
    (month,) = [i for i, names in enumerate(MONTHS, 1) if re.match(names, word)]
    return month


def read(text):
    """Read a date, knowing only names of months, and that points are day first."""
    text = text.lower()
    if found := re.fullmatch(r"(\d{4})(?:年|/|-)(\d+)(?:月|/|-)(\d+)日?(.曜日)?", text):
        year, month, day = map(int, found.groups()[:3])
    elif found := re.fullmatch(r"(\d+)\.(\d+)\.(\d{4})", text):
        day, month, year = map(int, found.groups())
    else:
        (year,) = re.findall(r"\d{4}", text)
        (day,) = re.findall(r"\b\d{1,2}(?!\d)", text)
        beside = re.search(r"\d{1,2}(?:st|nd|rd|th)?\.? (?:of |de )?([^\W\d]+)", text)
        english = re.search(r"([a-z]+) \d{1,2}(?:st|nd|rd|th)?,? \d{4}", text)
        month = month_of((english or beside)[1])
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


@pytest.fixture(scope="module")
def written():
    pytest.importorskip("babel")
    return dates()


def test_every_date_is_read_as_it_was_meant(written):
    for pairs in written.values():
        for source, target in zip(pairs.sources, pairs.targets, strict=True):
            assert read(source) == target, source


def test_dates_share_no_day_and_no_text(written):
    assert [len(written[name]) for name in SHARES] == [30_000, 2_000, 2_000]
    sources = [text for pairs in written.values() for text in pairs.sources]
    assert len(set(sources)) == 34_000
    days = [set(written[name].targets) for name in SHARES]
    assert not days[0] & days[1] | days[0] & days[2] | days[1] & days[2]
    assert min(min(d) for d in days) >= "1900" and max(max(d) for d in days) < "2101"


def test_dates_are_of_many_forms(written):
    text = "\n".join(written["test"].sources)
    for form in (
        r"^\w+ \d+, \d{4}$",
        r"^\w+ \d+th, \d{4}$",
        r"^\d+th of \w+ \d{4}$",
        r"^the \d+th of \w+, \d{4}$",
        r"^\d\d\.\d\d\.\d{4}$",
        r"^\d+\. März \d{4}$",
        r"^\d+ de mayo de \d{4}$",
        r"^\d+ kwietnia \d{4}$",
        "^[A-ZÉÛ]+ \\d+ [A-ZÉÛ]+ \\d{4}$",
        "мая \\d{4}\u202fг\\.$",
        r"^\d{4}年\d+月\d+日.曜日$",
    ):
        assert re.search(form, text, re.MULTILINE), form
    assert not re.search(
        r"^\d+[-/]\d+[-/]\d+$", re.sub(r"(?m)^\d{4}.*", "", text), re.M
    )


def test_ordinals_are_english():
    words = "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th "
    words += "17th 18th 19th 20th 21st 22nd 23rd 24th 25th 26th 27th 28th 29th 30th "
    assert [ordinal(day) for day in range(1, 32)] == [*words.split(), "31st"]
    assert [ordinal(number) for number in (0, 101, 111)] == ["0th", "101st", "111th"]


def test_dates_need_babel(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel.dates", None)
    with pytest.raises(ImportError, match=r'pip install "kerasmith\[text\]"'):
        dates((1, 1, 1))


def test_sums_are_right_and_in_one_split_only():
    splits = arithmetic()
    assert [len(splits[name]) for name in SHARES] == [30_000, 2_000, 2_000]
    owners, seen = {}, set()
    for name, pairs in splits.items():
        for source, target in zip(pairs.sources, pairs.targets, strict=True):
            first, second = source.split("+")
            assert str(int(first) + int(second)) == target
            assert str(int(first)) == first and str(int(second)) == second
            assert owners.setdefault(frozenset((first, second)), name) == name
            assert source not in seen
            seen.add(source)


def test_sums_have_all_lengths_and_longer_ones_a_digit_more():
    lengths = {
        name: collections.Counter(
            tuple(map(len, source.split("+"))) for source in pairs.sources
        )
        for name, pairs in arithmetic().items()
    }
    short = {(a, b) for a in (1, 2, 3) for b in (1, 2, 3)}
    assert set(lengths["train"]) == short and set(lengths["test"]) <= short
    assert set(lengths["dev"]) <= short
    assert set(lengths["longer"]) == {
        *((4, n) for n in (1, 2, 3, 4)),
        *((n, 4) for n in (1, 2, 3)),
    }
    # but for the few sums of two digits there are
    assert min(count for key, count in lengths["train"].items() if key != (1, 1)) > 500


def test_a_quarter_of_all_sums_can_be_had():
    splits = arithmetic((20, 3, 2), 250, digits=1)
    assert [len(pairs) for pairs in splits.values()] == [20, 3, 2, 250]


def test_sentences_of_topics_are_in_one_split_of_one_topic():
    from pydoc_data.topics import topics

    splits = help_topics()
    plain = {name: " ".join(topics[name].split()) for name in TOPICS}
    seen, counts = set(), collections.Counter()
    for pairs in splits.values():
        assert pairs.targets.dtype == np.int32 and pairs.labels == TOPICS
        for sentence, number in zip(pairs.sources, pairs.targets, strict=True):
            assert sentence in plain[pairs.labels[number]]
            assert len(sentence.split()) >= 4 and sentence not in seen
            seen.add(sentence)
            counts[number] += 1
    assert len(counts) == 20 and min(counts.values()) >= 20
    for name in ("dev", "test"):
        found = collections.Counter(splits[name].targets.tolist())
        assert found == {number: count // 10 for number, count in counts.items()}


def test_code_and_headings_are_no_sentences():
    text = "Heads Are None\n****\n\nIt is\none. So\nis *this* one!\n\n   x = 1.5 f g"
    assert sentences(text) == ["So is *this* one!"]


@pytest.mark.parametrize("make", [dates, arithmetic, help_topics])
def test_the_seed_decides(make):
    counts = () if make is help_topics else ((50, 5, 5),)
    if make is dates:
        pytest.importorskip("babel")
    one, same, other = make(*counts, seed=1), make(*counts, seed=1), make(*counts)
    for name, pairs in one.items():
        assert pairs.sources.tolist() == same[name].sources.tolist()
        assert pairs.targets.tolist() == same[name].targets.tolist()
    assert one["train"].sources.tolist() != other["train"].sources.tolist()


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: dates((1, 1)), ValueError, r"received counts=\(1, 1\)"),
        (lambda: dates((10**6, 1, 1)), ValueError, "at most 200,000"),
        (lambda: arithmetic((1, 1)), ValueError, r"received counts=\(1, 1\)"),
        (lambda: arithmetic((1, 1, 1), digits=0), ValueError, "received 0"),
        (lambda: arithmetic((99, 1, 1), digits=1), ValueError, "at most 25.*digits=2"),
        (lambda: arithmetic((9, 1, 1), 999, digits=1), ValueError, "at most 250"),
        (lambda: help_topics(["impot"]), ValueError, "did you mean 'import'"),
        (lambda: help_topics(["try", "try"]), ValueError, "named once"),
        (lambda: help_topics(["try", "compound"]), ValueError, "'try' has 0 sentences"),
        (
            lambda: TextPairs(np.array(["a"]), np.array([])),
            ValueError,
            "1 sources and 0",
        ),
    ],
)
def test_what_cannot_be_made_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()
