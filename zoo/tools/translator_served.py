"""An exported translator as a stranger runs it: with TensorFlow alone.

The export starts this file by its path in a new process, in which neither Keras nor
Kerasmith can be found. The job is a JSON file of the `path` of the SavedModel, the
`texts` in hexadecimal digits, how many of the `best` to ask for with how many `beams`,
the archive `outputs` to write numbers to, and the file `answer` for texts or an error.
"""

import json
import pathlib
import runpy
import sys

import numpy as np


def run(path, texts, best, beams):
    """Run every signature of an exported translator.

    Args:
        path: Folder of the SavedModel.
        texts: List of `bytes`.
        best: Translations of each to ask `nbest` for.
        beams: Number of beams to ask it for.

    Returns:
        Dictionary of the outputs of each signature, NumPy arrays by their names; and
        those of `serving_default` on the first text alone, as `first`.

    Example:

    >>> run("nowhere", [], 1, 1)
    Traceback (most recent call last):
    OSError: SavedModel file does not exist at: nowhere/...
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures
    texts = tf.constant(texts, tf.string)
    counts = {"best": tf.constant(best), "beams": tf.constant(beams)}
    out = {
        "serving_default": serve["serving_default"](texts=texts),
        "first": serve["serving_default"](texts=texts[:1]),
        "nbest": serve["nbest"](texts=texts, **counts),
        "attend": serve["attend"](texts=texts),
    }
    return {
        name: {key: tensor.numpy() for key, tensor in answer.items()}
        for name, answer in out.items()
    }


def main(job):
    """Run the SavedModel of a job and write what came out.

    Args:
        job: Path of the JSON file described above.

    Example:

    >>> main("nowhere.json")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    job = json.loads(pathlib.Path(job).read_text(encoding="utf-8"))
    texts = [bytes.fromhex(text) for text in job["texts"]]
    answer = {"error": None, "texts": {}}
    try:
        arrays = {}
        for name, outputs in run(job["path"], texts, job["best"], job["beams"]).items():
            for key, array in outputs.items():
                if array.dtype == object:  # which an archive would pickle
                    rows = np.vectorize(bytes.decode, otypes=[object])(array)
                    answer["texts"][f"{name}.{key}"] = rows.tolist()
                else:
                    arrays[f"{name}.{key}"] = array
        np.savez(job["outputs"], **arrays)
    except Exception as raised:  # whatever it is, it is the answer
        answer["error"] = f"{type(raised).__name__}: {raised}"
    pathlib.Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    hiding = runpy.run_path(str(pathlib.Path(__file__).with_name("parity.py")))
    sys.meta_path[:] = [hiding["Hiding"](finder) for finder in sys.meta_path]
    main(sys.argv[1])
