"""What a search tried and what came of it, as plain data."""

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

COMPLETED, FAILED, STOPPED, RUNNING = "COMPLETED", "FAILED", "STOPPED", "RUNNING"
STATUSES = (COMPLETED, FAILED, STOPPED, RUNNING)
DIRECTIONS = ("min", "max")


@dataclasses.dataclass(frozen=True)
class Execution:
    """One training of a trial: one seed or one fold.

    Args:
        seed: Its seed, or the number of its fold.
        score: The objective at its best epoch, or `None`.
        history: Mapping of each metric's name to its values, one an epoch.
        seconds: How long it took.
        reason: Why it failed, empty where it did not.

    Example:

    >>> Execution(1, 0.9, {"val_accuracy": [0.7, 0.9]}, 4.0).epochs
    2
    """

    seed: int
    score: float | None
    history: Mapping[str, list[float]]
    seconds: float
    reason: str = ""

    @property
    def epochs(self):
        """Number of epochs."""
        return max(map(len, self.history.values()), default=0)


@dataclasses.dataclass(frozen=True)
class TrialRecord:
    """One configuration that was tried.

    Args:
        id: Its name, such as "07".
        status: "COMPLETED", "FAILED", "STOPPED" (by the search, with a score) or
            "RUNNING".
        values: Mapping of the active hyperparameters to their values.
        score: Mean over its executions, or `None`.
        executions: Its trainings.
        worker: Who trained it.
        reason: Why it failed or was stopped.

    Raises:
        ValueError: If the status is unknown.

    Example:

    >>> twice = (Execution(1, 0.8, {}, 3.0), Execution(2, 0.9, {}, 4.0))
    >>> trial = TrialRecord("07", "COMPLETED", {"units": 8}, 0.85, twice)
    >>> round(trial.spread, 4), trial.seconds
    (0.0707, 7.0)
    """

    id: str
    status: str
    values: Mapping[str, Any]
    score: float | None
    executions: tuple[Execution, ...] = ()
    worker: str = ""
    reason: str = ""

    def __post_init__(self):
        """Refuse what is no status."""
        if self.status not in STATUSES:
            raise ValueError(
                f"trial {self.id} received status={self.status!r}; choose one of "
                f"{', '.join(STATUSES)}."
            )

    @property
    def scored(self):
        """Whether it has a finite score."""
        return finite(self.score)

    @property
    def spread(self):
        """Standard deviation over the executions' scores; `None` below two."""
        scores = [float(e.score or 0) for e in self.executions if finite(e.score)]
        return statistics.stdev(scores) if len(scores) > 1 else None

    @property
    def seconds(self):
        """Seconds of all its executions."""
        return float(sum(one.seconds for one in self.executions))

    @property
    def epochs(self):
        """Epochs of all its executions."""
        return sum(one.epochs for one in self.executions)


@dataclasses.dataclass(frozen=True)
class SearchRecord:
    """A search and all its trials, in the order they began.

    Args:
        name: Its name.
        tuner: The kind of search.
        objective: Name of the metric that it scored trials by.
        direction: "min" or "max".
        space: `keras_tuner.HyperParameters`, the whole space with its conditions; its
            values are the configuration that the search started from.
        trials: Its `TrialRecord`s.
        seconds: How long it took by the clock on the wall.
        facts: Further headline figures.

    Raises:
        ValueError: If the direction is neither.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> trials = (
    ...     TrialRecord("0", "COMPLETED", {"units": 4}, 0.8),
    ...     TrialRecord("1", "FAILED", {"units": 9}, None, reason="out of memory"),
    ...     TrialRecord("2", "COMPLETED", {"units": 16}, 0.9),
    ... )
    >>> search = SearchRecord("a", "Random", "accuracy", "max", space, trials, 9.0)
    >>> search.best.values
    {'units': 16}
    >>> again = SearchRecord.from_json(search.to_json())
    >>> again.trials == search.trials, again.space.get("units")
    (True, 4)
    """

    name: str
    tuner: str
    objective: str
    direction: str
    space: Any
    trials: tuple[TrialRecord, ...]
    seconds: float
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        """Refuse what is no direction."""
        if self.direction not in DIRECTIONS:
            raise ValueError(
                f"a search is for the 'min' or the 'max' of {self.objective!r}, "
                f"received direction={self.direction!r}."
            )

    @property
    def scores(self):
        """The trials' scores as an array, NaN where there is none."""
        return np.array([t.score if t.scored else math.nan for t in self.trials], float)

    @property
    def best(self):
        """The best trial that was trained to its end, or `None`."""
        done = [t for t in self.ranked if t.status == COMPLETED and t.scored]
        return done[0] if done else None

    @property
    def ranks(self):
        """Numbers of all trials, the best score first, those without a score last."""
        sign = -1 if self.direction == "max" else 1
        return np.argsort(sign * self.scores, kind="stable").tolist()

    @property
    def ranked(self):
        """All trials, the best score first; those without a score stand last."""
        return tuple(self.trials[i] for i in self.ranks)

    def to_json(self):
        """Write it down as text that is plain JSON; NaN is a string there."""
        fields = vars(self) | {
            "space": self.space.get_config(),
            "trials": [dataclasses.asdict(trial) for trial in self.trials],
        }
        return json.dumps(_plain(fields), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text):
        """Read what `to_json` has written."""
        import keras_tuner

        fields = json.loads(text)
        space = keras_tuner.HyperParameters.from_config(fields.pop("space"))
        trials = tuple(_trial(trial) for trial in fields.pop("trials"))
        fields["seconds"] = float(fields["seconds"])
        return cls(space=space, trials=trials, **fields)


def finite(score):
    """Tell whether there is a score, and it is a finite number.

    Args:
        score: A number or `None`.

    Returns:
        Boolean.

    Example:

    >>> finite(0.5), finite(None), finite(float("nan"))
    (True, False, False)
    """
    return score is not None and math.isfinite(score)


def _plain(value):
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # float() reads it back
    known = value is None or isinstance(value, str | bool | int | float)
    return value if known else str(value)


def _trial(fields):
    executions = tuple(_execution(one) for one in fields.pop("executions"))
    score = _number(fields.pop("score"))
    return TrialRecord(score=score, executions=executions, **fields)


def _execution(fields):
    history = {
        name: [math.nan if value is None else float(value) for value in values]
        for name, values in fields.pop("history").items()
    }
    score, seconds = _number(fields.pop("score")), float(fields.pop("seconds"))
    return Execution(score=score, history=history, seconds=seconds, **fields)


def _number(value) -> float | None:
    return None if value is None else float(value)
