"""The page of a run: held to scikit-learn and an HTML parser."""

import base64

import numpy as np
import pytest
from matplotlib.figure import Figure
from page_reader import Page
from run_examples import HOSTILE, NAN, falling, scattered
from sklearn import metrics

from kerasmith.zoo.tools import findings, pictures, report, report_style
from kerasmith.zoo.tools.card import Card, Row

no_warning = pytest.mark.filterwarnings("error")


def test_confusion_matrix_agrees_with_scikit_learn(answers):
    _, truth, predicted, _ = answers
    ours = report.confusion_matrix(truth, predicted, 10)
    np.testing.assert_array_equal(ours, metrics.confusion_matrix(truth, predicted))
    ours = report.confusion_matrix([0, 2], [2, 2], 5)  # three that nobody saw
    theirs = metrics.confusion_matrix([0, 2], [2, 2], labels=range(5))
    np.testing.assert_array_equal(ours, theirs)


def test_scores_agree_with_scikit_learn(answers):
    _, truth, predicted, _ = answers
    matrix = report.confusion_matrix(truth, predicted, 10)
    ours = [[*row.values()] for row in report.per_class(matrix, "0123456789")]
    theirs = np.array(metrics.precision_recall_fscore_support(truth, predicted))
    numbers = np.array([row[1:] for row in ours])
    np.testing.assert_allclose(numbers, theirs[[3, 0, 1, 2]].T, rtol=1e-12)
    assert [row[0] for row in ours] == [*"0123456789"]
    never_said, never_there = ([[0, 4], [0, 6]], [[0, 0], [0, 6]])
    scores = [*report.per_class(never_said, "ab")[0].values()]
    np.testing.assert_array_equal(scores[1:], [4, NAN, 0, 0])
    scores = [*report.per_class(never_there, "ab")[0].values()]
    np.testing.assert_array_equal(scores[1:], [0, NAN, NAN, NAN])


def test_what_is_no_confusion_is_refused(tmp_path):
    with pytest.raises(ValueError, match="predicted class of example 2 is 7"):
        report.confusion_matrix([0, 1, 1, 0], [0, 1, 7, -1], 2)
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        report.confusion_matrix([0, 1], [0, 1, 1], 2)
    square = [[1, 2], [3, 4]]
    for matrix, labels in ([[1, 2]], "ab"), (square, "abc"), ([[-1]], "a"), ([], ""):
        with pytest.raises(ValueError, match="a confusion matrix has"):
            report.per_class(matrix, labels)
        with pytest.raises(ValueError, match="a confusion matrix has"):
            pictures.confusion(matrix, labels, tmp_path / "confusion.png")
    assert not [*tmp_path.iterdir()]


ROWS = (
    Row("flatten", "Flatten", (None, 64), 0, 0, 0, 256),
    Row("logits", "Dense", (None, 6), 390, 390, 384, 24),
    Row("two", "Twice", [(None, 6), (None, 2, 3)], 0, 0, 0, 48),
    Row("spare", "Dense", None, 10, 10, 0, 0),
)


FACTS = {"test_accuracy": 0.98671, "test_loss": NAN, "epochs": 1234, "seconds": 187}


SOURCE = 'UCI, https://example.org/a?b=1&c="2". <i>'


DATA = {"labels": HOSTILE, "counts": {"train": 1197}, "source": SOURCE}


RECIPE = {"learning_rate": 0.001, "options": {"norm": None, "bias": True}}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    matrix, history, images = scattered(6, 20), falling(12), np.eye(8)[None]
    names = ("curves", "confusion", "mistakes")
    three = {name: folder / f"{name}.png" for name in names}
    pictures.curves(history, three["curves"])
    pictures.confusion(matrix, HOSTILE, three["confusion"])
    pictures.mistakes(images, [0], [1], [0.9], HOSTILE, three["mistakes"])
    path = report.write_report(
        folder / "report.html",
        title="<b>mine</b> & yours",
        facts=FACTS,
        promise=[("test accuracy", 0.98, ">=", 0.98), ("minutes", 3.1, "<=", 2)],
        history=history,
        matrix=matrix,
        labels=HOSTILE,
        pictures=three,
        card=Card("tiny", (None, 8, 8, 1), (None, 6), ROWS, ("two (Twice)",)),
        description=DATA,
        config={"recipe": RECIPE, "data": {**DATA}, "backend": "tensorflow"},
    )
    return Page(path), three, matrix, history


def test_the_page_needs_nothing_else(page):
    page, three, _, _ = page
    sources = [image["src"].split(",") for image in page.all("img")]
    assert {source[0] for source in sources} == {"data:image/png;base64"}
    embedded = [base64.b64decode(source[1]) for source in sources]
    assert embedded == [path.read_bytes() for path in three.values()]
    assert not page.all("script") + page.all("link") + page.all("iframe")
    for tag, attributes in page.tags:
        assert tag == "img" or not {"src", "srcset", "data"} & {*attributes}
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in report_style.STYLE and "@import" not in report_style.STYLE


def test_what_users_write_stays_text(page):
    page = page[0]
    assert {*HOSTILE} <= {cell for row in page.rows for cell in row}
    assert page.words.count("<b>mine</b> & yours") == 2  # title and heading
    links = [link["href"] for link in page.all("a")]
    assert links == ["https://example.org/a?b=1&c="]  # the quote ends it


def test_the_page_is_accessible(page):
    page = page[0]
    assert page.all("html") == [{"lang": "en"}]
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 6
    assert "viewport" in [meta.get("name") for meta in page.all("meta")]
    assert "prefers-color-scheme:dark" in page.source and "@media print" in page.source


def test_the_page_holds_the_numbers(page):
    page, _, matrix, history = page
    for told in ("accuracy 98.67 %", "loss nan", "epochs 1,234", "time 3 min 7 s"):
        assert told in page.text
    assert "✓ Kept : test accuracy at least 98.00 %, measured 98.00 %" in page.text
    assert "✗ Not kept : minutes at most 2, measured 3.1" in page.text
    assert page.cells["logits"] == ["Dense", "6", "390", "384", "24"]
    assert page.cells["two"][1] == "6, 2\u00a0×\u00a03"
    assert page.cells["spare"][1:3] == ["–", "10"]
    assert page.cells["whole model"] == ["", "", "400", "384", "328"]
    assert "not counted: two (Twice)" in page.text
    assert [row[1] for row in page.rows if row[0] == "counts: train"] == ["1,197"]
    assert page.cells["options: bias"] == ["yes"]
    assert page.cells["learning rate"] == ["0.001"]
    assert page.cells["12"][0] == f"{history['loss'][11]:.4g}"
    wrong = matrix - np.diag(np.diag(matrix))
    assert f"{wrong.sum()} of 120 test examples are wrong." in page.text
    truth, guess = np.unravel_index(wrong.argmax(), wrong.shape)
    told = f"{HOSTILE[truth]} for {HOSTILE[guess]} ({wrong.max()} of 20)"
    assert " ".join(told.split()) in page.text
    recall = np.mean(np.diag(matrix) / matrix.sum(axis=1))
    assert page.cells["all, scores averaged"][2] == f"{100 * recall:.2f} %"


def test_a_run_that_saw_nothing_has_a_page(tmp_path):
    path, told = tmp_path / "report.html", {"title": "bare", "facts": {"seconds": NAN}}
    assert "bare" in Page(report.write_report(path, **told)).text
    promise = [("test accuracy", NAN, ">=", 0.5), ("minutes", None, "<=", 1)]
    told |= {"promise": promise, "history": {"loss": [NAN, None]}}
    report.write_report(path, **told, matrix=np.zeros((2, 2)), labels=["a", "b"])
    page = Page(path)
    assert page.text.count("Not kept") == 2
    assert page.cells["a"] == page.cells["all, scores averaged"] == ["0", *"–––"]
    assert [*tmp_path.iterdir()] == [path]


def test_findings_are_told_with_their_pictures(tmp_path):
    class Told:
        def findings(self):
            return ["one <i>thing</i>", "another"]

        def plot(self):
            return Figure()

    class ToldInWords:
        def findings(self):
            return []

    found = findings.gather([Told(), object(), ToldInWords()], tmp_path)
    assert [one.title for one in found] == ["Told", "Told in words"]
    path = report.write_report(
        tmp_path / "report.html", title="mine", facts={}, findings=found
    )
    page = Page(path)
    assert "one <i>thing</i>" in page.text and "Nothing wrong was found." in page.text
    assert [image["alt"] for image in page.all("img")] == ["Told"]
    assert (tmp_path / "told.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input_is_named_and_loses_no_page(tmp_path):
    path, cut = tmp_path / "report.html", tmp_path / "cut.png"
    path.write_text("the last good one")
    cut.write_bytes(b"half a picture")
    told = {"title": "mine", "facts": {}}
    with pytest.raises(ValueError, match=r"cut\.png is none"):
        report.write_report(path, **told, pictures={"curves": cut})
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        report.write_report(path, **told, pictures={"curves": tmp_path / "gone.png"})
    with pytest.raises(ValueError, match="received '=='"):
        report.write_report(path, **told, promise=[("a", 1, "==", 1)])
    assert path.read_text() == "the last good one"
