"""Asking exported classifiers of which class texts are."""

import pathlib

import numpy as np

from .finished import open_run
from .parity import BATCH
from .text_classification_served import SavedTextClassifier


def predict_texts(folder, texts):
    """Ask the SavedModel of a run of text classification of which class texts are.

    Args:
        folder: Folder of the run.
        texts: List of texts, `str` or UTF-8 `bytes`.

    Returns:
        List with a dictionary a text: `text`, and `ranking`, the pairs of every label
        and its probability, the most likely first.

    Raises:
        FileNotFoundError: If the run or its SavedModel is not there.
        TypeError: If something is no list of texts.
        ValueError: If it is a run of another kind.

    Example:

    >>> predict_texts("nowhere", ["It rains."])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"predict_texts takes a list of texts, received a single one: write "
            f"[{texts[:40]!r}]."
        )
    texts = list(texts)
    for place, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise TypeError(
                f"predict_texts takes a list of texts, received "
                f"{type(text).__name__} at place {place}."
            )
    open_run(folder)
    model = SavedTextClassifier(pathlib.Path(folder) / "saved_model")
    rows = [np.zeros((0, len(model.labels)), "float32")]
    for start in range(0, len(texts), BATCH):
        coded = [_bytes(text) for text in texts[start : start + BATCH]]
        rows.append(model(coded)[1])
    return [
        {
            "text": text if isinstance(text, str) else text.decode("utf-8", "replace"),
            "ranking": [(model.labels[i], float(row[i])) for i in np.argsort(-row)],
        }
        for text, row in zip(texts, np.concatenate(rows), strict=True)
    ]


def _bytes(text):
    # lone surrogates, by which a command line hands on what is no UTF-8, are unknown
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
