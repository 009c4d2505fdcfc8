"""A folder of one's own images: one sub-folder a class, `folder:PATH`.

PATH holds either the class folders, or train/, validation/ (or val/, dev/) and test/
with the class folders inside. What is not given is split off by a hash of the file's
path below PATH: a tenth for validation, a tenth for testing. An image stays in its
split, whatever is added or removed around it.
"""

import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import warnings

from .images import inspect_image, read_image

GIVEN = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
BROKEN_SHARE = 0.01  # more broken images than this are an error
SHARE = 0.1  # of the images, for dev and again for test


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images of a folder, read to their end once.

    Args:
        classes: Sorted names.
        files: For each split, pairs of a path and a label.
        shapes: Height, width and channels that occur, each with one path.

    Example:

    >>> Listing(("cat", "dog"), {"train": [("cat/1.png", 0)]}, {}).classes
    ('cat', 'dog')
    """

    classes: tuple[str, ...]
    files: dict[str, list[tuple[str, int]]]
    shapes: dict[tuple[int, int, int], str]


def survey(path):
    """List the images of a folder and try each of them.

    Args:
        path: The folder.

    Returns:
        `Listing` without the broken images, each of which was named in a warning.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are no classes, a class has no images, or more than 1 %
            of the images are broken.

    Example:

    >>> survey("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no folder 'nowhere'; folder:PATH needs one with ...
    """
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(path)!r}; folder:PATH needs one with a "
            "sub-folder of images for each class."
        )
    given = _given_splits(root)
    rooms = given or {None: root}
    found = [
        (split, _name(entry), file)
        for split, room in rooms.items()
        for entry in _folders(room)
        for file in _images(entry)
    ]
    classes = _classes(root, rooms, found)
    shapes = _try_all([file for _, _, file in found])
    files = {"train": [], "dev": [], "test": []}
    for split, name, file in found:
        if file in shapes:
            split = split if split in ("dev", "test") else None
            split = split or share_of(file.relative_to(root), given)
            files[split].append((str(file), classes.index(name)))
    return Listing(classes, files, {s: str(f) for f, s in shapes.items()})


def own_shape(listing):
    """Find the size that all images have.

    Args:
        listing: `Listing`.

    Returns:
        Height, width and channels: 3 where any image has colour.

    Raises:
        ValueError: If the images differ in size; it names two of them.

    Example:

    >>> own_shape(Listing((), {}, {(5, 4, 1): "a.png", (5, 4, 3): "b.png"}))
    (5, 4, 3)
    """
    sizes = {}
    for (height, width, _), path in listing.shapes.items():
        sizes.setdefault((height, width), path)
    if len(sizes) > 1:
        (one, path), (other, other_path) = list(sizes.items())[:2]
        raise ValueError(
            f"the images differ in size: {path} is {one[0]}x{one[1]}, {other_path} is "
            f"{other[0]}x{other[1]}. Say what the model takes, such as "
            "input_shape=(224, 224, 3)."
        )
    return (*next(iter(sizes)), max(channels for *_, channels in listing.shapes))


def read_files(files, channels):
    """Make the reader of image files.

    Args:
        files: Pairs of a path and a label.
        channels: 1 for grey, 3 for colour.

    Returns:
        `Split`; its images keep their own sizes.

    Example:

    >>> read_files([("cat/1.png", 0), ("dog/1.png", 1)], 3).count
    2
    """
    import numpy as np
    import tensorflow as tf

    from .order import shuffled
    from .pipeline import Split
    from .python_calls import call_python

    paths = np.array([path for path, _ in files], dtype=object)
    labels = tf.constant([label for _, label in files], tf.int32)

    def decode(row):
        return read_image(paths[row], channels)

    def nothing(row):
        return np.zeros((1, 1, channels), "uint8")

    def one(row):
        image = call_python(decode, [row], tf.uint8, nothing, parallel=True)
        return tf.ensure_shape(image, (None, None, channels)), labels[row]

    def read(seed=None):
        rows = tf.data.Dataset.range(len(files), output_type=tf.int32)
        if seed is not None:
            rows = rows.map(lambda row: shuffled(row, len(files), seed))
        return rows.map(one, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(len(files), read)


def _given_splits(root):
    """Find train/, test/ ...: only where nothing but such folders is there."""
    entries = _folders(root)
    names = [entry.name.lower() for entry in entries]
    if "train" not in names or not set(names) <= set(GIVEN):
        return {}
    if not all(_folders(entry) for entry in entries):
        return {}  # classes that happen to be called so
    given = {}
    for entry in entries:
        split = GIVEN[entry.name.lower()]
        if split in given:
            raise ValueError(
                f"{given[split]} and {entry} are the same split: keep one of them."
            )
        given[split] = entry
    return given


def share_of(relative, given):
    """Assign an image whose split is not given, by the hash of its path.

    Args:
        relative: Path of the image below the folder of the set.
        given: The splits that have images of their own: they get no share.

    Returns:
        `"train"`, `"dev"` or `"test"`.

    Example:

    >>> share_of(pathlib.Path("cat/1.png"), ())
    'train'
    """
    digest = hashlib.sha256(relative.as_posix().encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < SHARE and "test" not in given:
        return "test"
    if SHARE <= place < 2 * SHARE and "dev" not in given:
        return "dev"
    return "train"


def _classes(root, rooms, found):
    """Name the classes; each has images, and the training split has them all."""
    train = rooms.get("train", root)
    classes = tuple(_name(entry) for entry in _folders(train))
    if not classes:
        raise ValueError(
            f"{train} has no sub-folders: put the images of each class into one, such "
            f"as {train / 'cat'} and {train / 'dog'}."
        )
    filled = {(split, name) for split, name, _ in found}
    for split, room in rooms.items():
        for entry in _folders(room):
            if (split, entry.name) not in filled:
                raise ValueError(
                    f"the class folder {entry} holds no images: fill or remove it."
                )
            if entry.name not in classes:
                raise ValueError(
                    f"{entry} is a class that {train} does not have; it has "
                    f"{', '.join(classes)}."
                )
    return classes


def _try_all(files):
    """Read all images to their end; give the shapes of those that can be read."""
    shapes, broken = {}, []
    # decoding leaves Python, so threads run side by side
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, outcome in zip(files, pool.map(_attempt, files), strict=True):
            if isinstance(outcome, Exception):
                broken.append(f"{outcome}")
            else:
                shapes[file] = outcome
    if len(broken) > BROKEN_SHARE * len(files):
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise ValueError(
            f"{len(broken)} of {len(files)} images are broken, more than "
            f"{BROKEN_SHARE:.0%}: {' '.join(broken[:3])}{more}"
        )
    for problem in broken:
        warnings.warn(f"skipped a broken image: {problem}", stacklevel=5)
    return shapes


def _attempt(file):
    try:
        return inspect_image(file)
    except (OSError, ValueError) as problem:
        return problem


def _folders(path):
    entries = (entry for entry in path.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.is_dir())


def _images(folder):
    """List the files with the suffix of an image, those in sub-folders too."""
    from PIL import Image

    known = Image.registered_extensions()
    files, others = [], []
    for where, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                file = pathlib.Path(where, name)
                (files if file.suffix.lower() in known else others).append(file)
    if others:
        warnings.warn(
            f"{len(others)} files in {folder} have no suffix of an image and are left "
            f"out, such as {min(others)}.",
            stacklevel=5,
        )
    return sorted(files)


def _name(entry):
    return entry.name
