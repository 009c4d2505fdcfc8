"""Text to text in Python: what it says, how likely that is, and what it looks at."""

import keras
import numpy as np
import pytest
from translator_models import (
    KINDS,
    LENGTH,
    ODD,
    SOURCES,
    TEXTS,
    network,
    numbers,
    shared,
    vocabularies,
)

from kerasmith import zoo
from kerasmith.zoo.data import Vocabulary
from kerasmith.zoo.steps import steps_of
from kerasmith.zoo.tools import Alignment, Translation, Translator
from kerasmith.zoo.tools.translator_texts import batches
from kerasmith.zoo.transformer import transformer

every_kind = pytest.mark.parametrize("kind", KINDS)
START, END = Vocabulary.START, Vocabulary.END


def ids(vocabulary, text):
    """Look tokens up one by one."""
    tokens = vocabulary.tokens
    return np.array([tokens.index(c) if c in tokens else 1 for c in text] + [END])


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@every_kind
def test_translations_come_in_the_order_of_the_texts(kind):
    translator = shared(kind)
    found = translator(TEXTS)
    assert len(found) == len(TEXTS) and len({each.text for each in found}) > 12
    assert all(isinstance(each, Translation) for each in found)
    again = translator(TEXTS[::-1], batch_size=20)[::-1]
    assert [each.text for each in again] == [each.text for each in found]
    scores = [each.score for each in found]
    np.testing.assert_allclose([each.score for each in again], scores, atol=1e-5)
    alone = translator(TEXTS[3:4])[0]
    assert alone.text == found[3].text
    assert alone.score == pytest.approx(found[3].score, abs=1e-5)


@every_kind
def test_the_best_come_first_and_more_beams_find_no_less(kind):
    translator = shared(kind)
    best = translator(TEXTS, best=3)
    scores = np.array([[each.score for each in row] for row in best])
    assert scores.shape == (len(TEXTS), 3) and (np.diff(scores) <= 0).all()
    assert [row[0].text for row in best] == [each.text for each in translator(TEXTS)]
    assert len({each.text for each in best[0]}) == 3
    greedy = translator(TEXTS, width=1)
    assert np.mean([each.score for each in greedy]) <= scores[:, 0].mean()


@every_kind
def test_the_probability_of_a_text_is_that_of_its_tokens_one_by_one(kind):
    """A loop over what the model predicts for each beginning."""
    translator = shared(kind)
    model, (source, target) = translator.model, vocabularies()
    texts, outputs = ["2. \u2602", "", SOURCES[0]], ["1x", "-9-9", ""]
    found = translator.log_probability(texts, outputs)
    assert found.dtype == np.float32 and found.shape == (3,)
    for text, output, log_probability in zip(texts, outputs, found, strict=True):
        read, seen = np.zeros((2, 1, 32), int)  # one shape, for JAX
        read[0, : len(text) + 1] = ids(source, text)
        expected, seen[0, 0] = 0.0, START
        for place, token in enumerate(ids(target, output)):
            logits = model({"source": read, "target": seen}, training=False)
            expected += np.log(softmax(numbers(logits)[0, place])[token])
            seen[0, place + 1] = token
        assert log_probability == pytest.approx(expected, abs=1e-4)


@every_kind
def test_a_score_is_the_probability_by_the_length(kind):
    translator = shared(kind)
    rows = translator(TEXTS, best=3)
    pairs = [
        (text, each) for text, row in zip(TEXTS, rows, strict=True) for each in row
    ]
    ended = [(text, each) for text, each in pairs if len(each.text) < LENGTH]
    assert len(ended) > 20
    texts, said = zip(*ended, strict=True)
    found = translator.log_probability(texts, [each.text for each in said])
    lengths = np.array([len(each.text) + 1 for each in said])
    scores = np.array([each.score for each in said])
    np.testing.assert_allclose(found, scores * lengths**0.7, atol=1e-4)


@every_kind
def test_what_is_no_text_is_never_said(kind):
    """Not even where it is all that the network would say; weights may change."""
    translator = shared(kind)
    embedding = steps_of(translator.model).embedding
    tied = embedding.tie_weights
    weight = embedding.embeddings if tied else embedding.reverse_embeddings
    before = numbers(weight)
    changed = before.copy()
    (changed if tied else changed.T)[:3] *= 20
    try:
        weight.assign(changed)
        rows = translator(TEXTS, best=3)
        said = [token for each in translator.attend(TEXTS) for token in each[1]]
    finally:
        weight.assign(before)
    texts = "".join(each.text for row in rows for each in row)
    assert texts and "\ufffd" not in texts
    assert said and not {*said} & {"<pad>", "<unknown>", "<start>"}
    # what is forbidden keeps its share of the probability
    usual = np.mean([each.score for each in translator(TEXTS)])
    assert np.mean([row[0].score for row in rows]) < usual - 1


def test_an_attention_cell_looks_by_the_scores_of_its_paper():
    """Bahdanau's appendix in NumPy, step by step, the GRU cell being Keras' own."""
    translator = shared("seq2seq")
    model, text, output = translator.model, "3 May 2021", "20-5"
    alignment = translator.attend(text, output)
    names = {layer.name: layer for layer in model.layers}
    source = ids(translator.source_vocabulary, text)
    target = ids(translator.target_vocabulary, output)
    ends = [model.get_layer(name).output for name in ("memory", "bridge1_1")]
    encoder = keras.Model(model.get_layer("source").output, ends)
    memory, state = (numbers(x) for x in encoder(source[None]))
    cell = names["decoder"].cell
    query, score, keys = (
        numbers(w) for w in (cell.query_kernel, cell.score_kernel, cell.memory_kernel)
    )
    vectors = numbers(names["target_embedding"].embeddings)
    for step, token in enumerate([START, *target[:-1]]):
        scores = np.tanh(state @ query + memory[0] @ keys) @ score
        weights = softmax(scores[:, 0])
        np.testing.assert_allclose(alignment.weights[step], weights, atol=1e-5)
        x = np.concatenate([vectors[token], weights @ memory[0]])[None]
        state = numbers(cell.cell(x.astype("float32"), [state.astype("float32")])[0])
    assert alignment.source_tokens == (*text, "<end>")
    assert alignment.target_tokens == (*output, "<end>")


def test_a_transformer_looks_by_the_mean_softmax_of_its_last_block():
    """By the blocks' own outputs, and the last attention's kernels in NumPy."""
    model, text, output = network("transformer", depth=2), "1 Mai 1999", "19-99"
    translator = Translator(model, *vocabularies())
    alignment = translator.attend([text, ""], [output, "7"])[0]
    names = {layer.name: layer for layer in model.layers}
    source = ids(translator.source_vocabulary, text)
    target = ids(translator.target_vocabulary, output)
    block = names["decoder_block2"]
    inputs = keras.Model(
        model.input, [names["decoder_block1"].output, names["memory"].output]
    )
    x, memory = inputs(
        {"source": source[None], "target": np.array([[START, *target[:-1]]])}
    )
    y = block.attention_norm(x)
    x = x + block.attention(y, y, use_causal_mask=True)
    y = numbers(block.memory_norm(x))[0]
    look = block.memory_attention
    queries, keys = (
        np.einsum("td,dhk->htk", rows, numbers(dense.kernel))
        for rows, dense in ((y, look.query_dense), (numbers(memory)[0], look.key_dense))
    )
    weights = softmax(queries @ keys.transpose(0, 2, 1) / 2)  # heads of 4 values
    np.testing.assert_allclose(alignment.weights, weights.mean(0), atol=1e-5)
    assert np.ptp(alignment.weights) > 0.05


@every_kind
def test_each_token_looks_at_the_whole_source_and_not_at_padding(kind):
    translator = shared(kind)
    found = translator.attend(TEXTS)
    alone = translator.attend(TEXTS[2])
    assert isinstance(alone, Alignment) and alone[:2] == found[2][:2]
    np.testing.assert_allclose(alone.weights, found[2].weights, atol=1e-5)
    said = translator(TEXTS)
    for each, translation in zip(found, said, strict=True):
        tokens = each.source_tokens, each.target_tokens
        assert each.weights.shape == (len(tokens[1]), len(tokens[0]))
        np.testing.assert_allclose(each.weights.sum(1), 1, atol=1e-5)
        ended = len(translation.text) < LENGTH
        assert tokens[1] == (*translation.text, *(["<end>"] if ended else []))
        assert tokens[0][-1] == "<end>" and len(tokens[0]) <= 256
    assert found[-len(ODD)].source_tokens == ("<end>",)
    assert found[-len(ODD) + 2].source_tokens[0] == "<unknown>"


def test_half_precision_and_fixed_lengths():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = network("transformer", length=(11, 6))
    translator = Translator(model, *vocabularies(), length=6, source_length=10, width=2)
    found = translator(["3 May 2021", "", "x" * 30])
    assert len(found) == 3 and all(np.isfinite(each.score) for each in found)
    assert np.isfinite(translator.log_probability(["a", "b"], ["20-21", ""])).all()
    weights = translator.attend("3 May 2021, a Monday").weights
    assert weights.shape[1] == 10
    np.testing.assert_allclose(weights.sum(1), 1, atol=0.02)


def test_batches_are_of_one_length_and_within_what_there_is_room_for():
    rows = [np.full(n, 7, "int32") for n in (3, 9, 1, 4, 9, 2)]
    sizes, seen = [(None, None), (12, 12)], []
    for places, (first, second) in batches(
        [rows, rows], sizes, 4, lambda w: 36 // w[1]
    ):
        assert first.shape[0] == second.shape[0] >= len(places) > 0
        assert len(places) <= 3 and second.shape[1] == 12
        for place, short, long in zip(places, first, second, strict=False):
            assert short.sum() == long.sum() == 7 * len(rows[place])
        seen += places
    assert seen == [2, 5, 0, 3, 1, 4]


def translator(model=None, **options):
    model = network("seq2seq") if model is None else model
    return Translator(model, *vocabularies(), **options)


LEARNED = {"positions": "learned", "length": (9, 7)}


@pytest.mark.parametrize(
    "build, error, message",
    [
        (lambda: translator("a.keras"), TypeError, "needs a keras.Model, received str"),
        (
            lambda: translator(zoo.lenet(input_shape=(32, 32, 1))),
            ValueError,
            "no network that reads a source",
        ),
        (
            lambda: translator(network("seq2seq", top=False)),
            ValueError,
            "ends in features.*top=True",
        ),
        (
            lambda: Translator(network("seq2seq"), *vocabularies()[::-1]),
            ValueError,
            "source_vocabulary has 15 tokens, and the model's embedding of the source",
        ),
        (
            lambda: Translator(network("seq2seq"), vocabularies()[0]),
            ValueError,
            "target_vocabulary has .* embedding of the target 15",
        ),
        (
            lambda: Translator(network("seq2seq"), ["a"]),
            TypeError,
            "zoo.data.Vocabulary as source_vocabulary, received list",
        ),
        (lambda: translator(width=0), ValueError, "width to be 1, 2, ..., received 0"),
        (
            lambda: translator(length=2.0),
            ValueError,
            "length to be 1, 2, ..., received",
        ),
        (lambda: translator(length_penalty=-1), ValueError, "0 or more, received -1"),
        (lambda: translator(length_penalty="1"), ValueError, "received '1'"),
        (
            lambda: translator(network("transformer", **LEARNED), length=5),
            ValueError,
            "source_length to be at most 9, the positions .* received 256",
        ),
        (
            lambda: translator(network("transformer", **LEARNED), source_length=9),
            ValueError,
            "length to be at most 7, the positions .* received 64",
        ),
    ],
)
def test_what_does_not_fit_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    "ask, error, message",
    [
        (lambda t: t([]), ValueError, "one of the texts or more, received none"),
        (lambda t: t("one"), TypeError, "a single one: write \\['one'\\]"),
        (lambda t: t(7), TypeError, "a list of texts, received int"),
        (lambda t: t(["a", None]), TypeError, "received NoneType at place 1"),
        (lambda t: t(["a"], best=4), ValueError, "best to be at most 3, the number of"),
        (lambda t: t(["a"], best=0), ValueError, "best to be 1, 2"),
        (lambda t: t(["a"], width=True), ValueError, "width to be 1, 2"),
        (lambda t: t(["a"], batch_size=0), ValueError, "batch_size to be 1"),
        (lambda t: t.attend(["a"], ["b", "c"]), ValueError, "1 texts and 2 outputs"),
        (lambda t: t.attend("a", 3), TypeError, "outputs, received int at place 0"),
        (lambda t: t.log_probability(["a"], "b"), TypeError, "list of outputs"),
    ],
)
def test_what_cannot_be_asked_is_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask(shared("seq2seq"))


def test_outputs_need_positions():
    small = transformer(
        "transformer_tiny", vocabulary=len(vocabularies()[0]), **LEARNED
    )
    one = Translator(small, vocabularies()[0], length=7, source_length=9)
    with pytest.raises(
        ValueError, match="an output has 8 tokens, and the model pos.* 7"
    ):
        one.log_probability(["a"], ["1234567"])
