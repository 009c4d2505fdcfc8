"""Pictures of a search: its parameters, and what they did to the score.

Each function takes plain data, draws on a figure of its own (no pyplot, no display)
and writes one file beside its place, which is then renamed.
"""

import pathlib

import numpy as np

from ...callbacks.drawing import BLUE, GREY, INK, ORANGE, PALE, SOFT
from ..tools.picture_frame import drawing, shorten
from .score_scale import BEST, LOST, kinds_of, legend, points, scale_of
from .search_parameters import parameters

OFF = 1.09  # the place of what is not there, beside a scale from 0 to 1
WIDTH = 9.0  # inches
GOLDEN = 0.6180339887  # its multiples scatter evenly, and the same each time
LINES = {
    BEST: {"color": ORANGE, "lw": 2.2, "marker": "o", "ms": 4},
    LOST: {"color": GREY, "lw": 0.8, "ls": (0, (3, 3))},
}


def parallel_coordinates(record, path, *, order=()):
    """Draw each trial as a line through its score and its values, a row each.

    The better a trial, the darker its line. What is chosen from a list is scattered a
    little. A parameter that is not active in a trial, and the score of a failed one,
    stand to the right.

    Args:
        record: `SearchRecord`.
        path: Where the picture is to stand; its suffix names the format.
        order: Names of parameters that are to stand on top, next to the score.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If no parameter was searched.
        OSError: If the file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> trials = (TrialRecord("0", "COMPLETED", {"units": 4}, 0.8),)
    >>> record = SearchRecord("a", "Random", "accuracy", "max", space, trials, 9.0)
    >>> parallel_coordinates(record, tempfile.mkdtemp() + "/parallel.png").name
    'parallel.png'
    """
    searched, scale = _ordered(record, order), scale_of(record)
    kinds = kinds_of(record)
    lines = [scale.axis, *searched]
    rows = np.arange(len(lines))
    score = [scale.place(trial.score) for trial in record.trials]
    places = np.array([score, *(_scattered(one, record.trials) for one in searched)])
    shown = [i for i in record.ranks[::-1] if kinds[i]]  # the best on top
    missing = np.isnan(places[:, shown]).any(axis=1)
    places = np.where(np.isnan(places), OFF, places)
    with drawing(path, (WIDTH, 0.5 + 0.6 * len(rows))) as figure:
        axes = figure.add_subplot()
        for row, line in zip(rows, lines, strict=True):
            word = scale.tick if row == 0 else line.word
            _row(axes, row, line, word, bare=row == 0 and scale.empty)
        fine = {"lw": 1.1, "alpha": 0.75 if len(shown) <= 60 else 0.4}
        for i in shown:
            style = {"color": scale.shade(record.trials[i].score)} | fine
            axes.plot(places[:, i], rows, **LINES.get(kinds[i], style))
        for row in rows[missing]:
            told = "off" if row else "failed"
            _label(axes, OFF, row, told)
        names = [_named(line, 30) for line in lines]
        axes.set_yticks(rows, names, color=INK, size=9)
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.set(xlim=(-0.03, OFF + 0.05), ylim=(len(rows) - 0.5, -0.15), xticks=[])
        axes.spines[:].set_visible(False)
        _lines_legend(figure, kinds)
    return pathlib.Path(path)


def parameters_against_score(record, path, *, order=()):
    """Draw the score over each parameter, a small panel each.

    Each panel has the scale that its parameter is drawn from. What is chosen from a
    list is scattered a little, with the median of each choice. Bars reach one standard
    deviation over the executions from a trial's score. Failed trials are at the foot.

    Args:
        record: `SearchRecord`.
        path: Where the picture is to stand; its suffix names the format.
        order: Names of parameters that are to come first.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If no parameter was searched.
        OSError: If the file cannot be written.

    Example:

    >>> import keras_tuner, tempfile
    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> trials = (TrialRecord("0", "COMPLETED", {"units": 4}, 0.8),)
    >>> record = SearchRecord("a", "Random", "accuracy", "max", space, trials, 9.0)
    >>> parameters_against_score(record, tempfile.mkdtemp() + "/panels.png").name
    'panels.png'
    """
    searched, scale = _ordered(record, order), scale_of(record)
    kinds = kinds_of(record)
    columns = min(3, len(searched))
    rows = -(-len(searched) // columns)
    size = (WIDTH if columns > 1 else 5.5, (2.2 if rows > 1 else 2.7) * rows + 0.5)
    with drawing(path, size) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
        room = size[0] / columns - 0.7  # inches of a panel's axis
        for axes, parameter in zip(panels.flat, searched, strict=False):
            _panel(axes, record, kinds, parameter, scale, room)
        for axes in panels.flat[len(searched) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            scale.settle(axes, LOST in kinds)
            axes.set_ylabel(shorten(record.objective.replace("_", " "), 24), size=9)
        legend(figure, record, kinds, scale)
    return pathlib.Path(path)


def importance_bars(found, path):
    """Draw what mattered most, the first on top, with the spread of each share.

    Args:
        found: `Importance` that holds shares.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If it holds none.
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> from kerasmith.zoo.tuning.importances import Importance
    >>> found = Importance({"rate": 0.8, "units": 0.2}, {}, 0.7, 40)
    >>> importance_bars(found, tempfile.mkdtemp() + "/importance.png").name
    'importance.png'
    """
    if not found.shares:
        raise ValueError(f"there is no importance to draw: {found.doubt}")
    names, shares = [*found.shares], np.array([*found.shares.values()])
    spreads = np.array([found.spreads.get(name, 0.0) for name in names])
    rows = np.arange(len(names))
    with drawing(path, (WIDTH, 0.6 + 0.34 * len(names))) as figure:
        axes = figure.add_subplot()
        axes.barh(rows, shares, 0.62, color=BLUE)
        reach = np.minimum(spreads, shares), np.minimum(spreads, 1 - shares)
        axes.errorbar(shares, rows, xerr=reach, fmt="none", ecolor=INK, elinewidth=1.2)
        for row, share, spread in zip(rows.tolist(), shares, reach[1], strict=True):
            told = f"{100 * share:.0f} %" if share >= 0.005 else "below 1 %"
            axes.text(share + spread + 0.012, row, told, va="center", size=9)
        axes.set_yticks(rows, [shorten(name, 36) for name in names], color=INK)
        axes.set(xlim=(0, max(1.08 * (shares + reach[1]).max() + 0.03, 0.2)), xticks=[])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.spines["bottom"].set_visible(False)
    return pathlib.Path(path)


def _ordered(record, order):
    """List the searched parameters, those of `order` first."""
    searched = parameters(record.space)
    if not searched:
        raise ValueError(
            f"the search {record.name!r} has no hyperparameter with more than one "
            "value, so there is none to draw."
        )
    first = {name: place for place, name in enumerate(order)}
    return sorted(searched, key=lambda one: first.get(one.name, len(first)))


def _named(parameter, length):
    scale = {"log": ", log", "reverse_log": ", reverse log"}
    return shorten(parameter.name, length) + scale.get(parameter.sampling, "")


def _scattered(parameter, trials):
    """Find the values' places; those of choices are moved by the trials' numbers."""
    places = parameter.places(trials)
    if not parameter.choices:
        return places
    moves = np.arange(len(trials)) * GOLDEN % 1 - 0.5
    return places + 0.5 * moves / len(parameter.choices)


def _row(axes, row, parameter, word, bare):
    """Draw the scale of a row, its values below it."""
    axes.plot([0, 1], [row, row], color="#c3c9d2", lw=1, zorder=1)
    most = 12 if parameter.choices else 7
    ticks = [] if bare else parameter.ticks(most)
    fitting = int(75 / max(len(ticks), 1))
    for tick in ticks:
        place = parameter.place(tick)
        axes.plot([place, place], [row, row + 0.07], color=SOFT, lw=0.8, zorder=1)
        _label(axes, place, row, shorten(word(tick), max(4, fitting)))


def _label(axes, place, row, text):
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    style = {"ha": "center", "va": "top", "size": 8, "color": SOFT, "zorder": 5}
    axes.text(place, row + 0.12, text, bbox=box, **style)


def _lines_legend(figure, kinds):
    from matplotlib.lines import Line2D

    looks = {"best": LINES[BEST]} if BEST in kinds else {}
    if {*kinds} - {BEST, LOST, ""}:
        others = {"color": BLUE, "lw": 2}
        looks["other trials: the better, the darker"] = others
    if LOST in kinds:
        looks["failed"] = LINES[LOST]
    handles = [Line2D([], [], label=name, **look) for name, look in looks.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)


def _panel(axes, record, kinds, parameter, scale, room):
    """Draw the scores over one parameter."""
    axes.set_title(_named(parameter, int(9 * room)), loc="left", size=9, weight="bold")
    axes.grid(axis="y")
    places = _scattered(parameter, record.trials)
    missing = bool(np.isnan(places[[bool(kind) for kind in kinds]]).any())
    places = np.where(np.isnan(places), OFF, places)
    spread = [i for i, t in enumerate(record.trials) if t.scored and t.spread]
    reach = np.array([record.trials[i].spread for i in spread], float)
    ends = (scale.inside(record.scores[spread] + side * reach) for side in (-1, 1))
    axes.vlines(places[spread], *ends, color=BLUE, alpha=0.3, lw=1)
    points(axes, places, record, kinds, scale)
    _medians(axes, record, parameter, scale)
    _values(axes, parameter, room, missing)


def _medians(axes, record, parameter, scale):
    """Mark the median score of each choice."""
    for choice in parameter.choices:
        scores = [
            t.score
            for t in record.trials
            if t.scored and t.values.get(parameter.name) == choice
        ]
        if len(scores) > 2:
            half, middle = 0.36 / len(parameter.choices), parameter.place(choice)
            level = scale.inside([np.median(scores)] * 2)
            axes.plot([middle - half, middle + half], level, color=INK, lw=1.2)


def _values(axes, parameter, room, missing):
    """Write the values below a panel, upright where they would overlap."""
    fitting = longest = 0
    words, places = [], []
    for most in (10,) if parameter.choices else (5, 4, 3, 2):
        ticks = parameter.ticks(most)
        words = [parameter.word(tick) for tick in ticks] + ["off"] * missing
        places = [*map(parameter.place, ticks)] + [OFF + 0.01] * missing
        fitting = int(room * 72 / 4.9 / len(words)) - 1
        longest = max(map(len, words))
        if longest <= fitting:
            break
    if missing:
        axes.axvline(1.045, color=PALE, lw=1)
    upright = longest > fitting and fitting < 7 and bool(parameter.choices)
    shown = [shorten(word, 12 if upright else max(fitting, 4)) for word in words]
    axes.set_xticks(places, shown, size=8, rotation=90 if upright else 0)
    axes.set_xlim(-0.05, OFF + 0.08 if missing else 1.05)
