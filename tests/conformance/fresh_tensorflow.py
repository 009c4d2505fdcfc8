"""Run by `test_fresh_process.py`: plain TensorFlow runs a SavedModel.

    python fresh_tensorflow.py FOLDER

Neither Keras nor Kerasmith can be imported here.
"""

import json
import pathlib
import sys

loaded: dict = sys.modules
for package in ("keras", "tf_keras", "kerasmith"):
    loaded[package] = None  # as if it were not installed

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

folder = pathlib.Path(sys.argv[1])
model = tf.saved_model.load(str(folder / "saved_model"))
inputs = np.load(folder / "all.npz")
outputs = model.serve({name: tf.constant(inputs[name]) for name in inputs})
answers = {name: output.numpy().tolist() for name, output in outputs.items()}
(folder / "tensorflow.json").write_text(json.dumps(answers))
