"""The task of networks that read a text and write another."""

import dataclasses
import pathlib

from . import text_data, text_pictures
from .card import card
from .export import saved_model_alone
from .run_page import run_page
from .translation_judge import MISTAKES, faults
from .translation_judge import judge as judge_texts
from .translator import Translator

SAMPLES = 16  # texts that an exported translator is compared by
load, feed, check = text_data.load, text_data.feed, text_data.check
metrics, samples = text_data.metrics, text_data.samples


def options(recipe, data):
    """Tell the builder how many tokens there are.

    Args:
        recipe: `TextRecipe`.
        data: `TextData`.

    Returns:
        Dictionary.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("transformer_tiny_dates")
    >>> options(recipe, load(recipe))["target_vocabulary"]
    15
    """
    if data.description.labels:
        raise ValueError(
            f"{data.description.name} has classes, and {recipe.model} writes texts: "
            "take a model that answers with a class, such as transformer_classifier."
        )
    told: dict = {"vocabulary": len(data.source_vocabulary)}
    if not data.shared:
        told["target_vocabulary"] = len(data.target_vocabulary)
    if recipe.options.get("positions") == "learned":
        told["length"] = recipe.source_length, recipe.length
    return told


def example_shape(recipe):
    """Give the shape of one example, the longest that there may be.

    Args:
        recipe: `TextRecipe`.

    Returns:
        Dictionary of shapes.

    Example:

    >>> from .. import recipes
    >>> sorted(example_shape(recipes.get("transformer_tiny_dates")))
    ['source', 'target']
    """
    return {"source": (recipe.source_length,), "target": (recipe.length,)}


def judge(recipe, model, data):
    """Judge a model by the texts of the test split, and of others to be tested by.

    Args:
        recipe: `TextRecipe`.
        model: The trained model.
        data: `TextData`.

    Returns:
        `TextVerdict`.

    Example:

    >>> judge.__name__
    'judge'
    """
    asked = {n: pairs for n, pairs in data.splits.items() if n not in ("train", "dev")}
    verdict = judge_texts(translator_of(recipe, model, data), asked)
    scores = {**verdict.scores, "vocabularies": _identities(data)}
    return dataclasses.replace(verdict, scores=scores)


def translator_of(recipe, model, data):
    """Put a model together with its vocabularies.

    Args:
        recipe: `TextRecipe`.
        model: The trained model.
        data: `TextData`.

    Returns:
        `Translator`.

    Example:

    >>> translator_of.__name__
    'translator_of'
    """
    return Translator(
        model,
        data.source_vocabulary,
        None if data.shared else data.target_vocabulary,
        length=recipe.length,
        width=recipe.beams,
        length_penalty=recipe.length_penalty,
        source_length=recipe.source_length,
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
    """Write the model from text to text, and a folder `translator` for Python.

    Args:
        model: The trained model.
        recipe: `TextRecipe`.
        path: Folder to write to.
        formats: `"saved_model"` alone.
        labels: Not needed.
        samples: `TextData`, for its vocabularies, and texts to check with.
        results: Results of the run, which tell the vocabularies it was trained with.

    Returns:
        Dictionary of the format to its path.

    Raises:
        ValueError: If another format is asked for, or the data are not there or not
            what they were.
        ExportMismatch: If the SavedModel answers differently.

    Example:

    >>> export(None, None, "nowhere", ("onnx",))
    Traceback (most recent call last):
    ValueError: a network that writes texts leaves as saved_model alone, received onnx.
    """
    saved_model_alone(formats, "a network that writes texts")
    trained_with = (results or {}).get("vocabularies")
    if samples is None or trained_with not in (None, _identities(samples)):
        raise ValueError(
            "the data set of the run, of which its vocabularies are made, is not "
            "there or is another by now: kerasmith.zoo.Translator.load(RUN + "
            "'/translator').export(...) needs none."
        )
    path = pathlib.Path(path)
    translator = translator_of(recipe, model, samples)
    translator.save(path / "translator")
    texts = [*samples.splits["test"].sources[:SAMPLES]]
    return {"saved_model": translator.export(path, samples=texts)}


def show(folder, model, verdict, history, description, config, results, found=()):
    """Draw the pictures of a run and write its report.

    Args:
        folder: Folder of the run.
        model: The trained model.
        verdict: What it wrote, a `TextVerdict`.
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
    drawn = {
        "attention": text_pictures.attention(
            verdict.alignments, folder / "attention.png"
        ),
    }
    recipe = config["recipe"]
    shape = {"source": (recipe["source_length"],), "target": (recipe["length"],)}
    return run_page(
        folder,
        history,
        description,
        config,
        results,
        found,
        drawn=drawn,
        tables=_tables(verdict),
        card=card(model, shape),
    )


def _identities(data):
    """Tell the vocabularies of a set from all others."""
    return {
        "source": text_data.identity(data.source_vocabulary),
        "target": text_data.identity(data.target_vocabulary),
    }


def _tables(verdict):
    """Lay out whose fault mistakes are, the surest of them, and some answers."""
    first = next(iter(verdict.answers))
    head = ["split", "texts", "wrong", "fault of the search", "fault of the model"]
    told = (
        "The search is to blame where the network finds the true text likelier than "
        "what was written"
    )
    tables = [("Wrong outputs", told, head, faults(verdict))]
    head = ["text", "<to be written", "<written", "score", "score of the true"]
    for split in verdict.answers:
        wrong = verdict.wrong(split)[:MISTAKES]
        if wrong:
            rows = [
                (a.source, a.reference, a.output, a.score, a.reference_score)
                for a in wrong
            ]
            told = f"{split} split, the surest {len(rows)}"
            tables.append(("Mistakes", told, head, rows))
    rows = [
        (a.source, a.reference, a.output, a.score)
        for a in verdict.answers[first][:MISTAKES]
    ]
    return [*tables, ("Examples", f"{first} split", head[:-1], rows)]
