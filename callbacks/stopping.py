"""What an early stopping decides by: curves, and criteria that judge them."""

import abc
import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Curves:
    """The metrics of the epochs so far, and what is watched of them.

    Args:
        metrics: Mapping of each metric's name to its values, one an epoch.
        monitor: Name of the metric that is watched.
        direction: 1 if it is better when larger, -1 if when smaller.
        minutes: Time that the training has taken.

    Example:

    >>> curves = Curves({"loss": [0.5, 0.3], "val_loss": [0.6, 0.7]})
    >>> curves.values, curves.training, curves.best
    ([0.6, 0.7], [0.5, 0.3], 0)
    """

    metrics: Mapping[str, Sequence[float]]
    monitor: str = "val_loss"
    direction: int = -1
    minutes: float = 0.0

    @property
    def values(self):
        """The values of the metric watched."""
        return self.metrics[self.monitor]

    @property
    def training(self):
        """The values of its counterpart on the training data, `None` without."""
        name = training_name(self.monitor)
        return self.metrics.get(name) if name else None

    @property
    def best(self):
        """The index of the first of the best values, `None` if none is finite."""
        finite = [i for i, value in enumerate(self.values) if math.isfinite(value)]
        ahead = [self.values[i] * self.direction for i in finite]
        return finite[ahead.index(max(ahead))] if finite else None


def training_name(monitor):
    """Name the metric on the training data beside one on the validation data.

    Args:
        monitor: Name of the metric that is watched.

    Returns:
        The name; `None` if the metric is none of the validation data.

    Example:

    >>> training_name("val_accuracy"), training_name("loss")
    ('accuracy', None)
    """
    name = monitor.removeprefix("val_")
    return name if name != monitor else None


@dataclasses.dataclass(frozen=True)
class Criterion(abc.ABC):
    """What decides whether a training stops, a pure function of its curves.

    Criteria are combined: `a | b` stops when either would, `a & b` when both would
    after the same epoch. One of your own is a subclass with a method `stop`.

    Example:

    >>> from kerasmith.callbacks import Patience, TimeBudget
    >>> either = Patience(3) | TimeBudget(minutes=60)
    >>> either.stop(Curves({"val_loss": [0.5, 0.4]}, minutes=61.0))
    '61 of 60 minutes are over'
    >>> both = Patience(3) & TimeBudget(minutes=60)
    >>> both.stop(Curves({"val_loss": [0.5, 0.4]}, minutes=61.0))
    """

    @abc.abstractmethod
    def stop(self, curves: Curves) -> str | None:
        """Tell why the training should stop after its last epoch.

        Args:
            curves: The `Curves` of the training so far, at least one epoch.

        Returns:
            The reason as text, or `None` to go on.
        """

    def check(self, monitor, direction):  # noqa: B027  most judge any metric
        """Refuse a metric that the criterion cannot judge.

        Args:
            monitor: Name of the metric that is watched.
            direction: 1 if it is better when larger, -1 if when smaller.

        Raises:
            ValueError: If the criterion means nothing for it.
        """

    def metrics(self, monitor):
        """Name the metrics needed beside the one that is watched.

        Args:
            monitor: Name of the metric that is watched.

        Returns:
            Tuple of names.
        """
        return ()

    def __or__(self, other):
        return AnyOf((self, other))

    def __and__(self, other):
        return AllOf((self, other))


@dataclasses.dataclass(frozen=True)
class Several(Criterion):
    """What `AnyOf` and `AllOf` share: they ask each of their criteria.

    Args:
        criteria: Tuple of criteria.

    Example:

    >>> from kerasmith.callbacks import Patience, ProgressQuotient
    >>> AnyOf((Patience(2), ProgressQuotient(0.5))).metrics("val_loss")
    ('loss',)
    """

    criteria: tuple[Criterion, ...]

    def __post_init__(self):
        for criterion in self.criteria:
            if not isinstance(criterion, Criterion):
                raise TypeError(
                    f"criteria are combined with criteria, received {criterion!r}: "
                    "write Patience(5) | GeneralizationLoss(5)."
                )

    def check(self, monitor, direction):
        for criterion in self.criteria:
            criterion.check(monitor, direction)

    def metrics(self, monitor):
        return tuple(name for one in self.criteria for name in one.metrics(monitor))

    def reasons(self, curves):
        """List the reason of each criterion, `None` for one that would go on.

        Args:
            curves: The `Curves` of the training so far.

        Returns:
            List.
        """
        return [criterion.stop(curves) for criterion in self.criteria]


@dataclasses.dataclass(frozen=True)
class AnyOf(Several):
    """Stop when any of several criteria would: `a | b`.

    Args:
        criteria: Tuple of criteria.

    Example:

    >>> from kerasmith.callbacks import Patience, Threshold
    >>> either = AnyOf((Patience(1), Threshold(0.1)))
    >>> either.stop(Curves({"val_loss": [0.3, 0.4]}))
    'val_loss has not improved for 1 epoch'
    """

    def stop(self, curves: Curves) -> str | None:
        return "; ".join(filter(None, self.reasons(curves))) or None


@dataclasses.dataclass(frozen=True)
class AllOf(Several):
    """Stop when all of several criteria would after the same epoch: `a & b`.

    Args:
        criteria: Tuple of criteria.

    Example:

    >>> from kerasmith.callbacks import Patience, Threshold
    >>> both = AllOf((Patience(1), Threshold(0.1)))
    >>> both.stop(Curves({"val_loss": [0.3, 0.4]}))
    """

    def stop(self, curves: Curves) -> str | None:
        reasons = self.reasons(curves)
        told = [reason for reason in reasons if reason]
        return " and ".join(told) if len(told) == len(reasons) else None


def in_epochs(count):
    """Word a number of epochs.

    Args:
        count: The number.

    Returns:
        Text.

    Example:

    >>> in_epochs(1), in_epochs(5)
    ('1 epoch', '5 epochs')
    """
    return f"{count} epoch" + "s" * (count > 1)


def at_least(criterion, name, least):
    """Refuse an argument that is no whole number, or too small a one.

    Args:
        criterion: The criterion.
        name: Name of its argument.
        least: The least that is allowed.

    Raises:
        ValueError: If it is another.

    Example:

    >>> at_least(Curves({}, minutes=2), "minutes", 3)
    Traceback (most recent call last):
    ValueError: Curves needs a whole number minutes >= 3, received 2.
    """
    value = getattr(criterion, name)
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(
            f"{type(criterion).__name__} needs a whole number {name} >= {least}, "
            f"received {value!r}."
        )


def above_zero(criterion, name):
    """Refuse an argument that is no finite number above zero.

    Args:
        criterion: The criterion.
        name: Name of its argument.

    Raises:
        ValueError: If it is another.

    Example:

    >>> above_zero(Curves({}, minutes=0), "minutes")
    Traceback (most recent call last):
    ValueError: Curves needs minutes > 0, received 0.
    """
    value = getattr(criterion, name)
    if isinstance(value, str) or not 0 < value < math.inf:
        raise ValueError(
            f"{type(criterion).__name__} needs {name} > 0, received {value!r}."
        )
