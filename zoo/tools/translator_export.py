"""A translator as a SavedModel: both vocabularies, the network and the beam search.

It holds operations of TensorFlow alone. It is run in a process that finds neither
Keras nor Kerasmith, and compared with the translator, before it takes its place.
"""

import pathlib

import keras
import numpy as np

from ...callbacks.files import replacing
from ..data import text_batches
from ..data.vocabulary import Vocabulary
from . import asking, converting, parity, serving, translator_served
from .alignments import Alignment
from .export import writable_folder
from .parity import ExportMismatch
from .text_samples import drawn, listed
from .translator_network import TranslatorNetwork

BOUND = 1e-4  # of a score, in float32


def export_translator(translator, path, *, samples=None):
    """Write a translator for use without Keras, and check what was written.

    Args:
        translator: `Translator`.
        path: Folder that receives `saved_model/`.
        samples: Texts to check with; some of the source vocabulary's tokens if `None`.

    Returns:
        Path of the SavedModel.

    Raises:
        ExportMismatch: If the SavedModel answers differently. It is removed; what
            stood there before stays.
        TypeError: If a sample is no text.
        ValueError: If the model cannot be converted.
        OSError: If the folder cannot be written.

    Example:

    >>> export_translator(None, "exported", samples="one")
    Traceback (most recent call last):
    TypeError: a Translator takes a list of samples, received a single one: ...
    """
    samples = _samples(translator) if samples is None else listed(samples, "samples")
    root = pathlib.Path(path)
    vocabularies = (translator.source_vocabulary, translator.target_vocabulary)
    details = {
        "vocabularies": [vocabulary.get_config() for vocabulary in vocabularies],
        **translator.settings,
    }
    with writable_folder(root), replacing(root / "saved_model") as beside:
        if keras.backend.backend() == "tensorflow":
            write(translator.model, details, beside)
        else:
            details = {**details, "path": str(beside)}
            models = {"model": translator.model}
            converting.convert_elsewhere(__name__, models, details)
        _check(translator, samples, beside)
    return root / "saved_model"


def _samples(translator):
    """Make texts of the source's tokens; one is empty, one holds what is unknown."""
    texts = drawn(translator.source_vocabulary)
    return [*texts, "", texts[0] + "\ufffd" + texts[1]]


def write(model, details, path):
    """Write the SavedModel. TensorFlow must be the backend.

    Args:
        model: The network.
        details: Dictionary of the configs of the two `vocabularies`, and of the
            translator's settings.
        path: Folder to write.

    Raises:
        ValueError: If the model cannot be converted.
        OSError: If the folder cannot be written.

    Example:

    >>> write(None, {"vocabularies": []}, "nowhere")
    Traceback (most recent call last):
    ValueError: the translator cannot be converted: ...
    """
    import tensorflow as tf

    try:
        graphs = _Graphs(model, details)
        tracked = tf.Module()  # through it TensorFlow finds what functions need
        held = {
            "weights": [each.value for each in model.variables],
            "vocabularies": [graphs.source, graphs.target],
        }
        for key, value in held.items():
            setattr(tracked, key, value)
        # nobody trains through texts
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        signatures = graphs.signatures()
        tf.saved_model.save(tracked, str(path), signatures, options)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = str(error).rpartition("; ")[2]  # TensorFlow names places first
        raise OSError(f"the translator cannot be written: {reason}") from error
    except Exception as error:  # TensorFlow and layers have exceptions of their own
        raise ValueError(
            f"the translator cannot be converted: {parity.one_line(error)}"
        ) from error


class _Graphs:
    """The functions to serve, of TensorFlow's operations on texts."""

    def __init__(self, model, details):
        self.network = TranslatorNetwork(model)
        self.source, self.target = map(Vocabulary.from_config, details["vocabularies"])
        self.details = details

    def signatures(self):
        import tensorflow as tf

        # traced once for the two signatures that call it
        self.likeliest = tf.function(
            lambda source: self.search(source, self.details["width"], 1),
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
            autograph=False,
        )

        texts = tf.TensorSpec([None], tf.string, name="texts")
        counts = [tf.TensorSpec([], tf.int32, name=name) for name in ("best", "beams")]
        wanted = {
            "serving_default": (self.translate, [texts]),
            "nbest": (self.translate_often, [texts, *counts]),
            "attend": (self.attend, [texts]),
        }
        return {
            name: tf.function(function, input_signature=signature, autograph=False)
            for name, (function, signature) in wanted.items()
        }

    def translate(self, texts):
        found = self.likeliest(self.read(texts))
        return {
            "text": self.target.decode(found.tokens[:, 0]),
            "score": found.scores[:, 0],
        }

    def translate_often(self, texts, best, beams):
        import tensorflow as tf

        checks = [
            tf.debugging.assert_positive(best, "best needs to be 1 or more"),
            tf.debugging.assert_less_equal(best, beams, "best is more than the beams"),
        ]
        with tf.control_dependencies(checks):
            found = self.search(self.read(texts), tf.identity(beams), tf.identity(best))
        return {"texts": self.target.decode(found.tokens), "scores": found.scores}

    def attend(self, texts):
        import tensorflow as tf

        source = self.read(texts)
        found = self.likeliest(source)
        said = text_batches.trimmed(found.tokens[:, 0])
        with tf.device("CPU:0"):  # there are no strings on accelerators
            read = tf.gather(["", *self.source.tokens[1:]], source)
            written = tf.gather(["", *self.target.tokens[1:]], said)
        return {
            "text": self.target.decode(said),
            "source_tokens": read,
            "target_tokens": written,
            "weights": self.network.align(source, said),
        }

    def read(self, texts):
        """Give the tokens of sources."""
        import tensorflow as tf

        length, fixed = self.details["source_length"], self.network.fixed("source")
        tokens = self.source.encode(texts, length=length, end=True)
        if fixed is None:
            return text_batches.trimmed(tokens)
        return tf.pad(tokens, [[0, 0], [0, fixed - length]])

    def search(self, source, width, best):
        return self.network.search(
            source,
            length=self.details["length"],
            length_penalty=self.details["length_penalty"],
            width=width,
            best=best,
        )


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


def _check(translator, samples, path):
    """Compare the SavedModel, run without Keras, with the translator."""
    # one less than are known here, so that ties can be told
    counts = {"best": max(1, translator.width - 1), "beams": translator.width}
    script = translator_served.__file__
    received = asking.ask(script, "translator", path, texts=samples, **counts)
    compare(translator, samples, received)


def compare(translator, samples, received):
    """Compare what a SavedModel answered with what a translator answers.

    Where the translator finds another of its own texts as likely, within the bound,
    either will do.

    Args:
        translator: `Translator`.
        samples: The texts asked about.
        received: Dictionary of the arrays and lists that `translator_served.run`
            gives, named as in `nbest.scores`.

    Raises:
        ExportMismatch: If a text is another, or a score or weight differs by more
            than rounding explains.

    Example:

    >>> from kerasmith.zoo.seq2seq import seq2seq
    >>> from kerasmith.zoo.tools.translator import Translator
    >>> letters = Vocabulary.learn(["banana"])
    >>> model = seq2seq(vocabulary=len(letters), width=8, embedding=4)
    >>> wrong = {"serving_default.text": ["?"], "serving_default.score": [0.0]}
    >>> compare(Translator(model, letters, length=5, width=1), ["ban"], wrong)
    Traceback (most recent call last):
    kerasmith.zoo.tools.parity.ExportMismatch: the translation 1 of 'ban' is '?' ...
    """
    dtypes = serving.compute_dtypes(translator.model)
    bound = max(serving.HALF.get(dtype, BOUND) for dtype in dtypes)
    ours, alignments = _answers(translator, samples)
    for name in ("serving_default", "first"):
        texts, scores = received[f"{name}.text"], received[f"{name}.score"]
        for sample, row, text, score in zip(samples, ours, texts, scores, strict=False):
            _compare(sample, row, 0, text, score, bound)
    for number, (sample, row) in enumerate(zip(samples, ours, strict=True)):
        texts, scores = (
            received["nbest.texts"][number],
            received["nbest.scores"][number],
        )
        for place, (text, score) in enumerate(zip(texts, scores, strict=True)):
            _compare(sample, row, place, text, score, bound)
        text = received["attend.text"][number]
        _compare(sample, row, 0, text, row[0].score, bound)
        if text == row[0].text:
            theirs = [received[f"attend.{key}"][number] for key in Alignment._fields]
            _compare_weights(sample, alignments[number], theirs, bound)


def _answers(translator, samples):
    """Give a list of all beams' translations for each text, and the alignments."""
    device = translator.model.variables[0].value.device
    with keras.device("cpu:0"):  # a graphics processor would round float32 otherwise
        if "cpu" not in str(device).lower():  # what is compiled stays where it is
            both = translator.source_vocabulary, translator.target_vocabulary
            translator = type(translator)(
                translator.model, *both, **translator.settings
            )
        ours = translator(samples, translator.width, batch_size=len(samples))
        alignments = translator.attend(samples, batch_size=len(samples))
    return [[row] for row in ours] if translator.width == 1 else ours, alignments


def _compare(sample, row, place, text, score, bound):
    """Compare a translation with the one in its place, and those as likely as it."""
    ours = row[place]
    if text not in {each.text for each in row if _near(each.score, ours.score, bound)}:
        raise ExportMismatch(
            f"the translation {place + 1} of {sample!r} is {text!r} in the SavedModel, "
            f"and {ours.text!r} in Python."
        )
    if not _near(score, ours.score, bound):
        raise ExportMismatch(
            f"the score of {text!r} differs by {abs(score - ours.score):.2g} from "
            f"Python's; {bound:.0e} is allowed."
        )


def _near(score, other, bound):
    return score == other or abs(score - other) <= bound  # infinities are equal


def _compare_weights(sample, alignment, theirs, bound):
    *tokens, weights = theirs
    told = [tuple(token for token in row if token) for row in tokens]
    if told != [alignment.source_tokens, alignment.target_tokens]:
        raise ExportMismatch(
            f"the tokens of {sample!r} are {told} in the SavedModel, and "
            f"{list(alignment[:2])} in Python."
        )
    whole = np.zeros_like(weights)
    whole[: len(told[1]), : len(told[0])] = alignment.weights
    difference = float(np.abs(weights - whole).max())
    if not difference <= bound:  # NaN is not
        raise ExportMismatch(
            f"a weight of the attention to {sample!r} differs by {difference:.2g} "
            f"from Python's; {bound:.0e} is allowed."
        )
