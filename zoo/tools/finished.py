"""What a finished run is asked for: its model, its figures, other formats, answers."""

import json
import pathlib

from .. import recipes, registry
from .keras_files import load_model
from .tasks import task_of


def open_run(folder):
    """Read the configuration of a run.

    Args:
        folder: Folder of the run.

    Returns:
        Dictionary, as in its `config.json`.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If the configuration was cut short.

    Example:

    >>> open_run("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    path = pathlib.Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no finished run: it has no config.json.")
    config = recipes.read_config(path)
    if not isinstance(config.get("data"), dict):
        raise ValueError(f"{path} does not describe its data: train again.")
    return config


def task_name(folder):
    """Tell what the network of a run is for.

    Args:
        folder: Folder of a run, or of what `export_ensemble` wrote.

    Returns:
        A name of `tasks.TASKS`, such as `"classification"`.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If the configuration was cut short.

    Example:

    >>> task_name("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    folder = pathlib.Path(folder)
    if (folder / "saved_model").is_dir() and not (folder / "config.json").is_file():
        return "classification"  # an ensemble is of several runs
    model = open_run(folder)["recipe"]["model"]
    return registry.variant(model).task


def export_run(folder, formats=("saved_model",), out=None):
    """Export the model of a run.

    The check uses the test images of the run's data set; where that set is no longer
    there, `export` takes random images.

    Args:
        folder: Folder of the run.
        formats: As for `export`.
        out: Folder to write to; that of the run if `None`.

    Returns:
        Dictionary of each format to its path.

    Raises:
        FileNotFoundError: If the run or its model is not there.
        ValueError: If the model was cut short or carries code.
        ExportMismatch: If a file answers differently from the model.

    Example:

    >>> export_run("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    config = open_run(folder)
    model = load_model(pathlib.Path(folder) / "model.keras")
    recipe = recipes.get(pathlib.Path(folder) / "config.json")
    task = task_of(recipe)
    try:
        samples = task.samples(task.load(recipe))
    except OSError:
        samples = None
    results = pathlib.Path(folder) / "results.json"
    return task.export(
        model,
        recipe,
        out or folder,
        formats,
        labels=config["data"]["labels"],
        samples=samples,
        results=json.loads(results.read_text()) if results.is_file() else None,
    )


def tell(run):
    """Tell what came of a run.

    Args:
        run: `Run`.

    Returns:
        Text of a few lines.

    Example:

    >>> from kerasmith.zoo.tools import Run
    >>> promise = {"scores": {"test_accuracy": 0.98}, "minutes": 2, "applies": True}
    >>> results = {"test_accuracy": 0.99, "seconds": 50.0, "promise": promise}
    >>> print(tell(Run(pathlib.Path("runs/mine"), results)))
    test accuracy 99.00 % after 50 s of training
    promise of test accuracy 98.00 % in 2 minutes: kept
    look at runs/mine/report.html
    """
    results, promise = run.results, run.results["promise"]
    reached = _told({name: results[name] for name in promise["scores"]})
    lines = [f"{reached} after {results['seconds']:.0f} s of training"]
    wanted = _told(promise["scores"])
    if promise["applies"] and promise["minutes"] is None:
        lines.append(f"aim: {wanted}, {promise['measured']}")
    elif promise["applies"]:
        kept = results["seconds"] <= 60 * promise["minutes"] and all(
            results[name] >= least for name, least in promise["scores"].items()
        )
        lines.append(
            f"promise of {wanted} in {promise['minutes']} minutes: "
            f"{'kept' if kept else 'not kept'}"
        )
    return "\n".join([*lines, f"look at {run.folder / 'report.html'}"])


def _told(scores):
    told = (f"{name} {100 * share:.2f} %" for name, share in scores.items())
    return ", ".join(told).replace("_", " ")
