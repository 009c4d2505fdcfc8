"""Pictures and the page of a run: held to scikit-learn, Pillow and an HTML parser."""

import base64
import html.parser
import math
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn import metrics
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from kerasmith.zoo.tools import pictures, report
from kerasmith.zoo.tools.card import Card, Row

NAN = float("nan")
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x.png onerror=alert(1)>',
    "'; </style></table></body> & co",
    "$x_{\\frac$",  # no formula, and not a valid one either
    "犬 \n\t two lines",
    "",
]
no_warning = pytest.mark.filterwarnings("error")


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures that are written, which are written none the less."""
    figures, write = [], Figure.savefig

    def savefig(self, *args, **kwargs):
        figures.append(self)
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


@pytest.fixture(scope="module")
def answers():
    """Answer half of the real digits with a classifier learned from the others."""
    inputs, truth = load_digits(return_X_y=True)
    judge = GaussianNB().fit(inputs[::2], truth[::2])
    probabilities = judge.predict_proba(inputs[1::2])
    chosen = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return inputs[1::2].reshape(-1, 8, 8), truth[1::2], *chosen


def falling(epochs, **more):
    steps = np.arange(epochs)
    return {
        "loss": np.exp(-steps / 5) + 0.1,
        "accuracy": 1 - np.exp(-steps / 3 - 0.1),
        "val_loss": np.exp(-steps / 4) + 0.2 + 0.01 * steps,
        "val_accuracy": 0.98 - 0.9 * np.exp(-steps / 3),
        **more,
    }


def scattered(classes, each=50):
    """Draw a confusion matrix whose errors fall anywhere."""
    random = np.random.default_rng(classes)
    truth = np.repeat(np.arange(classes), each)
    guess = random.integers(0, classes, len(truth))
    predicted = np.where(random.random(len(truth)) < 0.9, truth, guess)
    return report.confusion_matrix(truth, predicted, classes)


def look(path):
    """Open a picture with another library; a blank one has hardly a colour."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert pixels.std() > 3


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


def test_best_epoch():
    assert pictures.best_epoch({"loss": [3, 2, 1], "val_loss": [3, 1, 2]}) == 2
    assert pictures.best_epoch({"loss": [1, 2], "val_loss": [None, 2]}) == 2
    assert pictures.best_epoch({"loss": [1], "val_loss": [math.inf]}) is None
    assert pictures.best_epoch({"accuracy": [0.5]}) is None


HISTORIES = {
    "one epoch": falling(1),
    "many epochs": falling(300, learning_rate=1e-3 * 0.98 ** np.arange(300)),
    "diverged": falling(9) | {"loss": [1.0, 0.5, *[NAN] * 7], "val_loss": [NAN] * 9},
    "nothing finite": {"loss": [NAN, math.inf], "val_loss": [None, None]},
    "no dev split": {"loss": [1, 0.5], "mean_absolute_error": [2.0, 1.0]},
    "a value a class": {"loss": [1, 0.5], "f1": [[0.1, 0.3], [0.2, 0.6]]},
    "below zero": {"loss": [-1.0, -5.0], "val_loss": [0.0, -4.0]},
}


@no_warning
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_curves_can_be_drawn(history, tmp_path):
    look(pictures.curves(history, tmp_path / "curves.png"))


def test_curves_show_the_values_of_both_splits(drawn, tmp_path):
    history = falling(20, learning_rate=0.1 * 0.7 ** np.arange(20))
    pictures.curves(history, tmp_path / "curves.png", best=7)
    panels = {axes.get_title(loc="left"): axes for axes in drawn[0].axes}
    for metric in ("loss", "accuracy"):
        lines = {line.get_label(): line for line in panels[metric].lines}
        for split, name in (("train", metric), ("dev", f"val_{metric}")):
            np.testing.assert_array_equal(lines[split].get_ydata(), history[name])
            np.testing.assert_array_equal(lines[split].get_xdata(), range(1, 21))
        assert set(lines["best epoch 7"].get_xdata()) == {7}
    assert panels["loss"].get_title(loc="right") == f"dev {history['val_loss'][6]:.4g}"
    scales = {name: axes.get_yscale() for name, axes in panels.items()}
    assert scales == {"loss": "linear", "accuracy": "linear", "learning rate": "log"}


def test_curves_mark_the_epochs_without_a_value(drawn, tmp_path):
    history = {"loss": [1, 0.5, NAN, math.inf, 0.4], "val_loss": [NAN, 1, 2, 3, NAN]}
    pictures.curves(history, tmp_path / "curves.png")
    lines = drawn[0].axes[0].lines
    crosses = [[*line.get_xdata()] for line in lines if line.get_marker() == "x"]
    assert crosses == [[3, 4], [1, 5]]
    dots = [[*line.get_xdata()] for line in lines if line.get_marker() == "."]
    assert dots == [[1, 2, 5], [2, 3, 4]]
    assert drawn[0].axes[0].get_ylim()[0] > 0.2  # the crosses stretch no axis


def test_a_ragged_or_empty_history_is_refused(tmp_path):
    path = tmp_path / "curves.png"
    path.write_bytes(b"the last good one")
    for history in ({}, {"loss": []}, {"loss": [1, 2], "val_loss": [1]}):
        with pytest.raises(ValueError, match="equally many epochs"):
            pictures.curves(history, path)
    assert path.read_bytes() == b"the last good one"
    assert [*tmp_path.iterdir()] == [path]


@no_warning
@pytest.mark.parametrize("classes", [1, 2, 12, 100])
def test_counts_stand_in_their_cells_where_they_fit(classes, drawn, tmp_path):
    labels = [f"one of many classes: {i}" for i in range(classes)]
    matrix = scattered(classes)
    look(pictures.confusion(matrix, labels, tmp_path / "confusion.png"))
    axes = drawn[0].axes[0]
    written = np.zeros_like(matrix)
    for text in axes.texts:
        column, row = np.floor(text.get_position()).astype(int)
        written[row, column] = int(text.get_text())
    np.testing.assert_array_equal(written, matrix if classes < 100 else 0)
    for i, name in enumerate(axes.get_yticklabels()):
        assert len(name.get_text()) == 18 and name.get_text().endswith(f" {i}")
    assert axes.get_ylim() == (classes, 0)  # the first class on top


def test_one_error_in_a_thousand_is_seen(drawn, tmp_path):
    matrix = np.array([[999, 0, 1], [50, 950, 0], [0, 0, 1000]])
    pictures.confusion(matrix, "abc", tmp_path / "confusion.png")
    meshes = drawn[0].axes[0].collections
    wrong, right = (mesh.to_rgba(mesh.get_array()) for mesh in meshes)
    assert wrong[..., 3].sum() == 2  # the other cells are transparent
    red, _, blue, _ = wrong[0, 2] - right[0, 0]
    assert red - blue > 0.3
    assert abs(wrong[0, 2] - wrong[1, 0]).max() > 0.2  # and more of them more so


@no_warning
def test_mistakes_show_the_surest_first(answers, drawn, tmp_path):
    images, truth, predicted, sure = answers
    path = tmp_path / "mistakes.png"
    pictures.mistakes(images, truth, predicted, sure, "0123456789", path, most=9)
    look(path)
    wrong = [i for i in range(len(truth)) if truth[i] != predicted[i]]
    shown = [axes for axes in drawn[0].axes if axes.images]
    for axes, i in zip(shown, sorted(wrong, key=lambda i: -sure[i])[:9], strict=True):
        assert axes.get_title() == str(truth[i])
        assert axes.texts[0].get_text() == f"{predicted[i]}  {100 * sure[i]:.0f} %"
        pixels = np.asarray(axes.images[0].get_array())
        assert np.corrcoef(pixels.ravel(), images[i].ravel())[0, 1] > 0.999
    told = drawn[0].legends[0].get_title().get_text()
    assert told == f"{len(wrong)} of {len(truth)} wrong; the 9 most confident"


@no_warning
def test_images_of_any_kind_can_be_shown(drawn, tmp_path):
    random = np.random.default_rng(1)
    images = [
        random.integers(0, 256, (30, 50, 3), "uint8"),
        random.integers(0, 256, (400, 20, 1), "uint8"),
        random.normal(size=(9, 7)),
        random.random((5, 6, 4)),
        random.random((5, 6, 2)),
        np.full((3, 3), NAN),
        None,  # not at hand
    ]
    truth, predicted = [0, 1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 5, 0, 1]
    path, sure = tmp_path / "mistakes.png", [0.5, 0.5, NAN, 0.5, 0.5, 1, 0.9]
    look(pictures.mistakes(images, truth, predicted, sure, HOSTILE, path))
    texts = [axes.texts[0].get_text() for axes in drawn[0].axes if axes.images]
    assert len(texts) == 6
    assert "100 %" in texts[0] and texts[-1].endswith("?")


def test_brightness_is_that_of_the_range(drawn, tmp_path):
    for pixels, dtype, seen in (
        ([[0, 51], [102, 51]], "uint8", [0, 0.2, 0.4, 0.2]),
        ([[0, 51], [102, 204]], "float32", [0, 0.2, 0.4, 0.8]),
        ([[0, 0.2], [0.4, 0.5]], "float32", [0, 0.2, 0.4, 0.5]),
        ([[-1, 0.5], [0, 1]], "float32", [0, 0.75, 0.5, 1]),
        ([[0, 4], [8, 16]], "int32", [0, 0.25, 0.5, 1]),
    ):
        images, path = [np.array(pixels, dtype)], tmp_path / "mistakes.png"
        pictures.mistakes(images, [0], [1], [0.5], "ab", path)
        shown = drawn[-1].axes[0].images[0]
        np.testing.assert_allclose(np.ravel(shown.get_array()), seen, rtol=1e-6)
        assert shown.get_clim() == (0, 1)


def test_no_mistake_is_a_friendly_picture(drawn, tmp_path):
    for examples in (0, 5):
        path, zeros = tmp_path / "mistakes.png", [0] * examples
        look(pictures.mistakes([None] * examples, zeros, zeros, zeros, "ab", path))
        told = drawn[-1].legends[0].get_title().get_text()
        assert told == f"0 of {examples} wrong"
        texts = [text.get_text() for text in drawn[-1].texts]
        assert "Not one mistake to show." in texts
    with pytest.raises(ValueError, match=r"\(2,\), \(0,\)"):
        pictures.mistakes([None, None], [], [], [], "ab", path)
    with pytest.raises(ValueError, match="most=0"):
        pictures.mistakes([], [], [], [], "ab", path, most=0)


@no_warning
def test_pictures_leave_no_trace_in_matplotlib_and_heed_none(tmp_path):
    before = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    pictures.curves(falling(3), tmp_path / "curves.png")
    pictures.confusion(np.eye(6), HOSTILE, tmp_path / "confusion.png")
    assert before == (dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules)
    with matplotlib.rc_context({"text.color": "red", "text.usetex": True}):
        pictures.curves(falling(3), tmp_path / "again.png")
    first, again = (tmp_path / "curves.png", tmp_path / "again.png")
    assert again.read_bytes() == first.read_bytes()


class Page(html.parser.HTMLParser):
    """Read a page as a browser would; every tag must be closed in its place."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.words, self.rows, self._open = [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self._open
        self.text = " ".join(" ".join(self.words).split())
        self.cells = {row[0]: row[1:] for row in self.rows}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)
        if "tr" in self._open:
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


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
    assert "url(" not in report.STYLE and "@import" not in report.STYLE


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
