"""An exported gallery as a stranger runs it: with TensorFlow alone.

The export has it run by `stranger`, in a process without Keras and Kerasmith.
"""

import pathlib
import runpy

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
    return {key: tensor.numpy() for key, tensor in out.items()}


if __name__ == "__main__":
    stranger = runpy.run_path(str(pathlib.Path(__file__).with_name("stranger.py")))
    stranger["main"](run)
