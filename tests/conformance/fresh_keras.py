"""Run by `test_fresh_process.py`: load the models of a folder and let them answer.

python fresh_keras.py FOLDER
"""

import json
import pathlib
import sys

import keras
import numpy as np

from kerasmith import layers  # noqa: F401  registers the classes

folder = pathlib.Path(sys.argv[1])
inputs, labels = np.load(folder / "inputs.npz"), np.load(folder / "labels.npz")


def inputs_of(name):
    """Give an array, or those of several inputs by name: `model/input`."""
    several = [key for key in inputs if key.startswith(f"{name}/")]
    if not several:
        return inputs[name]
    return {key.partition("/")[2]: inputs[key] for key in several}


def answer(name):
    model = keras.saving.load_model(folder / f"{name}.keras")
    outputs = model(inputs_of(name), training=False)
    answers = {"outputs": keras.ops.convert_to_numpy(outputs).tolist()}
    if name in labels:
        answers["loss"] = float(model.compute_loss(y=labels[name], y_pred=outputs))
    return answers


def answer_or_error(name):
    try:
        return answer(name)
    except Exception as error:  # the other rows shall answer all the same
        return {"error": repr(error)}


names = dict.fromkeys(key.partition("/")[0] for key in inputs)
answers = {name: answer_or_error(name) for name in names}
(folder / "keras.json").write_text(json.dumps(answers))
