"""Early stopping in real trainings: they end with the best weights, however."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from stopped_models import TRAIN, VALIDATION, X, Y, make_model, same

from kerasmith.callbacks import (
    EarlyStopping,
    HistoryLog,
    KeepBest,
    Patience,
    ProgressQuotient,
    Threshold,
    TimeBudget,
    early_stopping,
)
from kerasmith.callbacks.best_weights import OnDevice

EAGER = {"run_eagerly": True}
torch_only = keras.backend.backend() == "torch"


def fit(model, kept, epochs=8, **keywords):
    options = {"batch_size": 10, "verbose": 0, "shuffle": False, **keywords}
    data = {"validation_data": VALIDATION}
    return model.fit(*TRAIN, epochs=epochs, callbacks=kept, **data, **options)


class Seen(keras.callbacks.Callback):
    """Notes the weights after each epoch; raises or stops where told to."""

    def __init__(self, hook=None, action=None, at=3):
        super().__init__()
        self.hook, self.action, self.at = hook, action, at
        self.epoch, self.weights = 0, {}

    def _act(self, hook):
        if hook == self.hook and self.epoch == self.at:
            if self.action == "stop":
                self.model.stop_training = True
            else:
                raise self.action

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._act("train batch")

    def on_test_begin(self, logs=None):
        self._act("test begin")

    def on_test_batch_end(self, batch, logs=None):
        self._act("test batch")

    def on_epoch_end(self, epoch, logs=None):
        self.weights[epoch] = self.model.get_weights()
        self._act("epoch end")

    def on_train_end(self, logs=None):
        self.epoch = self.at
        self._act("train end")


@pytest.mark.parametrize("place", ["device", "file"])
def test_training_ends_with_the_best_weights(place, tmp_path):
    keep = "device" if place == "device" else tmp_path / "best.weights.h5"
    stopping = EarlyStopping(Patience(3), keep=keep)
    seen, model = Seen(), make_model()
    losses = fit(model, [stopping, seen], epochs=30).history["val_loss"]
    assert stopping.best_epoch == int(np.argmin(losses)) and len(losses) < 30
    assert stopping.stopped_epoch == len(losses) - 1 == stopping.best_epoch + 3
    assert stopping.best == min(losses)
    assert stopping.best_steps == 3 * (stopping.best_epoch + 1)
    same(model.get_weights(), seen.weights[stopping.best_epoch])
    # batch-norm statistics moved on in the epochs behind the best, and are back
    assert not np.array_equal(
        seen.weights[stopping.best_epoch][4], seen.weights[stopping.stopped_epoch][4]
    )


def test_peers_end_with_the_same_weights(tmp_path):
    kept = [
        EarlyStopping(Patience(3)),
        keras.callbacks.EarlyStopping(
            "val_loss", patience=3, restore_best_weights=True
        ),
        KeepBest(tmp_path / "best.weights.h5"),
    ]
    models = [make_model(**EAGER) for _ in kept]
    epochs = 12
    for model, callback in zip(models, kept, strict=True):
        found = len(fit(model, [callback], epochs=epochs).history["loss"])
        assert found == epochs or epochs == 12
        epochs = found  # KeepBest does not stop
    assert epochs < 12
    same(models[0].get_weights(), models[1].get_weights())
    same(models[0].get_weights(), models[2].get_weights())


def test_told_otherwise_it_ends_with_the_last_weights():
    seen, model = Seen(), make_model(**EAGER)
    stopping = EarlyStopping(Patience(2), restore_best_weights=False)
    fit(model, [stopping, seen])
    same(model.get_weights(), seen.weights[stopping.epochs[-1]])
    assert stopping.best_epoch < stopping.epochs[-1]
    assert not stopping.restore() and not stopping.weights.copies


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("no")])
@pytest.mark.parametrize(
    "hook", ["train batch", "test begin", "test batch", "epoch end", "train end"]
)
def test_it_ends_so_when_fit_raises(hook, error):
    stopping, seen = EarlyStopping(Patience(50)), Seen(hook, error)
    model = make_model(run_eagerly=torch_only)
    with pytest.raises((KeyboardInterrupt, RuntimeError)), stopping:
        fit(model, [seen, stopping], epochs=5)
    assert stopping.best_epoch is not None
    same(model.get_weights(), seen.weights[stopping.best_epoch])
    fit(model, [stopping], epochs=1)  # nor is the model left unable to go on


def test_it_ends_so_when_the_data_break_off():
    class Data(keras.utils.PyDataset):
        epoch = 0

        def __len__(self):
            return 3

        def __getitem__(self, step):
            if self.epoch == 3:
                raise OSError("the disk is gone")
            return X[step * 10 : step * 10 + 10], Y[step * 10 : step * 10 + 10]

        def on_epoch_end(self):
            self.epoch += 1

    stopping, seen, model = EarlyStopping(Patience(50)), Seen(), make_model()
    options = {"verbose": 0, "shuffle": False, "validation_data": VALIDATION}
    with pytest.raises(Exception, match="the disk is gone"), stopping:
        model.fit(Data(), epochs=6, callbacks=[seen, stopping], **options)
    same(model.get_weights(), seen.weights[stopping.best_epoch])
    if keras.backend.backend() != "jax":  # Keras loses the optimizer's variables there
        fit(model, [stopping], epochs=1)


@pytest.mark.parametrize("hook", ["train batch", "epoch end"])
def test_it_ends_so_when_another_callback_stops(hook):
    stopping, seen = EarlyStopping(Patience(50)), Seen(hook, "stop", at=6)
    model = make_model(**EAGER)
    fit(model, [seen, stopping], epochs=12)
    assert stopping.stopped_epoch is None and stopping.epochs[-1] == 6
    same(model.get_weights(), seen.weights[stopping.best_epoch])


def test_a_training_that_went_well_is_left_alone_by_the_block():
    stopping, model = EarlyStopping(Patience(50)), make_model(**EAGER)
    with stopping:
        fit(model, [stopping], epochs=3)
        changed = [weight + 1 for weight in model.get_weights()]
        model.set_weights(changed)
    same(model.get_weights(), changed)


def test_an_error_that_turns_out_zero_is_told_and_the_best_weights_are_back():
    class Falling(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["error"] = [0.5, 0.0, 0.2][epoch]
            logs["val_error"] = [0.5, 0.4, 0.6][epoch]

    stopping = EarlyStopping(ProgressQuotient(1, strip=3), "val_error")
    seen, model = Seen(), make_model(**EAGER)
    with pytest.raises(ValueError, match="above zero.*Patience"):
        fit(model, [Falling(), seen, stopping])
    assert len(seen.weights) == 3
    same(model.get_weights(), seen.weights[1])


def test_a_metric_of_a_criterion_must_be_logged():
    stopping = EarlyStopping(Patience(3) | Threshold(0.9, "val_accuracy"))
    with pytest.raises(KeyError, match=r"'val_accuracy'.*\['loss', 'val_loss'\]"):
        fit(make_model(**EAGER), [stopping])


def test_further_training_leaves_the_copy_as_it_is():
    model, kept = make_model(), OnDevice()
    fit(model, [], epochs=1)
    kept.keep(model)
    expected = model.get_weights()
    fit(model, [], epochs=2)
    same(kept.get_arrays(), expected)
    for _ in range(2):  # nor does training go on in the copy that was put back
        assert kept.put_back(model)
        same(model.get_weights(), expected)
        fit(model, [], epochs=2)
        same(kept.get_arrays(), expected)


def test_weights_of_another_model_are_refused():
    kept = OnDevice()
    kept.keep(make_model())
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="the weights kept have the shapes"):
        kept.put_back(other)


@pytest.mark.parametrize("place", ["device", "file"])
def test_a_run_broken_off_goes_on_with_its_best_weights(place, tmp_path):
    def build(name):
        keep = "device" if place == "device" else tmp_path / f"{name}.weights.h5"
        return EarlyStopping(Patience(4), keep=keep)

    whole, seen, model = build("whole"), Seen(), make_model()
    fit(model, [whole, seen], epochs=20)
    broken_at = whole.best_epoch + 2

    class Handed(keras.callbacks.Callback):
        """Hands over what was saved, where a resumed run does."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == broken_at:
                resumed.set_state(state)
                resumed.set_arrays(arrays)

    before, first = build("broken"), make_model()
    fit(first, [before, Seen()], epochs=broken_at)
    first.set_weights(seen.weights[broken_at - 1])
    state, arrays = json.loads(json.dumps(before.get_state())), before.get_arrays()
    assert bool(arrays) == (place == "device")
    resumed = build("broken")
    fit(first, [resumed, Handed()], epochs=20, initial_epoch=broken_at)
    assert resumed.best_epoch == whole.best_epoch and resumed.best == whole.best
    assert resumed.stopped_epoch == whole.stopped_epoch
    same(first.get_weights(), model.get_weights())


def test_the_time_before_an_interruption_counts(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(early_stopping.time, "perf_counter", lambda: now[0])

    class Slow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            now[0] += 60

    before, model = EarlyStopping(TimeBudget(5)), make_model(**EAGER)
    fit(model, [Slow(), before], epochs=3)
    assert before.curves.minutes == 3
    now[0] += 1e6  # until somebody starts the next process
    resumed = EarlyStopping(TimeBudget(5))

    class Handed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                resumed.set_state(before.get_state())
                resumed.set_arrays(before.get_arrays())

    fit(model, [Handed(), Slow(), resumed], epochs=20, initial_epoch=3)
    assert resumed.stopped_epoch == 4 and resumed.reason == "5 of 5 minutes are over"


@pytest.mark.parametrize("form", ["several steps", "accumulation", "float16"])
def test_other_forms_of_training(form):
    optimizer, options, policy = keras.optimizers.SGD(0.2), {}, "float32"
    if form == "several steps":
        if torch_only:
            pytest.skip("PyTorch takes one step an execution")
        options = {"steps_per_execution": 2}
    elif form == "accumulation":
        optimizer = keras.optimizers.SGD(0.2, gradient_accumulation_steps=2)
    else:
        policy = "mixed_float16"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = make_model(optimizer, **options)
    finally:
        keras.config.set_dtype_policy(before)
    stopping, seen = EarlyStopping(Patience(3)), Seen()
    fit(model, [stopping, seen], epochs=12)
    assert stopping.best_epoch < stopping.epochs[-1]
    same(model.get_weights(), seen.weights[stopping.best_epoch])


def test_other_callbacks_log_nothing_more_for_it(tmp_path):
    log = HistoryLog(tmp_path / "history.csv")
    fit(make_model(**EAGER), [EarlyStopping(Patience(1)), log], epochs=3)
    assert set(log.rows[0]) == {
        *("epoch", "loss", "val_loss", "learning_rate", "seconds")
    }


MIRRORED = """
import json, sys
import numpy as np, tensorflow as tf, keras
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from kerasmith.callbacks import EarlyStopping, Patience
random = np.random.default_rng(0)
x, y = random.normal(size=(40, 3)), random.normal(size=(40, 1))
keras.utils.set_random_seed(1)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.9), "mse")
seen = []
class Seen(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        seen.append(self.model.get_weights())
stopping = EarlyStopping(Patience(3))
model.fit(x[:30], y[:30], batch_size=10, epochs=9, verbose=0,
          callbacks=[stopping, Seen()], validation_data=(x[30:], y[30:]))
pairs = zip(model.get_weights(), seen[stopping.best_epoch], strict=True)
copies = [value.numpy() for weight in model.weights for value in weight.value.values]
best = [value for value in seen[stopping.best_epoch] for replica in range(2)]
sys.stdout.write(json.dumps([
    stopping.best_epoch, len(seen), all((a == b).all() for a, b in pairs),
    all((a == b).all() for a, b in zip(copies, best, strict=True)),
]))
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its strategy")
def test_every_replica_ends_with_the_best_weights():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MIRRORED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    best, epochs, restored, on_each = json.loads(done.stdout.splitlines()[-1])
    assert best < epochs - 1 and restored and on_each
