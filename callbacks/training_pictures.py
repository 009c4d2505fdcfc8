"""Plots of what a training did in every layer."""

import numpy as np

USUAL_RATIO = 1e-3


def draw(record, title="training"):
    """Draw norms, update ratios and activations of all layers.

    Args:
        record: Dictionary of `layers`, `samples`, `outputs` and `activations`, as
            `TrainingMonitor` keeps them.
        title: Heading.

    Returns:
        `matplotlib.figure.Figure` of six plots. Lines run from dark (first layer) to
        light (last).

    Example:

    >>> sample = {"step": 0, "gradient": [0.1], "weight": [1.0], "update": [0.01]}
    >>> record = {"layers": ["dense"], "samples": [sample], "outputs": []}
    >>> len(draw({**record, "activations": []}).axes)
    6
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 10), layout="constrained")
    figure.suptitle(title)
    (gradient, weight), (ratio, mean), (spread, dead) = figure.subplots(3, 2)
    steps = [sample["step"] for sample in record["samples"]]
    names = record["layers"]
    _lines(gradient, steps, table(record, "gradient"), names, "gradient norm")
    _lines(weight, steps, table(record, "weight"), names, "weight norm")
    _lines(ratio, steps, update_ratios(record), names, "update ratio")
    ratio.axhline(USUAL_RATIO, color="grey", linestyle=":", linewidth=1)
    epochs = [row["epoch"] + 1 for row in record["activations"]]
    for axes, key, what, log in [
        (mean, "mean", "mean of the output", False),
        (spread, "std", "deviation of the output", True),
        (dead, "dead", "dead units (share)", False),
    ]:
        values = _array([row[key] for row in record["activations"]])
        _lines(axes, epochs, values, record["outputs"], what, log)
    for axes in figure.axes:
        axes.set_xlabel("epoch" if axes in (mean, spread, dead) else "step")
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


def _lines(axes, places, values, names, title, log=True):
    axes.set_title(title, fontsize=10)
    shown = [i for i in range(values.shape[1]) if np.isfinite(values[:, i]).any()]
    if not shown:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    if log and (values[:, shown] > 0).any():
        axes.set_yscale("log")
    shades = _shades(len(shown))
    for shade, i in zip(shades, shown, strict=True):
        label = names[i] if i < len(names) else f"layer {i + 1}"
        axes.plot(
            places, values[:, i], color=shade, marker=".", ms=3, lw=1, label=label
        )
    few = [*dict.fromkeys((0, len(shown) // 2, len(shown) - 1))]
    handles = axes.get_legend_handles_labels()[0]
    axes.legend(handles=[handles[i] for i in few], fontsize=7)


def _shades(count):
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.85, count))
