"""An exported translator as a stranger runs it: with TensorFlow alone.

The export has it run by `stranger`, in a process without Keras and Kerasmith.
"""

import pathlib
import runpy


def run(path, texts, best, beams):
    """Run every signature of an exported translator.

    Args:
        path: Folder of the SavedModel.
        texts: List of `bytes`.
        best: Translations of each to ask `nbest` for.
        beams: Number of beams to ask it for.

    Returns:
        Dictionary of the outputs of each signature, NumPy arrays named as in
        `nbest.scores`; and those of `serving_default` on the first text alone, as
        `first.scores`.

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
        f"{name}.{key}": tensor.numpy()
        for name, outputs in out.items()
        for key, tensor in outputs.items()
    }


if __name__ == "__main__":
    stranger = runpy.run_path(str(pathlib.Path(__file__).with_name("stranger.py")))
    stranger["main"](run)
