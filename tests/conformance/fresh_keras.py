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


def answer(name):
    model = keras.saving.load_model(folder / f"{name}.keras")
    outputs = model(inputs[name], training=False)
    answers = {"outputs": keras.ops.convert_to_numpy(outputs).tolist()}
    if name in labels:
        answers["loss"] = float(model.compute_loss(y=labels[name], y_pred=outputs))
    return answers


def answer_or_error(name):
    try:
        return answer(name)
    except Exception as error:  # the other rows shall answer all the same
        return {"error": repr(error)}


answers = {name: answer_or_error(name) for name in inputs}
(folder / "keras.json").write_text(json.dumps(answers))
