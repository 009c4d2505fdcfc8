"""Vocabularies, against cuts and merges derived character by character in Python."""

import collections
import functools
import itertools
import json
import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from kerasmith.zoo.data import Vocabulary
from kerasmith.zoo.data.byte_pairs import learn_merges

KINDS = ("characters", "words", "subwords")
# the property White_Space of Unicode
WHITE = {
    *map(chr, [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]),
    *map(chr, [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]),
}
LEARNED = [
    "The lowest of the lower, the newest and the widest: low, new, wide.",
    "Don't pay 3.50 for a well-known 'thing' (it's 1,234.5!)",
    "banana bandana aaaa aaa aa a; ananas",
    "IJ ĮÌÍĨİ ΣΑΣ ÄÖ Ж I\u0300J\u0301",
    "Ein Mädchen, 犬と猫. e\u0301te\u0301 👍🏽 ... --",
] * 2
AWKWARD = [
    "",
    "   ",
    "\u3000\u00a0the\u202flow\tlow\n",
    "aaaa aaaaa a" + "a" * 40,
    "abananab nananana",
    "new characters: žluťoučký 日本",
    "👨‍👩‍👧 👍🏽 🇩🇪 e\u0301 é \u0301",
    "Don't... \"well-known\" 3.50, 1,234.5! (x) a.b a.5 5. -a- 'a'",
    "\x00 \x1c \x1f\x07 \ufeff \ufffd the",
    "_under_score $5 5% ½ ² ^ ` ´ ~ < >",
    ("The newest banana, " * 300)[:5000],
]


def is_letter(character):
    return character not in WHITE and unicodedata.category(character)[0] not in "PS"


def words_of(text):
    """Cut as the documentation says, character by character."""
    words, i = [], 0
    while i < len(text):
        begin, i = i, i + 1
        if text[begin] in WHITE:
            continue
        if is_letter(text[begin]):
            while i < len(text):
                behind = text[i + 1 : i + 2]
                joins = text[i] in "'’-" and behind and is_letter(behind)
                if text[i] in ".," and behind:
                    joins = unicodedata.category(behind) == "Nd"
                if not joins and not is_letter(text[i]):
                    break
                i += 1
        words.append(text[begin:i])
    return words


def parts_of(text):
    """Cut where letters and punctuation change, and before each space."""
    words = "".join(" " if c in WHITE else c for c in text).split(" ")
    for word in filter(None, words):
        runs = ["".join(run) for _, run in itertools.groupby(word, is_letter)]
        yield " " + runs[0]
        yield from runs[1:]


def merged(word, ranks):
    """Merge one pair at a time: the first of those that were learned first."""
    tokens = list(word)
    while len(tokens) > 1:
        found = [(ranks.get(pair, 10**9), i) for i, pair in pairs_of(tokens)]
        rank, i = min(found)
        if rank == 10**9:
            break
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
    return tokens


def pairs_of(tokens):
    return enumerate(itertools.pairwise(tokens))


@functools.cache
def learned(kind, lowercase=False):
    return Vocabulary.learn(LEARNED, kind, lowercase=lowercase)


def tokens_of(vocabulary, text):
    """Cut a text into tokens by this file's own rules."""
    text = text.replace("\0", "\ufffd")
    text = text.lower() if vocabulary.lowercase else text
    if vocabulary.kind == "characters":
        return list(text)
    if vocabulary.kind == "words":
        return words_of(text)
    merges = vocabulary.get_config()["merges"]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    return [token for part in parts_of(text) for token in merged(part, ranks)]


def ids_of(vocabulary, text):
    tokens = tokens_of(vocabulary, text)
    known = vocabulary.tokens
    return [known.index(t) if t in known else vocabulary.UNKNOWN for t in tokens]


def rows_of(ids):
    return [np.trim_zeros(row, "b").tolist() for row in ids.numpy()]


def spoken(texts):
    return [text.decode() for text in texts.numpy().ravel()]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_a_derivation_by_hand(kind, lowercase):
    vocabulary = learned(kind, lowercase)
    texts = AWKWARD + LEARNED
    assert rows_of(vocabulary.encode(texts)) == [ids_of(vocabulary, t) for t in texts]
    assert rows_of(vocabulary.encode(texts[4:5])) == [ids_of(vocabulary, texts[4])]


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_come_by_frequency_and_then_by_their_text(kind):
    counts = collections.Counter()
    for text in LEARNED:
        if kind == "subwords":
            counts.update("".join(parts_of(text)))
        else:
            counts.update(tokens_of(learned(kind), text))
    expected = sorted(counts, key=lambda token: (-counts[token], token))
    found = learned(kind).tokens
    assert list(found[4 : 4 + len(expected)]) == expected
    if kind != "subwords":
        assert len(found) == len(learned(kind)) == 4 + len(expected)
        smaller = Vocabulary.learn(LEARNED, kind, size=9)
        assert smaller.tokens == found[:9]


@pytest.mark.parametrize("seed", range(8))
def test_merges_are_those_of_counting_anew_each_time(seed):
    draw = random.Random(seed)
    words = {
        "".join(draw.choices("abc" if seed % 2 else "a", k=draw.randint(1, 9))): count
        for count in draw.choices(range(1, 9), k=20)
    }
    tokens, expected = {word: list(word) for word in words}, []
    made = set("".join(words))
    while True:
        counts = collections.Counter()
        for word, split in tokens.items():
            for pair in itertools.pairwise(split):
                counts[pair] += words[word]
        new = [p for p in counts if "".join(p) not in made and counts[p] > 1]
        if not new:
            break
        best = min(new, key=lambda pair: (-counts[pair], "".join(pair), pair))
        expected.append(best)
        made.add("".join(best))
        tokens = {word: merged_all(split, best) for word, split in tokens.items()}
    assert learn_merges(words) == expected
    assert learn_merges(words, 3) == expected[:3]


def merged_all(tokens, pair):
    found = []
    for token in tokens:
        if found and (found[-1], token) == pair:
            found[-1:] = ["".join(pair), None]  # the mark keeps it from merging on
        else:
            found.append(token)
    return [token for token in found if token is not None]


@pytest.mark.parametrize("seed", range(3))
def test_subwords_are_those_of_tokenizers(seed):
    models = pytest.importorskip("tokenizers.models")
    draw = random.Random(seed)
    words = ["".join(draw.choices("aab c-"[: 3 + seed], k=40)) for _ in range(30)]
    vocabulary = Vocabulary.learn(LEARNED + words, "subwords")
    peer = models.BPE(
        vocab={text: number for number, text in enumerate(vocabulary.tokens)},
        merges=[tuple(pair) for pair in vocabulary.get_config()["merges"]],
        unk_token="<unknown>",
    )
    texts = [t.replace("\0", "\ufffd") for t in AWKWARD] + words + ["a" * 1001]
    parts = [list(parts_of(text)) for text in texts]
    expected = [[t.id for part in row for t in peer.tokenize(part)] for row in parts]
    assert rows_of(vocabulary.encode(texts)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_back(kind):
    vocabulary = learned(kind)
    known = [t for t in AWKWARD + LEARNED if 1 not in ids_of(vocabulary, t)]
    assert len(known) >= len(LEARNED) + 3
    back = spoken(vocabulary.decode(vocabulary.encode(known, start=True, end=True)))
    if kind == "characters":
        assert back == known
    if kind == "subwords":
        spaced = ["".join(" " if c in WHITE else c for c in text) for text in known]
        assert back == [" ".join(filter(None, t.split(" "))) for t in spaced]
    if kind == "words":
        assert [words_of(t) for t in back] == [words_of(t) for t in known]
        assert back[known.index(LEARNED[0])] == LEARNED[0]


def test_unknown_tokens_are_told_and_the_rest_comes_back():
    letters = learned("characters")
    assert spoken(letters.decode(letters.encode(["a☂b", "☂"]))) == [
        "a\ufffdb",
        "\ufffd",
    ]
    assert spoken(learned("words").decode([[4, 1], [-3, 10**6]]))[1] == "\ufffd \ufffd"


def test_what_follows_the_end_and_what_is_no_text_is_skipped():
    letters = Vocabulary(["a", "b"])
    ids = [[2, 4, 0, 5, 3, 4], [3, 4, 4, 4, 4, 4], [5, 2, 0, 0, 0, 4]]
    assert spoken(letters.decode(ids)) == ["ab", "", "ba"]
    beams = letters.decode(tf.constant(ids, tf.int64)[:, None])
    assert beams.shape == (3, 1) and spoken(beams) == ["ab", "", "ba"]
    assert spoken(letters.decode(tf.ragged.constant([[4], [], [5, 4]]))) == [
        *("a", "", "ba")
    ]
    assert letters.decode(np.zeros((0, 3), "int8")).shape == (0,)
    assert spoken(letters.decode([[], []])) == ["", ""]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({}, [[4, 5, 4, 4], [5, 0, 0, 0], [0, 0, 0, 0]]),
        ({"length": 3}, [[4, 5, 4], [5, 0, 0], [0, 0, 0]]),
        ({"length": 6}, [[4, 5, 4, 4, 0, 0], [5] + [0] * 5, [0] * 6]),
        ({"end": True}, [[4, 5, 4, 4, 3], [5, 3, 0, 0, 0], [3, 0, 0, 0, 0]]),
        ({"start": True, "length": 3}, [[2, 4, 5], [2, 5, 0], [2, 0, 0]]),
        (
            {"start": True, "end": True, "length": 4},
            [[2, 4, 5, 3], [2, 5, 3, 0], [2, 3, 0, 0]],
        ),
    ],
)
def test_rows_are_padded_and_cut_behind_and_keep_their_end(arguments, expected):
    ids = Vocabulary(["a", "b"]).encode(["abaa", "b", ""], **arguments)
    assert ids.dtype == tf.int32 and ids.numpy().tolist() == expected


def test_one_text_and_no_text_have_their_shapes():
    letters = Vocabulary(["a", "b"])
    assert letters.encode("ab", end=True).numpy().tolist() == [4, 5, 3]
    assert letters.encode(b"ab").shape == (2,)
    assert letters.encode([], end=True).shape[0] == 0
    assert letters.encode(np.array(["a", "b"]), length=5).shape == (2, 5)
    assert learned("subwords").encode([], length=5).shape == (0, 5)


@pytest.mark.parametrize(
    "text",
    [b"a\xffa", b"\xf0\x9f\x98", b"a\xe2\x28\xa1", b"\xc3", b"\xc0\x80a", "a\ud800a"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_unicode_is_unknown(kind, text):
    vocabulary = learned(kind)
    valid = text.decode("utf-8", "replace") if isinstance(text, bytes) else None
    valid = valid or "a\ufffd\ufffd\ufffda"  # three bytes of half a pair
    assert rows_of(vocabulary.encode([text])) == [ids_of(vocabulary, valid)]
    again = Vocabulary.learn([text, "ab " * 3], kind)
    assert not any("\ufffd" in token for token in again.tokens)


def test_a_config_makes_the_same_vocabulary():
    for kind, lowercase in itertools.product(KINDS, (False, True)):
        vocabulary = learned(kind, lowercase)
        config = json.loads(json.dumps(vocabulary.get_config()))
        again = Vocabulary.from_config(config)
        assert again.tokens == vocabulary.tokens
        assert again.get_config() == vocabulary.get_config()
        same = again.encode(AWKWARD) == vocabulary.encode(AWKWARD)
        assert tf.reduce_all(same)


def test_a_file_holds_it_and_is_written_whole(tmp_path):
    path = learned("subwords").save(tmp_path / "sub" / "words.json")
    assert [entry.name for entry in path.parent.iterdir()] == ["words.json"]
    assert Vocabulary.load(path).get_config() == learned("subwords").get_config()


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "is no JSON file"),
        ("[1]", "holds no vocabulary"),
        ('{"pieces": ["a"]}', "holds no vocabulary"),
        ('{"version": 2, "pieces": ["a"]}', "of version 2; this Kerasmith reads"),
        ('{"version": 1}', "broken vocabulary: .*pieces"),
        ('{"version": 1, "pieces": ["a"], "more": 1}', "broken vocabulary: .*more"),
        ('{"version": 1, "pieces": [1]}', "broken vocabulary: .*received int"),
        ('{"version": 1, "pieces": "aa"}', "broken vocabulary: .*occurs twice"),
        ('{"version": 1, "pieces": 5}', "broken vocabulary"),
        ('{"version": 1, "pieces": ["a"], "kind": "word"}', "mean 'words'"),
    ],
)
def test_a_broken_file_is_told(tmp_path, text, message):
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"vocabulary.json.*{message}"):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Vocabulary([]), ValueError, "at least one piece"),
        (lambda: Vocabulary(["ab"]), ValueError, "piece 0 is 'ab'.*characters"),
        (lambda: Vocabulary(["a b"], "words"), ValueError, "'a b'.*one of the words"),
        (lambda: Vocabulary(["a", ""]), ValueError, "piece 1 is ''"),
        (lambda: Vocabulary(["\ufffd"]), ValueError, "no text is cut"),
        (lambda: Vocabulary(["A"], lowercase=True), ValueError, "without capitals"),
        (lambda: Vocabulary(["a", "a"]), ValueError, "'a', occurs twice"),
        (lambda: Vocabulary(["a"], merges=[("a", "a")]), ValueError, "has no merges"),
        (lambda: subwords(("a", "c")), ValueError, r"merge 0 is \('a', 'c'\)"),
        (lambda: subwords(("a", "b"), ("a", "b")), ValueError, "'ab' a second time"),
        (lambda: Vocabulary.learn("text"), TypeError, "a single one"),
        (lambda: Vocabulary.learn([3]), TypeError, "str or bytes, received int"),
        (lambda: Vocabulary.learn(["", " "], "words"), ValueError, "received none"),
        (lambda: Vocabulary.learn(["a"], size=4), ValueError, "received size=4"),
        (lambda: Vocabulary.learn(["a"], "word"), ValueError, "did you mean 'words'"),
        (
            lambda: Vocabulary.learn(["abc"], "subwords", size=7),
            ValueError,
            "4 different characters.*size=8 or more, received size=7",
        ),
        (
            lambda: encode(["a"], length=2, start=True, end=True),
            ValueError,
            "3 or more",
        ),
        (lambda: encode([["a"]]), TypeError, "received list"),
        (lambda: encode(tf.constant([["a"]])), ValueError, r"\(1, 1\): reshape"),
        (lambda: encode(tf.constant([1])), TypeError, "received int32"),
        (lambda: encode(tf.ragged.constant([["a"]])), TypeError, "RaggedTensor"),
        (lambda: Vocabulary(["a"]).decode([1.0]), TypeError, "float64"),
        (lambda: Vocabulary(["a"]).decode(3), ValueError, "pass a list"),
    ],
)
def test_what_does_not_fit_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


def subwords(*merges):
    return Vocabulary(["a", "b"], "subwords", merges=merges)


def encode(texts, **arguments):
    return Vocabulary(["a"]).encode(texts, **arguments)
