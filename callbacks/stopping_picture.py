"""The picture of an early stopping: its curves, the measures, the decision."""

import contextlib
import math

from . import drawing
from .drawing import BLUE, GREY, INK, ORANGE
from .prechelt import (
    GeneralizationLoss,
    ProgressQuotient,
    UpSuccessive,
    generalization_loss,
    successive_rises,
    training_progress,
)
from .stopping import Several


def draw(stopping, path=None):
    """Draw the curves, with the measures of Prechelt and the decision.

    The generalisation loss and the progress quotient are left out for a metric that
    they mean nothing for. Epochs are counted from 1, as on the progress bar.

    Args:
        stopping: An `EarlyStopping` that has seen an epoch.
        path: Where to write the picture too, if anywhere; its suffix names the format.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there was no epoch yet.

    Example:

    >>> from kerasmith.callbacks import EarlyStopping, Patience
    >>> stopping = EarlyStopping(Patience(5))
    >>> draw(stopping)
    Traceback (most recent call last):
    ValueError: EarlyStopping has nothing to draw: it has seen no epoch yet.
    """
    if not stopping.epochs:
        raise ValueError("EarlyStopping has nothing to draw: it has seen no epoch yet.")
    panels = measures(stopping.curves, stopping.criterion)
    heights = [2.4, *[1] * len(panels)]
    with drawing.figure((7, 1.1 * sum(heights) + 0.6), path) as figure:
        top, *rest = figure.subplots(
            len(heights), sharex=True, height_ratios=heights, squeeze=False
        ).flat
        _curves(top, stopping)
        for axes, (name, (epochs, values, limit)) in zip(
            rest, panels.items(), strict=True
        ):
            _measure(axes, stopping, name, epochs, values, limit)
        rest[-1].set_xlabel("epoch")
        figure.align_ylabels()
    return figure


def measures(curves, criterion):
    """Compute GL, PQ and UP for every epoch where they are defined.

    Args:
        curves: The `Curves` of a training.
        criterion: Its criterion: the strips and limits are those of the Prechelt
            criteria in it, five epochs where there is none.

    Returns:
        Dictionary of name to indices of epochs, values there, and limit or `None`.

    Example:

    >>> from kerasmith.callbacks import Curves, UpSuccessive
    >>> measures(Curves({"val_loss": [2.0, 1.0, 3.0]}), UpSuccessive(1, strip=1))
    {'GL in %': ([0, 1, 2], [0.0, 0.0, 200.0], None), 'UP': ([0, 1, 2], [0, 0, 1], 1)}
    """
    found = {type(one): one for one in parts(criterion)}
    values, panels = curves.values, {}
    every = list(range(len(values)))
    losses = None
    if curves.direction < 0:
        with contextlib.suppress(ValueError):  # not above zero
            losses = generalization_loss(values)
            limit = getattr(found.get(GeneralizationLoss), "alpha", None)
            panels["GL in %"] = every, losses, limit
    if losses and curves.training is not None:
        quotient = found.get(ProgressQuotient, ProgressQuotient(1))
        with contextlib.suppress(ValueError):
            ends = every[quotient.strip - 1 :: quotient.strip]
            quotients = [
                _divide(losses[i], training_progress(curves.training[: i + 1], k))
                for i in ends
                for k in [quotient.strip]
            ]
            limit = quotient.alpha if ProgressQuotient in found else None
            panels["PQ"] = ends, quotients, limit
    up = found.get(UpSuccessive, UpSuccessive(1))
    ends = every[up.strip - 1 :: up.strip]
    rises = [
        successive_rises(values[: i + 1], up.strip, curves.direction) for i in ends
    ]
    limit = up.successive if UpSuccessive in found else None
    panels["UP"] = ends, rises, limit
    return panels


def parts(criterion):
    """List the criteria that a criterion is combined of.

    Args:
        criterion: A criterion.

    Returns:
        List of those that are not combined further.

    Example:

    >>> from kerasmith.callbacks import Patience, TimeBudget
    >>> parts(Patience(5) & TimeBudget(60))
    [Patience(epochs=5, min_delta=0.0, relative=False), TimeBudget(minutes=60)]
    """
    if not isinstance(criterion, Several):
        return [criterion]
    return [part for one in criterion.criteria for part in parts(one)]


def _divide(loss, progress):
    if loss == 0:
        return 0.0
    return loss / progress if progress else math.inf


def _curves(axes, stopping):
    """Draw the metric watched, its counterpart, the best epoch and the stop."""
    curves = stopping.curves
    epochs = [epoch + 1 for epoch in stopping.epochs]
    dots = "." if len(epochs) < 13 else ""
    if curves.training is not None:
        axes.plot(epochs, curves.training, dots + "-", color=GREY, label="training")
        axes.plot(epochs, curves.values, dots + "-", color=BLUE, label="validation")
    else:
        axes.plot(epochs, curves.values, dots + "-", color=BLUE, label=curves.monitor)
    if stopping.best_epoch is not None:
        best = f"best: {stopping.best:.4g} in epoch {stopping.best_epoch + 1}"
        at = (stopping.best_epoch + 1, stopping.best)
        axes.plot(*at, "o", ms=7, mec="white", color=BLUE, label=best)
    _stop(axes, stopping, label=True)
    axes.grid(axis="y")
    axes.set_ylabel(curves.monitor.removeprefix("val_").replace("_", " "))
    axes.legend(loc="best", fontsize=8)
    if stopping.reason:
        axes.set_title(_wrapped(stopping.reason), loc="left", fontsize=9, color=ORANGE)


def _measure(axes, stopping, name, indices, values, limit):
    """Draw one measure, with the limit that stops."""
    from matplotlib.ticker import MaxNLocator

    epochs = [stopping.epochs[i] + 1 for i in indices]
    values = [value if math.isfinite(value) else math.nan for value in values]
    marker = "-" if name.startswith("GL") else "o"
    axes.plot(epochs, values, marker, color=INK, lw=1.2, ms=3.5)
    if limit is not None:
        axes.axhline(limit, color=ORANGE, lw=1, ls=(0, (4, 2)))
    _stop(axes, stopping)
    axes.grid(axis="y")
    axes.set_ylabel(name)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=name == "UP", min_n_ticks=1))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def _stop(axes, stopping, label=False):
    if stopping.stopped_epoch is not None:
        at = stopping.stopped_epoch + 1
        said = f"stopped after epoch {at}" if label else None
        axes.axvline(at, color=ORANGE, lw=1.2, label=said)


def _wrapped(text):
    import textwrap

    return "\n".join(textwrap.wrap(text, 92))
