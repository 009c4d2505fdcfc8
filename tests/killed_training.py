"""A training to be killed, again and again.

    python killed_training.py FOLDER keras|ours

tells whose callbacks stop it and steer its rate.
"""

import hashlib
import json
import pathlib
import sys

import keras
import numpy as np
from sklearn.datasets import load_digits

from kerasmith import callbacks, zoo
from kerasmith.callbacks.files import write_text


class Told(keras.callbacks.Callback):
    """Tells who watches that training goes on."""

    def on_train_batch_begin(self, batch, logs=None):
        sys.stdout.write("training\n")
        sys.stdout.flush()


def of_keras():
    return [
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.3),
    ]


def ours():
    plateau = callbacks.Plateau(patience=1, factor=0.3)
    return [
        callbacks.EarlyStopping(callbacks.Patience(2)),
        callbacks.LearningRate(plateau=plateau),
        callbacks.GradientClipping(by="percentile", threshold=50),
    ]


def train(folder, steering):
    keras.utils.set_random_seed(1)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    x, y = load_digits(return_X_y=True)
    x = np.pad(x.reshape(-1, 8, 8, 1) / 16, [(0, 0), (12, 12), (12, 12), (0, 0)])
    data = callbacks.ShuffledBatches(x[:640], y[:640], batch_size=32, seed=4)

    def dropout():
        return keras.layers.Dropout(0.2)

    model = zoo.build(
        "lenet5_modern", classes=10, input_shape=(32, 32, 1), dropout=dropout
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    steering = {"keras": of_keras, "ours": ours}[steering]()
    log = keras.callbacks.CSVLogger(folder / "log.csv")
    kept = [callbacks.HistoryLog(folder / "history.csv"), *steering, log]
    resume = callbacks.Resume(folder / "states", kept, data=data, every=3, by="step")
    history = model.fit(
        data,
        validation_data=(x[640:900], y[640:900]),
        epochs=30,
        initial_epoch=resume.epoch,
        verbose=0,
        callbacks=[Told(), *kept, resume],
    )
    values = [*model.get_weights(), *map(np.asarray, model.optimizer.variables)]
    digest = hashlib.sha256(b"".join(value.tobytes() for value in values))
    result = {
        "weights": digest.hexdigest(),
        "history": history.history,
        "epochs": history.epoch,
        "stopped": steering[0].stopped_epoch,
        "log": (folder / "log.csv").read_text(),
    }
    write_text(folder / "result.json", json.dumps(result))


if __name__ == "__main__":
    train(pathlib.Path(sys.argv[1]), sys.argv[2])
