"""What a search is to be, of what was said, what lies there, and defaults."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

import keras_tuner

from ..choices import choose
from .check import check_objective, check_space, default_objective, look
from .oracles import TUNERS
from .spec import FILE, Spec, direction_of

TRIALS = 30
DEFAULTS = {"tuner": "coarse_to_fine", "executions": 1, "seed": 0, "keep": 1}
ENDLESS = ("grid", "hyperband")  # which have an end of their own


def choose_folder(name, out, resume):
    """Choose the folder of a search.

    Args:
        name: Name of the search.
        out: The folder, or `None` for a free one in `runs`.
        resume: Whether the search goes on.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: If it is taken, or there is nothing to go on with.

    Example:

    >>> choose_folder("lenet5_digits_search", None, False).name
    'lenet5_digits_search'
    """
    first = pathlib.Path(out or f"runs/{name}")
    if resume:
        known = [first, *([] if out else pathlib.Path("runs").glob(f"{name}-*"))]
        known = [folder for folder in known if (folder / FILE).exists()]
        if not known and not out:
            raise ValueError(f"runs/ holds no {name} to resume.")
        return max(known, key=lambda f: (f / FILE).stat().st_mtime, default=first)
    folder, number = first, 1
    while (folder / FILE).exists() or folder.is_file():
        if out:
            raise ValueError(
                f"{folder} already holds a search: choose another folder, or resume it."
            )
        number += 1
        folder = pathlib.Path(f"runs/{name}-{number}")
    return folder


def make_spec(job, given, stored, minutes, workers):
    """Put together what a search is, from what was said, what lies there, defaults.

    Args:
        job: `RecipeJob` or `BuildJob`.
        given: Mapping of fields of `Spec`; `None` where nothing was said.
        stored: What lies in the folder, or `None`.
        minutes: Minutes that there are, or `None`.
        workers: Number of workers on this machine.

    Returns:
        `Spec`.

    Raises:
        ValueError: If it cannot be right, or is another search than lies there.

    Example:

    >>> make_spec(None, {"tunr": "random"}, None, None, 1)
    Traceback (most recent call last):
    ValueError: there is no option 'tunr'; did you mean 'tuner'? ...
    """
    known = [field.name for field in dataclasses.fields(Spec)]
    for name in given:
        choose("option", name, known)
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("folds") and given.get("executions", 1) != 1:
        raise ValueError("executions and folds exclude each other: give one of them.")
    if stored is not None:
        kept = {n: v for n, v in stored.items() if n in known and v is not None}
        given = {**{n: v for n, v in kept.items() if n != "space"}, **given}
        given["space"] = look(job)[1] if job.looks else job.space()
    settings = {**DEFAULTS, **given}
    choose("tuner", settings["tuner"], TUNERS)
    if settings["tuner"] not in ENDLESS and not (
        minutes and settings["tuner"] == "random"
    ):
        settings.setdefault("trials", TRIALS)
    settings.setdefault("threads", max(1, _cores() // max(1, workers)))
    if stored is not None:
        return _same(spec_of(settings), stored)
    metrics, space = look(job)
    check_space(space)
    objective = settings.pop("objective", default_objective(metrics))
    objective, direction = direction_of(objective)
    check_objective(objective, metrics, space)
    settings |= {"objective": objective, "direction": direction, "space": space}
    return spec_of(settings)


def spec_of(settings):
    """Make a `Spec` of its fields, as text or as they are.

    Args:
        settings: Mapping.

    Returns:
        `Spec`.

    Raises:
        ValueError: If a number cannot be right.

    Example:

    >>> spec_of.__name__
    'spec_of'
    """
    settings = {"trials": None, **settings}
    if isinstance(settings["space"], Mapping):
        space = keras_tuner.HyperParameters.from_config(settings["space"])
        settings = {**settings, "space": space}
    if "objective" in settings and ":" in settings["objective"]:
        name, direction = direction_of(settings["objective"])
        settings = {**settings, "objective": name, "direction": direction}
    for name in ("trials", "executions", "folds", "keep", "threads"):
        value = settings.get(name)
        if value is not None and (
            type(value) is not int or value < (name == "folds") + 1
        ):
            least = "2, 3, ..." if name == "folds" else "1, 2, ..."
            raise ValueError(f"{name} needs to be {least}, received {value!r}.")
    return Spec(**settings)


def _same(spec, stored):
    """Refuse to go on with another search."""
    if differences := spec.differences(stored):
        raise ValueError(
            f"the search cannot be resumed as another one: {'; '.join(differences)}."
        )
    return spec


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
