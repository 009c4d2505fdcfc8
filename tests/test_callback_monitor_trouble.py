"""A training monitor finds a NaN's batch and layer, and goes on in a resumed run."""

import keras
import numpy as np
import pytest
from keras import ops
from test_callback_training_monitor import X, Y, fit, make_model, written

from kerasmith import callbacks


@pytest.mark.parametrize("every", [1, 3])
def test_the_batch_with_a_nan_and_the_layer_are_named(every):
    bad = X.copy()
    bad[7, 1] = np.nan  # in batch 3 of two samples each
    monitor = callbacks.TrainingMonitor(
        every=every, inputs=lambda epoch, batch: bad[2 * batch : 2 * batch + 2]
    )
    fit(make_model(), monitor, 2, x=bad, batch_size=2)
    trouble = monitor.trouble
    assert (trouble["epoch"], trouble["batch"], trouble["samples"]) == (0, 3, [1])
    assert trouble["layer"] == "first" and len(trouble["weights"]) == 2
    np.testing.assert_array_equal(monitor.bad_inputs, bad[6:8])
    assert monitor.findings()[0].startswith(
        "the loss was not finite at batch 3 of epoch 0; samples [1] of its inputs"
    )


class Overflowing(keras.layers.Layer):
    def call(self, inputs):
        return ops.exp(100 * inputs)


class Spoiling(keras.callbacks.Callback):
    """Does what the step after a bad one does."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            self.model.get_layer("norm").moving_mean.assign([np.nan, np.nan])


def test_a_layer_that_overflows_is_named():
    keras.utils.set_random_seed(5)
    parts = [
        keras.layers.Dense(2, kernel_initializer="ones", name="first"),
        keras.layers.BatchNormalization(name="norm"),
        Overflowing(name="overflowing"),
        keras.layers.Dense(1, name="last"),
    ]
    model = keras.Sequential([keras.Input((3,)), *parts])
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    x = np.full((8, 3), -1.0, "float32")
    x[5] = 9.0
    monitor = callbacks.TrainingMonitor(
        every=1, inputs=lambda e, b: x[2 * b : 2 * b + 2]
    )
    y = np.zeros((8, 1))
    fit(model, monitor, 1, [Spoiling()], x=x, y=y, batch_size=2)
    assert np.isnan(model.get_layer("norm").get_weights()[2]).all()  # put back
    trouble = monitor.trouble
    assert (trouble["batch"], trouble["samples"]) == (2, [])
    assert trouble["layer"] == "overflowing"


def test_a_loss_that_fails_while_all_layers_are_finite_is_told():
    def failing(y_true, y_pred):
        return ops.mean(ops.log(ops.abs(y_true)) + 0 * y_pred, -1)

    model = make_model()
    model.compile("sgd", failing)
    y = Y.copy()
    y[8] = np.nan
    monitor = callbacks.TrainingMonitor(
        every=1, inputs=lambda e, b: X[6 * b : 6 * b + 6]
    )
    fit(model, monitor, 1, y=y)
    assert (monitor.trouble["batch"], monitor.trouble["layer"]) == (1, None)
    assert "it arose in the loss" in monitor.findings()[0]


# each with each of the others
@pytest.mark.parametrize(
    "turn, every, behind", [(1, 1, 1), (1, 2, 3), (-1, 1, 3), (-1, 2, 1)]
)
def test_a_run_resumed_inside_an_epoch_samples_no_step_twice(
    turn, every, behind, tmp_path
):
    class Broken(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 6 + behind:
                raise KeyboardInterrupt

    def run(folder, *more):
        data = callbacks.ShuffledBatches(X, Y, batch_size=2, seed=3)
        log = tmp_path / "logs" if folder == "broken" and not more else None
        monitor = callbacks.TrainingMonitor(every=every, log_dir=log)
        kept = {"every": 1, "by": "step", "data": data}
        resume = callbacks.Resume(tmp_path / folder, [monitor], **kept)
        listed = [*(monitor, resume)[::turn], *more]
        options = {"epochs": 3, "initial_epoch": resume.epoch, "verbose": 0}
        make_model().fit(data, callbacks=listed, **options)
        return monitor

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("broken", Broken())
    resumed = run("broken")
    assert resumed.get_state() == whole.get_state()
    tag = f"gradient/{resumed.layers[0]}"
    steps = [event.step for event in written(tmp_path / "logs").Tensors(tag)]
    assert steps == [s for s in range(6 + behind, 18) if s % every == 0]
