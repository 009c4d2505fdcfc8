"""Asking the exported translator of a run."""

import dataclasses
import pathlib

import numpy as np

from . import text_pictures
from .alignments import Alignment
from .finished import open_run, task_name
from .parity import one_line
from .text_samples import as_text, listed
from .translator import Translation


@dataclasses.dataclass(frozen=True)
class Translated:
    """A text, and what a run's translator makes of it.

    Args:
        source: The text.
        translations: `Translation`s, the likeliest first.

    Example:

    >>> Translated("3 May 2021", (Translation("2021-05-03", -0.1),)).source
    '3 May 2021'
    """

    source: str
    translations: tuple[Translation, ...]


def translate_texts(folder, texts, *, best=1, beams=None, attention=None):
    """Ask the SavedModel of a run for translations.

    Args:
        folder: Folder of the run.
        texts: List of texts.
        best: Number of translations of each; fewer are given where fewer were found.
        beams: Number of beams of the search; the recipe's if `None`, and at least
            `best`.
        attention: Where a picture is to stand of how the likeliest translations look
            at their texts, if anywhere; its suffix names the format.

    Returns:
        List of a `Translated` for each text.

    Raises:
        FileNotFoundError: If the run or its SavedModel is not there.
        ValueError: If the run is none of a translator, there are no texts, or a number
            is out of range.
        OSError: If the picture cannot be written.

    Example:

    >>> translate_texts("nowhere", ["3 May 2021"])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    recipe, task = open_run(folder)["recipe"], task_name(folder)
    if task != "translation":
        raise ValueError(
            f"{folder} is a run of {task.replace('_', ' ')}: kerasmith predict asks it."
        )
    for name, value in (("best", best), ("beams", beams)):
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{name} needs to be 1, 2, ..., received {value!r}.")
    beams = max(best, recipe["beams"]) if beams is None else beams
    if beams < best:
        raise ValueError(
            f"a search with {beams} beams finds so many translations at the most, "
            f"received best={best}: take more beams."
        )
    texts = [as_text(text) for text in listed(texts)]
    model = _load(pathlib.Path(folder) / "saved_model")
    found = [_ask(model, text, best, beams) for text in texts]
    if attention is not None:
        text_pictures.attention([_look(model, text) for text in texts], attention)
    return found


def _load(saved):
    """Load what `Translator.export` wrote, or say that it is not there."""
    import tensorflow as tf

    if not saved.is_dir():
        raise FileNotFoundError(f"there is no SavedModel in {saved}.")
    try:
        loaded = tf.saved_model.load(str(saved))  # kept: its variables go with it
        missing = {"nbest", "attend"} - {*loaded.signatures}
    except Exception as error:
        raise ValueError(f"{saved} is cut short: {one_line(error)}") from error
    if missing:
        raise ValueError(
            f"{saved} is no SavedModel of a translator: it lacks the signatures "
            f"{', '.join(sorted(missing))}. Export the run again."
        )
    return loaded


def _ask(model, text, best, beams):
    """Ask for one text: others would only be waited for."""
    import tensorflow as tf

    said = model.signatures["nbest"](
        texts=tf.constant([text]), best=tf.constant(best), beams=tf.constant(beams)
    )
    pairs = zip(said["texts"][0].numpy(), said["scores"][0].numpy(), strict=True)
    found = (Translation(one.decode(), float(score)) for one, score in pairs)
    return Translated(text, tuple(one for one in found if np.isfinite(one.score)))


def _look(model, text):
    import tensorflow as tf

    said = model.signatures["attend"](texts=tf.constant([text]))
    source, target = (
        tuple(token.decode() for token in said[f"{side}_tokens"][0].numpy() if token)
        for side in ("source", "target")
    )
    weights = said["weights"][0].numpy()
    return Alignment(source, target, weights[: len(target), : len(source)])
