"""What the trials of a model of one's own train."""

import copy
import dataclasses
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np

from ...callbacks import Diverged, EarlyStopping, HistoryLog, Resume
from ...callbacks.keras_callbacks import can_be_kept
from ..tools.judge import read_history
from ..tools.run import set_seeds
from .recipe_job import EPOCHS

TOLD = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")


@dataclasses.dataclass(frozen=True)
class BuildJob:
    """Trials of a model of one's own.

    Args:
        hypermodel: Callable from `keras_tuner.HyperParameters` to a compiled model,
            or `keras_tuner.HyperModel`; a process of its own imports it by its name.
        arguments: What `fit` takes first, as a tuple.
        options: What else `fit` takes.
        objective: `keras_tuner.Objective`; a model keeps its best weights by it.
        folds: Number of parts that the training arrays are cut into.

    Example:

    >>> job = BuildJob(print, (), {"epochs": 3}, None)
    >>> job.options
    {'epochs': 3}
    """

    hypermodel: Any
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    objective: Any
    folds: int | None = None
    looks = True  # its space is known once it was built

    def described(self):
        """Describe it as data that JSON understands; arrays by a checksum.

        Returns:
            Dictionary.
        """
        make = self.hypermodel
        kind = make if hasattr(make, "__qualname__") else type(make)
        options = {name: _told(value) for name, value in sorted(self.options.items())}
        arguments = [_told(value) for value in self.arguments]
        found = {"model": f"{kind.__module__}.{kind.__qualname__}"}
        return {**found, "arguments": arguments, "options": options}

    def check(self):
        """Build the model until all its choices are known, and train one batch of it.

        Returns:
            Names of the metrics that its epochs log.
        """
        hp = keras_tuner.HyperParameters()
        model = self._build(hp)
        options = self._fold(0) | {"epochs": 1, "steps_per_epoch": 1, "verbose": 0}
        if "validation_data" in options:
            options["validation_steps"] = 1
        options.pop("callbacks", None)
        return sorted(self._fit(hp, model, self._arguments(0), options).history)

    def space(self):
        """Give the space: the model is built until all choices were open once.

        Returns:
            `keras_tuner.HyperParameters`.
        """
        for name in TOLD:  # this is nobody's worker
            os.environ.pop(name, None)
        goal = keras_tuner.Objective("loss", "min")
        oracle = keras_tuner.oracles.RandomSearchOracle(goal, 1)
        folder = tempfile.mkdtemp()
        try:
            keras_tuner.engine.base_tuner.BaseTuner(oracle, self.hypermodel, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return oracle.get_space()

    def run(self, values, folder, number, seed):
        """Train once; as for `RecipeJob`."""
        set_seeds(seed)
        hp = keras_tuner.HyperParameters()
        hp.values = dict(values)
        model = self._build(hp)
        name, mode = self.objective.name, self.objective.direction
        keep = folder / "training" / "best.weights.h5"
        stopping = EarlyStopping(Diverged(), name, mode=mode, keep=keep)
        log = HistoryLog(folder / "history.csv")
        options = self._fold(number)
        own = copy.deepcopy(list(options.pop("callbacks", ())))  # each has its own
        kept = [one for one in (*own, stopping, log) if can_be_kept(one)]
        resume = Resume(folder / "training" / "states", kept)
        options["epochs"] = values.get(EPOCHS, options.get("epochs", 1))
        options |= {"callbacks": [*own, stopping, log, resume]}
        began, start = time.perf_counter(), resume.epoch
        options = {"verbose": 0, **options, "initial_epoch": start}
        self._fit(hp, model, self._arguments(number), options)
        if stopping.best_epoch is None:
            raise ValueError(f"{name} was not finite in any epoch.")
        model.save_weights(folder / "best.weights.h5")
        earlier = sum(row["seconds"] for row in log.rows[:start])
        seconds = earlier + time.perf_counter() - began
        return read_history(folder / "history.csv"), seconds

    def _build(self, hp):
        return getattr(self.hypermodel, "build", self.hypermodel)(hp)

    def _fit(self, hp, model, arguments, options):
        if hasattr(self.hypermodel, "fit"):
            return self.hypermodel.fit(hp, model, *arguments, **options)
        return model.fit(*arguments, **options)

    def _arguments(self, number):
        if not self.folds:
            return self.arguments
        part = self._part(number)
        return tuple(array[~part] for array in self.arguments)

    def _fold(self, number):
        options = dict(self.options)
        if self.folds:
            part = self._part(number)
            options["validation_data"] = tuple(each[part] for each in self.arguments)
        return options

    def _part(self, number):
        """Mark the examples of a fold: every so many-th."""
        return np.arange(len(self.arguments[0])) % (self.folds or 1) == number


def _told(value):
    """Describe an argument of `fit`."""
    if isinstance(value, tuple | list):
        return [_told(each) for each in value]
    if isinstance(value, np.ndarray):
        checksum = zlib.crc32(np.ascontiguousarray(value).tobytes())
        return f"{value.dtype} of shape {value.shape}, checksum {checksum:08x}"
    known = value is None or isinstance(value, str | bool | int | float)
    return value if known else type(value).__name__
