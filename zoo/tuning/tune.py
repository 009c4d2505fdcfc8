"""Searching a recipe's settings, from the first trial to the retrained best."""

import contextlib
import dataclasses
import json
import os
import pathlib
import time
from typing import Any

from ...callbacks.files import write_text
from .. import recipes
from ..tools.run import train
from .check import check_environment, check_space
from .hparams import write_hparams
from .recipe_job import RecipeJob
from .search import Searching
from .search_page import write_search_page
from .settings import choose_folder, make_spec, spec_of
from .spec import FILE, read_spec
from .worker import ENDED, PATIENCE, PAUSE, address_told, work

BEST = "best.json"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search has found.

    Args:
        folder: Its folder.
        record: `SearchRecord`: all trials.
        recipe: The best configuration as a recipe; `None` for a model of one's own.
        run: The `Run` of it that was trained afterwards, or `None`.

    Example:

    >>> Found.__name__
    'Found'
    """

    folder: pathlib.Path
    record: Any
    recipe: Any = None
    run: Any = None

    @property
    def best(self):
        """The best trial: it was trained to its end."""
        return self.record.best

    @property
    def hyperparameters(self):
        """The best values, for a `build(hp)` of one's own."""
        hp = self.record.space.copy()
        hp.values = dict(self.best.values)
        return hp

    @property
    def weights(self):
        """The file of the best trial's weights, of its first execution."""
        return self.folder / f"trial_{self.best.id}/execution_0/best.weights.h5"


def tune(
    recipe,
    out=None,
    *,
    trials=None,
    minutes=None,
    workers=1,
    vary=None,
    fixed=None,
    resume=False,
    retrain=True,
    tell=lambda text: None,
    command="",
    **options,
):
    """Search the settings of a recipe, and train the best.

    Each trial runs in a process of its own: one that crashes, runs out of memory or
    diverges fails alone, with its reason. A search that was killed at any moment goes
    on with `resume` as if it had not been: trials in flight from their last epoch.

    Args:
        recipe: `Recipe`, or what `recipes.get` takes.
        out: Folder of the search; `runs/<name>_search`, or `-2` and so on behind it,
            if `None`.
        trials: Number of trials; 30 if neither it nor `minutes` is given, and all that
            they have for `"grid"` and `"hyperband"`.
        minutes: Minutes after which no trial runs any more.
        workers: Processes that run trials side by side. Where the environment has
            `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`, workers of other
            machines can join at that address.
        vary: Names of settings that vary, or a mapping of them to the values left to
            them; all but the architecture if `None`.
        fixed: Mapping of settings that do not vary to their values.
        resume: Whether to go on with the search in `out`, or with the newest
            unfinished one of that name.
        retrain: Whether to train the best configuration anew, to its end.
        tell: Called with text: a line for each trial, with the best so far.
        command: How it was asked for, which the report tells.
        **options: `tuner`: one of `kerasmith.zoo.tuning.TUNERS`; `objective`: the
            metric, such as `"val_accuracy"` or `"val_score:max"`; `executions`: how
            often each trial is trained, with further seeds; `folds`: in how many parts
            training and choosing images are cut, each of which a trial is chosen by
            once; `seed`; `threads` of each trial; `keep`: how many trials' weights are
            kept; `trial_seconds`: how long a trial may take.

    Returns:
        `Found`; its folder holds best.json, which `kerasmith train` takes, the
        retrained run, report.html, hparams/ for TensorBoard and a folder a trial.

    Raises:
        ValueError: If there is nothing to vary, a value is outside its range, the
            objective is not logged, the folder holds another search, a port is in use,
            or no trial was trained to its end.
        ImportError: If keras-tuner lacks a package.
        KeyboardInterrupt: If it was interrupted.

    Example:

    >>> tune("lenet5_digits", fixed={"batch_size": 17}, vary=["learning_rate"])
    Traceback (most recent call last):
    ValueError: batch_size=17 is none of its values: 16, 32, 64, 128.
    """
    check_environment()
    recipe = recipes.get(recipe) if isinstance(recipe, str | pathlib.Path) else recipe
    folder = choose_folder(f"{recipe.name}_search", out, resume)
    stored = read_spec(folder) if (folder / FILE).exists() else None
    job = _job(recipe, vary, fixed, options.get("folds"), stored)
    given = {"name": recipe.name, "job": job.described(), "epochs": recipe.epochs}
    given |= {"trials": trials, **options}
    spec = make_spec(job, given, stored, minutes, workers)
    folder.mkdir(parents=True, exist_ok=True)
    spec.write(folder)
    searching = Searching(job, spec, folder, tell)
    record = run_to_end(searching, workers, minutes)
    first = best_of(record)
    best = dataclasses.replace(job.chosen(first.values), seed=recipe.seed)
    best = dataclasses.replace(best, epochs=recipe.epochs)
    text = json.dumps({"recipe": recipes.to_config(best)}, indent=2)
    write_text(folder / BEST, text)
    run = None
    if retrain:
        tell(f"training the best, trial {first.id}, to its end")
        run = _retrain(best, folder / f"best_of_trial_{first.id}")
    if command:
        record = dataclasses.replace(record, facts={**record.facts, "command": command})
    return finish(folder, record, recipe=best, run=run)


def join(folder, tell=lambda text: None, name=None):
    """Work for a search whose chief runs on another machine.

    Args:
        folder: The search's folder, which both machines see.
        tell: Called with text.
        name: Name of this worker; host and process if `None`.

    Raises:
        ValueError: If the environment does not say where the chief is, or the folder
            holds no search of a recipe, ten minutes later either.
        ConnectionError: If the chief does not answer.

    Example:

    >>> join("runs/lenet5_digits_search")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: to join a search, set KERASTUNER_ORACLE_IP and ...
    """
    check_environment()
    address = address_told()
    if address is None:
        raise ValueError(
            "to join a search, set KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT to "
            "where its chief listens."
        )
    config = _awaited(folder, tell)
    if "recipe" not in (config["job"] or {}):
        raise ValueError(
            f"the search in {folder} is of a model of one's own: run its script here, "
            "with the same two variables."
        )
    job = RecipeJob.of(config["job"])
    spec = spec_of(config)
    name = name or f"{os.uname().nodename}-{os.getpid()}"
    limits = {"seconds": spec.trial_seconds, "threads": spec.threads}
    work(folder, name, address, job, spec.plan, tell, limits)


def run_to_end(searching, workers, minutes):
    """Run a search, and give its record.

    Args:
        searching: `Searching`.
        workers: Number of workers on this machine.
        minutes: Minutes that there are, or `None`.

    Returns:
        `SearchRecord` with a best trial.

    Raises:
        KeyboardInterrupt: If it was interrupted.
        ValueError: If no trial was trained to its end.

    Example:

    >>> run_to_end.__name__
    'run_to_end'
    """
    folder = searching.folder
    with contextlib.suppress(FileNotFoundError):
        (folder / ENDED).unlink()  # what tells workers that nothing is left
    try:
        searching.run(workers, minutes)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {folder} holds the search, --resume goes on with it."
        ) from None
    spec = searching.spec
    facts = {"workers": workers, "threads a trial": spec.threads, "seed": spec.seed}
    if spec.plan.executions > 1:
        facts["folds" if spec.folds else "seeds a trial"] = spec.plan.executions
    record = searching.record(**facts)
    best_of(record)
    return record


def best_of(record):
    """Give the best trial of a search, which was trained to its end.

    Args:
        record: `SearchRecord`.

    Returns:
        `TrialRecord`.

    Raises:
        ValueError: If there is none.

    Example:

    >>> from .record import SearchRecord, TrialRecord
    >>> failed = TrialRecord("0", "FAILED", {}, None, reason="out of memory")
    >>> best_of(SearchRecord("a", "Random", "loss", "min", None, (failed,), 9.0))
    Traceback (most recent call last):
    ValueError: none of 1 trials was trained to its end: out of memory.
    """
    if record.best is not None:
        return record.best
    reasons = sorted({trial.reason for trial in record.trials if trial.reason})
    told = "; ".join(each.rstrip(".") for each in reasons[:3])
    told = told or "the time was up before"
    raise ValueError(
        f"none of {len(record.trials)} trials was trained to its end: {told}."
    )


def finish(folder, record, recipe=None, run=None):
    """Leave the report of a search.

    Args:
        folder: Its folder.
        record: `SearchRecord`.
        recipe: The best configuration, for a search of a recipe.
        run: The `Run` of it, if it was trained.

    Returns:
        `Found`.

    Example:

    >>> finish.__name__
    'finish'
    """
    write_hparams(record, folder)
    retrained = None
    if run is not None:
        figures = {name: run.results[name] for name in run.results if name != "promise"}
        retrained = {**figures, "folder": run.folder.relative_to(folder)}
    write_search_page(record, folder, retrained=retrained)
    write_text(folder / ENDED, record.to_json())
    return Found(folder, record, recipe, run)


def _awaited(folder, tell):
    """Read what the search is, once its chief has written it."""
    path = pathlib.Path(folder) / FILE
    began = time.monotonic()
    while not path.exists() and time.monotonic() - began < PATIENCE:
        if time.monotonic() - began < PAUSE:
            tell(f"waiting for the search in {folder}")
        time.sleep(PAUSE)
    return read_spec(folder)


def _job(recipe, vary, fixed, folds, stored):
    """Make the job; in a resumed search what was said first holds."""
    if stored is not None and vary is None and not fixed:
        job = stored.get("job") or {}
        vary, fixed = job.get("vary"), job.get("fixed")
        folds = folds or stored.get("folds")
    job = RecipeJob(recipes.to_config(recipe), dict(fixed or {}), vary, folds)
    check_space(job.space())
    return job


def _retrain(recipe, folder):
    begun = (folder / "config.json").exists()
    return train(recipe, folder, resume=begun, verbose=0)
