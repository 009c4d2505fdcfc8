"""Exported files as a stranger runs them: with their runtimes alone.

`check` starts this file by its path in a new process, in which neither Keras nor
Kerasmith can be found, and compares what it answers with the model. The job is a
JSON file:

    {"files": {"onnx": "model.onnx"}, "inputs": "inputs.npz",
     "outputs": "outputs.npz", "answers": "answers.json"}

The arrays are named `onnx-0`, `onnx-1` ... in both archives. The answers hold for
each format its `labels`, or the `error` that its runtime raised.
"""

import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

BOUND = 1e-5  # largest difference of a probability in float32
# classes of which the model holds one this little more likely than another are tied
TIE = 1e-6
BATCH = 64  # images at once, so that many samples need no more memory than few


class ExportMismatch(RuntimeError):
    """An exported file does not answer like the model, or not at all.

    Example:

    >>> issubclass(ExportMismatch, RuntimeError)
    True
    """


class SavedImageModel:
    """A SavedModel written by `export`, run by plain TensorFlow.

    Attributes: `labels`, the name of each class; `image_shape`, the height, width
    and channels of the images it takes, `None` where any size will do.

    Args:
        path: Folder of the SavedModel.

    Call arguments:
        images: `uint8` array of shape `(batch, height, width, channels)`.

    Returns:
        float32 array of probabilities, `(batch, classes)`; of a network of
        segmentation, `(batch, height, width, classes)`.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ValueError: If it is cut short, or was not written by `export`.

    Example:

    >>> SavedImageModel("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no SavedModel in nowhere.
    """

    def __init__(self, path):
        import tensorflow as tf

        if not pathlib.Path(path, "saved_model.pb").is_file():
            raise FileNotFoundError(f"there is no SavedModel in {path}.")
        try:
            # kept: its variables are gone as soon as it is
            self._loaded = tf.saved_model.load(str(path))
            names = self._loaded.signatures["labels"]()["labels"].numpy()
            self._serve = self._loaded.signatures["serving_default"]
            spec = self._serve.structured_input_signature[1]["images"]
        except Exception as error:  # TensorFlow raises a dozen kinds for half a file
            raise ValueError(
                f"{path} is cut short or no SavedModel written by `export` "
                f"({type(error).__name__}); export the model again."
            ) from error
        self.labels = [name.decode() for name in names]
        self.image_shape = tuple(spec.shape[1:])

    def __call__(self, images):
        import tensorflow as tf

        answer = self._serve(images=tf.constant(images))
        if "mask" in answer:
            _check_mask(answer["mask"].numpy(), answer["probabilities"].numpy())
        return answer["probabilities"].numpy()

    def masks(self, images):
        """Give the most likely class of each pixel, `(batch, height, width)`."""
        import tensorflow as tf

        return self._serve(images=tf.constant(images))["mask"].numpy()

    @property
    def segments(self):
        """Whether there is an answer for each pixel."""
        return "mask" in self._serve.structured_outputs


def _check_mask(mask, probabilities):
    """Hold the classes of pixels against their probabilities."""
    likely = probabilities[..., 0] >= 0.5
    if probabilities.shape[-1] > 1:
        likely = probabilities.argmax(-1)
    if (mask != likely).any():
        raise ValueError("the mask does not hold the most likely classes.")


def load_saved(path):
    """Load a SavedModel written by `export`.

    Args:
        path: Folder of the SavedModel.

    Returns:
        `SavedImageModel`: a function of `uint8` images with the attributes `labels`
        and `image_shape`.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ValueError: If it is cut short, or was not written by `export`.

    Example:

    >>> load_saved("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no SavedModel in nowhere.
    """
    return SavedImageModel(path)


def in_batches(run, images):
    """Run a function on some images at a time and put the results together.

    Args:
        run: Function of an array `(n, ...)` that gives an array `(n, ...)`.
        images: Array of one image or more.

    Returns:
        Array of the results of all images.

    Example:

    >>> in_batches(lambda images: images + 1, np.zeros((130, 2))).shape
    (130, 2)
    """
    starts = range(0, len(images), BATCH)
    return np.concatenate([run(images[start : start + BATCH]) for start in starts])


def check(files, inputs, expected, labels, bound=BOUND):
    """Run exported files in a process without Keras and compare what they answer.

    Args:
        files: Mapping of each format to the path of its file.
        inputs: Mapping of names like `onnx-0` to arrays of images.
        expected: Mapping of the same names to the model's probabilities.
        labels: Names of the classes that each file must hold.
        bound: Largest difference of a probability that is allowed.

    Raises:
        ExportMismatch: If a file does not run, holds other labels, or gives other
            probabilities or another most likely class. Classes that the model itself
            holds equal within 1e-6 (where `bound` is wider: within `bound`) are tied,
            and either will do.

    Example:

    >>> check({"onnx": "nowhere"}, {}, {}, [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    kerasmith.zoo.tools.parity.ExportMismatch: onnx: the file does not run: ...
    """
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        names = {"inputs": "in.npz", "outputs": "out.npz", "answers": "answers.json"}
        paths = {key: str(room / name) for key, name in names.items()}
        np.savez(paths["inputs"], **inputs)
        complaint = run_job(["-P", __file__], {"files": files, **paths}, room)
        if not pathlib.Path(paths["answers"]).exists():
            raise ExportMismatch(
                f"the process that runs {', '.join(files)} broke off: {complaint}"
            )
        answers = json.loads(pathlib.Path(paths["answers"]).read_text("utf-8"))
        with np.load(paths["outputs"]) as archive:
            outputs = dict(archive)
    for name, answer in answers.items():
        _compare_labels(name, answer, list(labels))
        for key in (key for key in expected if key.startswith(f"{name}-")):
            wanted = _all_and_first(lambda rows: rows, expected[key])
            _compare(name, wanted, outputs[key], bound)


def _compare_labels(name, answer, labels):
    if "error" in answer:
        raise ExportMismatch(
            f"{name}: the file does not run: {one_line(answer['error'])}"
        )
    if answer["labels"] != labels:
        raise ExportMismatch(f"{name}: the file holds the labels {answer['labels']}.")


def _compare(name, expected, received, bound):
    if received.shape != expected.shape or received.dtype != expected.dtype:
        raise ExportMismatch(
            f"{name}: the file gives {received.dtype} of shape {received.shape}, the "
            f"model {expected.dtype} of shape {expected.shape}."
        )
    difference = float(np.abs(received - expected).max())
    if not difference <= bound:  # NaN is not
        raise ExportMismatch(
            f"{name}: a probability differs from the model's by {difference:.2g}; "
            f"{bound:.0e} is allowed."
        )
    chosen = np.take_along_axis(expected, received.argmax(-1)[..., None], -1)[..., 0]
    # of a hundred thousand pixels some are as near to a tie as runtimes to each other
    tie = 2 * bound if expected.ndim > 2 else bound if bound > BOUND else TIE
    others = int((expected.max(-1) - chosen > tie).sum())
    if others:
        raise ExportMismatch(
            f"{name}: another class than the model's is the most likely {others} times "
            f"of {chosen.size}; none is allowed (largest difference {difference:.2g})."
        )


def run_job(command, job, room, **environment):
    """Run Python in a new process on a job, which it finds as a JSON file.

    Args:
        command: Arguments of the interpreter, before the path of the job.
        job: What to write into the JSON file.
        room: Folder for it.
        **environment: Variables to set for the process.

    Returns:
        The last line of its standard error and its exit code, for a complaint.

    Example:

    >>> run_job(["-c", "raise SystemExit('no')"], {}, tempfile.mkdtemp())
    'no (exit code 1)'
    """
    path = pathlib.Path(room, "job.json")
    path.write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        # the processor everywhere: its float32 is whole, and no graphics memory is
        # taken from the model that is exported
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
        capture_output=True,
        text=True,
        errors="replace",
    )
    words = done.stderr.strip().splitlines()[-1:] or ["no message"]
    return f"{words[0]} (exit code {done.returncode})"


def one_line(error, limit=300):
    r"""Give the message of an exception in one line.

    Args:
        error: The exception.
        limit: Number of characters after which the message is cut.

    Returns:
        The line.

    Example:

    >>> one_line(ValueError("first\n  second"))
    'first second'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _saved_model(path):
    model = SavedImageModel(path)
    return model.labels, model


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    labels = session.get_modelmeta().custom_metadata_map["labels"].split("\n")
    return labels, lambda images: session.run(["probabilities"], {"images": images})[0]


def _litert(path):
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(path) as archive:
        labels = archive.read("labels.txt").decode().split("\n")
    # the signature's runner makes room for each new batch size
    runner = Interpreter(path).get_signature_runner("serving_default")
    return labels, lambda images: runner(images=images)["probabilities"]


RUNTIMES = {"saved_model": _saved_model, "onnx": _onnx, "litert": _litert}


def _all_and_first(run, images):
    return np.concatenate([in_batches(run, images), run(images[:1])])


def main(job):
    """Load every file of a job, run it on its inputs, and write what came out.

    Behind the answers to all images stands that to the first one in a batch alone.

    Args:
        job: Path of the JSON file described above.

    Example:

    >>> sorted(RUNTIMES)
    ['litert', 'onnx', 'saved_model']
    """
    job = json.loads(pathlib.Path(job).read_text(encoding="utf-8"))
    answers, outputs = {}, {}
    with np.load(job["inputs"]) as inputs:
        for format_, path in job["files"].items():
            try:
                labels, run = RUNTIMES[format_](path)
                for name in inputs:
                    if name.startswith(f"{format_}-"):
                        outputs[name] = _all_and_first(run, inputs[name])
                answers[format_] = {"labels": labels}
            except Exception as error:  # whatever it is, it is the answer
                answers[format_] = {"error": f"{type(error).__name__}: {error}"}
    np.savez(job["outputs"], **outputs)
    pathlib.Path(job["answers"]).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    runpy.run_path(str(pathlib.Path(__file__).with_name("stranger.py")))["hide"]()
    main(sys.argv[1])
