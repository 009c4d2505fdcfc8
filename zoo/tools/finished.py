"""What a finished run is asked for: its model, its figures, other formats, answers."""

import pathlib

import numpy as np

from .. import data as datasets
from .. import recipes
from .export import export
from .parity import load_saved, predict_images
from .serving import load_model


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
    from . import run

    config = open_run(folder)
    model = load_model(pathlib.Path(folder) / "model.keras")
    recipe = recipes.get(pathlib.Path(folder) / "config.json")
    try:
        samples = run.real_images(run.load_data(recipe))
    except OSError:
        samples = None
    return export(
        model,
        out or folder,
        formats,
        labels=config["data"]["labels"],
        preprocess=datasets.preprocessing(
            recipe.input_shape, recipe.scale, recipe.offset
        ),
        samples=samples,
    )


def predict_files(folder, files):
    """Ask the SavedModel of a run, or of an ensemble, what is on images.

    Args:
        folder: Folder of the run, or what `export_ensemble` wrote to.
        files: Paths of images, of any size and mode.

    Returns:
        List with a dictionary an image: `file`, and `ranking`, the pairs of every
        label and its probability, the most likely first.

    Raises:
        FileNotFoundError: If the run, its SavedModel or an image is not there.
        ValueError: If a file is no image.

    Example:

    >>> predict_files("nowhere", [])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    saved = pathlib.Path(folder) / "saved_model"
    if (saved.parent / "config.json").is_file() or not saved.is_dir():
        channels = open_run(folder)["recipe"]["input_shape"][-1]
    else:  # an ensemble is of several runs, with a configuration each
        channels = load_saved(saved).image_shape[-1]
    images = [datasets.read_image(path, channels) for path in files]
    model = load_saved(saved)
    labels, rows = predict_images(model, images)
    return [
        {
            "file": str(path),
            "ranking": [(labels[i], float(row[i])) for i in np.argsort(-row)],
        }
        for path, row in zip(files, rows, strict=True)
    ]


def tell(run):
    """Tell what came of a run.

    Args:
        run: `Run`.

    Returns:
        Text of a few lines.

    Example:

    >>> from kerasmith.zoo.tools import Run
    >>> promise = {"test_accuracy": 0.98, "minutes": 2, "applies": True}
    >>> results = {"test_accuracy": 0.99, "seconds": 50.0, "promise": promise}
    >>> print(tell(Run(pathlib.Path("runs/mine"), results)))
    test accuracy 99.00 % after 50 s of training
    promise of 98.00 % in 2 minutes: kept
    look at runs/mine/report.html
    """
    results, promise = run.results, run.results["promise"]
    lines = [
        f"test accuracy {results['test_accuracy']:.2%} after "
        f"{results['seconds']:.0f} s of training".replace("%", " %")
    ]
    if promise["applies"] and promise["minutes"] is None:
        aim = f"{promise['test_accuracy']:.2%}".replace("%", " %")
        lines.append(f"aim: {aim}, {promise['measured']}")
    elif promise["applies"]:
        kept = (
            results["test_accuracy"] >= promise["test_accuracy"]
            and results["seconds"] <= 60 * promise["minutes"]
        )
        lines.append(
            f"promise of {promise['test_accuracy']:.2%} in {promise['minutes']} "
            f"minutes: {'kept' if kept else 'not kept'}".replace("%", " %")
        )
    return "\n".join([*lines, f"look at {run.folder / 'report.html'}"])
