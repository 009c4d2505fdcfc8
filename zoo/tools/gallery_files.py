"""The file of a gallery, and how it knows the model that made it.

The file is an `.npz` archive of four arrays, none of them pickled:

    embeddings  float32 (images, width), each of length 1
    owners      int32 (images,), the number of the name of each
    probe       float32 (width,), the embedding of a picture that follows from its size
    about       uint8, JSON in UTF-8: format, version, names, threshold, fingerprint

All are little-endian. The fingerprint tells models apart whose weights differ. What
has no weights, as activations, strides and the preprocessing, shows in the probe,
which agrees within rounding on every backend, machine and version of Keras.
"""

import hashlib
import json
import pathlib
import zipfile

import keras
import numpy as np

from ...callbacks.files import replacing
from . import serving
from .parity import one_line

FORMAT = "kerasmith gallery"
VERSION = 1
# how far apart two backends or machines put one picture at the most
NEAR = 0.02
NEAR_IN_HALF_PRECISION = 0.2
DTYPES = {"embeddings": "<f4", "owners": "<i4", "probe": "<f4", "about": "u1"}


def fingerprint(model):
    """Hash the weights of a model with their shapes.

    Args:
        model: Keras model.

    Returns:
        64 hexadecimal digits, the same for a copy of the model on any backend.

    Example:

    >>> dense = keras.layers.Dense(3, kernel_initializer="ones")
    >>> fingerprint(keras.Sequential([keras.Input((4,)), dense]))[:12]
    '99ec38af6a69'
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        values = np.asarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{weight.dtype} {list(values.shape)};".encode())
        if values.dtype.kind == "V":  # bfloat16, which NumPy itself does not know
            values = values.astype("float32")
        little = values.astype(values.dtype.newbyteorder("<"), order="C", copy=False)
        digest.update(little.tobytes())
    return digest.hexdigest()


def probe_image(shape):
    """Make the picture whose embedding tells models apart.

    Args:
        shape: Height, width and channels, `None` where any size will do.

    Returns:
        uint8 array of that shape, the same everywhere.

    Example:

    >>> probe_image((2, 3, 1)).ravel()
    array([  0, 158,  60, 218, 120,  23], dtype=uint8)
    """
    sizes = [size or 61 + 8 * axis for axis, size in enumerate(shape)]
    count = np.arange(int(np.prod(sizes)), dtype="uint64")
    # multiples of the golden ratio's fraction of 2^32 look like noise
    noise = (count * np.uint64(2654435769) >> np.uint64(24)) % np.uint64(256)
    return noise.astype("uint8").reshape(sizes)


def check_model(path, weights, probe, embedder):
    """Refuse a model whose embeddings do not compare with those of a file.

    Args:
        path: The file.
        weights: Fingerprint of the model that it was made with.
        probe: Embedding of the picture by that model.
        embedder: `ImageEmbedder` of the model received.

    Raises:
        ValueError: If it is another model, or behind another preprocessing.

    Example:

    >>> from kerasmith.zoo.tools.gallery_embedder import ImageEmbedder
    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    >>> embedder = ImageEmbedder(keras.Sequential(flat))
    >>> check_model("faces.npz", "0123", np.zeros(4), embedder)
    Traceback (most recent call last):
    ValueError: faces.npz was made with a model of other weights: ...
    """
    again = "Load it with the one it was made with, or enrol the images again."
    found = fingerprint(embedder.model)
    if found != weights:
        raise ValueError(
            f"{path} was made with a model of other weights: their fingerprint is "
            f"{str(weights)[:12]} there and {found[:12]} here. {again}"
        )
    half = serving.HALF.keys() & serving.compute_dtypes(embedder.model)
    ours = embedder.probe()
    apart = np.linalg.norm(ours - probe) if ours.shape == probe.shape else np.inf
    if apart > (NEAR_IN_HALF_PRECISION if half else NEAR):
        raise ValueError(
            f"{path} was made with a model of the same weights that computes "
            "something else, or behind another preprocessing: the embeddings of a "
            f"test picture are {apart:.2g} apart. {again}"
        )


def write_gallery(path, about, arrays):
    """Write a gallery beside its place and rename it.

    Args:
        path: Where the file is to stand, under any name.
        about: Dictionary of `names`, `threshold` and `fingerprint`.
        arrays: Dictionary of `embeddings`, `owners` and `probe`.

    Returns:
        The path as a `pathlib.Path`.

    Example:

    >>> import tempfile
    >>> arrays = {"embeddings": np.zeros((0, 2)), "owners": [], "probe": np.ones(2)}
    >>> about = {"names": [], "threshold": 0.5, "fingerprint": "0123"}
    >>> path = write_gallery(tempfile.mkdtemp() + "/faces", about, arrays)
    >>> path.name, read_gallery(path)[0]["version"]
    ('faces', 1)
    """
    about = {"format": FORMAT, "version": VERSION, **about}
    text = np.frombuffer(json.dumps(about).encode(), "uint8")
    stored = {}
    for key, array in {**arrays, "about": text}.items():
        stored[key] = np.ascontiguousarray(array, DTYPES[key])
    path = pathlib.Path(path)
    with replacing(path) as beside:
        with open(beside, "wb") as file:  # NumPy would add a suffix to a path
            np.savez(file, **stored)
    return path


def read_gallery(path):
    """Read what `write_gallery` wrote, and nothing that could run.

    Args:
        path: The file.

    Returns:
        Pair of the dictionary `about` and that of the arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut short, no gallery, or of a later version.

    Example:

    >>> read_gallery("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no gallery in nowhere.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"there is no gallery in {path}.")
    try:
        # a zip archive holds a sum of each array, which is compared when it is read
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in DTYPES}
        about = json.loads(arrays.pop("about").tobytes())
        known = about["format"] == FORMAT
    except Exception as error:  # half a file makes zipfile and NumPy raise a dozen
        raise ValueError(
            f"{path} is cut short or no gallery ({one_line(error, 100)}); enrol the "
            "images again and save them."
        ) from error
    if not known or about.get("version") != VERSION:
        raise ValueError(
            f"{path} is a {about['format']!r} of version {about.get('version')!r}; "
            f"this Kerasmith reads a {FORMAT!r} of version {VERSION}. Load it with the "
            "Kerasmith that wrote it, or enrol the images again."
        )
    if not _fits_together(about, **arrays):
        raise ValueError(
            f"{path} is no whole gallery: its names, owners and embeddings do not fit "
            "together; enrol the images again and save them."
        )
    return about, arrays


def _fits_together(about, embeddings, owners, probe):
    if not {"names", "threshold", "fingerprint"} <= set(about):
        return False
    names = about["names"]
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        return False
    kinds = [array.dtype.kind for array in (embeddings, owners, probe)]
    if kinds != ["f", "i", "f"] or probe.ndim != 1:
        return False
    lengths = np.linalg.norm(embeddings, axis=-1)
    return (
        embeddings.shape == (len(owners), len(probe))
        and bool(np.all(np.abs(lengths - 1) < 1e-3))
        and len(set(names)) == len(names)
        and set(owners.tolist()) == set(range(len(names)))
    )
