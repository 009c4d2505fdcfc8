"""Metrics that will not be logged are refused before the first step."""

import keras
import numpy as np
import pytest

from kerasmith.callbacks import EarlyStopping, HistoryLog, Patience, Threshold

TRAIN = np.ones((10, 3), "float32"), np.ones((10, 1), "float32")


def make_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


class Logs(keras.callbacks.Callback):
    """Evaluates in a way of its own."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = 0.5


@pytest.mark.parametrize("criterion", [Patience(3), Threshold(0.1, "val_error")])
def test_a_metric_of_validation_data_that_fit_lacks_is_refused_at_once(
    criterion, tmp_path
):
    monitor = "val_loss" if isinstance(criterion, Patience) else "loss"
    stopping, model = EarlyStopping(criterion, monitor), make_model()
    kept = [HistoryLog(tmp_path / "history.csv"), stopping]
    before = model.get_weights()
    with pytest.raises(KeyError, match=r"'val_.*without validation.*\['loss'"):
        model.fit(*TRAIN, epochs=1, callbacks=kept, verbose=0)
    same(model.get_weights(), before)
    options = {"validation_split": 0.2, "verbose": 0}
    with pytest.raises(KeyError, match="leave validation_freq out"):
        model.fit(*TRAIN, callbacks=[stopping], validation_freq=2, **options)
    same(model.get_weights(), before)


def test_a_metric_that_may_yet_be_logged_is_waited_for():
    stopping, model = EarlyStopping(Patience(3)), make_model()
    model.fit(*TRAIN, callbacks=[Logs(), stopping], verbose=0)
    assert stopping.best == 0.5
    model.fit(*TRAIN, callbacks=[stopping], validation_split=0.2, verbose=0)
    other = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    with pytest.raises(KeyError, match=r"only \['loss'\] were logged"):
        model.fit(*TRAIN, callbacks=[other, stopping], verbose=0)
