"""The learning rate among other callbacks, other devices, and wrong arguments."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from slope import Weights, fit, make_model, rates_of

from kerasmith import callbacks

LearningRate, Plateau = callbacks.LearningRate, callbacks.Plateau


@pytest.mark.parametrize(
    "other",
    [
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        LearningRate(0.1),
    ],
    ids=lambda other: type(other).__name__,
)
@pytest.mark.parametrize("first", [True, False])
def test_a_second_owner_is_refused_before_the_first_step(other, first):
    model, weights = make_model(keras.optimizers.SGD(0.25)), Weights()
    rule = LearningRate(0.1)
    pair = [rule, other] if first else [other, rule]
    with pytest.raises(ValueError, match="would both set the learning rate"):
        fit(model, [weights, *pair])
    assert len(weights.seen) == 1
    fit(model, [weights])
    np.testing.assert_allclose(-np.diff(weights.seen), 0.25, 1e-5)


def test_who_else_sets_the_rate_is_told_once():
    def meddle(epoch, logs=None):
        model.optimizer.learning_rate = 0.5

    model, weights = make_model(), Weights()
    meddler = keras.callbacks.LambdaCallback(on_epoch_end=meddle)
    with pytest.warns(UserWarning, match="another callback has set") as told:
        fit(model, [LearningRate(0.1), meddler, weights], epochs=4)
    assert len([one for one in told if "another" in str(one.message)]) == 1
    np.testing.assert_allclose(-np.diff(weights.seen), 0.1, 1e-4)


def test_evaluating_with_the_callback_leaves_the_optimizer_alone():
    model, ones = make_model(), np.ones((4, 1))
    model.evaluate(ones, ones, verbose=0, callbacks=[LearningRate(0.5)])
    assert len(model.optimizer.variables) == 2
    assert model.optimizer.get_config()["learning_rate"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    "problem, keywords, message",
    [
        (ValueError, {"base": -1.0}, "rate >= 0"),
        (ValueError, {"base": float("nan")}, "rate >= 0"),
        (ValueError, {"base": "cosin"}, "choose one of .*cosine"),
        (TypeError, {"base": [0.1]}, r"received \[0.1\]"),
        (ValueError, {"base": 0.1, "peak": 0.2}, "only for a decay"),
        (ValueError, {"base": "cosine", "peak": 0.0}, "peak > 0"),
        (ValueError, {"warmup": -1}, "warmup >= 0"),
        (ValueError, {"warmup": 1.5}, "warmup >= 0"),
        (ValueError, {"epochs": 0}, "epochs > 0"),
        (ValueError, {"by": "batch"}, "'step' or 'epoch'"),
        (TypeError, {"plateau": 0.1}, "plateau=Plateau"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(problem, keywords, message):
    with pytest.raises(problem, match=message):
        LearningRate(**keywords)


@pytest.mark.parametrize(
    "keywords",
    [{"factor": 1.0}, {"patience": -1}, {"min_delta": -1.0}, {"monitor": "money"}],
)
def test_a_plateau_that_means_nothing_is_refused(keywords):
    with pytest.raises(ValueError, match="factor|patience|min_delta|money"):
        Plateau(**keywords)


@pytest.mark.parametrize(
    "build",
    [
        lambda: callbacks.StepDecay(0.1, 0),
        lambda: callbacks.OneCycle(0.1, 10, rise=1.0),
        lambda: callbacks.Noam(0),
    ],
)
def test_a_schedule_that_means_nothing_is_refused(build):
    with pytest.raises(ValueError, match="needs"):
        build()


@pytest.mark.parametrize(
    "schedule",
    [
        callbacks.StepDecay(0.1, 7, 0.5),
        callbacks.OneCycle(0.1, 24),
        callbacks.Noam(64, 5),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_schedule_serves_an_optimizer_and_a_file(schedule):
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    alone = rates_of(keras.callbacks.Callback(), keras.optimizers.SGD(again))
    np.testing.assert_allclose(rates_of(LearningRate(schedule)), alone, 1e-4, 1e-7)


@pytest.mark.parametrize(
    "rule, problem, message",
    [
        (
            LearningRate(lambda s: 0.1 if s < 3 else 0.01),
            TypeError,
            "take by='epoch'",
        ),
        (LearningRate(lambda s: -0.1 * (s + 1)), ValueError, "not negative"),
        (LearningRate("linear", warmup=24), ValueError, "leaves no room"),
    ],
)
def test_what_only_training_tells_is_refused_before_the_first_step(
    rule, problem, message
):
    model, weights = make_model(), Weights()
    with pytest.raises(problem, match=message):
        fit(model, [weights, rule])
    assert weights.seen == [0.0]
    fit(model, [weights, LearningRate(0.1)])
    np.testing.assert_allclose(-np.diff(weights.seen), 0.1, 1e-4)


def test_data_of_unknown_length_needs_steps():
    def endless():
        while True:
            yield np.ones((1, 1)), np.ones((1, 1))

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = make_model()
    with pytest.raises(ValueError, match="pass steps_per_epoch"):
        model.fit(endless(), verbose=0, callbacks=[LearningRate("linear"), Stop()])
    fine = [LearningRate("linear", by="epoch"), Stop()]
    model.fit(endless(), verbose=0, callbacks=fine)


def test_a_decay_needs_a_peak_where_the_optimizer_has_no_number():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(ValueError, match="needs a peak"):
        fit(make_model(keras.optimizers.SGD(schedule)), [LearningRate("linear")])


def test_an_optimizer_with_a_function_is_refused():
    sgd = keras.optimizers.SGD(lambda: 0.1)
    with pytest.raises(TypeError, match="give the optimizer a number"):
        fit(make_model(sgd), [LearningRate(0.1)])


class StopIn(keras.callbacks.Callback):
    """Breaks training off in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, 1):
            raise KeyboardInterrupt


# each with each of the others
@pytest.mark.parametrize(
    "by, epoch, saved_by, first",
    [
        ("step", 2, "step", True),
        ("step", 5, "step", False),
        ("step", 5, "epoch", True),
        ("epoch", 5, "step", True),
        ("epoch", 2, "step", False),
        ("epoch", 2, "epoch", True),
    ],
)
def test_a_run_broken_off_and_resumed_has_the_same_rates(
    by, epoch, saved_by, first, tmp_path
):
    ones = np.ones((3, 1), "float32")
    data = callbacks.ShuffledBatches(ones, ones, batch_size=1, seed=1)

    def train(folder, *others):
        plateau = Plateau(
            "loss", patience=2, min_delta=9, factor=0.5, cooldown=1, return_to_best=True
        )
        rule = LearningRate("linear", peak=0.1, warmup=2, by=by, plateau=plateau)
        resume = callbacks.Resume(folder, [rule], data=data, by=saved_by)
        start, step = resume.epoch, resume.step
        pair = [rule, resume] if first else [resume, rule]
        model, weights = make_model(keras.optimizers.SGD(0.5)), Weights()
        options = {"initial_epoch": start, "verbose": 0, "epochs": 8}
        history = model.fit(data, callbacks=[*pair, weights, *others], **options)
        assert not model.optimizer.variables[2:]
        return weights.seen[3 * (start - 8) + step :], history.history, (start, step)

    whole, told, _ = train(tmp_path / "whole")
    assert len(set(told["learning_rate"])) >= 7 and min(told["learning_rate"]) < 0.01
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", StopIn(epoch))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        seen, history, place = train(tmp_path / "parts")
    assert place == (epoch, 1 if saved_by == "step" else 0)
    np.testing.assert_array_equal(seen, whole[-len(seen) :])
    assert history == told
    assert not [one for one in warned if "learning rate" in str(one.message)]


def test_a_person_changes_the_rate_before_a_run_goes_on(tmp_path):
    path, ones = tmp_path / "rate.txt", np.ones((3, 1), "float32")
    data = callbacks.ShuffledBatches(ones, ones, batch_size=1, seed=1)
    for text, others in (("0.5", [StopIn(1)]), ("0.25", [])):
        path.write_text(text)
        rule, weights = LearningRate(0.1, file=path), Weights()
        resume = callbacks.Resume(tmp_path / "states", [rule], data=data, by="step")
        options = {"initial_epoch": resume.epoch, "verbose": 0, "epochs": 3}
        kept = [rule, resume, weights, *others]
        try:
            make_model().fit(data, callbacks=kept, **options)
        except KeyboardInterrupt:
            assert others
    np.testing.assert_allclose(-np.diff(weights.seen[-5:]), 0.25, 1e-4)


REPLICAS = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from slope import Weights, fit, make_model
from kerasmith import callbacks
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = make_model()
plateau = callbacks.Plateau("loss", patience=1, min_delta=100.0, factor=0.5,
    return_to_best=True)
rule, weights = callbacks.LearningRate("linear", peak=0.1, plateau=plateau), Weights()
fit(model, [rule, weights], batch_size=2, steps=8, epochs=2)
np.testing.assert_allclose(-np.diff(weights.seen), 0.1 * (1 - np.arange(8) / 8), 1e-4)
test = callbacks.find_learning_rate(model, (np.ones((8, 1)), np.ones((8, 1))), steps=9)
assert len(test.rates) == 9 and len(model.optimizer.variables) == 2
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_two_replicas_have_one_rate():
    here = os.path.dirname(__file__)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], env=environment, capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
