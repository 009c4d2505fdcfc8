"""Pictures of a search over time: how its trials learned, and how it got on.

Each function takes plain data, draws on a figure of its own (no pyplot, no display)
and writes one file beside its place, which is then renamed.
"""

import pathlib

import numpy as np

from ...callbacks.drawing import BLUE, GREY, ORANGE, SOFT
from ..tools.picture_frame import drawing, shorten
from .record import COMPLETED, finite
from .score_scale import (
    BEST,
    CUT,
    LOST,
    POINTS,
    kinds_of,
    legend,
    points,
    scale_of,
    score_scale,
)
from .search_pictures import WIDTH

UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def learning_curves(record, path):
    """Draw the objective of every execution over its epochs, the best trial's on top.

    A ring ends what the search stopped early, a cross what failed. Of a failed
    execution that has no finite value there is nothing to draw.

    Args:
        record: `SearchRecord`.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`, or `None` if no execution logged the objective.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import Execution, SearchRecord, TrialRecord
    >>> once = (Execution(0, 0.2, {"loss": [0.9, 0.4, 0.2]}, 3.0),)
    >>> trials = (TrialRecord("0", "COMPLETED", {}, 0.2, once),)
    >>> record = SearchRecord("a", "Random", "loss", "min", None, trials, 9.0)
    >>> learning_curves(record, tempfile.mkdtemp() + "/curves.png").name
    'curves.png'
    """
    kinds = kinds_of(record)
    lines = []
    for i in record.ranks[::-1]:  # the best on top
        for one in record.trials[i].executions:
            line = np.array(one.history.get(record.objective, []), float)
            if np.isfinite(line).any():
                lines.append((line, kinds[i]))
    if not lines:
        return None
    values = np.concatenate([line for line, _ in lines])
    scale = score_scale(record.objective, record.direction, values, whole=True)
    with drawing(path, (WIDTH, 4.2)) as figure:
        axes = figure.add_subplot()
        for line, what in lines:
            _curve(axes, line, what, len(lines))
        scale.settle(axes)
        _epochs(axes, max(len(line) for line, _ in lines))
        axes.set_ylabel(shorten(record.objective.replace("_", " "), 40))
        _curve_legend(figure, [what for _, what in lines])
    return pathlib.Path(path)


def best_so_far(record, path):
    """Draw the best score so far over the trials, and over the time of training.

    Only trials that were trained to their end count as best. The time is that of all
    workers together.

    Args:
        record: `SearchRecord`.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If there is no trial.
        OSError: If the file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> trials = tuple(TrialRecord(s, "COMPLETED", {}, float(s)) for s in "213")
    >>> record = SearchRecord("a", "Random", "loss", "min", None, trials, 9.0)
    >>> best_so_far(record, tempfile.mkdtemp() + "/progress.png").name
    'progress.png'
    """
    if not record.trials:
        raise ValueError(f"the search {record.name!r} has no trial to draw.")
    scale, kinds = scale_of(record), kinds_of(record)
    spent = np.cumsum([trial.seconds for trial in record.trials])
    unit, length = next((u for u in UNITS if spent[-1] >= 2 * u[1]), UNITS[-1])
    levels = running_best(record)
    with drawing(path, (WIDTH, 3.6)) as figure:
        columns = 2 if spent[-1] > 0 else 1
        panels = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
        places = np.arange(1, len(kinds) + 1), spent / length
        for axes, where in zip(panels, places, strict=False):
            axes.grid(axis="y")
            axes.step(where, scale.inside(levels), where="post", color=ORANGE, lw=1.8)
            points(axes, where, record, kinds, scale)
        scale.settle(panels[0], LOST in kinds)
        panels[0].set_ylabel(shorten(record.objective.replace("_", " "), 36))
        _epochs(panels[0], len(kinds), "trial")
        if columns == 2:
            told = f"{unit} of training, all workers together"
            panels[1].set(xlabel=told, xlim=(0, 1.03 * spent[-1] / length))
        line = {"best_so_far": {"color": ORANGE, "lw": 1.8}} if record.best else {}
        legend(figure, record, kinds, scale, **line)
    return pathlib.Path(path)


def running_best(record):
    """Give the best score of the trials up to each one, NaN before the first.

    Args:
        record: `SearchRecord`.

    Returns:
        Array, a number a trial.

    Example:

    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> trials = tuple(TrialRecord(s, "COMPLETED", {}, float(s)) for s in "213")
    >>> record = SearchRecord("a", "Random", "loss", "min", None, trials, 9.0)
    >>> running_best(record).tolist()
    [2.0, 1.0, 1.0]
    """
    scores = [
        float(t.score) if t.status == COMPLETED and finite(t.score) else np.nan
        for t in record.trials
    ]
    better = np.fmin if record.direction == "min" else np.fmax
    return better.accumulate(np.array(scores, float))


def _curve(axes, line, what, among):
    """Draw one execution; what has one epoch is a dot."""
    epochs = np.arange(1, len(line) + 1)
    style = {"color": BLUE, "lw": 0.9, "alpha": max(0.12, min(0.5, 15 / among))}
    if what == LOST:
        style = {"color": GREY, "lw": 0.9, "alpha": 0.8}
    elif what == BEST:
        style = {"color": ORANGE, "lw": 1.8, "zorder": 4}
    marker = "." if len(line) == 1 else None
    axes.plot(epochs, line, marker=marker, **style)
    if what in (CUT, LOST):
        end = np.flatnonzero(np.isfinite(line))[-1]
        axes.scatter(epochs[end], line[end], zorder=3, **POINTS[what])


def _curve_legend(figure, kinds):
    from matplotlib.lines import Line2D

    looks = {
        BEST: ("best trial", ORANGE, "", "-"),
        CUT: ("stopped early", BLUE, "o", "-"),
        LOST: ("failed", GREY, "x", "-"),
    }
    handles = [
        Line2D([], [], color=colour, marker=mark, mfc="none", ls=line, ms=5, label=told)
        for what, (told, colour, mark, line) in looks.items()
        if what in kinds
    ]
    if {*kinds} - {*looks}:
        handles.insert(1, Line2D([], [], color=BLUE, alpha=0.5, label="other trials"))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)


def _epochs(axes, most, name="epoch"):
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="y")
    room = 0.5 if most < 30 else 0.02 * most
    axes.set(xlabel=name, xlim=(1 - room, most + room))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.xaxis.label.set_color(SOFT)
