"""The task of segmentation: a class for each pixel."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from ...layers import MeanIoU
from .. import data as datasets
from .. import registry
from ..data.masks import IGNORED
from . import classification, mask_pictures
from .card import card
from .classification import loading
from .export import export as write_files
from .mask_judge import judge as judge_masks
from .mask_judge import middle, overlaps
from .predicting import write_tiles
from .run_page import run_page

judge = judge_masks
example_shape, samples = classification.example_shape, classification.samples


def load(recipe):
    """Load the data of a recipe, shaped and scaled for its model.

    Args:
        recipe: `Recipe`.

    Returns:
        `Data` with masks.

    Raises:
        ValueError: If there is no such data set, or it has no masks.

    Example:

    >>> load.__name__
    'load'
    """
    return datasets.load(recipe.data, masks=True, **loading(recipe))


def options(recipe, data):
    """Tell the builder how many classes there are, and how large images are.

    Where the images of the set have the size that the model learns with, it is built
    for any size; else they are resized, and so they will be when it is asked.

    Args:
        recipe: `Recipe`.
        data: `Data`.

    Returns:
        Dictionary.

    Example:

    >>> options.__name__
    'options'
    """
    shape = recipe.input_shape if data.resized else (None, None, recipe.input_shape[2])
    return {"classes": data.description.classes, "input_shape": shape}


@dataclasses.dataclass(frozen=True)
class Feed:
    """Batches whose masks have the size of what the model answers.

    Args:
        train: Batches for training.
        dev: Batches for choosing.
        steps: Training batches an epoch.
        seek: Chooses the epoch that the next iteration gives.

    Example:

    >>> Feed([], [], 3, print).steps
    3
    """

    train: Any
    dev: Any
    steps: int
    seek: Callable


def feed(recipe, data):
    """Cut masks to the pixels in the middle where the network pads nothing.

    Args:
        recipe: `Recipe`.
        data: `Data`.

    Returns:
        The data, or `Feed`.

    Example:

    >>> feed.__name__
    'feed'
    """
    if getattr(registry.variant(recipe.model), "padding", "same") == "same":
        return data
    from ..unet import valid_size

    depth = recipe.options.get("depth", 4)
    sizes = [valid_size(size, depth) for size in recipe.input_shape[:2]]

    def cut(images, masks):
        return images, middle(masks, sizes)

    return Feed(data.train.map(cut), data.dev.map(cut), data.steps, data.seek)


def metrics(data):
    """Measure the mean intersection over union.

    Args:
        data: `Data`.

    Returns:
        List of metrics.

    Example:

    >>> import types
    >>> known = types.SimpleNamespace(classes=3)
    >>> metrics(types.SimpleNamespace(description=known))[0].name
    'mean_iou'
    """
    classes = data.description.classes
    return [MeanIoU(classes, ignore_class=IGNORED, name="mean_iou")]


def check(data, model):
    """Refuse data that the model cannot learn from.

    Args:
        data: `Data`.
        model: The model.

    Raises:
        ValueError: If something is wrong.

    Example:

    >>> check.__name__
    'check'
    """
    datasets.check(data, model)


def export(
    model,
    recipe,
    path,
    formats=("saved_model",),
    labels=None,
    samples=None,
    results=None,
):
    """Write the model with its preprocessing.

    Args:
        model: The trained model.
        recipe: `Recipe`.
        path: Folder to write to.
        formats: As for `kerasmith.zoo.export`.
        labels: Names of the classes.
        samples: Raw images to check with.
        results: Not needed.

    Returns:
        Dictionary of each format to its path.

    Raises:
        ExportMismatch: If a file answers differently.

    Example:

    >>> export.__name__
    'export'
    """
    if None in model.input_shape[1:]:
        preprocess = keras.layers.Rescaling(recipe.scale, recipe.offset)
    else:
        preprocess = datasets.preprocessing(
            recipe.input_shape, recipe.scale, recipe.offset
        )
    # an answer for each pixel: a few images are many
    samples = None if samples is None else samples[:16]
    options = {"labels": labels, "preprocess": preprocess, "samples": samples}
    written = write_files(model, path, formats, **options)
    write_tiles(model, path)
    return written


def show(folder, model, verdict, history, description, config, results, found=()):
    """Draw the pictures of a run and write its report.

    Args:
        folder: Folder of the run.
        model: The trained model.
        verdict: What it answered, a `Verdict`.
        history: Mapping of each metric to its values, one an epoch.
        description: `Description` of the data.
        config: Configuration of the run.
        results: Headline figures of the run.
        found: Every `Finding` of its callbacks.

    Returns:
        Path of the report.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> show.__name__
    'show'
    """
    folder, labels = pathlib.Path(folder), description.labels
    titles = [f"no. {one.number}: {one.fit:.2f}" for one in verdict.worst]
    drawn = {
        "examples": mask_pictures.compared(
            [one.masks for one in verdict.examples], labels, folder / "examples.png"
        ),
        "worst": mask_pictures.compared(
            [one.masks for one in verdict.worst], labels, folder / "worst.png", titles
        ),
    }
    return run_page(
        folder,
        history,
        description,
        config,
        results,
        found,
        drawn=drawn,
        tables=[_table(verdict.matrix, labels)],
        card=card(model, config["recipe"]["input_shape"]),
    )


def _table(matrix, labels):
    union, dice = overlaps(matrix)
    pixels = matrix.sum(axis=1)
    rows = [
        [str(label), int(count), *(f"{100 * share:.2f} %" for share in shares)]
        for label, count, *shares in zip(labels, pixels, union, dice, strict=True)
    ]
    head = ["class", "pixels", "intersection over union", "Dice"]
    return "Classes", "test split, class by class", head, rows
