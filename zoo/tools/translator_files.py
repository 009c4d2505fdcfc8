"""The folder of a translator.

    model.keras             the network
    source_vocabulary.json  written by `Vocabulary.save`
    target_vocabulary.json  likewise; not there where both sides share one
    translator.json         format, version, settings, and a fingerprint of each file

The fingerprints are SHA-256 of the vocabularies' files, and of the weights with their
shapes: a folder that was put together of two translators is not loaded.
"""

import hashlib
import json
import pathlib

from ...callbacks.files import replacing
from ..data.vocabulary import Vocabulary
from . import keras_files
from .gallery_files import fingerprint
from .parity import one_line

FORMAT = "kerasmith translator"
VERSION = 1
ABOUT, MODEL = "translator.json", "model.keras"
SIDES = ("source", "target")
SETTINGS = {"length", "width", "length_penalty", "source_length"}


def save_translator(translator, folder):
    """Write a translator beside its place and rename it.

    Args:
        translator: `Translator`.
        folder: A new folder, an empty one, or one that this wrote.

    Returns:
        The folder as a `pathlib.Path`.

    Raises:
        FileExistsError: If there is something else.
        OSError: If the folder cannot be written.

    Example:

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "notes.txt").write_text("kept")
    >>> save_translator(None, folder)
    Traceback (most recent call last):
    FileExistsError: ... holds notes.txt, which is none of a translator's: ...
    """
    folder = pathlib.Path(folder)
    _check_place(folder)
    with replacing(folder) as beside:
        beside.mkdir()
        translator.model.save(beside / MODEL)
        vocabularies = [translator.source_vocabulary]
        if not translator.shared:
            vocabularies.append(translator.target_vocabulary)
        prints = {"weights": fingerprint(translator.model)}
        for side, vocabulary in zip(SIDES, vocabularies, strict=False):
            path = vocabulary.save(beside / _name(side))
            prints[side] = _hash(path)
        about = {
            "format": FORMAT,
            "version": VERSION,
            "settings": translator.settings,
            "fingerprints": prints,
        }
        text = json.dumps(about, indent=1) + "\n"
        (beside / ABOUT).write_text(text, encoding="utf-8")
    return folder


def load_translator(folder):
    """Read what `save_translator` wrote, and nothing that could run.

    Args:
        folder: The folder.

    Returns:
        Tuple of the model, the source's and the target's vocabulary (`None` where
        both share one), and the dictionary of settings.

    Raises:
        FileNotFoundError: If there is no such folder, or a file of it is missing.
        ValueError: If a file is cut short or changed, or of a later version.

    Example:

    >>> load_translator("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no translator in nowhere: it has no translator.json.
    """
    folder = pathlib.Path(folder)
    about = _read_about(folder)
    prints, vocabularies = about["fingerprints"], []
    for side in SIDES:
        if side not in prints:
            vocabularies.append(None)
            continue
        path = _there(folder, _name(side))
        if _hash(path) != prints[side]:
            raise ValueError(
                f"{path} is not the vocabulary that was saved with the model: it is "
                "cut short or was changed. Save the translator again."
            )
        vocabularies.append(Vocabulary.load(path))
    model = keras_files.load_model(_there(folder, MODEL))
    if fingerprint(model) != prints["weights"]:
        raise ValueError(
            f"{folder / MODEL} has other weights than those that were saved with the "
            "vocabularies: save the translator again."
        )
    return (model, *vocabularies), about["settings"]


def _read_about(folder):
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no translator in {folder}: it has no {ABOUT}."
        )
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        told, version = about["format"], about["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is cut short or tells of no translator ({one_line(error, 100)}); "
            "save the translator again."
        ) from error
    if told != FORMAT or version != VERSION:
        raise ValueError(
            f"{path} tells of a {told!r} of version {version!r}; this Kerasmith reads "
            f"a {FORMAT!r} of version {VERSION}. Load it with the Kerasmith that wrote "
            "it."
        )
    settings, prints = about.get("settings"), about.get("fingerprints")
    whole = isinstance(settings, dict) and isinstance(prints, dict)
    if not whole or set(settings) != SETTINGS or not {"weights", "source"} <= {*prints}:
        raise ValueError(f"{path} does not tell all; save the translator again.")
    return about


def _check_place(folder):
    """Refuse to replace a folder that holds anything of somebody else's."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; name a folder for the translator.")
    ours = {ABOUT, MODEL, *map(_name, SIDES)}
    others = sorted({entry.name for entry in folder.iterdir()} - ours)
    if others:
        raise FileExistsError(
            f"{folder} holds {others[0]}, which is none of a translator's: name a "
            "folder of its own, for the whole of it is replaced."
        )


def _name(side):
    return f"{side}_vocabulary.json"


def _there(folder, name):
    if not (folder / name).is_file():
        raise FileNotFoundError(f"the translator in {folder} lacks its {name}.")
    return folder / name


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
