"""Searching the hyperparameters of a model of one's own."""

import dataclasses
import os

from .build_job import BuildJob
from .check import check_environment
from .search import Searching
from .settings import choose_folder, make_spec, spec_of
from .spec import FILE, direction_of, read_spec
from .tune import finish, run_to_end
from .worker import ID, address_told, work


class Search:
    """Search the hyperparameters of a model that a function builds.

    Each trial runs in a process of its own, which imports the script: what starts the
    search stands under `if __name__ == "__main__":`, the function at the top. Callbacks
    are copied for each training. Besides what `fit` is given, a trial stops where its
    loss is not finite, keeps its best weights and is resumed from its last epoch.

    Args:
        hypermodel: Callable from `keras_tuner.HyperParameters` to a compiled model, or
            `keras_tuner.HyperModel`, whose `fit` may add what varies in training.
        objective: The metric, such as `"val_accuracy"` or `"val_score:max"`.
        out: Folder of the search; `runs/<name of the function>_search` if `None`.
        trials: Number of trials; 30 if neither it nor `minutes` is given.
        minutes: Minutes after which no trial runs any more.
        workers: Processes that run trials side by side. Where the environment has
            `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`, others join there: the
            same script with a `KERASTUNER_TUNER_ID` of their own.
        resume: Whether to go on with the search in `out`, if there is one.
        tell: Called with text: a line for each trial, with the best so far.
        **options: As for `tune`: `tuner`, `executions`, `folds` of the arrays, `seed`,
            `threads`, `keep`, `trial_seconds`.

    Raises:
        ValueError: If an option cannot be right.
        ImportError: If keras-tuner lacks a package.

    Example:

    >>> Search(print, "accuracy:most")
    Traceback (most recent call last):
    ValueError: objective='accuracy:most': behind the colon goes min or max.
    """

    def __init__(
        self,
        hypermodel,
        objective="val_loss",
        out=None,
        *,
        trials=None,
        minutes=None,
        workers=1,
        resume=False,
        tell=lambda text: None,
        **options,
    ):
        check_environment()
        direction_of(objective)
        if not callable(getattr(hypermodel, "build", hypermodel)):
            raise TypeError(
                "a search needs a function that builds a model, or a "
                f"keras_tuner.HyperModel, received {hypermodel!r}."
            )
        self.hypermodel, self.objective, self.out = hypermodel, objective, out
        self.minutes, self.workers, self.resume = minutes, workers, resume
        self.tell, self.options = tell, {**options, "trials": trials}

    def run(self, *arguments, **options):
        """Run the search to its end.

        Args:
            *arguments: What `fit` takes: arrays, or a data set that `pickle` takes.
            **options: What else `fit` takes: `validation_data`, `epochs`, ...

        Returns:
            `Found`: the best trial, its `hyperparameters` and its `weights`.

        Raises:
            ValueError: If there is nothing to vary, the objective is not logged, the
                folder holds another search, or no trial was trained to its end.
            KeyboardInterrupt: If it was interrupted.
        """
        kind = self.hypermodel
        name = getattr(kind, "__name__", type(kind).__name__)
        joins = address_told() is not None and "chief" not in os.environ.get(
            ID, "chief"
        )
        folder = choose_folder(f"{name}_search", self.out, self.resume or joins)
        folds = self.options.get("folds")
        job = BuildJob(kind, arguments, options, None, folds)
        stored = read_spec(folder) if joins or (folder / FILE).exists() else None
        if joins:
            return self._join(folder, job, spec_of(stored))
        given = {"name": name, "job": job.described()}
        given |= {"objective": self.objective, "epochs": options.get("epochs", 1)}
        given |= self.options
        spec = make_spec(job, given, stored, self.minutes, self.workers)
        job = dataclasses.replace(job, objective=spec.goal)
        folder.mkdir(parents=True, exist_ok=True)
        spec.write(folder)
        searching = Searching(job, spec, folder, self.tell)
        return finish(folder, run_to_end(searching, self.workers, self.minutes))

    def _join(self, folder, job, spec):
        """Be a worker of the same script's search elsewhere."""
        job = dataclasses.replace(job, objective=spec.goal)
        limits = {"seconds": spec.trial_seconds, "threads": spec.threads}
        name, address = os.environ[ID], address_told()
        work(folder, name, address, job, spec.plan, self.tell, limits)
