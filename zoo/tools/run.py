"""One training run: from a recipe to a folder with all that came of it."""

import dataclasses
import json
import pathlib
import platform
import shutil
import sys
from typing import Any

import keras

from ...callbacks.files import replacing, write_text
from .. import recipes, registry
from .distribution import distributing
from .findings import gather
from .fitting import build_model, fit, spread_model
from .judge import read_history, write_results
from .tasks import task_of

PACKAGES = ("kerasmith", "keras", "tensorflow", "jax", "torch", "numpy", "sklearn")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished training run.

    Args:
        folder: Where its files lie.
        results: Test accuracy and loss, epochs, seconds, the promise.

    Example:

    >>> Run(pathlib.Path("runs/mine"), {"test_accuracy": 0.99}).results
    {'test_accuracy': 0.99}
    """

    folder: pathlib.Path
    results: dict[str, Any]


def train(
    recipe,
    out=None,
    *,
    resume=False,
    verbose: str | int = "auto",
    distribute=None,
    devices=None,
):
    """Train a recipe, judge it on the test images, export it and leave a report.

    The same seed on the same machine gives the same weights, bit for bit: the
    global seeds are set, and TensorFlow is told to compute deterministically.

    Args:
        recipe: `Recipe`, or what `recipes.get` takes.
        out: Folder of the run; `runs/<name>`, or `runs/<name>-2` and so on if that
            is taken.
        resume: Whether to carry on with the run in `out`, or with the newest
            unfinished one of that name, from the newest of its states.
        verbose: As for `fit`.
        distribute: `"mirrored"` trains on all devices of this machine,
            `"multiworker"` on those of all processes that `TF_CONFIG` names; each
            batch of the recipe is divided among them. On one device by default.
        devices: How many devices of this machine, with `"mirrored"`.

    Returns:
        `Run`; its folder holds config.json, history.csv, model.keras, saved_model/,
        curves.png, confusion.png, mistakes.png and a picture of each callback that
        draws one, report.html, results.json and tensorboard/.

    Raises:
        ValueError: If the recipe, the data, the folder or the devices cannot serve.
        OSError: If something cannot be read or written, or another worker is gone.
        KeyboardInterrupt: If it was interrupted, after the best model so far was
            written.
        ExportMismatch: If the exported model does not answer like the trained one.

    Example:

    >>> import tempfile
    >>> from kerasmith import zoo
    >>> recipe = zoo.recipes.get("lenet5_digits")
    >>> recipe = zoo.recipes.with_settings(recipe, {"epochs": 1})
    >>> run = zoo.train(recipe, tempfile.mkdtemp() + "/run", verbose=0)
    >>> (run.folder / "report.html").exists()
    True
    """
    recipe = recipes.get(recipe) if isinstance(recipe, (str, pathlib.Path)) else recipe
    with distributing(distribute, devices, recipe) as group:
        folder, results = group.agreed(lambda: _begin(recipe, out, resume))
        if results is None:
            work = group.workplace(pathlib.Path(folder))
            ask = _trained(recipe, work, verbose, group)
            results = group.agreed(ask)
    return Run(pathlib.Path(folder), results)


def _begin(recipe, out, resume):
    """Choose the folder, and give the results of a run that is there already."""
    folder = _choose_folder(recipe, out, resume)
    done = folder / "results.json"
    results = json.loads(done.read_text()) if resume and done.exists() else None
    return str(folder), results


def _trained(recipe, folder, verbose, group):
    """Train, and give a function that judges, exports and reports."""
    set_seeds(recipe.seed)
    data = load_data(recipe)
    model = build_model(recipe, data)
    task_of(recipe).check(data, model)
    group.check(recipe, data)
    if group.chief:
        write_text(folder / "config.json", json.dumps(_config(recipe, data), indent=2))
    spread = spread_model(recipe, model, data, group)
    fitted = fit(recipe, spread, data, folder, verbose, group)
    group.settle(spread, model)
    if group.chief:
        with replacing(folder / "model.keras") as beside:
            model.save(beside)
    return lambda: _finish(recipe, model, data, folder, fitted)


def _finish(recipe, model, data, folder, fitted):
    """Judge, export and report; `results.json` comes last: all is there."""
    task = task_of(recipe)
    verdict = task.judge(recipe, model, data)
    history = read_history(folder / "history.csv")
    promise = dataclasses.asdict(recipe.promise)
    as_named = dataclasses.replace(recipes.get(recipe.name), seed=recipe.seed)
    results = {
        **verdict.scores,
        "epochs": len(history["loss"]),
        "best_epoch": fitted.best_epoch + 1,
        "seconds": round(fitted.seconds, 1),
        "promise": {**promise, "applies": recipe == as_named},
    }
    description = data.description
    task.export(
        model,
        recipe,
        folder,
        labels=description.labels,
        samples=task.samples(data),
        results=results,
    )
    config = recipes.read_config(folder / "config.json")
    found = gather(fitted.callbacks, folder)
    task.show(folder, model, verdict, history, description, config, results, found)
    write_results(folder, results)
    shutil.rmtree(folder / "training")
    return json.loads(json.dumps(results))


def _choose_folder(recipe, out, resume):
    registry.summary(recipe.model)  # an unknown one is an error before any file
    if resume:
        folder = pathlib.Path(out) if out else _newest_unfinished(recipe)
        _check_same(recipe, folder)
        return folder
    folder = pathlib.Path(out or f"runs/{recipe.name}")
    number = 1
    while (folder / "config.json").exists() or folder.is_file():
        if out:
            raise ValueError(
                f"{folder} already holds a run: choose another folder, or resume it."
            )
        number += 1
        folder = pathlib.Path(f"runs/{recipe.name}-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _newest_unfinished(recipe):
    runs = pathlib.Path("runs")
    found = [
        folder
        for folder in (runs / recipe.name, *runs.glob(f"{recipe.name}-*"))
        if (folder / "config.json").exists() and not (folder / "results.json").exists()
    ]
    if not found:
        raise ValueError(f"runs/ holds no unfinished run of {recipe.name} to resume.")
    return max(found, key=lambda path: (path / "config.json").stat().st_mtime)


def _check_same(recipe, folder):
    """Refuse to carry on with a run that was started with other settings."""
    stored = recipes.read_config(folder / "config.json")["recipe"]
    wanted = json.loads(json.dumps(recipes.to_config(recipe)))
    differing = [name for name in wanted if wanted[name] != stored.get(name)]
    if differing:
        told = ", ".join(
            f"{name} was {stored.get(name)!r} and is {wanted[name]!r}"
            for name in differing
        )
        raise ValueError(
            f"the run in {folder} cannot be resumed with other settings: {told}."
        )


def set_seeds(seed):
    """Let everything random follow from one seed, and TensorFlow compute the same.

    Args:
        seed: Integer, 0 or more.

    Example:

    >>> set_seeds(0)
    """
    keras.utils.set_random_seed(seed)
    if keras.config.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def load_data(recipe):
    """Load the data of a recipe, shaped and scaled for its model.

    Args:
        recipe: `Recipe`.

    Returns:
        `Data`.

    Raises:
        ValueError: If there is no such data set.

    Example:

    >>> load_data(recipes.get("lenet5_digits")).description.classes
    10
    """
    return task_of(recipe).load(recipe)


def _config(recipe, data):
    """Gather everything needed to repeat the run."""
    loaded = {name: sys.modules[name] for name in PACKAGES if name in sys.modules}
    versions = {name: module.__version__ for name, module in loaded.items()}
    return {
        "recipe": recipes.to_config(recipe),
        "data": data.description.to_dict(),
        "backend": keras.config.backend(),
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), **versions},
    }
