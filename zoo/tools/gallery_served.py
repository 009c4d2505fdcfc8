"""An exported gallery as a stranger runs it: with TensorFlow alone.

The export starts this file by its path in a new process, in which neither Keras nor
Kerasmith can be found. The job is a JSON file of the `path` of the SavedModel, the
archive `inputs` with the `images`, the archive `outputs` to write what came out, and
the file `answer` for an error.
"""

import json
import pathlib
import runpy
import sys

import numpy as np


def run(path, images):
    """Run every signature of an exported gallery.

    Args:
        path: Folder of the SavedModel.
        images: Array of images.

    Returns:
        Dictionary of arrays: `embed`, and `embed_first` for the first image by
        itself; `distance` and `same` of each image and the one before it; `names`,
        `name` and `nearest` for the names enrolled, and what is identified how near.

    Example:

    >>> run("nowhere", [])
    Traceback (most recent call last):
    OSError: SavedModel file does not exist at: nowhere/...
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve, out = loaded.signatures, {}
    given, before = tf.constant(images), tf.constant(np.roll(images, 1, axis=0))
    out["embed"] = serve["embed"](images=given)["embeddings"]
    out["embed_first"] = serve["embed"](images=given[:1])["embeddings"]
    out.update(serve["verify"](first=given, second=before))
    if "identify" in serve:
        found = serve["identify"](images=given)
        out["name"], out["nearest"] = found["name"], found["distance"]
        out["names"] = serve["names"]()["names"]
    arrays = {}
    for key, tensor in out.items():
        array = tensor.numpy()
        if tensor.dtype == tf.string:  # bytes would be pickled in an archive
            array = np.array([text.decode() for text in array], str)
        arrays[key] = array
    return arrays


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
    error = None
    try:
        with np.load(job["inputs"]) as inputs:
            np.savez(job["outputs"], **run(job["path"], inputs["images"]))
    except Exception as raised:  # whatever it is, it is the answer
        error = f"{type(raised).__name__}: {raised}"
    pathlib.Path(job["answer"]).write_text(json.dumps(error), encoding="utf-8")


if __name__ == "__main__":
    hiding = runpy.run_path(str(pathlib.Path(__file__).with_name("parity.py")))
    sys.meta_path[:] = [hiding["Hiding"](finder) for finder in sys.meta_path]
    main(sys.argv[1])
