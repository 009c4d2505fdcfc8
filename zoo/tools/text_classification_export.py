"""A classifier of texts as a SavedModel: its vocabulary, its network, its labels.

It holds operations of TensorFlow alone. It is run in a process that finds neither
Keras nor Kerasmith, and compared with the model, before it takes its place.
"""

import pathlib
import tempfile
from typing import Any

import keras
import numpy as np

from ...callbacks.files import replacing
from ..data import text_batches
from ..data.vocabulary import Vocabulary
from . import asking, converting, parity, serving, text_classification_served
from .export import writable_folder
from .judge import softmax
from .parity import ExportMismatch
from .text_samples import drawn


def export_text_classifier(model, vocabulary, labels, length, path, *, samples=None):
    """Write a network that tells the class of a text for use without Keras.

    Its signature `serving_default` takes strings `texts`, `(batch,)`, and gives the
    most likely `label` of each, its `probability`, and the `probabilities` of all
    classes, `(batch, classes)`. The signature `labels` gives their names, which also
    lie in `assets/labels.txt`.

    Args:
        model: Functional `keras.Model` of tokens `(batch, time)` to logits.
        vocabulary: Its `Vocabulary`.
        labels: Name of each class.
        length: Tokens of a text at most, the end token included.
        path: Folder that receives `saved_model/`.
        samples: Texts to check with; some of the vocabulary's tokens if `None`.

    Returns:
        Path of the SavedModel.

    Raises:
        ExportMismatch: If the SavedModel answers differently. It is removed; what
            stood there before stays.
        ValueError: If the labels or the vocabulary do not fit, or the model cannot be
            converted.
        OSError: If the folder cannot be written.

    Example:

    >>> from ..recurrent_classifier import recurrent_classifier
    >>> letters = Vocabulary.learn(["banana"])
    >>> model = recurrent_classifier(vocabulary=len(letters), classes=3, width=4)
    >>> export_text_classifier(model, letters, ["a", "b"], 9, "exported")
    Traceback (most recent call last):
    ValueError: the model has 3 classes, received 2 labels.
    """
    labels = list(labels)
    if len(labels) != model.output_shape[-1]:
        raise ValueError(
            f"the model has {model.output_shape[-1]} classes, received {len(labels)} "
            "labels."
        )
    texts = [*(samples or drawn(vocabulary)), *_odd(vocabulary, length)]
    expected = _expected(model, vocabulary, length, texts)
    details = {"vocabulary": vocabulary.get_config(), "labels": labels}
    details["length"] = length
    root = pathlib.Path(path)
    with writable_folder(root), replacing(root / "saved_model") as beside:
        if keras.backend.backend() == "tensorflow":
            write(model, details, beside)
        else:
            details = {**details, "path": str(beside)}
            converting.convert_elsewhere(__name__, {"model": model}, details)
        _check(beside, texts, expected, labels, _bound(model))
    return root / "saved_model"


def _odd(vocabulary, length):
    """Give texts that are empty, unknown, broken, and too long."""
    token = vocabulary.tokens[-1]
    return ["", "\ufffd", b"\xff\x00\xfe", " ".join([token] * (2 * length))]


def _expected(model, vocabulary, length, texts):
    """Ask the model itself; the softmax is NumPy's, to have another's word for it."""

    def run(tokens):
        return keras.ops.convert_to_numpy(model(tokens, training=False))

    tokens = vocabulary.encode(texts, length=length, end=True).numpy()
    with keras.device("cpu:0"):  # a graphics processor would round float32 otherwise
        logits = parity.in_batches(run, tokens).astype("float32")
    if not np.isfinite(logits).all():
        raise ValueError("the model answers the samples with NaN or infinity.")
    return softmax(logits)


def _bound(model):
    dtypes = serving.compute_dtypes(model)
    return max(serving.HALF.get(dtype, parity.BOUND) for dtype in dtypes)


def write(model, details, path):
    """Write the SavedModel. TensorFlow must be the backend.

    Args:
        model: The network.
        details: Dictionary of the config of the `vocabulary`, the `labels`, and the
            `length` of texts.
        path: Folder to write.

    Raises:
        ValueError: If the model cannot be converted.
        OSError: If the folder cannot be written.

    Example:

    >>> write(None, {"labels": []}, "nowhere")
    Traceback (most recent call last):
    ValueError: the classifier of texts cannot be converted: ...
    """
    import tensorflow as tf

    try:
        with tempfile.TemporaryDirectory() as folder:
            names = pathlib.Path(folder, serving.LABELS)
            names.write_text("\n".join(details["labels"]), encoding="utf-8")
            # through it TensorFlow finds what functions need
            tracked: Any = tf.Module()
            tracked.weights = [each.value for each in model.variables]
            tracked.vocabulary = Vocabulary.from_config(details["vocabulary"])
            tracked.labels = tf.saved_model.Asset(str(names))
            signatures = _signatures(model, tracked.vocabulary, details)
            tf.saved_model.save(tracked, str(path), signatures=signatures)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = str(error).rpartition("; ")[2]  # TensorFlow names places first
        raise OSError(f"the classifier of texts cannot be written: {reason}") from error
    except Exception as error:  # TensorFlow and layers have exceptions of their own
        raise ValueError(
            "the classifier of texts cannot be converted: " + parity.one_line(error)
        ) from error


def _signatures(model, vocabulary, details):
    """Make the functions to serve, of TensorFlow's operations on texts."""
    import tensorflow as tf

    spec = tf.TensorSpec([None], tf.string, name="texts")

    @tf.function(input_signature=[spec], autograph=False)
    def serving_default(texts):
        tokens = vocabulary.encode(texts, length=details["length"], end=True)
        logits = model(text_batches.trimmed(tokens), training=False)
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        return {
            "label": tf.gather(
                tf.constant(details["labels"]), tf.argmax(probabilities, axis=1)
            ),
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[], autograph=False)
    def labels():
        return {"labels": tf.constant(details["labels"])}

    return {"serving_default": serving_default, "labels": labels}


def main(job):
    """Write the SavedModel of a job in this process, whose backend is TensorFlow.

    Args:
        job: Path of a JSON file, described in `converting`, with what `write` takes
            and the `path` to write.

    Example:

    >>> main("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    converting.work_off(job, _write_loaded)


def _write_loaded(loaded, job):
    write(loaded["model"], job, job["path"])


def _check(path, texts, expected, labels, bound):
    """Compare the SavedModel, run without Keras, with the model."""
    script, what = text_classification_served.__file__, "classifier of texts"
    received = asking.ask(script, what, path, texts=texts)
    if received["labels"] != labels:
        raise ExportMismatch(f"the file holds the labels {received['labels']}.")
    expected = np.concatenate([expected, expected[:1]])
    compare(expected, received["probabilities"], bound)


def compare(expected, received, bound=parity.BOUND):
    """Compare the probabilities that a SavedModel gave with the model's.

    Args:
        expected: The model's, `(texts, classes)`.
        received: The SavedModel's.
        bound: Largest difference that is allowed.

    Raises:
        ExportMismatch: If one differs by more, or another class is the most likely
            that the model does not hold as likely.

    Example:

    >>> compare(np.array([[0.4, 0.6]]), np.array([[0.5, 0.5]]))
    Traceback (most recent call last):
    kerasmith.zoo.tools.parity.ExportMismatch: a probability differs ...
    """
    if received.shape != expected.shape:
        raise ExportMismatch(
            f"the SavedModel gives probabilities of shape {received.shape}, the model "
            f"of shape {expected.shape}."
        )
    difference = float(np.abs(received - expected).max())
    if not difference <= bound:  # NaN is not
        raise ExportMismatch(
            f"a probability differs from the model's by {difference:.2g}; {bound:.0e} "
            "is allowed."
        )
    chosen = np.take_along_axis(expected, received.argmax(-1)[:, None], -1)[:, 0]
    tie = bound if bound > parity.BOUND else parity.TIE
    others = int((expected.max(-1) - chosen > tie).sum())
    if others:
        raise ExportMismatch(
            f"another class than the model's is the most likely {others} times of "
            f"{len(chosen)}; none is allowed (largest difference {difference:.2g})."
        )
