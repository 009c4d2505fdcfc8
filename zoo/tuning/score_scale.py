"""The scores of a search on a scale: where they lie, how good they are, their words."""

import dataclasses
import math

import numpy as np

from ...callbacks.drawing import BLUE, GREY, INK, ORANGE, logarithmic
from ..tools.page_parts import show
from .record import COMPLETED, RUNNING, STOPPED, finite
from .search_parameters import Parameter

BEST, DONE, CUT, LOST = "best", "completed", "stopped early", "failed"
# how a trial's point looks
POINTS = {
    DONE: {"marker": "o", "s": 20, "color": BLUE, "linewidths": 0, "alpha": 0.7},
    CUT: {"marker": "o", "s": 18, "facecolors": "none", "edgecolors": BLUE},
    LOST: {"marker": "x", "s": 18, "color": GREY, "linewidths": 1.2},
    BEST: {"marker": "D", "s": 38, "color": ORANGE, "edgecolors": "white"},
}
SHADES = ("#dde3ea", "#9cc1e2", BLUE)  # of the worst to the best
FAR = 100
LOGARITHMIC = 10  # the largest to the median, from which on a scale is logarithmic


@dataclasses.dataclass(frozen=True)
class ScoreScale:
    """A scale of scores; those far worse than the others lie at its worse end.

    Args:
        axis: `Parameter` that holds its ends.
        direction: "min" or "max".
        percent: Whether scores are shares.
        empty: Whether there is no score.

    Example:

    >>> scale = score_scale("val_loss", "min", [0.2, 0.3, 0.4])
    >>> scale.merit(0.2), scale.word(0.2)
    (1.0, '0.2')
    """

    axis: Parameter
    direction: str
    percent: bool
    empty: bool = False

    def place(self, score):
        """Find a score's place from 0 to 1."""
        return self.axis.place(score) if finite(score) else math.nan

    def merit(self, score):
        """Tell how good a score is, from 0 to 1."""
        place = self.place(score)
        return 1 - place if self.direction == "min" else place

    def inside(self, scores):
        """Draw scores that lie beyond its ends in to them."""
        return np.clip(np.asarray(scores, float), self.axis.low, self.axis.high)

    def word(self, score):
        """Word a score."""
        return show(self.axis.name, float(score)) if finite(score) else "–"

    def tick(self, score):
        """Word a score beside an axis."""
        return f"{100 * score:.4g} %" if self.percent else f"{score:.4g}"

    def shade(self, score):
        """Give a score its colour."""
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("scores", SHADES)
        return shades(np.nan_to_num(self.merit(score)))

    @property
    def arrow(self):
        """The mark of a score that lies beyond its worse end."""
        return "v" if self.direction == "max" else "^"

    def beyond(self, scores):
        """Tell which scores lie beyond its ends."""
        return self.inside(scores) != np.asarray(scores, float)

    def settle(self, axes, foot=False):
        """Give the vertical axis its ends, scale and words, and room at the foot."""
        from matplotlib.ticker import FuncFormatter

        if self.empty:
            axes.set(ylim=(0, 1), yticks=[])
            return
        low, high, below = self.axis.low, self.axis.high, 0.15 if foot else 0.06
        if self.axis.sampling == "log":
            logarithmic(axes)
            if high > FAR * low:  # too many to draw
                axes.minorticks_off()
            axes.set_ylim(low * (low / high) ** below, high * (high / low) ** 0.06)
            return
        axes.set_ylim(low - below * (high - low), high + 0.06 * (high - low))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: self.tick(y)))


def score_scale(name, direction, values, whole=False):
    """Choose the scale of scores.

    It is logarithmic where they are positive and span orders of magnitude. Elsewhere
    it ends, on the worse side, three interquartile ranges from the quartiles.

    Args:
        name: Name of the objective.
        direction: "min" or "max".
        values: The scores; what is not finite is left out.
        whole: Whether shares are to have their whole range.

    Returns:
        `ScoreScale`.

    Example:

    >>> scale = score_scale("r2", "max", [0.5, 0.6, 0.7, 0.8, -900.0])
    >>> round(scale.axis.low, 2)
    -0.1
    """
    scores = np.array([value for value in values if finite(value)], float)
    percent = bool(((scores >= 0) & (scores <= 1)).all())
    percent = percent and show(name, 0.5).endswith("%")
    low, high = (scores.min(), scores.max()) if scores.size else (0.0, 1.0)
    if low > 0 and high > LOGARITHMIC * np.median(scores):
        return ScoreScale(_axis(name, low, high, "log"), direction, percent)
    if scores.size and not (whole and percent):
        lower, upper = np.quantile(scores, [0.25, 0.75])
        room = 3 * (upper - lower)
        if room and direction == "max":
            low = max(low, lower - room)
        elif room:
            high = min(high, upper + room)
    if low == high:  # all equal
        room = 0.05 * abs(low) or 0.5
        low, high = low - room, high + room
    axis = _axis(name, low, high, "linear")
    return ScoreScale(axis, direction, percent, not scores.size)


def _axis(name, low, high, sampling):
    return Parameter(name, low=float(low), high=float(high), sampling=sampling)


def scale_of(record):
    """Choose the scale of a search's scores.

    Args:
        record: `SearchRecord`.

    Returns:
        `ScoreScale`.

    Example:

    >>> from kerasmith.zoo.tuning.record import SearchRecord
    >>> scale_of(SearchRecord("a", "Random", "loss", "min", None, (), 1.0)).direction
    'min'
    """
    scores = [trial.score for trial in record.trials]
    return score_scale(record.objective, record.direction, scores)


def kinds_of(record):
    """Tell what became of each trial, for a picture.

    Args:
        record: `SearchRecord`.

    Returns:
        List of "best", "completed", "stopped early" or "failed"; "" for one running.

    Example:

    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> trials = (TrialRecord("0", "COMPLETED", {}, float("nan")),)
    >>> kinds_of(SearchRecord("a", "Random", "loss", "min", None, trials, 1.0))
    ['failed']
    """
    best = record.best
    return [_kind(trial, best) for trial in record.trials]


def _kind(trial, best):
    if trial is best:
        return BEST
    if trial.status == RUNNING:
        return ""
    if not trial.scored:
        return LOST
    return {COMPLETED: DONE, STOPPED: CUT}.get(trial.status, LOST)


def points(axes, places, record, kinds, scale):
    """Draw the trials' scores; one that failed is at the foot.

    Args:
        axes: `matplotlib.axes.Axes`.
        places: Where each trial lies on the horizontal axis.
        record: `SearchRecord`.
        kinds: What became of the trials, by `kinds_of`.
        scale: `ScoreScale`.

    Example:

    >>> import matplotlib.figure
    >>> from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
    >>> trials = (TrialRecord("0", "COMPLETED", {}, 0.5),)
    >>> record = SearchRecord("a", "Random", "loss", "min", None, trials, 1.0)
    >>> axes = matplotlib.figure.Figure().subplots()
    >>> points(axes, [1.0], record, kinds_of(record), scale_of(record))
    >>> len(axes.collections)
    1
    """
    places, scores = np.asarray(places, float), record.scores
    beyond = scale.beyond(scores)
    for what, look in POINTS.items():
        chosen = np.array([kind == what for kind in kinds], bool)
        if not chosen.any():
            continue
        if what == LOST:
            foot = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.scatter(places[chosen], np.full(chosen.sum(), 0.04), **look, **foot)
            continue
        arrow = {"marker": scale.arrow}
        for which, shape in ((chosen & ~beyond, {}), (chosen & beyond, arrow)):
            if which.any():
                height, top = scale.inside(scores[which]), 4 if what == BEST else 2
                axes.scatter(places[which], height, zorder=top, **look | shape)


def legend(figure, record, kinds, scale, **lines):
    """Say above the panels what the marks stand for, those that occur.

    Args:
        figure: `matplotlib.figure.Figure`.
        record: `SearchRecord`.
        kinds: What became of the trials, by `kinds_of`.
        scale: `ScoreScale`.
        **lines: Styles of lines, by what they are called.

    Example:

    >>> from matplotlib.figure import Figure
    >>> from kerasmith.zoo.tuning.record import SearchRecord
    >>> record = SearchRecord("a", "Random", "loss", "min", None, (), 1.0)
    >>> legend(Figure(), record, kinds_of(record), scale_of(record))
    """
    from matplotlib.lines import Line2D

    counts = {name: list(kinds).count(name) for name in (BEST, DONE, CUT, LOST)}
    counts[DONE] += counts[BEST]
    handles = []
    for name, count in counts.items():
        if count:
            look = POINTS[name]
            colour = look.get("color", BLUE)
            filled = "none" if "facecolors" in look else colour
            style = {"mfc": filled, "mec": colour, "ms": 6, "ls": "none"}
            told = name if name == BEST else f"{name}: {count}"
            handles.append(Line2D([], [], marker=look["marker"], label=told, **style))
    if scale.beyond(record.scores[np.isfinite(record.scores)]).any():
        arrow = {"marker": scale.arrow, "color": BLUE, "ls": "none", "ms": 6}
        lines["worse than shown"] = arrow
    for told, style in lines.items():
        handles.append(Line2D([], [], label=told.replace("_", " "), **style))
    if handles:
        figure.legend(
            handles=handles, loc="outside upper left", ncols=5, labelcolor=INK
        )
