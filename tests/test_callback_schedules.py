"""Schedules of rates and of frozen layers: what moves, what stays, what is kept."""

import json

import keras
import numpy as np
import pytest

from kerasmith import callbacks, layers
from kerasmith.layers.rates import rate_of

BACKEND = keras.backend.backend()
ON = np.ones((2048, 5), "float32")


def share_dropped(y_true, y_pred):
    """Give the share of zeros, as a loss without a gradient."""
    zeros = keras.ops.cast(keras.ops.equal(y_pred, 0.0), "float32")
    return keras.ops.mean(zeros, -1) + 0 * keras.ops.mean(y_pred)


def dropping(layer, **options):
    """Give a model that does nothing but drop, and has one weight to train."""
    keras.utils.set_random_seed(3)
    dense = keras.layers.Dense(5, kernel_initializer="identity", use_bias=False)
    model = keras.Sequential([keras.Input((5,)), dense, layer])
    model.compile(keras.optimizers.SGD(0.0), share_dropped, **options)
    return model


def fit(model, kept, epochs=3, **options):
    options = {"batch_size": 512, "verbose": 0, "epochs": epochs, **options}
    return model.fit(ON, ON, callbacks=kept, **options).history


RATES = [0.0, 0.75, 0.3]
MODES = [{}, {"run_eagerly": True}, {"jit_compile": False}]


@pytest.mark.parametrize("options", MODES, ids=str)
def test_a_compiled_step_drops_at_the_rate_of_its_epoch(options):
    drop = layers.DropPath(0.5, seed=1)
    schedule = callbacks.DropoutSchedule(lambda epoch: RATES[epoch])
    history = fit(dropping(drop, **options), [schedule])
    # 2048 coins: four standard deviations are 0.04
    np.testing.assert_allclose(history["loss"], RATES, atol=0.045)
    assert history["dropout_rate"] == schedule.history == RATES
    assert rate_of(drop.rate) == RATES[-1]


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no such option there")
def test_it_works_with_several_steps_in_one_execution():
    model = dropping(layers.DropPath(0.5, seed=1), steps_per_execution=3)
    schedule = callbacks.DropoutSchedule(lambda epoch: RATES[epoch])
    assert np.isfinite(fit(model, [schedule])["loss"]).all()
    assert schedule.history == RATES


def test_layers_of_keras_move_when_recompiled():
    drop = keras.layers.Dropout(0.5, seed=1)
    schedule = callbacks.DropoutSchedule(
        lambda epoch: RATES[epoch], recompile=True, restore=True
    )
    np.testing.assert_allclose(fit(dropping(drop), [schedule])["loss"], RATES, 0, 0.03)
    assert drop.rate == 0.5
    # a second fit of the same model and callback, after a rate of 0, too
    np.testing.assert_allclose(
        fit(drop_again(drop), [schedule])["loss"], RATES, 0, 0.03
    )


def drop_again(drop):
    drop.rate = 0
    return dropping(drop)


def test_layers_of_keras_are_refused_before_the_first_step():
    model = dropping(keras.layers.Dropout(0.5, name="plain"))
    schedule = callbacks.DropoutSchedule((0.0, 0.5, 2))
    with pytest.raises(
        ValueError, match=r"plain \(Dropout\).*LockedDropout.*recompile"
    ):
        fit(model, [schedule])
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


def two_rates():
    inner = keras.Sequential([layers.DropPath(0.1, name="deep")], name="inside")
    parts = [
        keras.layers.Reshape((5, 1)),
        layers.ZoneoutLSTM(5, hidden_rate=0.1, cell_rate=0.2, name="rnn"),
    ]
    model = keras.Sequential([keras.Input((5,)), *parts, inner])
    model.compile("sgd", "mse")
    return model, model.get_layer("rnn"), inner.layers[0]


@pytest.mark.parametrize(
    "keywords, moved",
    [
        ({}, (True, True, True)),
        ({"layers": "inside"}, (False, False, True)),
        ({"layers": ["rn*"]}, (True, True, False)),
        ({"layers": layers.DropPath}, (False, False, True)),
        ({"layers": 1, "rates": "cell_rate"}, (False, True, False)),
        ({"restore": True}, (False, False, False)),
    ],
)
def test_layers_are_chosen_and_restored(keywords, moved):
    model, rnn, path = two_rates()
    held = (rnn.hidden_rate, rnn.cell_rate, path.rate)
    found = [rate_of(variable) for variable in held]
    schedule = callbacks.DropoutSchedule((0.0, 0.5, 2), **keywords)
    model.fit(ON[:4], ON[:4], epochs=3, verbose=0, callbacks=[schedule])
    expected = [0.5 if yes else old for yes, old in zip(moved, found, strict=True)]
    assert [rate_of(variable) for variable in held] == expected


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((0.5,), TypeError, r"received 0\.5"),
        (((0.0, 0.5),), TypeError, "start, end, epochs"),
        (((0.0, 1.5, 3),), ValueError, r"\[0, 1\).*1\.5"),
        (((0.0, 0.5, 0),), ValueError, "1 or more, received 0"),
    ],
)
def test_bad_schedules_are_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        callbacks.DropoutSchedule(*arguments)


def test_what_only_training_tells_is_refused_before_the_first_step():
    model = dropping(layers.DropPath(0.5, name="path"))
    for schedule, message in [
        (callbacks.DropoutSchedule(lambda epoch: epoch / 2), r"rate\(2\)=1\.0"),
        (callbacks.DropoutSchedule((0, 0.5, 1), layers="pat"), "no such layer.*path"),
        (callbacks.DropoutSchedule((0, 0.5, 1), layers="dense*"), "no rate to move"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(model, [schedule])
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


def test_a_resumed_run_restores_the_rates_found_at_the_very_beginning():
    drop = layers.DropPath(0.5, seed=1)
    model = dropping(drop)
    first = callbacks.DropoutSchedule((0.0, 0.4, 4))
    fit(model, [first], epochs=2)
    state = json.loads(json.dumps(first.get_state()))
    second = callbacks.DropoutSchedule((0.0, 0.4, 4), restore=True)
    hand_over = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 2 and second.set_state(state)
    )
    fit(model, [second, hand_over], epochs=4, initial_epoch=2)
    assert second.history == [0.0, 0.1, 0.2, 0.30000000000000004]
    assert rate_of(drop.rate) == 0.5
