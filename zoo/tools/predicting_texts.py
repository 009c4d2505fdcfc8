"""Asking exported classifiers of which class texts are."""

import pathlib

import numpy as np

from .finished import open_run
from .parity import BATCH
from .text_classification_served import SavedTextClassifier
from .text_samples import as_bytes, as_text, listed


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
        ValueError: If it is a run of another kind, or there are no texts.

    Example:

    >>> predict_texts("nowhere", ["It rains."])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    texts = listed(texts, who="predict_texts")
    open_run(folder)
    model = SavedTextClassifier(pathlib.Path(folder) / "saved_model")
    rows = []
    for start in range(0, len(texts), BATCH):
        coded = [as_bytes(text) for text in texts[start : start + BATCH]]
        rows.append(model(coded)[1])
    return [
        {
            "text": as_text(text),
            "ranking": [(model.labels[i], float(row[i])) for i in np.argsort(-row)],
        }
        for text, row in zip(texts, np.concatenate(rows), strict=True)
    ]
