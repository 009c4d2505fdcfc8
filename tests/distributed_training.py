"""LeNet-5 on the digits, on two devices of this process, and on one.

    python distributed_training.py FOLDER

writes the losses of both, and the weights' largest difference.
"""

import dataclasses
import json
import pathlib
import sys

import keras
import numpy as np

from kerasmith.zoo import recipes
from kerasmith.zoo.tools import run
from kerasmith.zoo.tools.distribution import distributing
from kerasmith.zoo.tools.fitting import build_model, fit, spread_model
from kerasmith.zoo.tools.judge import read_history

EPOCHS = 2
NAMES = ("loss", "accuracy", "val_loss", "val_accuracy")


def recipe(epochs=EPOCHS):
    """Batches of 96 of 1,197 images: the last has 45, which two cannot share alike."""
    found = recipes.get("lenet5_digits")
    return dataclasses.replace(
        found, epochs=epochs, batch_size=96, callbacks=recipes.recipe.no_more
    )


def train(folder, kind):
    with distributing(kind, recipe=recipe()) as group:
        run.set_seeds(recipe().seed)
        data = run.load_data(recipe())
        model = build_model(recipe(), data)
        spread = spread_model(recipe(), model, data, group)
        fit(recipe(), spread, data, folder, 0, group)
        group.settle(spread, model)
    rows = read_history(folder / "history.csv")
    return {name: list(rows[name]) for name in NAMES}, model.get_weights()


def main(folder):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # what it rewrites runs a few times only
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    two, weights = train(folder / "two", "mirrored")
    one, others = train(folder / "one", None)
    pairs = zip(weights, others, strict=True)
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    found = {"two": two, "one": one, "apart": apart}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
