"""Export: a trained model as files that run without Keras and without Kerasmith.

Each file is loaded in a new process in which neither can be found, and its answers
are compared with the model's, before it takes its place.

On JAX and PyTorch the model is saved, and converted by a second process whose
backend is TensorFlow; the comparison is with the model on its own backend.
"""

import contextlib
import dataclasses
import importlib.util
import pathlib
import tempfile

import keras
import numpy as np

from ...callbacks.files import replacing
from ..choices import choose
from . import converting, parity, serving
from .parity import ExportMismatch
from .translator import Translator

__all__ = ["ExportMismatch", "export"]

FILES = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
}
PACKAGES = {
    "saved_model": (),
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
}

LARGE_LOGIT = 16.0  # up to here probabilities of pixels agree as those of images do


def export(
    model, path, formats=("saved_model",), *, labels=None, preprocess=None, samples=None
):
    """Write a network for images for use without Keras, and check what was written.

    A `Translator` is written by its own `export`, as a SavedModel alone; its samples
    are texts.

    The SavedModel's signature `serving_default` takes raw `uint8` images and gives
    `probabilities`; its signature `labels` gives the names of the classes, which
    also lie in `assets/labels.txt`. An ONNX file has them in the metadata `labels`,
    one a line, a LiteRT file as the associated file `labels.txt`.

    A network of segmentation, from images to `(batch, height, width, classes)`, gives
    the `probabilities` of each pixel, and its SavedModel the most likely classes as
    `mask`, too, both of the size of the image: with a `Resizing` in `preprocess` they
    are resized back. Built for any size, it takes images of any size without one; to
    a network without padding images are continued by their mirror images.

    A softmax, or a sigmoid for the single class of a segmentation, is put behind the
    model unless its last layer has the activation softmax, sparsemax, sigmoid or hard
    sigmoid, seen through layers that only pass values on (`Identity`, `Dropout`,
    `Flatten`, `Reshape`, linear `Activation`).

    Every file is loaded in a process that finds neither Keras nor Kerasmith, and run
    on the samples and on the first one alone. Its probabilities must be the model's
    within 1e-5, for models that compute in float16 within 0.03, in bfloat16 within
    0.2, and the most likely class the same wherever the model has one.

    Args:
        model: Functional or sequential `keras.Model` of one batch of images, or a
            `Translator`.
        path: Folder that receives `saved_model/`, `model.onnx`, `model.tflite`.
        formats: Some of `"saved_model"`, `"onnx"` and `"litert"`.
        labels: Name of each class; its number if `None`.
        preprocess: Layer, `keras.layers.Pipeline` or `keras.Sequential` that turns
            raw images into the model's inputs; `None` for images as they are. With a
            `Resizing` in it the SavedModel takes images of any size; ONNX and
            LiteRT files take the size that it gives, without it.
        samples: Real images to check with, `uint8` of shape
            `(n, height, width, channels)`; a few dozen will do. Random if `None`.

    Returns:
        Dictionary of each format to its path.

    Raises:
        ExportMismatch: If a file answers differently. It is removed, as are the
            others; what stood there before stays.
        ValueError: If an argument does not fit, or a format cannot hold the model.
        TypeError: If an argument is of the wrong type.
        ImportError: If the packages of a format are not installed.
        OSError: If the folder cannot be written.

    Example:

    >>> import tempfile
    >>> dense = [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    >>> folder = tempfile.mkdtemp()
    >>> written = export(keras.Sequential(dense), folder, labels=["a", "b", "c"])
    >>> written["saved_model"].name
    'saved_model'
    """
    formats = _check_formats(formats)
    if isinstance(model, Translator):
        _check_alone(formats, labels=labels, preprocess=preprocess)
        return {"saved_model": model.export(path, samples=samples)}
    service = _service(model, preprocess, labels)
    inputs = _inputs(service, formats, samples)
    expected, bound = _expected(service, inputs)
    root = pathlib.Path(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(writable_folder(root))
        files = {
            name: str(stack.enter_context(replacing(root / FILES[name])))
            for name in formats
        }
        if keras.backend.backend() == "tensorflow":
            serving.convert(service, files)
        else:
            _convert_elsewhere(service, files)
        parity.check(files, inputs, expected, service.labels, bound)
    return {name: root / FILES[name] for name in formats}


def _check_formats(formats):
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    if not formats:
        raise ValueError(f"export needs a format; choose of {', '.join(FILES)}.")
    for name in formats:
        choose("export format", name, FILES)
        lacking = [p for p in PACKAGES[name] if importlib.util.find_spec(p) is None]
        if lacking:
            raise ImportError(
                f"Exporting to {name} needs {', '.join(lacking)}: "
                'pip install "kerasmith[export]"'
            )
    return tuple(dict.fromkeys(formats))


def _check_alone(formats, **others):
    """Refuse for a translator what only networks for images have."""
    if formats != ("saved_model",):
        raise ValueError(
            "a Translator is exported as a SavedModel alone, received formats="
            f"{formats!r}: its texts need TensorFlow's operations."
        )
    for name, value in others.items():
        if value is not None:
            raise ValueError(
                f"a Translator has no {name}, which belong to networks for images: "
                "leave it out."
            )


def _service(model, preprocess, labels):
    """Check a model with its surroundings and put them together."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"export needs a keras.Model, received {type(model).__name__}.")
    ends = [getattr(model, name, None) or [] for name in ("inputs", "outputs")]
    if [len(end) for end in ends] != [1, 1] or len(ends[0][0].shape) != 4:
        raise ValueError(
            "export needs a functional or sequential model with one input of shape "
            "(batch, height, width, channels) and one output, received inputs of "
            f"{[tuple(x.shape) for x in ends[0]]} and outputs of "
            f"{[tuple(x.shape) for x in ends[1]]}."
        )
    if preprocess is not None and not isinstance(preprocess, keras.layers.Layer):
        raise TypeError(
            "export needs a Keras layer or None as preprocess, received "
            f"{type(preprocess).__name__}; wrap several in keras.layers.Pipeline."
        )
    classes, softmax = ends[1][0].shape[-1], _ends_in_logits(model)
    segments = len(ends[1][0].shape) == 4
    if softmax and classes == 1 and not segments:
        raise ValueError(
            "the model has one output without a sigmoid, of which a softmax would "
            "always be 1; give its last layer activation='sigmoid'."
        )
    if segments and classes == 1 and labels is not None and len(labels) == 2:
        labels = labels[1:]  # the probability is that of the second of two classes
    names = _check_labels(labels, classes)
    return serving.Service(model, converting.stages_of(preprocess), names, softmax)


def _check_labels(labels, classes):
    if labels is None:
        return tuple(str(number) for number in range(classes))
    if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
        raise TypeError(f"labels must be a sequence of strings, received {labels!r}.")
    if len(labels) != classes:
        raise ValueError(
            f"the model has {classes} classes, received {len(labels)} labels."
        )
    for name in labels:
        if not name or "\n" in name or "\r" in name:
            raise ValueError(f"a label must be one line of text, received {name!r}.")
    return tuple(labels)


def _ends_in_logits(model):
    """Tell from the activation of the last layer whether a softmax is lacking."""
    kinds, known = keras.layers, keras.activations
    passing = (kinds.Identity, kinds.Dropout, kinds.Flatten, kinds.Reshape)
    final = (known.softmax, known.sigmoid, known.hard_sigmoid, known.sparsemax)
    for layer in reversed(model.layers):
        if isinstance(layer, keras.Model):
            return _ends_in_logits(layer)
        activation = getattr(layer, "activation", None)
        if isinstance(layer, kinds.Softmax) or activation in final:
            return False
        linear = isinstance(layer, kinds.Activation) and activation is known.linear
        if not linear and not isinstance(layer, passing):
            return True
    return True


def _inputs(service, formats, samples):
    """Give the images to check each format with, under names like `onnx-0`."""
    wanted = service.shape("saved_model")
    if samples is None:
        odd = [size or 61 + 8 * axis for axis, size in enumerate(wanted)]
        samples = np.random.default_rng(0).integers(0, 256, (8, *odd), "uint8")
    samples = np.asarray(samples)
    fits = samples.ndim == 4 and all(
        size in (None, length)
        for size, length in zip(wanted, samples.shape[1:], strict=True)
    )
    if samples.dtype != np.uint8 or not fits or 0 in samples.shape:
        raise ValueError(
            f"samples must be uint8 images of shape (n, {str(wanted)[1:-1]}), None "
            f"being any size, received {samples.dtype} of shape {samples.shape}."
        )
    own = _resized(service, samples)
    inputs = {
        f"{name}-0": samples if name == "saved_model" else own for name in formats
    }
    if "saved_model" in formats and own.shape != samples.shape:
        inputs["saved_model-1"] = own
    return inputs


def _resized(service, samples):
    """Bring samples to the size of the formats that do not resize."""
    images = samples
    for stage in filter(serving.is_resizing, service.stages):
        resized = stage(images.astype("float32"))
        images = np.asarray(keras.ops.convert_to_numpy(resized))
    return np.clip(np.round(images), 0, 255).astype("uint8")


def _expected(service, inputs):
    """Ask the model itself; the softmax is NumPy's, to have another's word for it.

    Gives the answers, and the difference of a probability that is allowed.
    """
    bare = dataclasses.replace(service, softmax=False)
    expected, largest = {}, 0.0
    for key, images in inputs.items():
        if key == "litert-0" and "onnx-0" in expected:
            expected[key] = expected["onnx-0"]  # the same images, the same stages
            continue
        outputs = _ask(bare, images, key.partition("-")[0])
        if not np.isfinite(outputs).all():
            raise ValueError("the model answers the samples with NaN or infinity.")
        if service.softmax:
            if service.segments:
                largest = max(largest, float(np.abs(outputs).max()))
            outputs = _probabilities(outputs)
        expected[key] = outputs
    # a logit is rounded in proportion to its size, and some of a hundred thousand
    # pixels have large ones and doubt
    single = parity.BOUND * max(1, largest / LARGE_LOGIT)
    dtypes = serving.compute_dtypes(service.model)
    return expected, max(serving.HALF.get(dtype, single) for dtype in dtypes)


def _probabilities(outputs):
    if outputs.shape[-1] == 1:
        return 1 / (1 + np.exp(-outputs))
    if outputs.min() >= 0 and np.allclose(outputs.sum(-1), 1, atol=1e-3):
        raise ValueError(
            "the model gives probabilities already, but not from its last layer's "
            "activation; end it in keras.layers.Softmax()."
        )
    outputs = np.exp(outputs - outputs.max(-1, keepdims=True))
    return outputs / outputs.sum(-1, keepdims=True)


def _ask(service, images, name):
    def run(batch):
        return keras.ops.convert_to_numpy(service(batch, name))

    try:
        # a graphics processor would round float32 to fewer digits
        with keras.device("cpu:0"):
            return parity.in_batches(run, images)
    except Exception as error:  # each backend has exceptions of its own
        raise ValueError(
            f"preprocess and model cannot take images of shape {images.shape}: "
            f"{parity.one_line(error)}"
        ) from error


def saved_model_alone(formats, what):
    """Refuse other formats than a SavedModel.

    Args:
        formats: Names of formats, or one.
        what: What is exported, for the message.

    Raises:
        ValueError: If there is another.

    Example:

    >>> saved_model_alone(("saved_model", "onnx"), "a gallery")
    Traceback (most recent call last):
    ValueError: a gallery leaves as saved_model alone, received onnx.
    """
    formats = (formats,) if isinstance(formats, str) else formats
    others = [name for name in formats if name != "saved_model"]
    if others:
        raise ValueError(f"{what} leaves as saved_model alone, received {others[0]}.")


@contextlib.contextmanager
def writable_folder(root):
    """Make a folder that can be written; remove it again if nothing came into it.

    Args:
        root: `pathlib.Path` of the folder.

    Raises:
        OSError: If it cannot be written.

    Example:

    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with contextlib.suppress(KeyError), writable_folder(folder / "a" / "b"):
    ...     raise KeyError
    >>> list(folder.iterdir())
    []
    """
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise type(error)(
            error.errno, f"export cannot write into {root}: {error.strerror}"
        ) from error
    try:
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _convert_elsewhere(service, files):
    """Convert in a new process with TensorFlow as the backend."""
    details = {"labels": service.labels, "softmax": service.softmax, "files": files}
    converting.convert_elsewhere(__name__, converting.models_of(service), details)


def main(job):
    """Convert a saved model in this process, whose backend is TensorFlow.

    Args:
        job: Path of a JSON file, described in `converting`, with the `labels`,
            `softmax` and `files`.

    Example:

    >>> main("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    converting.work_off(job, _convert)


def _convert(loaded, job):
    stages = converting.stages_of(loaded.get("preprocess"))
    labels = tuple(job["labels"])
    service = serving.Service(loaded["model"], stages, labels, job["softmax"])
    serving.convert(service, job["files"])
