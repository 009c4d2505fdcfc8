"""The pictures of a run, as matplotlib drew them and Pillow reads them."""

import math
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from run_examples import HOSTILE, NAN, falling, scattered

from kerasmith.zoo.tools import pictures

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


def look(path):
    """Open a picture with another library; a blank one has hardly a colour."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert pixels.std() > 3


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
