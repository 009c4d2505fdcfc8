"""Classification of texts: a whole run, its files, and what strangers make of them."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from kerasmith import zoo
from kerasmith.scripts.main import main
from kerasmith.zoo import recipes
from kerasmith.zoo.data import Vocabulary
from kerasmith.zoo.data.texts import load_texts
from kerasmith.zoo.tools import text_class_judge, text_classification
from kerasmith.zoo.tools.finished import export_run
from kerasmith.zoo.tools.run import load_data
from kerasmith.zoo.tools.tasks import task_of

ROOT = pathlib.Path(__file__).parents[1]
TINY = {
    "epochs": 1,
    "source_length": 12,
    "batch_size": 256,
    "vocabulary": {"kind": "words", "size": 60, "lowercase": True},
}
SIZES = {
    "bilstm_help_topics": {"width": 5, "embedding": 6},
    "transformer_help_topics": {"width": 8, "heads": 2, "feed_forward": 8, "depth": 1},
}
# what a stranger may send: nothing, unseen words, no UTF-8, too much, two lines
ODD = ["", "☂ 👍🏽 unheard", b"\xff\xfe", b"a\x00b", "the import " * 300, "a\n b"]
FILES = {
    "config.json",
    "confusion.png",
    "curves.png",
    "history.csv",
    "model.keras",
    "report.html",
    "results.json",
    "saved_model",
    "tensorboard",
    "vocabulary.json",
}


def tiny(name, **settings):
    options = SIZES[name]
    return recipes.with_settings(
        recipes.get(name), {**TINY, "options": options, **settings}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run of the recurrent network."""
    folder = tmp_path_factory.mktemp("run") / "bilstm"
    return zoo.train(tiny("bilstm_help_topics"), folder, verbose=0)


@pytest.fixture(scope="module")
def expected(run):
    """What the network of that run says, put together here of its files."""
    model = keras.saving.load_model(run.folder / "model.keras", compile=False)
    vocabulary = Vocabulary.load(run.folder / "vocabulary.json")

    def answer(texts):
        rows = vocabulary.encode(texts, length=12, end=True).numpy()
        logits = keras.ops.convert_to_numpy(model(rows))
        powers = np.exp(logits.astype("float64"))
        return powers / powers.sum(1, keepdims=True)

    return answer


def test_a_run_leaves_everything(run):
    assert FILES <= {path.name for path in run.folder.iterdir()}
    config = json.loads((run.folder / "config.json").read_text())
    assert config["recipe"]["vocabulary"]["size"] == 60
    assert config["data"]["labels"][0] == "assignment"
    assert recipes.get(run.folder / "config.json") == tiny("bilstm_help_topics")
    history = (run.folder / "history.csv").read_text()
    assert "val_accuracy" in history
    assert zoo.tools.task_name(run.folder) == "text_classification"


def test_its_scores_are_those_of_its_answers(run, expected):
    pairs = load_texts("help_topics").splits["test"]
    said, truth = expected(pairs.sources), pairs.targets
    assert run.results["test_accuracy"] == np.mean(said.argmax(1) == truth)
    assert run.results["test_loss"] == pytest.approx(
        log_loss(truth, said, labels=range(20)), rel=1e-5
    )
    f1 = f1_score(truth, said.argmax(1), average="macro")
    assert run.results["test_macro_f1"] == pytest.approx(f1)


def test_the_report_shows_the_surest_mistakes_first(run, expected):
    page = (run.folder / "report.html").read_text()
    pairs = load_texts("help_topics").splits["test"]
    said = expected(pairs.sources)
    wrong = np.flatnonzero(said.argmax(1) != pairs.targets)
    assert f"the surest 36 of {len(wrong)}" in page
    surest = wrong[np.argsort(-said[wrong].max(1))]
    rows = page.partition("<h2>Mistakes</h2>")[2].split("<tr>")[2:]
    for row, place in zip(rows[:3], surest, strict=False):
        assert f"{said[place].max():.3f}"[:4] in row
        assert pairs.labels[pairs.targets[place]] in row
        assert pairs.labels[said[place].argmax()] in row
    for told in ("Bidirectional", "PSF licence", "Confusion", "class by class"):
        assert told in page


def test_mistakes_are_cut_and_ranked():
    texts = np.array(["x" * 400, "right", "sure"], dtype=object)
    verdict = text_class_judge.ClassVerdict(
        texts,
        ("a", "b", "never"),
        np.array([0, 1, 0]),
        np.array([1, 1, 1]),
        np.array([0.5, 0.9, 0.8]),
        0.1,
    )
    assert verdict.mistakes() == [
        ("sure", "a", "b", 0.8),
        ("x" * 300 + " …", "a", "b", 0.5),
    ]
    assert verdict.mistakes(1) == verdict.mistakes()[:1]
    # a class that occurs nowhere has no F1: (0 + 2/4) / 2
    assert verdict.macro_f1 == pytest.approx(0.25)


STRANGER = """
import importlib.util, json, sys
import numpy as np, tensorflow as tf
assert not importlib.util.find_spec("keras"), "Keras is there"
assert not importlib.util.find_spec("kerasmith"), "Kerasmith is there"
loaded = tf.saved_model.load(sys.argv[1])
serve = loaded.signatures["serving_default"]
texts = [bytes.fromhex(text) for text in json.load(open(sys.argv[2]))]
whole = serve(texts=tf.constant(texts))
alone = [serve(texts=tf.constant([text])) for text in texts]
none = serve(texts=tf.constant([], tf.string))
answer = {
    "labels": [n.decode() for n in loaded.signatures["labels"]()["labels"].numpy()],
    "label": [n.decode() for n in whole["label"].numpy()],
    "probability": whole["probability"].numpy().tolist(),
    "probabilities": whole["probabilities"].numpy().tolist(),
    "alone": [one["probabilities"].numpy()[0].tolist() for one in alone],
    "none": [list(none[name].shape) for name in sorted(none)],
}
json.dump(answer, open(sys.argv[3], "w"))
"""


def test_plain_tensorflow_takes_texts_of_every_kind(run, expected, tmp_path):
    """A Python whose packages are ours but for Keras and Kerasmith."""
    site = tmp_path / "site"
    site.mkdir()
    for entry in pathlib.Path(np.__file__).parents[1].iterdir():
        if not entry.name.startswith(("keras", "__editable__")):
            (site / entry.name).symlink_to(entry)
    texts = [*load_texts("help_topics").splits["test"].sources[:9], *ODD]
    coded = [t.encode() if isinstance(t, str) else t for t in texts]
    (tmp_path / "texts.json").write_text(json.dumps([text.hex() for text in coded]))
    done = subprocess.run(
        [sys.executable, "-S", "-c", STRANGER, str(run.folder / "saved_model")]
        + [str(tmp_path / "texts.json"), str(tmp_path / "answer.json")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "answer.json").read_text())
    wanted, labels = expected(texts), load_texts("help_topics").description.labels
    assert found["labels"] == [*labels]
    np.testing.assert_allclose(found["probabilities"], wanted, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["alone"], wanted, rtol=0, atol=1e-6)
    assert found["label"] == [labels[place] for place in wanted.argmax(1)]
    np.testing.assert_allclose(found["probability"], wanted.max(1), atol=1e-6)
    assert found["none"] == [[0], [0, 20], [0]]
    names = (run.folder / "saved_model" / "assets" / "labels.txt").read_text()
    assert names.splitlines() == [*labels]


def test_predict_ranks_all_labels(run, expected):
    sources = load_texts("help_topics").splits["test"].sources
    texts = ["The import system binds names.", *ODD, *sources[:70]]
    answers = zoo.tools.predict_texts(run.folder, texts)
    labels = load_texts("help_topics").description.labels
    for answer, row in zip(answers, expected(texts), strict=True):
        names, shares = zip(*answer["ranking"], strict=True)
        assert sorted(names) == sorted(labels)
        assert list(shares) == sorted(shares, reverse=True)
        found = [dict(answer["ranking"])[label] for label in labels]
        np.testing.assert_allclose(found, row, rtol=0, atol=1e-6)
    assert answers[1]["text"] == "" and answers[3]["text"] == "\ufffd\ufffd"
    with pytest.raises(ValueError, match="needs one of the texts or more"):
        zoo.tools.predict_texts(run.folder, [])
    with pytest.raises(TypeError, match="received a single one: write \\['one'\\]"):
        zoo.tools.predict_texts(run.folder, "one")
    with pytest.raises(TypeError, match="received int at place 1"):
        zoo.tools.predict_texts(run.folder, ["one", 2])


def test_the_command_line_answers_for_texts(run, expected, capsys):
    # \udcff is how Python hands on a byte that is no UTF-8
    texts = ["Modules are  imported.", "\udcff", "word " * 40]
    assert main(["predict", str(run.folder), *texts, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = expected(texts[:1])[0]
    labels = load_texts("help_topics").description.labels
    first, second = np.argsort(-row)[:2]
    assert lines[0] == (
        f"'Modules are imported.': {labels[first]} {row[first]:.1%}  "
        f"{labels[second]} {row[second]:.1%}"
    )
    assert lines[1].startswith("'?': ") and " ...': " in lines[2] and len(lines) == 3
    assert main(["predict", str(run.folder), *texts[:1], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["text"] == texts[0] and len(told["ranking"]) == 20


@pytest.mark.parametrize("kind", ["transformer_tiny", "gpt"])
def test_predict_tells_what_it_does_not_answer_for(tmp_path, capsys, kind):
    recipe = recipes.to_config(recipes.get("transformer_tiny_dates"))
    config = {"recipe": {**recipe, "model": kind}, "data": {"labels": []}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["predict", str(tmp_path), "3 May"]) == 2
    task = zoo.registry.variant(kind).task
    assert f"is a run of {task}" in capsys.readouterr().err


def test_half_a_saved_model_is_told(run, tmp_path):
    shutil.copy(run.folder / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="no SavedModel in"):
        zoo.tools.predict_texts(tmp_path, ["one"])
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"\x08")
    with pytest.raises(ValueError, match="cut short or no SavedModel of a classifier"):
        zoo.tools.predict_texts(tmp_path, ["one"])


def test_a_run_is_exported_again_with_the_vocabulary_it_has(run, tmp_path, monkeypatch):
    """Also where the set has changed since, or cannot be loaded any more."""
    copy, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / "saved_model")
    changed = load_data(tiny("bilstm_help_topics"))
    changed.source_vocabulary = Vocabulary.learn(["some thing else"], "words")
    monkeypatch.setattr(text_classification, "load", lambda recipe: changed)
    written = export_run(copy)
    assert written == {"saved_model": copy / "saved_model"}
    texts = ["The import system binds names.", "else"]
    one, same = (zoo.tools.predict_texts(f, texts) for f in (run.folder, copy))
    for answer, again in zip(one, same, strict=True):
        pairs = dict(answer["ranking"]), dict(again["ranking"])
        assert pairs[0] == pytest.approx(pairs[1], abs=1e-6)
    with pytest.raises(ValueError, match="none of the data set as it is now"):
        export_run(copy, out=other)

    def gone(recipe):
        raise ConnectionError("no network")

    monkeypatch.setattr(text_classification, "load", gone)
    with pytest.raises(ValueError, match="is not there: export into the folder"):
        export_run(copy, out=other)
    with pytest.raises(ValueError, match="saved_model alone, received onnx"):
        export_run(copy, ("saved_model", "onnx"))
    assert not other.exists()


def image_recipe(**settings):
    return recipes.with_settings(recipes.get("lenet5_digits"), settings)


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda: tiny("bilstm_help_topics", data="help_topic"), "did you mean 'help"),
        (lambda: tiny("bilstm_help_topics", vocabulary='{"kind": "word"}'), "'words'"),
        (lambda: tiny("bilstm_help_topics", norm="batch"), "no place for the part"),
        (lambda: tiny("bilstm_help_topics", options={"widht": 3}), "no option of"),
        (lambda: tiny("bilstm_help_topics", options={"length": 9}), "take length out"),
        (lambda: image_recipe(model="bilstm_classifier"), "is a recipe of images"),
    ],
)
def test_what_cannot_be_is_told_before_training(make, told, tmp_path):
    with pytest.raises((TypeError, ValueError), match=told):
        zoo.train(make(), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run" / "history.csv").exists()


def test_a_recipe_tells_its_network_what_its_data_need():
    recipe = tiny("transformer_help_topics", options={"positions": "learned"})
    data = load_data(recipe)
    task = task_of(recipe)
    told = {"vocabulary": 60, "classes": 20, "length": 12}
    assert task.options(recipe, data) == told
    assert task.example_shape(recipe) == (12,) and task.metrics(data) == ["accuracy"]
    assert task.samples(data) is data
    feed = task.feed(recipe, data)
    assert feed.steps == 5
    tokens, classes = next(iter(feed.train))
    assert tokens.shape[1] == 12 and tokens.dtype == classes.dtype == "int32"
