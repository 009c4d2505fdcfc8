"""Asking exported models what is on images."""

import dataclasses
import json
import pathlib

import numpy as np

from ...callbacks.files import replacing, write_text
from .. import data as datasets
from .finished import open_run
from .mask_pictures import overlay, palette
from .parity import SavedImageModel, load_saved
from .tile_plan import Plan, plan_tiles
from .tiles import in_tiles

KINDS = ("mask", "overlay")
TILES = "tiles.json"
WHOLE = 2**22  # pixels of an image that is shown to a network of segmentation at once


def predict_images(path, images):
    """Run a SavedModel written by `export` on images, which may differ in size.

    Args:
        path: Folder of the SavedModel, or what `load_saved` gave.
        images: Sequence of `uint8` arrays `(height, width, channels)`, or
            `(height, width)` for a model of grey images.

    Returns:
        Pair of the labels and an array of probabilities, one row an image.

    Raises:
        ValueError: If an image does not fit the model.

    Example:

    >>> predict_images("nowhere", [])
    Traceback (most recent call last):
    FileNotFoundError: there is no SavedModel in nowhere.
    """
    model = path if isinstance(path, SavedImageModel) else SavedImageModel(path)
    rows = [np.zeros((0, len(model.labels)), "float32")]
    for number, image in enumerate(images):
        image = np.asarray(image)
        image = image[..., None] if image.ndim == 2 else image
        fits = image.ndim == len(model.image_shape) and all(
            wanted in (None, size)
            for wanted, size in zip(model.image_shape, image.shape, strict=True)
        )
        if not fits or image.dtype != np.uint8:
            raise ValueError(
                f"image {number} is {image.dtype} of shape {image.shape}; the model "
                f"takes uint8 of shape {model.image_shape}, None being any size."
            )
        rows.append(model(image[None]))
    return model.labels, np.concatenate(rows)


def predict_files(folder, files):
    """Ask the SavedModel of a run, or of an ensemble, what is on images.

    Args:
        folder: Folder of the run, or what `export_ensemble` wrote to.
        files: Paths of images, of any size and mode.

    Returns:
        List with a dictionary an image: `file`, and `ranking`, the pairs of every
        label and its probability, the most likely first.

    Raises:
        FileNotFoundError: If the run, its SavedModel or an image is not there.
        ValueError: If a file is no image.

    Example:

    >>> predict_files("nowhere", [])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    saved = pathlib.Path(folder) / "saved_model"
    if (saved.parent / "config.json").is_file() or not saved.is_dir():
        shape = open_run(folder)["recipe"]["input_shape"]
        if not shape:
            raise ValueError(f"{folder} is a run of texts, and these are images.")
        channels = shape[-1]
    else:  # an ensemble is of several runs, with a configuration each
        channels = load_saved(saved).image_shape[-1]
    images = [datasets.read_image(path, channels) for path in files]
    model = load_saved(saved)
    labels, rows = predict_images(model, images)
    return [
        {
            "file": str(path),
            "ranking": [(labels[i], float(row[i])) for i in np.argsort(-row)],
        }
        for path, row in zip(files, rows, strict=True)
    ]


def predict_masks(folder, files, out=None, *, tile=None, progress=True):
    """Ask the SavedModel of a run of segmentation which class each pixel shows.

    Images of more than four million pixels are answered for in tiles, one at a time,
    with the same result, where the network can be run so.

    Args:
        folder: Folder of the run.
        files: Paths of images, of any size and mode.
        out: Folder that receives `NAME_mask.png`, whose values are the classes and
            whose palette their colours, and `NAME_overlay.png`; `masks` in the folder
            of the run if `None`.
        tile: Size of tiles, an integer; then smaller images are cut, too.
        progress: Whether to show a progress bar where there are tiles.

    Returns:
        List with a dictionary an image: `file`, the paths `mask` and `overlay`, and
        `shares`, the share of the pixels of each label that occurs.

    Raises:
        FileNotFoundError: If the run, its SavedModel or an image is not there.
        ValueError: If a file is no image, the run is none of segmentation, two images
            have one name, or the network cannot be run in tiles.
        OSError: If a file cannot be written.

    Example:

    >>> predict_masks("nowhere", [])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    folder = pathlib.Path(folder)
    config = open_run(folder)
    model = load_saved(folder / "saved_model")
    if not model.segments:
        raise ValueError(f"{folder} is no run of segmentation: it has no masks.")
    names = [pathlib.Path(path).stem for path in files]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(
            f"two of the images are called {doubled[0]!r}, and their masks would be, "
            "too: ask for them one after the other, with another folder each."
        )
    out = folder / "masks" if out is None else pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    plan, labels = _plan(folder, tile), config["data"]["labels"]
    return [
        _write_mask(model, path, out, labels, plan, tile is not None, progress)
        for path in files
    ]


def write_tiles(model, folder):
    """Write down how the SavedModel of a network is run in tiles.

    Args:
        model: The network, built for any size; nothing is written of others, or of
            one that sees the whole image.
        folder: Folder of the run.

    Example:

    >>> import keras
    >>> import tempfile
    >>> inputs = keras.Input((None, None, 1))
    >>> outputs = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    >>> folder = tempfile.mkdtemp()
    >>> write_tiles(keras.Model(inputs, outputs), folder)
    >>> _plan(folder, None).margin
    (1, 1)
    """
    if None not in model.input_shape[1:]:
        return
    try:
        plan = plan_tiles(model)
    except ValueError:
        return
    # whatever the network does at borders, the SavedModel answers for each pixel
    plan = dataclasses.replace(plan, fit=("any",) * len(plan.fit), border="network")
    write_text(pathlib.Path(folder) / TILES, json.dumps(dataclasses.asdict(plan)))


def _plan(folder, tile):
    path = pathlib.Path(folder) / TILES
    if path.is_file():
        plan = Plan(**json.loads(path.read_text(encoding="utf-8")))
        if tile is None:
            return plan
        plan = dataclasses.replace(plan, tile=(tile,) * len(plan.tile))
        least = max(plan.smallest(axis) for axis in range(len(plan.tile)))
        if tile < least:
            raise ValueError(f"tiles need to be of {least} at least, received {tile}.")
        return plan
    if tile is not None:
        raise ValueError(
            f"{folder} cannot be run in tiles: its images are resized, or the network "
            "looks at the whole image."
        )
    return None


def _write_mask(model, path, out, labels, plan, always, progress):
    """Write the mask and the overlay of one image."""
    from PIL import Image

    image = datasets.read_image(path, model.image_shape[-1])
    if plan and (always or image[..., 0].size > WHOLE):

        def run(tiles):
            return model.masks(tiles)[..., None]

        mask = in_tiles(run, image, plan, progress=progress)[..., 0]
    else:
        mask = model.masks(image[None])[0]
    # a network of two classes may give the probability of the second alone
    names = labels if len(model.labels) > 1 else ["", *model.labels]
    colours = palette(len(names))
    written = {kind: out / f"{pathlib.Path(path).stem}_{kind}.png" for kind in KINDS}
    picture = Image.fromarray(mask)
    if mask.dtype == np.uint8:
        picture.putpalette(colours.tobytes())
    for kind, shown in (
        ("mask", picture),
        ("overlay", Image.fromarray(overlay(image, mask, colours))),
    ):
        with replacing(written[kind]) as beside:
            shown.save(beside, format="PNG")
    counts = np.bincount(mask.ravel(), minlength=len(names)) / mask.size
    shares = {n: float(c) for n, c in zip(names, counts, strict=True) if c}
    return {
        "file": str(path),
        **{k: str(p) for k, p in written.items()},
        "shares": shares,
    }


def predict_pairs(folder, files):
    """Ask the SavedModel of a Siamese network whether images show the same.

    Args:
        folder: Folder of the run.
        files: Paths of two images or more; the first is compared with each other.

    Returns:
        List with a dictionary for each but the first: `file`, `distance` and `same`.

    Raises:
        FileNotFoundError: If the run, its SavedModel or an image is not there.
        ValueError: If a file is no image, or there is but one.

    Example:

    >>> predict_pairs("nowhere", ["a.png", "b.png"])
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    import tensorflow as tf

    channels = open_run(folder)["recipe"]["input_shape"][-1]
    if len(files) < 2:
        raise ValueError(
            f"a Siamese network compares images, received {len(files)}: name the one "
            "to compare with, and then the others."
        )
    saved = pathlib.Path(folder) / "saved_model"
    if not saved.is_dir():
        raise FileNotFoundError(f"there is no SavedModel in {folder}.")
    loaded = tf.saved_model.load(str(saved))  # kept: its variables go with it
    first, *others = (
        tf.constant(datasets.read_image(path, channels)[None]) for path in files
    )
    answers = [loaded.signatures["verify"](first=first, second=o) for o in others]
    return [
        {
            "file": str(path),
            "distance": float(answer["distance"].numpy()[0]),
            "same": bool(answer["same"].numpy()[0]),
        }
        for path, answer in zip(files[1:], answers, strict=True)
    ]
