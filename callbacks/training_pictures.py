"""Plots of what a training did in every layer."""

import numpy as np

from . import drawing
from .drawing import GREY

USUAL_RATIO = 1e-3


def draw(record, path=None):
    """Draw norms, update ratios and activations of all layers.

    Args:
        record: Dictionary of `layers`, `samples`, `outputs` and `activations`, as
            `TrainingMonitor` keeps them.
        path: Where to write the picture; nowhere if `None`.

    Returns:
        `matplotlib.figure.Figure` of six plots. Lines run from dark (first layer) to
        light (last).

    Example:

    >>> sample = {"step": 0, "gradient": [0.1], "weight": [1.0], "update": [0.01]}
    >>> record = {"layers": ["dense"], "samples": [sample], "outputs": []}
    >>> len(draw({**record, "activations": []}).axes)
    6
    """
    with drawing.figure((10, 10), path) as figure:
        (gradient, mean), (weight, spread), (ratio, dead) = figure.subplots(3, 2)
        steps = [sample["step"] for sample in record["samples"]]
        _lines(gradient, steps, table(record, "gradient"), "gradient norm")
        _lines(weight, steps, table(record, "weight"), "weight norm")
        _lines(ratio, steps, update_ratios(record), "update ratio")
        ratio.axhline(USUAL_RATIO, color=GREY, linestyle=":", linewidth=1)
        rows = record["activations"]
        epochs = [row["epoch"] + 1 for row in rows]
        means, spreads, shares = (
            _array([row[key] for row in rows]) for key in ("mean", "std", "dead")
        )
        _lines(mean, epochs, means, "mean of the output")
        _lines(spread, epochs, spreads, "deviation of the output")
        dead.set_ylim(-0.05, 1.05)
        _lines(dead, epochs, shares, "share of dead units")
        _legend(figure, gradient, "outside lower left", record["layers"])
        _legend(figure, mean, "outside lower right", record["outputs"])
        ratio.set_xlabel("step")
        dead.set_xlabel("epoch")
    return figure


def table(record, key):
    """Give what was sampled as an array.

    Args:
        record: Dictionary of `layers` and `samples`.
        key: `"gradient"`, `"weight"` or `"update"`.

    Returns:
        Array of samples and layers, NaN where a layer does not train.

    Example:

    >>> samples = [{"gradient": [0.5, None]}]
    >>> table({"layers": ["a", "b"], "samples": samples}, "gradient")
    array([[0.5, nan]])
    """
    rows = [sample[key] for sample in record["samples"]]
    return _array(rows)


def update_ratios(record):
    """Give the norm of each update over that of the weights that it changed.

    Args:
        record: Dictionary of `layers` and `samples`.

    Returns:
        Array of samples and layers, NaN where a layer does not train or is all 0.

    Example:

    >>> sample = {"weight": [2.0, 0.0], "update": [0.5, 0.1]}
    >>> update_ratios({"layers": ["a", "b"], "samples": [sample]})
    array([[0.25,  nan]])
    """
    weight, update = table(record, "weight"), table(record, "update")
    return update / np.where(weight > 0, weight, np.nan)


def _array(rows):
    return np.array(rows, "float64").reshape(len(rows), len(rows[0]) if rows else 0)


def _lines(axes, places, values, title):
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.grid(axis="y")
    shown = np.flatnonzero(np.isfinite(values).any(0))
    if not shown.size:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    positive = values[values > 0]
    if positive.size and np.nanmin(values) >= 0 and np.ptp(np.log10(positive)) > 1:
        drawing.logarithmic(axes)
    # a layer has the shade of its place among all, whatever is shown of the others
    shades = _shades(values.shape[1])
    for i in shown:
        axes.plot(
            places, values[:, i], color=shades[i], marker=".", ms=3, lw=1, label=f"{i}"
        )


def _legend(figure, axes, where, names):
    """Name the first line, that in the middle and the last, below the plots."""
    lines = axes.get_lines()
    # a resumed training knows the names of its outputs at its first epoch's end
    if not lines or not names:
        return
    few = [lines[i] for i in sorted({0, len(lines) // 2, len(lines) - 1})]
    labels = [names[int(line.get_label())] for line in few]
    figure.legend(few, labels, loc=where, ncols=3, fontsize=8)


def _shades(count):
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.85, count))
