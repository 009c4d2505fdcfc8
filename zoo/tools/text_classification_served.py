"""An exported classifier of texts as a stranger runs it: with TensorFlow alone.

The export has it run by `stranger`, in a process without Keras and Kerasmith.
"""

import pathlib
import runpy

import numpy as np


class SavedTextClassifier:
    """A SavedModel written of a network that tells the class of a text.

    Attribute: `labels`, the name of each class.

    Args:
        path: Folder of the SavedModel.

    Call arguments:
        texts: List of `bytes`, in UTF-8.

    Returns:
        Pair of the list of the most likely labels, and a float32 array of
        probabilities, `(batch, classes)`.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ValueError: If it is cut short, or of another kind.

    Example:

    >>> SavedTextClassifier("nowhere")
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
            self._serve.structured_input_signature[1]["texts"]
        except Exception as error:  # TensorFlow raises a dozen kinds for half a file
            raise ValueError(
                f"{path} is cut short or no SavedModel of a classifier of texts "
                f"({type(error).__name__}); export the model again."
            ) from error
        self.labels = [name.decode() for name in names]

    def __call__(self, texts):
        import tensorflow as tf

        answer = self._serve(texts=tf.constant(texts, tf.string))
        probabilities = answer["probabilities"].numpy()
        chosen = [label.decode() for label in answer["label"].numpy()]
        if (answer["probability"].numpy() != probabilities.max(axis=1)).any():
            raise ValueError("the probability is not that of the most likely class.")
        if chosen != [self.labels[place] for place in probabilities.argmax(axis=1)]:
            raise ValueError("the label is not that of the most likely class.")
        return chosen, probabilities


def run(path, texts):
    """Run every signature of an exported classifier of texts.

    Args:
        path: Folder of the SavedModel.
        texts: List of `bytes`.

    Returns:
        Dictionary of arrays: `probabilities` of all texts, behind them those of the
        first in a batch alone; and the `labels`.

    Example:

    >>> run("nowhere", [])
    Traceback (most recent call last):
    FileNotFoundError: there is no SavedModel in nowhere.
    """
    model = SavedTextClassifier(path)
    _, whole = model(texts)
    _, first = model(texts[:1])
    labels = np.array([label.encode() for label in model.labels], object)
    return {"probabilities": np.concatenate([whole, first]), "labels": labels}


if __name__ == "__main__":
    stranger = runpy.run_path(str(pathlib.Path(__file__).with_name("stranger.py")))
    stranger["main"](run)
