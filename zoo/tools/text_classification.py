"""The task of networks that tell the class of a text."""

import pathlib

import keras

from ..data.vocabulary import Vocabulary
from . import pictures, text_class_judge, text_data
from .card import card
from .export import saved_model_alone
from .run_page import run_page
from .text_classification_export import export_text_classifier

VOCABULARY = "vocabulary.json"
SAMPLES = 16  # texts of the set that an exported model is compared by
load, feed, check = text_data.load, text_data.feed, text_data.check
metrics, samples, identity = text_data.metrics, text_data.samples, text_data.identity


def options(recipe, data):
    """Tell the builder how many tokens and classes there are.

    Args:
        recipe: `TextRecipe`.
        data: `TextData`.

    Returns:
        Dictionary.

    Raises:
        ValueError: If the texts are answered by texts, or the network is asked for
            with one length for all.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("transformer_help_topics")
    >>> options(recipe, load(recipe))["classes"]
    20
    """
    if not data.description.labels:
        raise ValueError(
            f"{data.description.name} has no classes, its texts are answered by texts, "
            f"and {recipe.model} tells a class: take a model that writes, such as "
            "transformer_tiny."
        )
    if "length" in recipe.options:
        raise ValueError(
            f"the texts of {data.description.name} differ in length: take length out "
            "of the options; source_length cuts long texts."
        )
    told = {
        "vocabulary": len(data.source_vocabulary),
        "classes": data.description.classes,
    }
    if recipe.options.get("positions") == "learned":
        told["length"] = recipe.source_length
    return told


def example_shape(recipe):
    """Give the shape of one example, the longest that there may be.

    Args:
        recipe: `TextRecipe`.

    Returns:
        Tuple of the number of tokens.

    Example:

    >>> from .. import recipes
    >>> example_shape(recipes.get("transformer_help_topics"))
    (48,)
    """
    return (recipe.source_length,)


def judge(recipe, model, data):
    """Judge a model by the texts of the test split.

    Args:
        recipe: `TextRecipe`.
        model: The trained model.
        data: `TextData`.

    Returns:
        `ClassVerdict`.

    Example:

    >>> judge.__name__
    'judge'
    """
    tokens, _ = text_data.tokens(recipe, data, "test")
    return text_class_judge.judge(
        model,
        tokens,
        data.splits["test"],
        keras.losses.get(recipe.loss),
        batch_size=recipe.batch_size,
        vocabulary=identity(data.source_vocabulary),
    )


def export(
    model,
    recipe,
    path,
    formats=("saved_model",),
    labels=None,
    samples=None,
    results=None,
):
    """Write the model from texts to labels, and its vocabulary beside it.

    A vocabulary that the folder has already is taken before that of the data: help
    texts differ from Python to Python.

    Args:
        model: The trained model.
        recipe: `TextRecipe`.
        path: Folder to write to.
        formats: `"saved_model"` alone.
        labels: Names of the classes.
        samples: `TextData`, for its vocabulary, and texts to check with.
        results: Results of the run, which tell the vocabulary it was trained with.

    Returns:
        Dictionary of the format to its path.

    Raises:
        ValueError: If another format is asked for, or the vocabulary is not there.
        ExportMismatch: If the SavedModel answers differently.

    Example:

    >>> export(None, None, "nowhere", ("onnx",))
    Traceback (most recent call last):
    ValueError: a network that reads texts leaves as saved_model alone, received onnx.
    """
    saved_model_alone(formats, "a network that reads texts")
    path = pathlib.Path(path)
    vocabulary = _vocabulary(path, samples, (results or {}).get("vocabulary"))
    texts = None if samples is None else [*samples.splits["test"].sources[:SAMPLES]]
    saved = export_text_classifier(
        model, vocabulary, labels, recipe.source_length, path, samples=texts
    )
    vocabulary.save(path / VOCABULARY)
    return {"saved_model": saved}


def _vocabulary(path, data, trained_with):
    """Find the vocabulary that a model was trained with."""
    found = []
    if (path / VOCABULARY).is_file():
        found.append(Vocabulary.load(path / VOCABULARY))
    if data is not None:
        found.append(data.source_vocabulary)
    for vocabulary in found:
        if trained_with is None or identity(vocabulary) == trained_with:
            return vocabulary
    reason = "is none of the data set as it is now" if found else "is not there"
    raise ValueError(
        f"the vocabulary that the model was trained with {reason}: export into the "
        f"folder of the run, whose {VOCABULARY} holds it, or copy that file to {path}."
    )


def show(folder, model, verdict, history, description, config, results, found=()):
    """Draw the pictures of a run and write its report.

    Args:
        folder: Folder of the run.
        model: The trained model.
        verdict: What it answered, a `ClassVerdict`.
        history: Mapping of each metric to its values, one an epoch.
        description: `TextDescription` of the data.
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
    labels, matrix = verdict.labels, verdict.matrix
    drawn = {
        "confusion": pictures.confusion(matrix, labels, folder / "confusion.png"),
    }
    recipe = config["recipe"]
    return run_page(
        folder,
        history,
        description,
        config,
        results,
        found,
        drawn=drawn,
        matrix=matrix,
        labels=labels,
        tables=_tables(verdict),
        card=card(model, (recipe["source_length"],)),
    )


def _tables(verdict):
    """Lay out the surest mistakes."""
    rows = verdict.mistakes()
    if not rows:
        return []
    wrong = int((verdict.truth != verdict.predicted).sum())
    told = f"test split, the surest {len(rows)} of {wrong:,}"
    head = ["text", "<true class", "<predicted", "probability"]
    return [("Mistakes", told, head, rows)]
