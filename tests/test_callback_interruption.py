"""Ctrl-C: a real signal, in a plain `fit`."""

import os
import signal

import keras
import numpy as np
import pytest

from kerasmith.callbacks import EarlyStopping, Patience

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(-1, keepdims=True)


class Pressed(keras.callbacks.Callback):
    """Presses Ctrl-C in a hook of the third epoch, and remembers all weights."""

    def __init__(self, hook, times=1):
        super().__init__()
        self.hook, self.times, self.weights, self.steps = hook, times, {}, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def _act(self, hook):
        if (hook, self.epoch) == (self.hook, 2):
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def on_train_batch_begin(self, batch, logs=None):
        self._act("train batch")
        self.steps += 1

    def on_test_begin(self, logs=None):
        self._act("test")

    def on_epoch_end(self, epoch, logs=None):
        self.weights[epoch] = self.model.get_weights()
        self._act("epoch end")

    def on_train_end(self, logs=None):
        self.epoch = 2
        self._act("train end")


def make_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    # the loss rises from epoch to epoch: the first is the best
    model.compile(keras.optimizers.SGD(3.0), "mse")
    return model


def fit(model, callbacks):
    data = {"validation_data": (X, Y), "batch_size": 8, "shuffle": False}
    return model.fit(X, Y, epochs=4, verbose=0, callbacks=callbacks, **data)


@pytest.fixture(autouse=True)
def _ctrl_c_is_as_it_was():
    # what runs in the background ignores it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hook", ["train batch", "test", "epoch end", "train end"])
def test_ctrl_c_ends_with_the_best_weights(hook, first):
    pressed, stopping = Pressed(hook), EarlyStopping(Patience(9))
    model = make_model()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [stopping, pressed] if first else [pressed, stopping])
    assert stopping.best_epoch == 0 and stopping.restored
    for found, best in zip(model.get_weights(), pressed.weights[0], strict=True):
        np.testing.assert_array_equal(found, best)
    pressed.hook = None
    fit(model, [stopping, pressed])  # and it can go on


def test_the_step_is_finished_first_and_not_another_one_begun():
    pressed = Pressed("train batch")
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [EarlyStopping(Patience(9)), pressed])
    assert pressed.steps == 7  # two epochs of three, and the one it came in


def test_a_second_one_acts_at_once():
    pressed, stopping = Pressed("train batch", times=2), EarlyStopping(Patience(9))
    with pytest.raises(KeyboardInterrupt), stopping:
        fit(make_model(), [stopping, pressed])
    assert pressed.steps == 6


def test_all_of_several_are_told():
    one, other = EarlyStopping(Patience(9)), EarlyStopping(Patience(9), "loss")
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [one, other, Pressed("train batch")])
    with pytest.raises(KeyboardInterrupt):  # what the other has left is in nobody's way
        os.kill(os.getpid(), signal.SIGINT)


def test_a_fit_without_it_is_left_alone():
    class Failing(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        fit(make_model(), [EarlyStopping(Patience(9)), Failing()])
    pressed = Pressed("train batch")
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [pressed])
    assert pressed.steps == 6
