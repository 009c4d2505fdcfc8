"""Early stopping: every criterion against NumPy and Keras, the best weights kept."""

import math

import keras
import numpy as np
import pytest

from kerasmith.callbacks import (
    Criterion,
    Curves,
    Diverged,
    EarlyStopping,
    GeneralizationLoss,
    Patience,
    ProgressQuotient,
    Threshold,
    TimeBudget,
    UpSuccessive,
    prechelt,
)

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]]).astype("float32")
TRAIN, VALIDATION = (X[:30], Y[:30]), (X[30:], Y[30:])

# Errors whose GL, P and UP are short to compute by hand.
#   epoch        1    2    3    4    5    6
VALID_ERROR = [8.0, 5.0, 4.0, 5.0, 4.8, 6.0]
TRAIN_ERROR = [6.0, 4.0, 3.0, 1.0, 1.2, 0.8]


def curve(seed, epochs=40):
    """Falls, then rises, with noise: what a network that overfits shows."""
    random = np.random.default_rng(seed)
    t = np.arange(epochs)
    turn = random.uniform(3, 30)
    smooth = np.exp(-t / turn) + random.uniform(0, 0.02) * t + 0.3
    return (smooth * random.uniform(0.9, 1.1, epochs)).tolist()


def first_stop(criterion, values, training=None, direction=-1):
    """Ask a criterion epoch by epoch, as a training does."""
    for t in range(1, len(values) + 1):
        metrics = {"val_loss": values[:t]}
        metrics |= {"loss": training[:t]} if training else {}
        if criterion.stop(Curves(metrics, direction=direction)):
            return t
    return None


def test_an_example_by_hand():
    losses = prechelt.generalization_loss(VALID_ERROR)
    np.testing.assert_allclose(losses, [0, 0, 0, 25, 20, 50])
    # strips of two: 1000 (10 / 8 - 1), 1000 (4 / 2 - 1), 1000 (2 / 1.6 - 1)
    progress = [prechelt.training_progress(TRAIN_ERROR[:t], 2) for t in (2, 4, 6)]
    np.testing.assert_allclose(progress, [250, 1000, 250])
    assert [prechelt.successive_rises(VALID_ERROR[:t], 2) for t in (2, 4, 6)] == [
        0,
        0,  # 5.0 is no more than 5.0
        1,
    ]
    assert first_stop(GeneralizationLoss(24.9), VALID_ERROR) == 4
    assert first_stop(GeneralizationLoss(25.1), VALID_ERROR) == 6
    # quotients 25 / 1000 and 50 / 250
    quotient = ProgressQuotient(0.024, strip=2)
    assert first_stop(quotient, VALID_ERROR, TRAIN_ERROR) == 4
    quotient = ProgressQuotient(0.026, strip=2)
    assert first_stop(quotient, VALID_ERROR, TRAIN_ERROR) == 6
    quotient = ProgressQuotient(0.21, strip=2)
    assert first_stop(quotient, VALID_ERROR, TRAIN_ERROR) is None
    assert first_stop(UpSuccessive(1, strip=2), VALID_ERROR) == 6
    assert first_stop(UpSuccessive(1, strip=1), VALID_ERROR) == 4


@pytest.mark.parametrize("alpha", [1, 5, 20])
def test_the_generalisation_loss_is_that_of_numpy(alpha):
    for seed in range(100):
        errors = np.array(curve(seed))
        losses = 100 * (errors / np.minimum.accumulate(errors) - 1)
        found = prechelt.generalization_loss(errors.tolist())
        np.testing.assert_allclose(found, losses)
        over = np.flatnonzero(losses > alpha)
        expected = int(over[0]) + 1 if over.size else None
        assert first_stop(GeneralizationLoss(alpha), errors.tolist()) == expected


@pytest.mark.parametrize("alpha, strip", [(0.1, 5), (0.5, 3), (0.2, 8)])
def test_the_progress_quotient_is_that_of_numpy(alpha, strip):
    stops = set()
    for seed in range(100):
        errors, training = np.array(curve(seed)), np.array(curve(seed + 1000))
        expected = None
        for t in range(strip, len(errors) + 1, strip):
            loss = 100 * (errors[t - 1] / errors[:t].min() - 1)
            last = training[t - strip : t]
            progress = 1000 * (last.sum() / (strip * last.min()) - 1)
            found = prechelt.training_progress(training[:t].tolist(), strip)
            np.testing.assert_allclose(found, progress)
            if loss / progress > alpha:
                expected = t
                break
        criterion = ProgressQuotient(alpha, strip=strip)
        assert first_stop(criterion, errors.tolist(), training.tolist()) == expected
        stops.add(expected)
    assert len(stops) > 3, "the curves must try different stops"


def up(s, t, k, errors):
    """The definition of Prechelt, word for word; epochs count from 1."""
    if t - k < 1 or not errors[t - 1] > errors[t - k - 1]:
        return False
    return s == 1 or up(s - 1, t - k, k, errors)


@pytest.mark.parametrize("successive, strip", [(1, 5), (2, 3), (3, 2), (4, 1)])
def test_successive_rises_are_those_of_the_definition(successive, strip):
    stops = set()
    for seed in range(100):
        errors = curve(seed)
        ends = range(strip, len(errors) + 1, strip)
        expected = next((t for t in ends if up(successive, t, strip, errors)), None)
        assert first_stop(UpSuccessive(successive, strip), errors) == expected
        turned = [-error for error in errors]
        criterion = UpSuccessive(successive, strip)
        assert first_stop(criterion, turned, direction=1) == expected
        stops.add(expected)
    assert len(stops) > 3


class Lone(keras.Model):
    """One weight, so that weights tell the epoch they are of."""

    def __init__(self):
        super().__init__()
        self.epoch = self.add_weight(shape=(), initializer="zeros", trainable=False)


def replay(callback, values):
    """Hand a callback the values of a curve, as `fit` would."""
    model = Lone()
    model.stop_training = False
    callback.set_model(model)
    callback.set_params({"steps": 3})
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.epoch.assign(epoch)
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"val_loss": value, "val_accuracy": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch, int(keras.ops.convert_to_numpy(model.epoch))


@pytest.mark.parametrize("epochs", [1, 3, 7])
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_patience_is_that_of_keras(epochs, monitor):
    mode = "min" if monitor == "val_loss" else "max"
    for seed in range(60):
        ours = EarlyStopping(Patience(epochs), monitor)
        peer = keras.callbacks.EarlyStopping(
            monitor, patience=epochs, mode=mode, restore_best_weights=True
        )
        assert replay(ours, curve(seed)) == replay(peer, curve(seed))


@pytest.mark.parametrize("delta", [0.02, 0.1])
def test_patience_with_a_least_improvement_stops_when_keras_does(delta):
    for seed in range(60):
        values = curve(seed)
        peer = keras.callbacks.EarlyStopping(
            "val_loss", patience=4, min_delta=delta, restore_best_weights=True
        )
        ours = EarlyStopping(Patience(4, min_delta=delta))
        last, kept = replay(ours, values)
        assert last == replay(peer, values)[0]
        # the weights are those of the best value, however little better it was
        assert kept == int(np.argmin(values[: last + 1])) == ours.best_epoch


def test_a_relative_least_improvement_scales_with_the_metric():
    for scale in (1e-6, 1.0, 1e6):
        values = [scale * value for value in (1.0, 0.8, 0.71, 0.65)]
        assert first_stop(Patience(2, 0.3, relative=True), values) == 3
        assert first_stop(Patience(2, 0.15, relative=True), values) is None


def test_thresholds_and_divergence_know_the_direction():
    assert first_stop(Threshold(4.5), VALID_ERROR) == 3
    assert first_stop(Threshold(6.0), VALID_ERROR[::-1], direction=1) == 1
    assert first_stop(Threshold(-1.0), [math.nan, math.inf]) is None
    assert first_stop(Diverged(7.0), [5.0, 7.0, 7.1]) == 3
    assert first_stop(Diverged(0.2), [0.3, 0.2, 0.1], direction=1) == 3
    assert first_stop(Diverged(), [5.0, 1e30, math.inf]) == 3
    both = Curves({"val_loss": [0.3], "loss": [math.nan]})
    assert Diverged(metric="loss").stop(both) and not Diverged().stop(both)
    assert Threshold(0.9, "val_iou").metrics("val_loss") == ("val_iou",)


def test_time_ends_with_the_budget():
    curves = {"val_loss": [1.0]}
    assert not TimeBudget(10).stop(Curves(curves, minutes=9.9))
    assert TimeBudget(10).stop(Curves(curves, minutes=10.0))


def test_values_that_are_not_finite_stop_nothing_by_mistake():
    assert first_stop(GeneralizationLoss(5), [math.nan, 1.0, math.nan, 1.01]) is None
    assert first_stop(GeneralizationLoss(5), [1.0, math.inf]) == 2
    assert first_stop(UpSuccessive(1, 1), [1.0, math.nan, 2.0]) is None
    assert first_stop(Patience(2), [math.nan, math.nan]) == 2
    nans = [math.nan] * 2
    assert first_stop(ProgressQuotient(1, strip=2), [1.0, 2.0], nans) is None


def test_a_training_error_that_rests_stops_at_any_rise():
    criterion = ProgressQuotient(1000, strip=2)
    assert first_stop(criterion, [1.0, 1.001], [0.5, 0.5]) == 2
    assert first_stop(criterion, [1.0, 1.0], [0.5, 0.5]) is None


class Never(Criterion):
    def stop(self, curves):
        return None


def test_criteria_combine():
    now = Curves({"val_loss": [1.0, 2.0]}, minutes=5)
    worse, late = UpSuccessive(1, 1), TimeBudget(4)
    assert (worse | late).stop(now) == (
        "val_loss got worse over 1 strip of 1 epoch; 5 of 4 minutes are over"
    )
    assert " and " in (worse & late).stop(now)
    assert (worse & Never()).stop(now) is None
    assert (worse & Never() | late).stop(now) == "5 of 4 minutes are over"
    assert (worse & (Never() | late)).stop(now)
    with pytest.raises(TypeError, match="combined with criteria"):
        Patience(3) | 5


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Patience(0), "epochs >= 1"),
        (lambda: Patience(2.5), "whole number"),
        (lambda: Patience(2, -0.1), "min_delta >= 0"),
        (lambda: GeneralizationLoss(0), "alpha > 0"),
        (lambda: ProgressQuotient(1, strip=1), "strip >= 2"),
        (lambda: UpSuccessive(0), "successive >= 1"),
        (lambda: Threshold(math.nan), "finite value"),
        (lambda: Threshold(0.5, "val_money"), "pass mode"),
        (lambda: Diverged("10"), "finite bound"),
        (lambda: TimeBudget(math.inf), "minutes > 0"),
        (lambda: EarlyStopping(GeneralizationLoss(5), "val_accuracy"), "an error"),
        (lambda: EarlyStopping(Patience(5) | ProgressQuotient(1), "loss"), "val_"),
        (lambda: EarlyStopping(Patience(5), "val_money"), "pass mode"),
        (lambda: EarlyStopping(Patience(5), keep="best.h5"), r"\.weights\.h5"),
    ],
)
def test_bad_arguments_are_refused_at_once(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_number_is_no_criterion():
    with pytest.raises(TypeError, match=r"such as Patience\(10\)"):
        EarlyStopping(10)


def test_the_curves_show_in_a_picture(tmp_path):
    criterion = GeneralizationLoss(24) & ProgressQuotient(0.02, 2) | UpSuccessive(3, 2)
    stopping = EarlyStopping(criterion)
    stopping.set_state(
        {
            "metrics": {"val_loss": VALID_ERROR, "loss": TRAIN_ERROR},
            "epochs": [10, 11, 12, 13, 14, 15],
            "best": 4.0,
            "best_epoch": 12,
        }
    )
    stopping.reason, stopping.stopped_epoch = criterion.stop(stopping.curves), 15
    figure = stopping.plot(tmp_path / "stopping.png")
    assert (tmp_path / "stopping.png").read_bytes().startswith(b"\x89PNG")
    top, loss, quotient, rises = figure.axes
    np.testing.assert_allclose(top.lines[1].get_ydata(), VALID_ERROR)
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [0, 0, 0, 25, 20, 50])
    np.testing.assert_allclose(quotient.lines[0].get_xydata()[:, 0], [12, 14, 16])
    np.testing.assert_allclose(quotient.lines[0].get_ydata(), [0, 0.025, 0.2])
    assert list(rises.lines[0].get_ydata()) == [0, 0, 1]
    assert [axes.lines[1].get_ydata()[0] for axes in figure.axes[1:]] == [24, 0.02, 3]


def test_the_picture_leaves_out_what_means_nothing():
    for monitor, values in (("val_accuracy", [0.5, 0.4]), ("val_loss", [1.0, -1.0])):
        stopping = EarlyStopping(Patience(5), monitor)
        stopping.set_state({"metrics": {monitor: values}, "epochs": [0, 1]})
        assert [axes.get_ylabel() for axes in stopping.plot().axes][1:] == ["UP"]


def test_the_end_is_logged_and_told_where_keras_tells(capsys, caplog):
    line = (
        "Epoch 3: stopped early: val_loss has not improved for 1 epoch; best val_loss "
        "0.5 in epoch 2, whose weights are back."
    )
    caplog.set_level("INFO", "kerasmith")
    replay(EarlyStopping(Patience(1), verbose=1), [1.0, 0.5, 0.6])
    assert capsys.readouterr().out == line + "\n"
    keras.config.disable_interactive_logging()
    try:
        replay(EarlyStopping(Patience(1), verbose=1), [1.0, 0.5, 0.6])
    finally:
        keras.config.enable_interactive_logging()
    replay(EarlyStopping(Patience(1)), [1.0, 0.5, 0.6])
    assert capsys.readouterr().out == ""
    assert [record.getMessage() for record in caplog.records] == [line] * 3


def test_it_is_told_when_no_best_weights_came_along():
    stopping = EarlyStopping(Patience(3))
    replay(stopping, [0.5])
    state = stopping.get_state()
    resumed = EarlyStopping(Patience(3))
    resumed.set_model(Lone())
    resumed.on_train_begin()
    resumed.set_state(state)
    resumed.on_epoch_end(1, {"val_loss": 0.6})
    with pytest.warns(UserWarning, match="no weights of the best epoch 1"):
        resumed.on_train_end()
