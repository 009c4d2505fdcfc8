"""Evaluations: their figures, held to scikit-learn, and what the command leaves."""

import base64
import json

import keras
import numpy as np
import pytest
from sklearn import metrics
from untrained_runs import DIGITS, answers, loaded, untrained

from kerasmith import zoo
from kerasmith.scripts.main import main
from kerasmith.zoo import tools
from kerasmith.zoo.tools.calibration import calibration, fit_temperature, log_softmax
from kerasmith.zoo.tools.evaluate import figures

FILES = ["confusion.png", "evaluation.html", "evaluation.json", "reliability.png"]


on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it takes a minute elsewhere"
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run whose network has learned something, and is too sure of it."""
    folder = untrained(tmp_path_factory.mktemp("run") / "learned", (9, 11, 1))
    model = keras.saving.load_model(folder / "model.keras")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    recipe = zoo.recipes.get(folder / "config.json")
    images, truth = loaded((9, 11, 1), recipe.scale, recipe.offset).arrays("train")
    model.fit(images, truth, epochs=5, verbose=0)
    model.save(folder / "model.keras")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("run") / "small")


@pytest.mark.parametrize("classes", [2, 5, 9])
def test_the_figures_are_those_of_scikit_learn(classes):
    random = np.random.default_rng(classes)
    logits = random.normal(0, 2, (400, classes))
    truth = random.integers(0, classes, 400)
    labels = [*"abcdefghi"[:classes]]
    found = figures(logits, truth, labels)
    shares = np.exp(log_softmax(logits))
    assert found["accuracy"] == metrics.accuracy_score(truth, shares.argmax(axis=1))
    assert found["loss"] == pytest.approx(metrics.log_loss(truth, shares))
    assert found["top"] == min(5, classes)
    if classes > 5:
        theirs = metrics.top_k_accuracy_score(truth, shares, k=5)
        assert found["top_accuracy"] == theirs < 1
    else:
        assert found["top_accuracy"] == 1
    theirs = metrics.precision_recall_fscore_support(truth, shares.argmax(axis=1))
    ours = [
        [row[n] for n in ("precision", "recall", "f1", "support")]
        for row in found["classes"]
    ]
    np.testing.assert_allclose(np.transpose(ours), theirs)
    theirs = metrics.confusion_matrix(truth, shares.argmax(axis=1))
    np.testing.assert_array_equal(found["matrix"], theirs)


def test_answers_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not all with finite numbers"):
        figures([[0.0, np.nan]], [0], ["a", "b"])
    with pytest.raises(ValueError, match="0 examples were answered"):
        figures(np.zeros((0, 2)), [], ["a", "b"])


@on_tensorflow
def test_a_run_is_judged_as_its_training_judged_it(tmp_path):
    recipe = zoo.recipes.with_settings(
        zoo.recipes.get("lenet5_digits"), {"epochs": 1, "model": "lenet5_modern"}
    )
    trained = zoo.train(recipe, tmp_path / "run", verbose=0)
    found = tools.evaluate(trained.folder)
    assert found.accuracy == pytest.approx(trained.results["test_accuracy"])
    expected, truth = answers(trained.folder, None)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-6)
    assert found.loss == pytest.approx(metrics.log_loss(truth, expected), rel=1e-4)
    assert (found.data, found.split, found.labels) == ("digits", "test", tuple(DIGITS))
    assert found.notes == ()


def test_the_temperature_comes_from_dev_and_never_from_the_split_judged(learned):
    found = tools.evaluate(learned)
    shares, truth = answers(learned, None, "dev")
    dev = fit_temperature(np.log(shares), truth)
    assert found.temperature == pytest.approx(dev, rel=1e-3)
    assert dev != pytest.approx(
        fit_temperature(np.log(found.probabilities), found.truth)
    )
    scaled = np.exp(log_softmax(np.log(found.probabilities), found.temperature))
    after = calibration(scaled, found.truth)
    assert found.calibrated.expected_error == pytest.approx(after.expected_error)
    assert after.expected_error < found.calibration.expected_error
    on_dev = tools.evaluate(learned, split="dev")
    assert on_dev.temperature is on_dev.calibrated is None
    assert any("on the split judged" in note for note in on_dev.notes)


def test_every_split_is_judged_in_its_order(small):
    found = tools.evaluate(small, split="train")
    assert len(found.truth) == 1197
    expected, truth = answers(small, None, "train")
    np.testing.assert_array_equal(found.truth, truth)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-6)
    assert "train split had a part in the training" in found.notes[0]


def photos(folder, names, each=12):
    """Write grey images of several sizes, whose class is their brightness."""
    from PIL import Image

    random = np.random.default_rng(0)
    for level, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            size = tuple(int(n) for n in random.integers(9, 30, 2))
            pixels = random.integers(0, 60, size) + 60 * level
            Image.fromarray(pixels.astype("uint8")).save(folder / name / f"{i}.png")
    return f"folder:{folder}"


def test_other_data_needs_the_same_labels_in_any_order(tmp_path):
    data = photos(tmp_path / "photos", ["cat", "dog", "hen"])
    run = untrained(tmp_path / "run", labels=["dog", "hen", "cat"], data=data)
    found = tools.evaluate(run)
    assert found.labels == ("dog", "hen", "cat")
    # the order of the folder is that of the alphabet
    truth = [
        label for _, label in zoo.data.load(data, input_shape=(9, 14, 1)).raw("test")
    ]
    named = [["cat", "dog", "hen"][int(label)] for label in truth]
    assert [found.labels[i] for i in found.truth] == named
    assert found.top == 3 and "fewer than 5 classes" in found.notes[0]
    with pytest.raises(
        ValueError, match="only the second has the labels 0, 1, 2, 3, 4 and 5"
    ):
        tools.evaluate(run, "digits")


def test_the_notes_say_what_to_beware_of(small, learned):
    (note,) = tools.evaluate(learned, crops="flip").notes
    assert "do they keep the class?" in note and str(learned) in note
    (note,) = tools.evaluate(small, crops="five").notes
    assert "temperature of 20 is the limit" in note and "no better than" in note


def test_the_command_leaves_a_page_that_needs_nothing_else(small, capsys):
    assert main(["evaluate", str(small)]) == 0
    told = capsys.readouterr().out
    folder = small / "evaluation"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["examples"] == 300 and len(found["matrix"]) == 10
    for line in (
        f"accuracy                          {100 * found['accuracy']:>5.2f} %",
        f"temperature fitted on dev         {found['temperature']:>7.4g}",
        str(folder / "evaluation.html"),
    ):
        assert line in told
    page = (folder / "evaluation.html").read_text()
    pictures = [
        base64.b64encode((folder / n).read_bytes()).decode() for n in FILES[::3]
    ]
    assert all(picture in page for picture in pictures)
    error = f"{100 * found['calibration']['expected_error']:.2f} %"
    for words in (
        "Evaluation",
        "small on digits",
        error,
        "mean confidence",
        "of 300 test",
    ):
        assert words in page
    assert "http://" not in page and "<script" not in page


def test_the_command_judges_and_exports_several(
    small, learned, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", str(small), str(learned), "--json", "--crops", "five"]
    assert main([*command, "--export"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [str(small), str(learned)]
    folder = tmp_path / "runs" / "ensemble"
    assert sorted(p.name for p in folder.iterdir()) == [*FILES, "saved_model"]
    assert json.loads((folder / "evaluation.json").read_text()) == found
    keras.utils.save_img("image.png", np.zeros((9, 7, 1)))
    assert main(["predict", str(folder), "image.png", "--top", "1"]) == 0
    assert main(command) == 0  # and leaves the first folder alone
    assert (tmp_path / "runs" / "ensemble-2" / "evaluation.json").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "no finished run"),
        (["RUN", "nowhere"], "no finished run"),
        (["RUN", "--split", "tset"], "did you mean 'test'"),
        (["RUN", "--crops", "tenn"], "did you mean 'ten'"),
        (["RUN", "--data", "digit"], "did you mean 'digits'"),
        (["RUN", "--data", "folder:nowhere"], "nowhere"),
        (["RUN", "--out", "FILE"], "FILE"),
    ],
)
def test_wrong_input_is_one_line(
    arguments, message, small, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("no folder")
    assert (
        main(["evaluate", *(str(small) if a == "RUN" else a for a in arguments)]) == 2
    )
    told = capsys.readouterr().err
    assert (
        message in told and told.count("kerasmith: ") == 1 and "Traceback" not in told
    )
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]
