"""Ask a SavedModel, in a process that finds neither Keras nor Kerasmith."""

import json
import pathlib
import tempfile

import numpy as np

from . import parity
from .parity import ExportMismatch
from .text_samples import as_bytes


def ask(script, what, path, *, texts=None, arrays=None, **options):
    """Run a script on a SavedModel in a process of its own.

    Args:
        script: Path of a script as described in `stranger`.
        what: What the SavedModel is, for an error.
        path: Folder of the SavedModel.
        texts: Texts to give to the script's `run`, if any.
        arrays: Dictionary of arrays to give to it.
        **options: What else to give to it, as JSON.

    Returns:
        Dictionary of what it gave: NumPy arrays of numbers, lists of texts.

    Raises:
        ExportMismatch: If it broke off or raised an exception.

    Example:

    >>> ask("nowhere.py", "gallery", "saved_model")
    Traceback (most recent call last):
    kerasmith.zoo.tools.parity.ExportMismatch: the process that runs it broke off: ...
    """
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        job = {"path": str(path), "options": options, "arrays": str(room / "in.npz")}
        job["texts"] = texts and [as_bytes(text).hex() for text in texts]
        job.update(outputs=str(room / "out.npz"), answer=str(room / "answer.json"))
        np.savez(job["arrays"], **(arrays or {}))
        complaint = parity.run_job(["-P", script], job, room)
        if not (room / "answer.json").exists():
            raise ExportMismatch(f"the process that runs it broke off: {complaint}")
        told = json.loads((room / "answer.json").read_text(encoding="utf-8"))
        if told["error"]:
            error = parity.one_line(told["error"])
            raise ExportMismatch(f"the {what} does not run: {error}")
        with np.load(job["outputs"], allow_pickle=False) as archive:
            return {**archive, **told["texts"]}
