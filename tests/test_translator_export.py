"""A translator as a SavedModel, asked by plain TensorFlow in a process of its own."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from export_models import everything_in, on_tensorflow
from translator_models import KINDS, ODD, SOURCES, TEXTS, shared

from kerasmith import zoo
from kerasmith.zoo.tools import ExportMismatch, translator_export

MANY = [*SOURCES[: 1000 - len(ODD)], *ODD]
COUNTS = [(1, 1), (3, 3)]
# neither Keras nor Kerasmith can be imported here
STRANGER = """
import json, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        known = name.split(".")[0] not in ("keras", "tf_keras", "kerasmith")
        return self.finder.find_spec(name, path, target) if known else None
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Nothing(finder) for finder in sys.meta_path]
import tensorflow as tf
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
job = json.load(open(sys.argv[1]))
loaded = tf.saved_model.load(sys.argv[2])
serve, default = loaded.signatures, loaded.signatures["serving_default"]
texts = tf.constant([bytes.fromhex(text) for text in job["texts"]])
def some(name, count, **numbers):
    numbers = {key: tf.constant(number) for key, number in numbers.items()}
    return serve[name](texts=texts[-count:] if count else texts[:0], **numbers)
batches = [default(texts=texts[i : i + 300]) for i in range(0, len(texts), 300)]
answers = {
    "all": {key: tf.concat([b[key] for b in batches], 0) for key in batches[0]},
    "none": some("serving_default", 0),
    "attend": some("attend", 26),
    "attend_none": some("attend", 0),
}
for best, beams in job["counts"]:
    answers[f"{best} of {beams}"] = some("nbest", 26, best=best, beams=beams)
for best, beams in ((3, 2), (0, 2)):
    try:
        some("nbest", 1, best=best, beams=beams)
    except tf.errors.InvalidArgumentError as error:
        answers[f"{best} of {beams}"] = {"error": tf.constant([error.message])}
lists = {k: {n: t.numpy().tolist() for n, t in v.items()} for k, v in answers.items()}
json.dump(lists, open(sys.argv[3], "w"), default=bytes.decode)
"""


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


# other backends have both written by the same second process
ASKED = KINDS if keras.backend.backend() == "tensorflow" else KINDS[:1]


@pytest.fixture(scope="module", params=ASKED)
def served(request, tmp_path_factory):
    """Export a translator; give it and what its SavedModel answers."""
    folder, translator = tmp_path_factory.mktemp(request.param), shared(request.param)
    path = zoo.export(translator, folder, samples=TEXTS[::3])["saved_model"]
    texts = [as_bytes(text).hex() for text in MANY]
    job, out = folder / "job.json", folder / "out.json"
    job.write_text(json.dumps({"texts": texts, "counts": COUNTS}))
    command = [sys.executable, "-c", STRANGER, *map(str, (job, path, out))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return translator, json.loads(out.read_text())


def test_a_thousand_texts_are_answered_alike(served):
    translator, answers = served
    ours = translator(MANY, best=3)
    texts, scores = answers["all"]["text"], answers["all"]["score"]
    best = [row[0].score for row in ours]
    np.testing.assert_allclose(scores, best, atol=1e-4)
    # where two are as likely, either may be the first
    clear = [row[0].score - row[1].score > 1e-4 for row in ours]
    assert np.mean(clear) > 0.99
    pairs = zip(texts, (row[0].text for row in ours), clear, strict=True)
    assert all(theirs == text for theirs, text, sure in pairs if sure)
    assert len(set(texts)) > 100


@pytest.mark.parametrize("best, beams", COUNTS)
def test_beams_are_chosen_in_the_call(served, best, beams):
    translator, answers = served
    found = answers[f"{best} of {beams}"]
    assert np.shape(found["scores"]) == np.shape(found["texts"]) == (26, best)
    ours = translator(MANY[-26:], best=best, width=beams)
    ours = [[row] for row in ours] if best == 1 else ours
    scores = np.array([[each.score for each in row] for row in ours])
    np.testing.assert_allclose(found["scores"], scores, atol=1e-4)
    for row, texts, own in zip(ours, found["texts"], scores, strict=True):
        apart = np.abs(np.diff(own)) > 1e-4
        for place, (each, text) in enumerate(zip(row, texts, strict=True)):
            if all(apart[max(0, place - 1) : place + 1]):
                assert text == each.text


def test_more_texts_than_beams_are_refused(served):
    answers = served[1]
    assert "best is more than the beams" in answers["3 of 2"]["error"][0]
    assert "best needs to be 1 or more" in answers["0 of 2"]["error"][0]


def test_it_tells_what_tokens_look_at(served):
    translator, answers = served
    found, ours = answers["attend"], translator.attend(MANY[-26:])
    weights = np.array(found["weights"])
    assert found["text"] == answers["all"]["text"][-26:]
    assert weights.shape[1] == max(len(each.target_tokens) for each in ours)
    for number, each in enumerate(ours):
        rows, columns = each.weights.shape
        source, target = (found[f"{s}_tokens"][number] for s in ("source", "target"))
        assert tuple(source[:columns]) == each.source_tokens
        assert tuple(target[:rows]) == each.target_tokens
        assert not any(source[columns:]) and not any(target[rows:])
        np.testing.assert_allclose(
            weights[number, :rows, :columns], each.weights, 0, 1e-4
        )
        assert not weights[number, rows:].any()
        assert not weights[number, :, columns:].any()


def test_a_batch_of_nothing_is_answered_by_nothing(served):
    answers = served[1]
    assert answers["none"] == {"text": [], "score": []}
    assert answers["attend_none"]["text"] == []


@on_tensorflow
def test_what_does_not_run_is_refused_and_leaves_what_was_there(tmp_path, monkeypatch):
    before = tmp_path / "saved_model" / "before"
    before.parent.mkdir()
    before.write_text("what was there")
    monkeypatch.setattr(translator_export, "write", lambda *args: args[-1].mkdir())
    with pytest.raises(ExportMismatch, match="does not run: OSError: SavedModel file"):
        shared("seq2seq").export(tmp_path)
    assert everything_in(tmp_path) == ["saved_model/before"]
    assert before.read_text() == "what was there"


@pytest.fixture(scope="module")
def answered():
    """Give what a SavedModel that answers as the translator does would answer."""
    translator, samples = shared("seq2seq"), TEXTS[:5]
    rows = translator(samples, best=3)
    alignments = translator.attend(samples)
    shape = [max(len(each[side]) for each in alignments) for side in (0, 1)]
    weights = np.zeros((5, *shape[::-1]), "float32")
    for whole, each in zip(weights, alignments, strict=True):
        whole[: each.weights.shape[0], : each.weights.shape[1]] = each.weights
    tokens = [
        [[*each[side]] + [""] * (shape[side] - len(each[side])) for each in alignments]
        for side in (0, 1)
    ]
    first = [row[0].text for row in rows]
    return (
        translator,
        samples,
        {
            "nbest.texts": [[each.text for each in row[:2]] for row in rows],
            "nbest.scores": np.array(
                [[each.score for each in row[:2]] for row in rows]
            ),
            "serving_default.text": first,
            "serving_default.score": np.array([row[0].score for row in rows]),
            "first.text": first[:1],
            "first.score": np.array([rows[0][0].score]),
            "attend.text": first,
            "attend.source_tokens": tokens[0],
            "attend.target_tokens": tokens[1],
            "attend.weights": weights,
        },
    )


@pytest.mark.parametrize(
    "key, change, message",
    [
        ("nbest.texts", lambda rows: rows[::-1], "translation 1 of .* in Python"),
        ("nbest.scores", lambda a: a + 1e-3, "score of .* differs by 0.001"),
        ("nbest.scores", lambda a: a * np.nan, "score of .* differs by nan"),
        (
            "serving_default.text",
            lambda texts: texts[1:] + texts[:1],
            "translation 1 of",
        ),
        ("serving_default.score", lambda a: a - 1e-3, "score of"),
        ("first.text", lambda texts: ["?"], "translation 1 of .* is '\\?'"),
        ("first.score", lambda a: a - 1e-3, "score of"),
        ("attend.text", lambda texts: texts[::-1], "translation 1 of"),
        ("attend.source_tokens", lambda rows: rows[::-1], "the tokens of"),
        ("attend.target_tokens", lambda rows: rows[::-1], "the tokens of"),
        (
            "attend.weights",
            lambda a: a + np.float32(1e-3),
            "weight of the attention to",
        ),
        ("attend.weights", lambda a: a * np.nan, "weight of .* differs by nan"),
    ],
)
def test_each_difference_is_seen(answered, key, change, message):
    translator, samples, answers = answered
    translator_export.compare(translator, samples, answers)
    with pytest.raises(ExportMismatch, match=message):
        changed = {**answers, key: change(answers[key])}
        translator_export.compare(translator, samples, changed)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"formats": "litert"}, ValueError, "as a SavedModel alone, received formats"),
        ({"labels": ["a"]}, ValueError, "a Translator has no labels"),
        ({"preprocess": keras.layers.Identity()}, ValueError, "has no preprocess"),
        ({"samples": "one"}, TypeError, "list of samples, received a single one"),
        ({"samples": []}, ValueError, "one of the samples or more"),
    ],
)
def test_what_belongs_to_images_is_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        zoo.export(shared("seq2seq"), tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
