"""What the callbacks of a training found out, in words and pictures."""

import dataclasses
import pathlib
import re

from ...callbacks.drawing import save

DOTS = 160  # an inch, as in all pictures of a run


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one callback found out.

    Args:
        title: What it looked at.
        sentences: List of what it says.
        picture: Path of its picture, or `None`.

    Example:

    >>> Finding("Bias and variance", ["Largest: variance."], None).picture is None
    True
    """

    title: str
    sentences: list[str]
    picture: pathlib.Path | None


def gather(callbacks, folder):
    """Ask the callbacks that have a method `findings`, and draw what they can `plot`.

    Args:
        callbacks: Callbacks of a training that is over.
        folder: Where the pictures go, each named like its callback.

    Returns:
        List of a `Finding` for each of them.

    Raises:
        OSError: If a picture cannot be written.

    Example:

    >>> import tempfile
    >>> from kerasmith.callbacks import TrainingMonitor
    >>> gather([TrainingMonitor()], tempfile.mkdtemp())[0].sentences
    ['Nothing wrong was found.']
    """
    asked = [callback for callback in callbacks if hasattr(callback, "findings")]
    return [
        Finding(
            " ".join(_words(callback)).capitalize(),
            callback.findings() or ["Nothing wrong was found."],
            _draw(callback, pathlib.Path(folder)),
        )
        for callback in asked
    ]


def _words(callback):
    return re.findall("[A-Z][a-z]*", type(callback).__name__)


def _draw(callback, folder):
    if not hasattr(callback, "plot"):
        return None
    path = folder / f"{'_'.join(_words(callback)).lower()}.png"
    save(callback.plot(), path, DOTS)
    return path
