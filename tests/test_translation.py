"""A run from text to text, end to end: its folder, its report, its answers."""

import functools
import json
import re
import sys

import numpy as np
import pytest

from kerasmith import callbacks, zoo
from kerasmith.scripts.main import main
from kerasmith.zoo.data import text_batches
from kerasmith.zoo.tools import fitting, text_data, translation_judge

RECIPE = zoo.recipes.with_settings(
    zoo.recipes.get("seq2seq_arithmetic"),
    {"epochs": 1, "options": {"width": 16, "embedding": 8}, "beams": 2},
)
FILES = {
    "config.json",
    "history.csv",
    "model.keras",
    "translator",
    "saved_model",
    "curves.png",
    "attention.png",
    "early_stopping.png",
    "report.html",
    "results.json",
    "tensorboard",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules["kerasmith.zoo.data.arithmetic"]
        few = functools.partial(module.arithmetic, (640, 64, 40), 20)
        patch.setattr(module, "arithmetic", few)
        yield zoo.train(RECIPE, tmp_path_factory.mktemp("run") / "run", verbose=0)


def test_the_folder_holds_everything(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert 0 <= run.results["longer_exact_match"] <= 1
    assert "test_bleu" not in run.results  # numbers have no words
    assert run.results["test_character_error_rate"] > 0.1  # after ten steps


def test_the_report_tells_whose_fault_it_is(run):
    page = (run.folder / "report.html").read_text()
    rows = re.findall(r"<tr><th[^>]*>(test|longer)</th>(.*?)</tr>", page)
    for split, row in rows:
        texts, wrong, search, model = map(int, re.findall(r">(\d+)<", row))
        assert texts == {"test": 40, "longer": 20}[split]
        assert wrong == search + model > 0
    assert [split for split, _ in rows] == ["test", "longer"]
    assert page.count("data:image/png") >= 3


def test_the_command_line_answers_as_python_does(run, capsys, tmp_path):
    translator = zoo.Translator.load(run.folder / "translator")
    texts = ["12+345", "", "7+ⅷ"]
    picture = tmp_path / "look.png"
    told = ["translate", str(run.folder), *texts]
    assert main([*told, "--attention", str(picture)]) == 0
    expected = [found.text for found in translator(texts)]
    assert capsys.readouterr().out.split("\n")[:-1] == expected
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*told, "--nbest", "3", "--json"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    for line, text, found in zip(
        lines, texts, translator(texts, best=3, width=3), strict=True
    ):
        assert line["text"] == text
        assert [one["text"] for one in line["translations"]] == [o.text for o in found]
        scores = [one["score"] for one in line["translations"]]
        np.testing.assert_allclose(scores, [one.score for one in found], atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--nbest", "0"], "best needs to be 1, 2, ..."),
        (["--nbest", "5", "--beams", "2"], "take more beams"),
        (["--beams", "-1"], "beams needs to be 1, 2, ..."),
    ],
)
def test_numbers_that_cannot_be_are_told(run, capsys, arguments, message):
    assert main(["translate", str(run.folder), "1+2", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_of_images_is_no_translator(tmp_path, capsys):
    recipe = zoo.recipes.to_config(zoo.recipes.get("lenet5_digits"))
    (tmp_path / "config.json").write_text(
        json.dumps({"recipe": recipe, "data": {"labels": []}})
    )
    assert main(["translate", str(tmp_path), "1+2"]) == 2
    assert "kerasmith predict asks it" in capsys.readouterr().err


def test_texts_without_their_network_are_refused():
    recipe = zoo.recipes.with_settings(RECIPE, {"data": "help_topics"})
    with pytest.raises(ValueError, match="take a model that answers with a class"):
        zoo.train(recipe, "nowhere")


class Likelihoods:
    """A translator that always says "b", which it finds as likely as "a"."""

    length_penalty = 0.0

    class target_vocabulary:
        @staticmethod
        def encode(texts, end):
            import tensorflow as tf

            return tf.ones((len(texts), 2), tf.int32)

    def __call__(self, texts):
        return [zoo.tools.Translation("b", -2.0) for _ in texts]

    def log_probability(self, texts, outputs):
        return np.array([{"near": -1.0, "far": -3.0}[output] for output in outputs])

    def attend(self, texts):
        return texts


def test_the_search_is_to_blame_for_what_the_network_finds_likelier():
    pairs = zoo.data.TextPairs.of(
        [("1", "near"), ("2", "far"), ("3", "b"), ("4", "far")]
    )
    verdict = translation_judge.judge(Likelihoods(), {"test": pairs})
    assert translation_judge.faults(verdict) == [("test", 4, 3, 1, 2)]
    assert verdict.scores["test_exact_match"] == 0.25
    assert [a.fault for a in verdict.answers["test"]] == [
        "search",
        "model",
        None,
        "model",
    ]


def texts_of(count, longest):
    """Tokens that begin with their number, so that each text can be told."""
    draw = np.random.default_rng(0)
    tokens = np.zeros((count, longest), "int32")
    for row, length in zip(tokens, draw.integers(1, longest + 1, count), strict=True):
        row[:length] = 1
    tokens[:, 0] = np.arange(count) + 1
    return tokens


def test_an_epoch_has_every_text_once_with_texts_of_its_length(monkeypatch):
    monkeypatch.setattr(text_batches, "WINDOW", 4)
    tokens = texts_of(101, 30)
    batches, counter = text_batches.in_epochs(
        {"source": tokens}, tokens[:, :1], batch_size=8, seed=3
    )
    epochs = [list(batches.as_numpy_iterator()) for _ in range(2)]
    assert int(counter) == 2 and int(batches.cardinality()) == len(epochs[0]) == 13
    for epoch in epochs:
        found = np.concatenate([targets[:, 0] for _, targets in epoch])
        assert sorted(found) == list(range(1, 102))
        places = [inputs["source"].size for inputs, _ in epoch]
        assert sum(places) < 0.75 * tokens.size
        for inputs, targets in epoch:
            source = inputs["source"]
            width = source.shape[1]
            assert width % text_batches.ROUND == 0 or width == 30
            np.testing.assert_array_equal(source, tokens[targets[:, 0] - 1, :width])
            assert not tokens[targets[:, 0] - 1, width:].any()
    firsts = [epoch[0][1].ravel().tolist() for epoch in epochs]
    assert firsts[0] != firsts[1]
    counter.assign(0)
    again = list(batches.as_numpy_iterator())
    for (inputs, _), (expected, _) in zip(again, epochs[0], strict=True):
        np.testing.assert_array_equal(inputs["source"], expected["source"])


def test_long_texts_are_cut_and_keep_their_end():
    recipe = zoo.recipes.with_settings(RECIPE, {"source_length": 4, "length": 2})
    data = text_data.load(recipe)
    inputs, targets = text_data.tokens(recipe, data, "dev")
    assert inputs["source"].shape[1] == 4 and targets.shape[1] == 2
    ends = (inputs["source"] == 3).sum(axis=1)
    assert (ends == 1).all() and ((targets == 3).sum(axis=1) == 1).all()


def test_noam_is_the_rate_of_the_paper(tmp_path):
    recipe = zoo.recipes.get("transformer_base_wmt")
    rate = fitting._learning_rate(recipe, tmp_path).base
    assert isinstance(rate, callbacks.Noam)
    for step in (1, 100, 4000, 64_000):
        shape = min(step**-0.5, step * 4000**-1.5) * 4000**0.5
        assert float(rate(step - 1)) == pytest.approx(7e-4 * shape, rel=1e-5)
    with pytest.raises(ValueError, match="warmup in steps"):
        zoo.recipes.with_settings(recipe, {"warmup": 0.1})
