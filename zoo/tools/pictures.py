"""Pictures of a training run: its curves, its confusions, its mistakes.

Each function takes plain data, draws on a figure of its own (no pyplot, no display)
and writes one file beside its place, which is then renamed.
"""

import pathlib

import numpy as np

from ...callbacks.drawing import BLUE, GREY, INK, ORANGE, PALE, SOFT
from .picture_frame import drawing, shorten

COLOURS = {"train": GREY, "dev": BLUE}
LEARNING_RATES = ("learning_rate", "lr")
MISSING = "no finite value"
BELOW = {"ha": "center", "va": "top", "color": ORANGE, "size": 9}


def best_epoch(history):
    """Find the epoch with the smallest loss, on the dev split where there is one.

    Args:
        history: Mapping of each metric's name to its values, one an epoch.

    Returns:
        The epoch, the first being 1, or `None` if no loss is finite.

    Example:

    >>> best_epoch({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.6]})
    2
    """
    series = _series(history)
    losses = series.get("val_loss", series.get("loss", np.zeros(0)))
    finite = np.isfinite(losses)
    return int(np.where(finite, losses, np.inf).argmin()) + 1 if finite.any() else None


def curves(history, path, *, best=None):
    """Draw every metric over the epochs, train and dev in one panel.

    Epochs without a finite value are marked at the foot of the panel. What spans
    orders of magnitude has a logarithmic axis.

    Args:
        history: Mapping of each metric's name to its values, one an epoch; those of
            the dev split begin with `val_`. NaN or `None` is a missing value.
        path: Where the picture is to stand; its suffix names the format.
        best: The epoch whose weights were kept, the first being 1; that of
            `best_epoch` if `None`.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If there is no epoch, or the metrics are not equally long.

    Example:

    >>> import tempfile
    >>> history = {"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.6]}
    >>> curves(history, tempfile.mkdtemp() + "/curves.png").name
    'curves.png'
    """
    series = _series(history)
    best = best_epoch(history) if best is None else best
    names = list(dict.fromkeys(name.removeprefix("val_") for name in series))
    names.sort(key=LEARNING_RATES.__contains__)  # last, the others as they came
    rows = [names[i : i + 2] for i in range(0, len(names), 2)]
    if len(rows[-1]) < len(rows[0]):
        rows[-1] *= 2  # one alone takes the whole row
    heights = [1.6 if set(row) <= {*LEARNING_RATES} else 2.9 for row in rows]
    width = 9 if len(names) > 1 else 6
    with drawing(path, (width, sum(heights) + 0.5)) as figure:
        handles = {}
        for name, axes in figure.subplot_mosaic(rows, height_ratios=heights).items():
            both = {"train": series.get(name), "dev": series.get(f"val_{name}")}
            _panel(axes, name, {k: v for k, v in both.items() if v is not None}, best)
            drawn, texts = axes.get_legend_handles_labels()
            handles |= dict(zip(texts, drawn, strict=True))
        texts = sorted(handles, key=MISSING.__eq__)
        drawn = [handles[text] for text in texts]
        figure.legend(drawn, texts, loc="outside upper center", ncols=4)
    return pathlib.Path(path)


def confusion(matrix, labels, path):
    """Draw which class was taken for which, right and wrong in colours of their own.

    Colour is the share of the true class's examples. The wrong ones have their own
    scale, so that a rare error stays visible beside a full diagonal. Counts are
    written where they fit.

    Args:
        matrix: Counts of shape `(classes, classes)`, a row a true class.
        labels: The names of the classes.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If the matrix is not square, or the labels are not as many.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/confusion.png"
    >>> confusion([[9, 1], [0, 10]], ["cat", "dog"], path).name
    'confusion.png'
    """
    matrix = checked_counts(matrix, labels)
    side = min(12.0, max(3.2, 0.5 * len(matrix)))
    point = side * 72 / len(matrix)  # the width of a cell
    every = int(np.ceil(6.5 / point))
    size = min(10.0, max(5.0, 0.8 * point))
    names = [shorten(label, 18) for label in labels][::every]
    wide = max(map(len, names)) * 0.65 * size > point * every
    margin = max(map(len, names)) * size / 120  # inches that the names take
    with drawing(path, (side + margin + 2.1, side + margin * wide + 1)) as figure:
        axes = figure.add_subplot()
        _heat(figure, axes, matrix, side)
        _write_counts(axes, matrix, point)
        places = np.arange(0, len(matrix), every) + 0.5
        axes.set_xticks(places, names, size=size, rotation=90 if wide else 0)
        axes.set_yticks(places, names, size=size)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted class", ylabel="true class", facecolor=PALE)
        axes.set(aspect="equal", anchor="NW")
        axes.invert_yaxis()
        right = f"{np.trace(matrix):,} of {matrix.sum():,} right"
        axes.set_title(right, loc="left", weight="bold")
    return pathlib.Path(path)


def mistakes(images, truth, predicted, probability, labels, path, *, most=36):
    """Show the wrongly classified images, those the model was surest of first.

    Args:
        images: One image an example, of any size and range, `(height, width)` or
            with channels last; `None` where it need not be shown.
        truth: The true classes, integers.
        predicted: The predicted classes, integers.
        probability: The probability given to each predicted class.
        labels: The names of the classes.
        path: Where the picture is to stand; its suffix names the format.
        most: How many to show at the most.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If the examples are not equally many in all, or `most` is below 1.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/mistakes.png"
    >>> mistakes(np.eye(8)[None], [0], [1], [0.9], ["cat", "dog"], path).name
    'mistakes.png'
    """
    truth, predicted = np.asarray(truth, int), np.asarray(predicted, int)
    sure = np.asarray(probability, float)
    shapes = [(len(images),), truth.shape, predicted.shape, sure.shape]
    if len(set(shapes)) > 1 or most < 1:
        raise ValueError(
            "mistakes needs one image, true class, predicted class and probability an "
            f"example and most >= 1, received shapes {shapes} and most={most}."
        )
    wrong = np.flatnonzero(truth != predicted)
    order = np.argsort(-np.nan_to_num(sure[wrong], nan=-1), kind="stable")
    shown = [i for i in wrong[order] if images[i] is not None][:most]
    told = f"{len(wrong):,} of {len(truth):,} wrong"
    told += f"; the {len(shown)} most confident" * (len(shown) < len(wrong))
    columns = min(6, max(4, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    with drawing(path, (1.6 * columns, 1.95 * rows + 0.7)) as figure:
        bare = {"frame_on": False, "xticks": [], "yticks": [], "box_aspect": 1}
        grid = figure.subplots(rows, columns, squeeze=False, subplot_kw=bare).flat
        pixels = _displayable([np.asarray(images[i]) for i in shown])
        for axes, image, i in zip(grid, pixels, shown, strict=False):
            axes.imshow(image, "gray", vmin=0, vmax=1)
            axes.set_adjustable("datalim")  # squares, so that rows of any shape line up
            axes.set_title(shorten(labels[truth[i]], 18), color=BLUE, size=9, pad=4)
            guess = f"{shorten(labels[predicted[i]], 12)}  {_percent(sure[i], 0)}"
            axes.text(0.5, -0.04, guess, transform=axes.transAxes, **BELOW)
        _heading(figure, told, friendly=not wrong.size)
    return pathlib.Path(path)


def checked_counts(matrix, labels):
    """Check a confusion matrix against its labels.

    Args:
        matrix: Counts, array-like, a row a true class.
        labels: The names of the classes.

    Returns:
        The matrix as an integer array.

    Raises:
        ValueError: If it is not a square of counts, one row and column a label.

    Example:

    >>> int(checked_counts([[9, 1], [0, 10]], ["cat", "dog"]).sum())
    20
    """
    array = np.asarray(matrix)
    if array.shape != (len(labels),) * 2 or not array.size or not (array >= 0).all():
        raise ValueError(
            "a confusion matrix has one row and one column a label and no negative "
            f"count, received shape {array.shape} for {len(labels)} labels."
        )
    return array.astype(int)


def _series(history):
    """Turn the history into one float array a metric, of equal lengths."""
    series = {name: np.asarray(list(v), float) for name, v in history.items()}
    lengths = {name: len(values) for name, values in series.items()}
    if len({*lengths.values()}) != 1 or 0 in lengths.values():
        raise ValueError(
            "a history needs metrics of equally many epochs, at least one, received "
            f"{lengths}; write NaN where an epoch has no value."
        )
    # a metric with one value a class is drawn as its mean
    return {name: v.reshape(len(v), -1).mean(axis=1) for name, v in series.items()}


def _panel(axes, name, splits, best):
    """Draw one metric's train and dev values."""
    from matplotlib.ticker import MaxNLocator

    epochs = len(next(iter(splits.values())))
    axes.set_title(shorten(name.replace("_", " "), 28), loc="left", weight="bold")
    axes.grid(axis="y")
    axes.set(xlabel="epoch", xlim=(0.5, epochs + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    rate = name in LEARNING_RATES
    every = np.ma.masked_invalid(np.concatenate([*splits.values()])).compressed()
    percent = "accuracy" in name and bool(((every >= 0) & (every <= 1)).all())
    _scale(axes, every, percent, spread=3 if rate else 10)
    for split, line in splits.items():
        _line(axes, line, INK if rate else COLOURS[split], "" if rate else split)
    if best and best <= epochs:
        axes.axvline(best, color=SOFT, lw=1, ls=(0, (1, 2)), label=f"best epoch {best}")
        split, line = [*splits.items()][-1]
        colour, value = INK if rate else COLOURS[split], line[best - 1]
        axes.plot(best, value, "o", ms=6, mec="white", color=colour)
        told = _percent(value) if percent else f"{value:.4g}"
        told = told if rate else f"{split} {told}"
        axes.set_title(told, loc="right", size=9, color=colour)


def _line(axes, line, colour, label):
    """Draw one series: a lone value is a dot, a missing one a cross at the foot."""
    epochs = np.arange(1, len(line) + 1)
    there = np.isfinite(line)
    axes.plot(epochs, np.where(there, line, np.nan), color=colour, lw=1.7, label=label)
    beside = np.r_[False, there[:-1]] | np.r_[there[1:], False]
    dots = there if len(line) <= 12 else there & ~beside
    axes.plot(epochs[dots], line[dots], ".", color=colour, ms=7)
    if not there.all():
        foot = np.full((~there).sum(), 0.03 if label == "dev" else 0.09)
        style = {"transform": axes.get_xaxis_transform(), "color": colour, "ms": 4}
        axes.plot(epochs[~there], foot, "x", label=MISSING, **style)


def _scale(axes, values, percent, spread):
    """Choose the scale and the wording of the axis of a metric's values."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    if not values.size:
        axes.set(ylim=(0, 1), yticks=[])
    elif values.min() > 0 and values.max() > spread * np.median(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))


def _percent(share, digits=2):
    return "?" if np.isnan(share) else f"{100 * share:.{digits}f} %"


def _heat(figure, axes, matrix, side):
    """Colour the cells by their share of the row, right and wrong apart."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(len(matrix), dtype=bool)
    worst = max(0.1, float(shares[~diagonal].max(initial=0)))
    width = 1.5 if len(matrix) <= 30 else 0.3 if len(matrix) <= 150 else 0
    for text, where, shades, norm in (
        # the root lifts the rare ones
        ("wrong", ~diagonal, ["#fde3d3", "#e0642f"], PowerNorm(0.5, 0, worst)),
        ("right", diagonal, ["#e3eef8", "#8dbbe0"], PowerNorm(1, 0, 1)),
    ):
        cells = np.ma.masked_array(shares, ~where | (matrix == 0))
        colours = LinearSegmentedColormap.from_list(text, shades)
        style = {"cmap": colours, "norm": norm, "edgecolor": "white", "lw": width}
        mesh = axes.pcolormesh(cells, **style)
        place = {"shrink": 1.6 / side, "aspect": 10, "pad": 0.03, "anchor": (0, 1)}
        bar = figure.colorbar(mesh, ax=axes, **place)
        ticks = np.asarray(norm.inverse(np.array([0, 0.5, 1])))
        bar.set_ticks(ticks.tolist(), labels=[f"{100 * tick:.3g} %" for tick in ticks])
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
        bar.ax.set_title(text, size=9, loc="left")


def _write_counts(axes, matrix, point):
    """Write the counts, none where the widest would not fit its cell."""
    digits = len(f"{matrix.max():,}")
    size = min(11.0, 0.6 * point, 0.85 * point / (0.65 * digits))
    if size < 6:
        return
    style = {"ha": "center", "va": "center", "size": size}
    for row, column in np.argwhere(matrix):
        weight = "normal" if row == column else "bold"
        count = f"{matrix[row, column]:,}"
        axes.text(column + 0.5, row + 0.5, count, weight=weight, **style)


def _displayable(images):
    """Bring images of any range to [0, 1] and to one, three or four channels."""
    depths = {image.dtype for image in images}
    images = [np.nan_to_num(image.astype(float)) for image in images]
    low = min((image.min() for image in images), default=0)
    high = max((image.max() for image in images), default=1)
    if depths == {np.dtype("uint8")} or (low >= 0 and 128 < high <= 255):
        low, high = 0, 255
    elif low >= 0 and high <= 1:
        low, high = 0, 1
    # any other range is stretched, all images by the same
    images = [(image - low) / max(high - low, 1e-12) for image in images]
    deep = [np.atleast_3d(image) for image in images]
    return [i if i.shape[2] in (3, 4) else i.mean(axis=2) for i in deep]


def _heading(figure, told, friendly):
    """Say how many, and what the two colours stand for."""
    from matplotlib.patches import Patch

    names = {"true class": BLUE, "predicted class, its probability": ORANGE}
    if friendly:
        names = {}
        figure.text(0.5, 0.55, "✓", size=56, color=BLUE, ha="center", va="center")
        figure.text(0.5, 0.2, "Not one mistake to show.", size=12, ha="center")
    style = {"loc": "outside upper left", "alignment": "left", "ncols": 2}
    style |= {"title_fontproperties": {"weight": "bold", "size": 12}}
    patches = [Patch(color=colour, label=name) for name, colour in names.items()]
    figure.legend(handles=patches, title=told, handlelength=0.7, **style)
