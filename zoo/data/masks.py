"""Sets of images with a mask each: which class every pixel shows.

- `digits_canvas`: scenes of scikit-learn's handwritten digits, made offline.
- `tfds:NAME`: a set of tensorflow-datasets with masks, such as `tfds:oxford_iiit_pet`.
- `folder:PATH`: one's own files, `PATH/images/NAME.jpg` with `PATH/masks/NAME.png`, or
  both folders in each of `PATH/train`, `PATH/validation` and `PATH/test`. What is not
  given is split off as for classes, by a hash of the file's path. A mask is grey or has
  a palette; its values are the classes. `PATH/labels.txt` names them, one a line, else
  they have numbers. Masks of 0 and 255 alone tell two classes; beside other classes
  255 is a pixel that takes no part (`IGNORED`).
"""

import concurrent.futures
import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from .dataset import SPLITS
from .folder import GIVEN, share_of
from .images import inspect_image, read_image

IGNORED = 255  # the value of pixels that take no part, as Pascal VOC has it
CANVAS_SIZE = (64, 64)
CANVAS_DIGITS = (1, 4)  # of a scene, each a quarter to half as high as it
CANVAS_COUNTS = {"train": 4000, "dev": 300, "test": 300}
# sets whose masks are plain images: the feature, the value of the first class, names
KNOWN = {"oxford_iiit_pet": ("segmentation_mask", 1, ("pet", "background", "border"))}


def open_canvas(input_shape):
    """Give the scenes of digits as a source for `load`.

    Args:
        input_shape: Height, width and channels wanted, 64 x 64 x 1 if `None`.

    Returns:
        Its own shape as a function, its splits as a function of the channels, and a
        dictionary of what is known of it.

    Example:

    >>> own_shape, splits, about = open_canvas((48, 64, 1))
    >>> own_shape(), about["classes"], splits(1)["dev"].count
    ((48, 64, 1), 11, 300)
    """
    size = CANVAS_SIZE if input_shape is None else tuple(input_shape[:2])

    def splits(channels):
        return {name: _scenes(name, size, channels) for name in SPLITS}

    about = {
        "name": "digits_canvas",
        "classes": 11,
        "labels": ("background", *map(str, range(10))),
        "source": "scenes made of Optical Recognition of Handwritten Digits, E. "
        "Alpaydin and C. Kaynak, 1998, https://doi.org/10.24432/C50P49, as "
        "scikit-learn carries it",
        "licence": "CC BY 4.0",
    }
    return lambda: (*size, 1), splits, about


def _scenes(name, size, channels):
    """Make the reader of the scenes of one split; they are drawn once and kept."""
    import tensorflow as tf

    from .canvas import digits_canvas
    from .pipeline import Split

    canvas = digits_canvas(
        name,
        CANVAS_COUNTS[name],
        size=size,
        digits=CANVAS_DIGITS,
        digit_size=(min(size) // 4, min(size) // 2),
    )
    kept = []

    def read(seed=None):
        if not kept:
            arrays = canvas.arrays()
            kept[:] = np.repeat(arrays["images"], channels, axis=-1), arrays["masks"]
        return _in_order(tf.data.Dataset.from_tensor_slices(tuple(kept)), seed, canvas)

    return Split(canvas.count, read)


def _in_order(examples, seed, counted):
    """Shuffle examples in memory by a seed; none leaves their order."""
    if seed is None:
        return examples
    import tensorflow as tf

    number = tf.cast(seed[0], tf.int64) * 2**31 + tf.cast(seed[1], tf.int64)
    return examples.shuffle(len(counted), number, reshuffle_each_iteration=False)


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images and masks of a folder, every mask read once.

    Args:
        labels: Names of the classes.
        files: For each split, pairs of the paths of an image and its mask.
        shapes: Height, width and channels that occur, each with one path.
        binary: Whether the masks hold 0 and 255 alone.

    Example:

    >>> Listing(("0", "1"), {"train": [("images/a.png", "masks/a.png")]}, {}).binary
    False
    """

    labels: tuple[str, ...]
    files: dict[str, list[tuple[str, str]]]
    shapes: dict[tuple[int, int, int], str]
    binary: bool = False


def survey(path):
    """List the images of a folder with their masks, and look into each.

    Args:
        path: The folder.

    Returns:
        `Listing`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If images or masks are missing, differ in size or cannot be read,
            or a mask holds a class that `labels.txt` does not name.

    Example:

    >>> survey("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder 'nowhere'; folder:PATH needs one with ...
    """
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(path)!r}; folder:PATH needs one with images/ and "
            "masks/, whose files have the same names."
        )
    rooms = _rooms(root)
    found = [(split, *pair) for split, room in rooms.items() for pair in _pairs(room)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(_look, [pair for _, *pair in found]))
    values = np.unique(np.concatenate([values for _, values in looked]))
    binary = set(values.tolist()) == {0, IGNORED}
    labels = _labels(root, values, binary)
    _check_values(found, looked, labels, binary)
    files = {split: [] for split in SPLITS}
    for split, image, mask in found:
        place = split if split in ("dev", "test") else None
        place = place or share_of(image.relative_to(root), rooms)
        files[place].append((str(image), str(mask)))
    shapes: dict = {
        shape: str(image)
        for (shape, _), (_, image, _) in zip(looked, found, strict=True)
    }
    return Listing(labels, files, shapes, binary)


def _rooms(root):
    """Find images/ and masks/, or the splits that hold them."""
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return {None: root}
    entries = {entry.name.lower(): entry for entry in root.iterdir() if entry.is_dir()}
    rooms = {GIVEN[name]: entry for name, entry in entries.items() if name in GIVEN}
    if "train" not in rooms:
        raise ValueError(
            f"{root} has no folders images and masks: put images into "
            f"{root / 'images'} and masks of the same names into {root / 'masks'}."
        )
    return rooms


def _pairs(room):
    """Pair the images of a folder with the masks of the same names."""
    images, masks = (_by_name(room / kind) for kind in ("images", "masks"))
    for lacking, kind, there in (
        (sorted(set(images) - set(masks)), "mask", images),
        (sorted(set(masks) - set(images)), "image", masks),
    ):
        if lacking:
            raise ValueError(
                f"{there[lacking[0]]} has no {kind} of the same name in {room} "
                f"({len(lacking)} such files): add it, or take the file away."
            )
    if not images:
        raise ValueError(f"{room / 'images'} holds no images.")
    return [(images[name], masks[name]) for name in sorted(images)]


def _by_name(folder):
    from PIL import Image

    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: images need masks beside them.")
    known = Image.registered_extensions()
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known)
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def _look(pair):
    """Give the shape of an image and the values of its mask."""
    image, mask = pair
    shape, classes = inspect_image(image), read_mask(mask)
    if classes.shape != shape[:2]:
        raise ValueError(
            f"{image} is {shape[0]}x{shape[1]}, but its mask {mask} is "
            f"{classes.shape[0]}x{classes.shape[1]}: a mask has a value for each pixel."
        )
    return shape, np.unique(classes)


def read_mask(path):
    """Read a mask: the values of a grey image, or the indices into a palette.

    Args:
        path: The file.

    Returns:
        `uint8` array of shape `(height, width)`.

    Raises:
        ValueError: If it is no image, or one of colours.

    Example:

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/mask.png"
    >>> Image.fromarray(np.full((7, 5), 9, "uint8")).save(path)
    >>> int(read_mask(path).max())
    9
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode == "1":
                image = image.convert("L")
            if image.mode not in ("L", "P"):
                raise ValueError(
                    f"the mask {path} is of the mode {image.mode}: a mask has one "
                    "channel of 8 bits (or a palette) whose values are the classes."
                )
            return np.asarray(image)
    except OSError as problem:
        raise ValueError(f"the mask {path} cannot be read: {problem}") from problem


def _labels(root, values, binary):
    path = root / "labels.txt"
    if path.is_file():
        return tuple(path.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    if binary:
        return ("0", "1")
    shown = [value for value in values.tolist() if value != IGNORED]
    return tuple(str(number) for number in range(max(shown, default=0) + 1))


def _check_values(found, looked, labels, binary):
    for (_, _, mask), (_, values) in zip(found, looked, strict=True):
        wrong = values[(values >= len(labels)) & (values != IGNORED)]
        if wrong.size and not binary:
            raise ValueError(
                f"the mask {mask} holds the class {wrong[0]}, but there are "
                f"{len(labels)} classes, 0 to {len(labels) - 1} ({', '.join(labels)})."
            )


def open_folder(path):
    """Give a folder of images and masks as a source for `load`.

    Args:
        path: The folder.

    Returns:
        As `open_canvas`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If its files do not fit together.

    Example:

    >>> open_folder("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder 'nowhere'; folder:PATH needs one with ...
    """
    from . import folder

    listing = survey(path)

    def splits(channels):
        return {
            split: _read_files(files, channels, listing.binary)
            for split, files in listing.files.items()
        }

    about = {
        "name": f"folder:{path}",
        "classes": len(listing.labels),
        "labels": listing.labels,
        "source": f"images in {pathlib.Path(path).expanduser().resolve()}",
        "licence": "not stated; see the source",
    }
    return lambda: folder.own_shape(listing), splits, about


def _read_files(files, channels, binary):
    import tensorflow as tf

    from .order import shuffled
    from .pipeline import Split
    from .python_calls import call_python

    def decode(row):
        image, mask = files[row]
        classes = read_mask(mask)
        classes = (classes > 0).astype("uint8") if binary else classes
        return np.concatenate([read_image(image, channels), classes[..., None]], -1)

    def nothing(row):
        return np.zeros((1, 1, channels + 1), "uint8")

    def one(row):
        both = call_python(decode, [row], tf.uint8, nothing, parallel=True)
        both = tf.ensure_shape(both, (None, None, channels + 1))
        return both[..., :-1], both[..., -1]

    def read(seed=None):
        rows = tf.data.Dataset.range(len(files), output_type=tf.int32)
        if seed is not None:
            rows = rows.map(lambda row: shuffled(row, len(files), seed))
        return rows.map(one, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(len(files), read)


def mask_feature(builder) -> tuple[str, int, tuple[str, ...]]:
    """Find the masks of a set of tensorflow-datasets.

    Args:
        builder: Its builder.

    Returns:
        The feature, the value of its first class, and the names of the classes.

    Raises:
        ValueError: If the set has no masks that are known to be such.

    Example:

    >>> from .catalogue import open_digits
    >>> mask_feature(open_digits())
    Traceback (most recent call last):
    ValueError: digits has no masks: its features are image, label. Choose a set ...
    """
    import tensorflow_datasets as tfds

    if builder.name in KNOWN:
        return KNOWN[builder.name]
    features: Any = builder.info.features
    for name, feature in features.items():
        if isinstance(feature, tfds.features.LabeledImage):
            numbers = map(str, range(feature.num_classes or 0))
            return name, 0, tuple(feature.names or numbers)
    raise ValueError(
        f"{builder.name} has no masks: its features are {', '.join(features)}. Choose "
        f"a set of segmentation, such as {', '.join(KNOWN)}, or write images and masks "
        "into folders and use folder:PATH."
    )
