"""A training with all callbacks at once, and how two of them are compared."""

import keras
import numpy as np
from sklearn.datasets import load_digits

from kerasmith import callbacks, layers

IMAGES, LABELS = load_digits(return_X_y=True)
X, Y = (IMAGES[:64] / 16).astype("float32"), LABELS[:64].astype("int32")
V = (IMAGES[64:112] / 16).astype("float32"), LABELS[64:112].astype("int32")
TOLERANCE = 0 if keras.backend.backend() == "tensorflow" else 1e-6
EPOCHS, BATCHES = 4, 4
BREAK = (2, 2)
DATA = callbacks.ShuffledBatches(X, Y, batch_size=16, seed=1)
# seconds differ from one training to another
NOT_COMPARED = {"seconds"}


class BreaksOff(keras.callbacks.Callback):
    """Presses Ctrl-C in the middle of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == BREAK[0] and batch >= BREAK[1]:
            raise KeyboardInterrupt


def make_network():
    keras.utils.set_random_seed(3)
    parts = [
        keras.layers.Dense(12, activation="relu", name="body"),
        keras.layers.BatchNormalization(name="norm"),
        layers.DropPath(0.0, seed=5),
        keras.layers.Dense(10, activation="softmax", name="head"),
    ]
    return keras.Sequential([keras.Input((64,)), *parts])


def compiled(model, accumulated=None, **options):
    loss = "sparse_categorical_crossentropy"
    optimizer = keras.optimizers.SGD(0.1, 0.9, gradient_accumulation_steps=accumulated)
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    return model


def make_model(policy="float32", accumulated=None, **options):
    keras.config.set_dtype_policy(policy)
    model = compiled(make_network(), accumulated, **options)
    keras.config.set_dtype_policy("float32")
    return model


def make_callbacks(folder):
    """Give all of them by name, and the one that resumes last."""
    plateau = callbacks.Plateau("val_loss", patience=1, factor=0.5, min_delta=0.5)
    statistics = {"batch_size": 16, "validation": V}
    found = {
        "stopping": callbacks.EarlyStopping(callbacks.Patience(9)),
        "log": callbacks.HistoryLog(folder / "history.csv"),
        "best": callbacks.KeepBest(folder / "best.weights.h5"),
        "rate": callbacks.LearningRate("cosine", warmup=2, plateau=plateau),
        "clipping": callbacks.GradientClipping(50, by="percentile"),
        "dropout": callbacks.DropoutSchedule((0.0, 0.3, 3)),
        "freeze": callbacks.FreezeSchedule({1: "body"}),
        "monitor": callbacks.TrainingMonitor(every=1, data=X[:8]),
        "average": callbacks.WeightAverage(1, data=X, keep="average", **statistics),
        "precise": callbacks.PreciseBatchNorm(X, every=1, **statistics),
        "errors": callbacks.BiasVariance((X, Y), None, V, every=2),
    }
    kept = [callback for callback in found.values() if hasattr(callback, "get_state")]
    resume = callbacks.Resume(folder / "states", kept, data=DATA, by="step")
    return {**found, "resume": resume}


def train(folder, order=list, *others, make=make_model):
    """Train, and give the history, the weights and what the callbacks found."""
    kept, model = make_callbacks(folder), make()
    epoch = kept["resume"].epoch
    options = {"validation_data": V, "epochs": EPOCHS, "initial_epoch": epoch}
    listed = [*order(kept.values()), *others]
    history = model.fit(DATA, callbacks=listed, verbose=0, **options).history
    found = {
        "rows": kept["log"].rows,
        "samples": kept["monitor"].samples,
        "activations": kept["monitor"].activations,
        "clipping": kept["clipping"].rows,
        "errors": kept["errors"].history,
        "averaged": kept["average"].losses,
        "statistics": kept["precise"].losses,
        "best": [kept["stopping"].best, kept["best"].best],
        "memory": list(kept["rate"].memory),
        "kept": [kept["average"].kept, kept["precise"].kept],
    }
    return {
        "history": history,
        "weights": model.get_weights(),
        "final": model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"],
        "judged": 1 - kept["errors"].errors["train"],
        **found,
    }


def same(found, other, tolerance, name=""):
    """Compare all that two trainings left, numbers up to a tolerance."""
    if isinstance(found, dict):
        assert sorted(found) == sorted(other), name
        for key in found.keys() - NOT_COMPARED:
            same(found[key], other[key], tolerance, f"{name} {key}")
    elif isinstance(found, list | tuple):
        assert len(found) == len(other), name
        for place, pair in enumerate(zip(found, other, strict=True)):
            same(*pair, tolerance, f"{name} {place}")
    elif found is None or isinstance(found, str):
        assert found == other, name
    else:
        np.testing.assert_allclose(
            found, other, rtol=tolerance, atol=tolerance, err_msg=name
        )


def backwards(kept):
    return list(kept)[::-1]
