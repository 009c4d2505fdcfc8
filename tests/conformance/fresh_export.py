"""Run by `test_fresh_process.py`: turn `all.keras` of a folder into a SavedModel.

KERAS_BACKEND=tensorflow python fresh_export.py FOLDER
"""

import pathlib
import sys

import keras

from kerasmith import layers  # noqa: F401  registers the classes

folder = pathlib.Path(sys.argv[1])
model = keras.saving.load_model(folder / "all.keras")
model.export(folder / "saved_model", verbose=False)
