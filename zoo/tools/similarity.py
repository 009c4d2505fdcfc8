"""The task of Siamese networks: whether two images show the same."""

import pathlib

import numpy as np

from .. import data as datasets
from .. import registry
from ..data.class_batches import paired, sampled
from ..data.dataset import SPLITS
from . import classification, similarity_pictures
from .card import card
from .classification import loading
from .export import saved_model_alone
from .feed import Feed
from .gallery import Gallery
from .run_page import run_page
from .similarity_judge import judge as judge_pairs

EXAMPLES = 4  # of each class in a batch of triplets
judge = judge_pairs
example_shape, samples = classification.example_shape, classification.samples


def load(recipe):
    """Load the data of a recipe, shaped and scaled for its model.

    Args:
        recipe: `Recipe`.

    Returns:
        `Data`.

    Raises:
        ValueError: If there is no such data set.

    Example:

    >>> load.__name__
    'load'
    """
    return datasets.load(recipe.data, **{**loading(recipe), "augment": None})


def options(recipe, data):
    """Tell the builder how large images are.

    Args:
        recipe: `Recipe`.
        data: `Data`.

    Returns:
        Dictionary.

    Example:

    >>> options.__name__
    'options'
    """
    return {"input_shape": recipe.input_shape}


def feed(recipe, data):
    """Feed several examples of several classes, or pairs, as the head needs them.

    Args:
        recipe: `Recipe`.
        data: `Data`, in memory.

    Returns:
        What has `train`, `dev`, `steps` and `seek`.

    Raises:
        ValueError: If there are too few examples, or the set is not in memory.

    Example:

    >>> feed.__name__
    'feed'
    """
    head = registry.variant(recipe.model).head
    how: dict = {"batch_size": recipe.batch_size}
    make = paired
    if head == "triplet":
        how = {"classes": recipe.batch_size // EXAMPLES, "examples": EXAMPLES}
        make = sampled
    augment = recipe.augment() if recipe.augment else None
    how["seed"] = recipe.seed
    examples = data.arrays("train")
    if recipe.more_classes:
        examples = recipe.more_classes(*examples)
    train, counter = make(*examples, augment=augment, **how)
    images, labels = data.arrays("dev")
    if "classes" in how:
        how["classes"] = min(how["classes"], len(np.unique(labels)))
    dev, _ = make(images, labels, repeat=True, **how)
    return Feed(train, dev, int(train.cardinality()), counter.assign)


def metrics(data):
    """Measure nothing beside the loss while training.

    Args:
        data: `Data`.

    Returns:
        Empty list.

    Example:

    >>> metrics(None)
    []
    """
    return []


def check(data, model):
    """Refuse data that the model cannot learn from.

    Classes may be missing from a split: a Siamese network is asked about others than
    it has learned.

    Args:
        data: `Data`.
        model: The model.

    Raises:
        ValueError: If something is wrong.

    Example:

    >>> check.__name__
    'check'
    """
    shape = model.get_layer("embedder").input_shape[1:]
    for split in SPLITS:
        datasets.check(data.batches(split), input_shape=shape)


def export(
    model,
    recipe,
    path,
    formats=("saved_model",),
    labels=None,
    samples=None,
    results=None,
):
    """Write the model as an empty `Gallery`: its signatures are `embed` and `verify`.

    Args:
        model: The trained model.
        recipe: `Recipe`.
        path: Folder to write to.
        formats: `"saved_model"` alone.
        labels: Not needed.
        samples: Raw images to check with.
        results: Figures of the run, with the threshold of the dev split.

    Returns:
        Dictionary of the format to its path.

    Raises:
        ValueError: If another format is asked for.
        ExportMismatch: If the SavedModel answers differently.

    Example:

    >>> export(None, None, "nowhere", ("onnx",))
    Traceback (most recent call last):
    ValueError: a Siamese network leaves as saved_model alone, received onnx.
    """
    saved_model_alone(formats, "a Siamese network")
    preprocess = datasets.preprocessing(recipe.input_shape, recipe.scale, recipe.offset)
    threshold = (results or {})["threshold"]
    gallery = Gallery(model, threshold=threshold, preprocess=preprocess)
    samples = None if samples is None else samples[:16]
    return {"saved_model": gallery.export(path, samples=samples)}


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
    folder = pathlib.Path(folder)
    pair = verdict.same, verdict.distances, verdict.threshold
    drawn = {
        "roc": similarity_pictures.roc(
            verdict.distances, verdict.same, verdict.threshold, folder / "roc.png"
        ),
        "pairs": similarity_pictures.pairs(
            verdict.images, verdict.pairs, *pair, folder / "pairs.png"
        ),
        "embedding": similarity_pictures.embedding(
            verdict.embeddings,
            verdict.labels,
            description.labels,
            folder / "embedding.png",
        ),
    }
    shape = config["recipe"]["input_shape"]
    return run_page(
        folder,
        history,
        description,
        config,
        results,
        found,
        drawn=drawn,
        card=card(model.get_layer("embedder"), shape),
    )
