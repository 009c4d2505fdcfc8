"""What a search is: all that must be the same for it to be gone on with."""

import dataclasses
import json
import pathlib
from typing import Any

import keras_tuner

from ...callbacks.files import write_text
from .trials import Plan

FILE = "search.json"
FREE = ("name", "trials", "keep", "trial_seconds")  # what a resumed search may change
RISING = ("accuracy", "auc", "precision", "recall", "iou", "dice", "f1", "bleu", "rate")


@dataclasses.dataclass(frozen=True)
class Spec:
    """A search, as its folder keeps it.

    Args:
        name: Its name.
        tuner: One of `kerasmith.zoo.tuning.TUNERS`.
        objective: Name of the metric that trials are scored by.
        direction: `"min"` or `"max"`.
        space: `keras_tuner.HyperParameters`.
        trials: Number of trials at most, `None` for as many as the tuner takes.
        executions: How often each trial is trained.
        folds: Number of folds that the executions are, or `None`.
        seed: Seed of what the tuner draws and of each trial.
        threads: Processor threads of each trial.
        keep: Number of trials whose weights are kept.
        trial_seconds: Seconds after which a trial has failed, or `None`.
        epochs: Epochs of a trial that trains longest, for `"hyperband"`.
        job: What is trained, in words and numbers.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> spec = Spec("mine", "random", "val_loss", "min", space, 20)
    >>> spec.plan.executions
    1
    """

    name: str
    tuner: str
    objective: str
    direction: str
    space: Any
    trials: int | None
    executions: int = 1
    folds: int | None = None
    seed: int = 0
    threads: int | None = None
    keep: int = 1
    trial_seconds: float | None = None
    epochs: int | None = None
    job: Any = None

    @property
    def plan(self):
        """What every trial is put to."""
        times = self.folds or self.executions
        folds = self.folds is not None
        return Plan(self.objective, self.direction, times, folds, self.seed)

    @property
    def goal(self):
        """The objective as keras-tuner has it."""
        return keras_tuner.Objective(self.objective, self.direction)

    def to_config(self):
        """Write it as data that JSON understands."""
        fields = dataclasses.fields(self)
        config = {field.name: getattr(self, field.name) for field in fields}
        return json.loads(json.dumps(config | {"space": self.space.get_config()}))

    def write(self, folder):
        """Write it to a folder.

        Args:
            folder: The search's folder.
        """
        text = json.dumps(self.to_config(), indent=1)
        write_text(pathlib.Path(folder) / FILE, text)

    def differences(self, config):
        """Tell in what a search that lies in a folder is another one.

        Args:
            config: What `to_config` wrote of it.

        Returns:
            List of text.

        Example:

        >>> space = keras_tuner.HyperParameters()
        >>> units = space.Int("units", 4, 16)
        >>> spec = Spec("mine", "random", "val_loss", "min", space, 20)
        >>> wider = keras_tuner.HyperParameters()
        >>> units = wider.Int("units", 4, 32)
        >>> spec.differences(dataclasses.replace(spec, space=wider).to_config())
        ['units was 4 to 32 and is 4 to 16']
        """
        mine = self.to_config()
        fields = set(mine) - {*FREE, "space", "job"}
        pairs = {name: (config.get(name), mine[name]) for name in sorted(fields)}
        pairs |= _pairs(_flat(config.get("job")), _flat(mine["job"]))
        pairs |= _pairs(_rows(config["space"]), _rows(mine["space"]))
        return [
            f"{name} was {_said(was)} and is {_said(now)}"
            for name, (was, now) in pairs.items()
            if was != now
        ]


def read_spec(folder):
    """Read the search that lies in a folder.

    Args:
        folder: The folder.

    Returns:
        What `Spec.to_config` wrote.

    Raises:
        ValueError: If there is none, or its file is cut short.

    Example:

    >>> read_spec("nowhere")
    Traceback (most recent call last):
    ValueError: nowhere holds no search: there is no search.json in it.
    """
    path = pathlib.Path(folder) / FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{folder} holds no search: there is no {FILE} in it."
        ) from None
    except ValueError as problem:
        raise ValueError(f"{path} was cut short: {problem}.") from None


def direction_of(objective):
    """Tell whether more of a metric is better, as far as its name does.

    Args:
        objective: Name of a metric, or it and its direction: `"val_score:max"`.

    Returns:
        The name, and `"min"` or `"max"`.

    Raises:
        ValueError: If the direction is unknown.

    Example:

    >>> direction_of("val_accuracy"), direction_of("val_loss"), direction_of("x:max")
    (('val_accuracy', 'max'), ('val_loss', 'min'), ('x', 'max'))
    """
    name, _, direction = objective.partition(":")
    if direction:
        if direction not in ("min", "max"):
            raise ValueError(
                f"objective={objective!r}: behind the colon goes min or max."
            )
        return name, direction
    if name.endswith(("loss", "error")):
        return name, "min"
    if any(word in name for word in RISING):
        return name, "max"
    raise ValueError(
        f"the name {name!r} does not tell whether more of it is better: say "
        f"{name}:min or {name}:max."
    )


def _pairs(was, now):
    was, now = was or {}, now or {}
    return {name: (was.get(name), now.get(name)) for name in {**was, **now}}


def _flat(job):
    """Give what a job is by name, the fields of its recipe among them."""
    job = dict(job or {})
    return {**(job.pop("recipe", None) or {}), **job}


def _rows(config):
    """Tell each parameter of a space in words."""
    return {row["config"]["name"]: _range(row["config"]) for row in config["space"]}


def _range(row):
    if "values" in row:
        text = "one of " + ", ".join(map(str, row["values"]))
    elif "min_value" in row:
        text = f"{row['min_value']:g} to {row['max_value']:g}"
        text += " by its logarithm" if row.get("sampling") == "log" else ""
    else:
        text = str(row.get("value", "true or false"))
    opened = [each["config"] for each in row.get("conditions", ())]
    ifs = [
        f"{each['name']} is {' or '.join(map(str, each['values']))}" for each in opened
    ]
    return text + (f" if {' and '.join(ifs)}" if ifs else "")


def _said(value):
    return "missing" if value is None else value
