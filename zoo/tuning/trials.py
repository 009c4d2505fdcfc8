"""One trial: its executions, one after the other, and what came of them.

A trial's folder holds

    values.json          the hyperparameters it was given
    execution_0/         history.csv, best.weights.h5, the states it is resumed from
    log.txt              what its process wrote
    result.json          what came of it: the last thing written
"""

import contextlib
import dataclasses
import json
import math
import shutil
import statistics
import traceback

from ...callbacks.files import write_text
from .record import COMPLETED, FAILED, Execution, TrialRecord, finite

DONE, RESULT, VALUES = "execution.json", "result.json", "values.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What every trial of a search is put to.

    Args:
        objective: Name of the metric it is scored by.
        direction: `"min"` or `"max"`.
        executions: How often it is trained: with further seeds, or on further folds.
        folds: Whether the executions are folds, which have one seed.
        seed: Seed of the first execution.

    Example:

    >>> plan = Plan("val_loss", "min", executions=3, seed=7)
    >>> [plan.seed_of(number) for number in range(3)]
    [7, 8, 9]
    """

    objective: str
    direction: str
    executions: int = 1
    folds: bool = False
    seed: int = 0

    def seed_of(self, number):
        """Give the seed of an execution.

        Args:
            number: Its number, from 0.

        Returns:
            Integer.
        """
        return self.seed if self.folds else self.seed + number

    def score(self, history):
        """Give the objective at its best epoch.

        Args:
            history: Mapping of metrics to their values, one an epoch.

        Returns:
            Number.

        Raises:
            ValueError: If it was not logged, or never finite.
        """
        if self.objective not in history:
            raise ValueError(
                f"{self.objective} was not logged: {', '.join(history)} were."
            )
        values = [value for value in history[self.objective] if math.isfinite(value)]
        if not values:
            raise ValueError(f"{self.objective} was not finite in any epoch.")
        return max(values) if self.direction == "max" else min(values)


def execute(job, values, folder, plan):
    """Train the executions of a trial that are not done yet.

    Args:
        job: `RecipeJob`, `BuildJob`, or what has their `run`.
        values: Mapping of active hyperparameters to values.
        folder: The trial's folder.
        plan: `Plan`.

    Raises:
        Exception: What an execution raises; it is written down before.

    Example:

    >>> import pathlib, tempfile
    >>> class Job:
    ...     def run(self, values, folder, number, seed):
    ...         return {"loss": [2.0, values["x"] + seed]}, 0.5
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> execute(Job(), {"x": 0.5}, folder, Plan("loss", "min", executions=2))
    >>> [done.score for done in executions_in(folder)]
    [0.5, 1.5]
    """
    for number in range(plan.executions):
        place = folder / f"execution_{number}"
        if (place / DONE).exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        seed = plan.seed_of(number)
        try:
            history, seconds = job.run(values, place, number, seed)
            score = plan.score(history)
        except Exception as problem:
            traceback.print_exc()
            _write(place, Execution(seed, None, {}, 0.0, told(problem)))
            raise
        _write(place, Execution(seed, score, history, seconds))
        _tidy(place)


def told(problem):
    """Tell an exception in one line.

    Args:
        problem: The exception.

    Returns:
        Text of at most 500 characters.

    Example:

    >>> told(ValueError("no\\n such thing"))
    'ValueError: no such thing'
    """
    text = " ".join(str(problem).split())
    kind = type(problem).__name__
    return f"{kind}: {text}"[:500] if text else kind


def executions_in(folder):
    """Read the executions that a trial has finished, failed ones included.

    Args:
        folder: The trial's folder.

    Returns:
        Tuple of `Execution`.

    Example:

    >>> import pathlib
    >>> executions_in(pathlib.Path("nowhere"))
    ()
    """
    found = sorted(
        folder.glob(f"execution_*/{DONE}"),
        key=lambda path: int(path.parent.name.rpartition("_")[2]),
    )
    return tuple(Execution(**json.loads(path.read_text())) for path in found)


def finish(folder, trial_id, values, plan, reason="", worker=""):
    """Write down what came of a trial.

    Args:
        folder: The trial's folder.
        trial_id: Its name.
        values: Its hyperparameters.
        plan: `Plan`.
        reason: Why it failed, `""` where its process ended well.
        worker: Who trained it.

    Returns:
        `TrialRecord`: failed, too, if an execution has no finite score.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> finish(folder, "3", {"x": 1}, Plan("loss", "min"), "out of memory").status
    'FAILED'
    >>> read_result(folder).reason
    'out of memory'
    """
    done = executions_in(folder)
    scores = [float(each.score or 0) for each in done if finite(each.score)]
    reason = next((each.reason for each in done if each.reason), reason)
    if not reason and len(scores) < plan.executions:
        reason = f"only {len(scores)} of {plan.executions} executions have a score"
    for place in folder.glob("execution_*"):
        _tidy(place)
    status = FAILED if reason else COMPLETED
    score = None if reason else statistics.fmean(scores)
    record = TrialRecord(trial_id, status, values, score, done, worker, reason)
    write_text(folder / RESULT, json.dumps(dataclasses.asdict(record), indent=1))
    return record


def read_result(folder):
    """Read what came of a trial.

    Args:
        folder: The trial's folder.

    Returns:
        `TrialRecord`, or `None` while it has not ended.

    Example:

    >>> import pathlib
    >>> read_result(pathlib.Path("nowhere")) is None
    True
    """
    with contextlib.suppress(FileNotFoundError):
        found = json.loads((folder / RESULT).read_text())
        executions = tuple(Execution(**each) for each in found.pop("executions"))
        return TrialRecord(**found, executions=executions)
    return None


def _tidy(place):
    """Take away what an execution that has ended would be resumed from."""
    for room in ("training", "tensorboard"):
        shutil.rmtree(place / room, ignore_errors=True)


def _write(place, execution):
    write_text(place / DONE, json.dumps(dataclasses.asdict(execution)))
