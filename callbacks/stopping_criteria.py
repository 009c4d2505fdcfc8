"""Criteria of early stopping: patience, thresholds, divergence, time."""

import dataclasses
import math
import numbers

from . import monitor as monitors
from .stopping import Criterion, Curves, above_zero, at_least, in_epochs


@dataclasses.dataclass(frozen=True)
class Patience(Criterion):
    """Stop when the metric has not improved for a number of epochs.

    An improvement is better than the last improvement by more than `min_delta`; a
    value that is not finite is none.

    Args:
        epochs: Epochs without an improvement that are one too many.
        min_delta: The least that counts, in the metric's unit.
        relative: Whether `min_delta` is a share of the last improvement's value.

    Example:

    >>> Patience(2).stop(Curves({"val_loss": [0.5, 0.4, 0.41, 0.4]}))
    'val_loss has not improved for 2 epochs'
    >>> Patience(2, min_delta=0.3, relative=True).stop(
    ...     Curves({"val_loss": [1.0, 0.8, 0.71]})
    ... )
    'val_loss has not improved by more than 30 % for 2 epochs'
    """

    epochs: int
    min_delta: float = 0.0
    relative: bool = False

    def __post_init__(self):
        at_least(self, "epochs", 1)
        if not (math.isfinite(self.min_delta) and self.min_delta >= 0):
            raise ValueError(
                f"Patience needs a min_delta >= 0, received {self.min_delta}: whether "
                "the metric is better when larger is said by EarlyStopping's mode."
            )

    def stop(self, curves: Curves) -> str | None:
        best, waited = None, 0
        for value in curves.values:
            if self._improves(value, best, curves.direction):
                best, waited = value, 0
            else:
                waited += 1
        if waited < self.epochs:
            return None
        least = f"{100 * self.min_delta:g} %" if self.relative else f"{self.min_delta}"
        by = f" by more than {least}" if self.min_delta else ""
        return f"{curves.monitor} has not improved{by} for {in_epochs(waited)}"

    def _improves(self, value, best, direction):
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        delta = self.min_delta * (abs(best) if self.relative else 1)
        return (value - best) * direction > delta


@dataclasses.dataclass(frozen=True)
class Threshold(Criterion):
    """Stop when a metric is at least as good as a value.

    Args:
        value: The value.
        metric: Name of the metric; the one that is watched if `None`.
        mode: For a metric named here: `"max"`, `"min"`, or `"auto"` to tell by its
            name whether larger or smaller is better.

    Example:

    >>> Threshold(0.9, "val_accuracy").stop(
    ...     Curves({"val_loss": [0.4], "val_accuracy": [0.93]})
    ... )
    'val_accuracy 0.93 has reached 0.9'
    """

    value: float
    metric: str | None = None
    mode: str = "auto"

    def __post_init__(self):
        _finite(self, "value", self.value)
        _named_direction(self)

    def metrics(self, monitor):
        return (self.metric,) if self.metric else ()

    def stop(self, curves: Curves) -> str | None:
        name, direction = _watched(self, curves)
        value = curves.metrics[name][-1]
        if not value * direction >= self.value * direction:
            return None
        return f"{name} {value:.4g} has reached {self.value:g}"


@dataclasses.dataclass(frozen=True)
class Diverged(Criterion):
    """Stop when a metric is not finite, or worse than a bound.

    Args:
        bound: The worst value that is still borne; `None` for any finite one.
        metric: Name of the metric; the one that is watched if `None`. The accuracy of
            a network that is all NaN is finite: name its `"loss"`.
        mode: For a metric named here: `"max"`, `"min"`, or `"auto"` to tell by its
            name whether larger or smaller is better.

    Example:

    >>> Diverged(10).stop(Curves({"val_loss": [0.5, 12.0]}))
    'val_loss 12 is worse than 10'
    >>> Diverged().stop(Curves({"val_loss": [0.5, math.nan]}))
    'val_loss nan is not finite'
    """

    bound: float | None = None
    metric: str | None = None
    mode: str = "auto"

    def __post_init__(self):
        if self.bound is not None:
            _finite(self, "bound", self.bound)
        _named_direction(self)

    def metrics(self, monitor):
        return (self.metric,) if self.metric else ()

    def stop(self, curves: Curves) -> str | None:
        name, direction = _watched(self, curves)
        value = curves.metrics[name][-1]
        if not math.isfinite(value):
            return f"{name} {value} is not finite"
        if self.bound is None or value * direction >= self.bound * direction:
            return None
        return f"{name} {value:.4g} is worse than {self.bound:g}"


@dataclasses.dataclass(frozen=True)
class TimeBudget(Criterion):
    """Stop after the first epoch at whose end the time is over.

    The time of a run that was interrupted and resumed counts with it. A single epoch
    is never cut short.

    Args:
        minutes: The budget, above zero.

    Example:

    >>> TimeBudget(90).stop(Curves({"val_loss": [0.5]}, minutes=95.5))
    '95.5 of 90 minutes are over'
    """

    minutes: float

    def __post_init__(self):
        above_zero(self, "minutes")

    def stop(self, curves: Curves) -> str | None:
        if curves.minutes < self.minutes:
            return None
        return f"{curves.minutes:.3g} of {self.minutes:g} minutes are over"


def _finite(criterion, name, value):
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(
            f"{type(criterion).__name__} needs a finite {name}, received {value!r}."
        )


def _named_direction(criterion):
    if criterion.metric is not None:
        monitors.direction(criterion.metric, criterion.mode)


def _watched(criterion, curves):
    """Give the name of the metric that a criterion looks at, and its direction."""
    if criterion.metric is None:
        return curves.monitor, curves.direction
    return criterion.metric, monitors.direction(criterion.metric, criterion.mode)
