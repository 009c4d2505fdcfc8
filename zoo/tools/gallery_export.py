"""A gallery as a SavedModel: who is enrolled, their embeddings and the threshold.

It holds the preprocessing, the model, the embeddings of the images enrolled and their
names, in operations of TensorFlow alone. It is run in a process that finds neither
Keras nor Kerasmith, and compared with the gallery, before it takes its place.
"""

import pathlib
import tempfile

import keras
import numpy as np

from ...callbacks.files import replacing
from ..choices import choose
from . import asking, converting, gallery_served, parity, serving
from .export import writable_folder
from .parity import ExportMismatch

DTYPES = ("uint8", "float32")
BOUND = 1e-4  # of the distance between two embeddings of one image, in float32
COUNT = 8  # random images, where none are given


def export_gallery(gallery, path, *, dtype="uint8", samples=None):
    """Write a gallery for use without Keras, and check what was written.

    Args:
        gallery: `Gallery` with a threshold.
        path: Folder that receives `saved_model/`.
        dtype: Of the images, `"uint8"` or `"float32"`.
        samples: Images to check with, as the gallery takes them; random if `None`.

    Returns:
        Path of the SavedModel.

    Raises:
        ExportMismatch: If the SavedModel answers differently. It is removed; what
            stood there before stays.
        ValueError: If there is no threshold, the model was trained since images were
            enrolled, or cannot be converted.
        OSError: If the folder cannot be written.

    Example:

    >>> from kerasmith.zoo.tools.gallery import Gallery
    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    >>> export_gallery(Gallery(keras.Sequential(flat)), "exported")
    Traceback (most recent call last):
    ValueError: the export needs a threshold ...
    """
    choose("dtype of images", dtype, DTYPES)
    if gallery.threshold is None:
        raise ValueError(
            "the export needs a threshold for its signature verify: set the attribute "
            "threshold, or 2.0 to take all images for the same."
        )
    names, owners, embeddings = gallery.entries()
    images = _samples(gallery, dtype, samples)
    root = pathlib.Path(path)
    with writable_folder(root), replacing(root / "saved_model") as beside:
        details = {
            "names": names,
            "owners": owners,
            "embeddings": embeddings,
            "threshold": gallery.threshold,
            "dtype": dtype,
        }
        service = gallery.embedder.service
        if keras.backend.backend() == "tensorflow":
            write(service, details, beside)
        else:
            _write_elsewhere(service, details, beside)
        _check(gallery, images, beside)
    return root / "saved_model"


def _samples(gallery, dtype, samples):
    """Give the images to check with, in the dtype that the SavedModel takes."""
    if samples is None:
        odd = [s or 61 + 8 * axis for axis, s in enumerate(gallery.embedder.shape)]
        samples = np.random.default_rng(0).integers(0, 256, (COUNT, *odd), "uint8")
    images = gallery.embedder.batch(samples)
    cast = images.astype(dtype)
    if not len(images) or (dtype == "uint8" and not np.array_equal(cast, images)):
        raise ValueError(
            f"samples must be one image or more in {dtype}, received {images.dtype} "
            f"of shape {images.shape}; for images that are no whole numbers from 0 to "
            'to 255 export with dtype="float32".'
        )
    return cast


def write(service, details, path):
    """Write the SavedModel. TensorFlow must be the backend.

    Args:
        service: `serving.Service` of the model and its preprocessing.
        details: Dictionary of `names`, `owners`, `embeddings`, `threshold`, `dtype`.
        path: Folder to write.

    Raises:
        ValueError: If the model cannot be converted.
        OSError: If the folder cannot be written.

    Example:

    >>> write(None, {"embeddings": [], "owners": [], "names": []}, "nowhere")
    Traceback (most recent call last):
    ValueError: the gallery cannot be converted: ...
    """
    import tensorflow as tf

    try:
        tracked = tf.Module()  # through it TensorFlow finds what functions need
        layers = (service.model, *service.stages)
        held = {
            "weights": [each.value for layer in layers for each in layer.variables],
            "embeddings": tf.Variable(details["embeddings"], trainable=False),
            "owners": tf.Variable(details["owners"], trainable=False),
        }
        for key, value in held.items():
            setattr(tracked, key, value)
        signatures = _signatures(service, details, held)
        tf.saved_model.save(tracked, str(path), signatures=signatures)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = str(error).rpartition("; ")[2]  # TensorFlow names places first
        raise OSError(f"the gallery cannot be written: {reason}") from error
    except Exception as error:  # TensorFlow and layers have exceptions of their own
        raise ValueError(
            f"the gallery cannot be converted: {parity.one_line(error)}"
        ) from error


def _signatures(service, details, held):
    """Make the TensorFlow functions to serve."""
    import tensorflow as tf

    threshold = tf.constant(details["threshold"], "float32")

    def spec(name):
        shape = (None, *service.shape("saved_model"))
        return tf.TensorSpec(shape, getattr(tf, details["dtype"]), name=name)

    def unit(images):
        outputs = service(images, "saved_model")
        # zeros have no direction: NaN, which is at no distance from anything
        return outputs / tf.norm(outputs, axis=1, keepdims=True)

    @tf.function(input_signature=[spec("images")], autograph=False)
    def embed(images):
        return {"embeddings": unit(images)}

    @tf.function(input_signature=[spec("first"), spec("second")], autograph=False)
    def verify(first, second):
        distance = tf.norm(unit(first) - unit(second), axis=1)
        return {"distance": distance, "same": distance <= threshold}

    @tf.function(input_signature=[spec("images")], autograph=False)
    def identify(images):
        embeddings = unit(images)
        similar = tf.matmul(embeddings, held["embeddings"], transpose_b=True)
        nearest = tf.argmax(similar, axis=1)
        apart = embeddings - tf.gather(held["embeddings"], nearest)
        distance = tf.norm(apart, axis=1)
        name = tf.gather(details["names"], tf.gather(held["owners"], nearest))
        return {"name": tf.where(distance <= threshold, name, ""), "distance": distance}

    @tf.function(input_signature=[])
    def names():
        return {"names": tf.constant(details["names"])}

    enrolled = {"identify": identify, "names": names} if details["names"] else {}
    return {"embed": embed, "verify": verify, **enrolled}


def _write_elsewhere(service, details, path):
    """Write it in a new process with TensorFlow as the backend."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = str(pathlib.Path(folder, "arrays.npz"))
        large = {key: details.pop(key) for key in ("owners", "embeddings")}
        np.savez(arrays, **large)
        details = {**details, "arrays": arrays, "path": str(path)}
        converting.convert_elsewhere(__name__, converting.models_of(service), details)


def main(job):
    """Write the SavedModel of a job in this process, whose backend is TensorFlow.

    Args:
        job: Path of a JSON file, described in `converting`, with `names`,
            `threshold`, `dtype`, the archive `arrays` and the `path` to write.

    Example:

    >>> main("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    converting.work_off(job, _write_loaded)


def _write_loaded(loaded, job):
    stages = converting.stages_of(loaded.get("preprocess"))
    with np.load(job["arrays"], allow_pickle=False) as archive:
        details = {**job, **archive}
    write(serving.Service(loaded["model"], stages, (), False), details, job["path"])


def _check(gallery, images, path):
    """Compare the SavedModel, run without Keras, with the gallery."""
    images = {"images": images}
    received = asking.ask(gallery_served.__file__, "gallery", path, arrays=images)
    compare(gallery, images["images"], received)


def compare(gallery, images, received):
    """Compare what a SavedModel answered with what a gallery answers.

    Args:
        gallery: `Gallery`.
        images: The images asked about.
        received: Dictionary as `gallery_served.run` gives it, names as lists.

    Raises:
        ExportMismatch: If a distance differs by more than rounding explains, or an
            answer where none is that near to another.

    Example:

    >>> from kerasmith.zoo.tools.gallery import Gallery
    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    >>> gallery, image = Gallery(keras.Sequential(flat), threshold=1), np.ones((2, 2))
    >>> wrong = {"embed": np.array([[1, 0, 0, 0]])}
    >>> compare(gallery, image, {**wrong, "embed_first": wrong["embed"]})
    Traceback (most recent call last):
    kerasmith.zoo.tools.parity.ExportMismatch: an embedding lies 1 from ...
    """
    bound = _bound(gallery)
    ours = gallery.embed(images)
    with_first = np.concatenate([ours, ours[:1]])
    theirs = np.concatenate([received["embed"], received["embed_first"]])
    apart = np.linalg.norm(with_first - theirs, axis=1).max()
    if not apart <= bound:  # NaN is not
        raise ExportMismatch(
            f"an embedding lies {apart:.2g} from the gallery's; {bound:.0e} is allowed."
        )
    distances = np.linalg.norm(ours - np.roll(ours, 1, axis=0), axis=1)
    _compare("distance", distances, received["distance"], 2 * bound)
    clear = np.abs(distances - gallery.threshold) > 2 * bound
    _same("same", (distances <= gallery.threshold)[clear], received["same"][clear])
    if len(gallery):
        _compare_names(gallery, images, received, bound)


def _compare_names(gallery, images, received, bound):
    _same("names", list(gallery.names), received["names"])
    nearest = [gallery.nearest(image, 2) for image in images]
    distances = np.array([pairs[0][1] for pairs in nearest])
    _compare("distance of identify", distances, received["nearest"], bound)
    for pairs, name in zip(nearest, received["name"], strict=True):
        distance = pairs[0][1]
        tied = len(pairs) > 1 and pairs[1][1] - distance <= 2 * bound
        if tied or abs(distance - gallery.threshold) <= bound:
            continue
        _same("name", pairs[0][0] if distance <= gallery.threshold else "", name)


def _bound(gallery):
    dtypes = serving.compute_dtypes(gallery.embedder.model)
    return max(serving.HALF.get(dtype, BOUND) for dtype in dtypes)


def _compare(what, expected, received, bound):
    difference = float(np.abs(expected - received).max())
    if not difference <= bound:
        raise ExportMismatch(
            f"a {what} differs from the gallery's by {difference:.2g}; {bound:.0e} is "
            "allowed."
        )


def _same(what, expected, received):
    if not np.array_equal(expected, received):
        raise ExportMismatch(f"{what} is {received}, but {expected} in the gallery.")
