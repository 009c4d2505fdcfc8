"""The learning rate: every formula, measured as what a weight loses in each step."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import ops
from slope import Slope, Weights, fit, make_model, rates_of, weight_of

from kerasmith import callbacks
from kerasmith.callbacks.plateau import Memory

schedules = keras.optimizers.schedules
LearningRate, Plateau = callbacks.LearningRate, callbacks.Plateau
on_torch = keras.backend.backend() == "torch"
STEPS = np.arange(24.0)
PI = np.pi


def one_cycle(s, length=24, peak=0.1):
    first, last, top = peak / 25, peak / 25 / 1e4, 0.3 * length
    up = first + (peak - first) * (1 - np.cos(PI * s / top)) / 2
    down = last + (peak - last) * (1 + np.cos(PI * (s - top) / (length - top))) / 2
    return np.where(s < top, up, down)


def restarts(s):  # periods of 4, 8 and 16 steps
    begin, length = (
        np.select([s < 4, s < 12], [0, 4], 12),
        np.select([s < 4, s < 12], [4, 8], 16),
    )
    return 0.1 * (1 + np.cos(PI * (s - begin) / length)) / 2


def noam(s):
    return 64**-0.5 * np.minimum((s + 1) ** -0.5, (s + 1) * 5**-1.5)


BASES = {
    "number": (0.1, lambda s: 0.1 + 0 * s),
    "constant": ("constant", lambda s: 0.1 + 0 * s),
    "linear": ("linear", lambda s: 0.1 * (1 - s / 24)),
    "polynomial": ("polynomial", lambda s: 0.1 * (1 - s / 24) ** 2),
    "cosine": ("cosine", lambda s: 0.1 * (1 + np.cos(PI * s / 24)) / 2),
    "cosine_restarts": ("cosine_restarts", restarts),
    "exponential": ("exponential", lambda s: 0.1 * 0.01 ** (s / 24)),
    "inverse_time": ("inverse_time", lambda s: 0.1 / (1 + 99 * s / 24)),
    "step": ("step", lambda s: 0.1 * 0.1 ** (s // 8)),
    "one_cycle": ("one_cycle", one_cycle),
    "noam": (callbacks.Noam(64, 5), noam),
    "falling": (callbacks.StepDecay(0.1, 7, 0.5), lambda s: 0.1 * 0.5 ** (s // 7)),
    "keras": (schedules.ExponentialDecay(0.1, 5, 0.9), lambda s: 0.1 * 0.9 ** (s / 5)),
    "function": (lambda s: 0.1 / ops.sqrt(1.0 + s), lambda s: 0.1 / np.sqrt(1 + s)),
}
every_base = pytest.mark.parametrize("base, formula", BASES.values(), ids=BASES)


def composed(base, **options):
    peak = 0.1 if isinstance(base, str) else None
    return LearningRate(base, peak=peak, **options)


@every_base
def test_every_step_has_the_rate_of_the_formula(base, formula):
    np.testing.assert_allclose(rates_of(composed(base)), formula(STEPS), 1e-5, 1e-6)


@pytest.mark.parametrize("base, formula", [BASES["keras"], BASES["noam"]])
def test_by_epoch_the_base_counts_epochs(base, formula):
    rates = rates_of(LearningRate(base, by="epoch"), steps=2, epochs=5)
    expected = np.repeat(formula(np.arange(5.0)), 2)
    np.testing.assert_allclose(rates, expected, 1e-5, 1e-6)


def test_a_decay_by_epoch_takes_all_epochs_and_python_functions():
    rates = rates_of(LearningRate("linear", peak=0.1, by="epoch"), steps=1, epochs=4)
    np.testing.assert_allclose(rates, [0.1, 0.075, 0.05, 0.025], 1e-5)
    rule = LearningRate(lambda epoch: 0.1 if epoch < 2 else 0.01, by="epoch")
    rates = rates_of(rule, steps=1, epochs=4)
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01], 1e-4)


def cosine_after_warmup(s):
    later = np.maximum(s - 4, 0)
    return np.minimum((s + 1) / 4, 1) * 0.05 * (1 + np.cos(PI * later / 20))


@pytest.mark.parametrize(
    "options",
    [{}, {"jit_compile": True}, {"run_eagerly": True}],
    ids=["auto", "jit", "eager"],
)
def test_a_warmup_comes_before_the_decay(options):
    if on_torch and options.get("jit_compile"):
        pytest.skip("torch.compile takes most of a minute")
    rates = rates_of(composed("cosine", warmup=4), **options)
    np.testing.assert_allclose(rates, cosine_after_warmup(STEPS), 1e-5, 1e-6)
    share = rates_of(composed("cosine", warmup=1 / 6), **options)
    np.testing.assert_array_equal(share, rates)


@pytest.mark.skipif(on_torch, reason="PyTorch has no steps_per_execution")
def test_the_rate_is_exact_inside_an_execution_of_several_steps():
    rates = rates_of(composed("cosine", warmup=4), steps_per_execution=3)
    expected = cosine_after_warmup(STEPS).reshape(8, 3).sum(-1)
    np.testing.assert_allclose(rates, expected, 1e-5, 1e-6)


def test_updates_are_counted_and_not_micro_steps():
    sgd = keras.optimizers.SGD(0.01, gradient_accumulation_steps=3)
    rates = rates_of(composed("linear"), sgd)
    assert not rates.reshape(8, 3)[:, :2].any()
    np.testing.assert_allclose(rates[2::3], 0.1 * (1 - np.arange(8) / 8), 1e-5)


def test_momentum_and_weight_decay_use_the_same_rate():
    rates, decay, weight = 0.1 * (1 - STEPS / 24), 0.5, 0.0
    expected = []
    for rate in rates:
        weight -= weight * decay * rate
        weight -= rate
        expected.append(weight)
    weights = Weights()
    sgd = keras.optimizers.SGD(0.01, weight_decay=decay)
    fit(make_model(sgd), [composed("linear"), weights])
    np.testing.assert_allclose(weights.seen[1:], expected, 1e-5)


def test_loss_scaling_counts_the_updates_it_made():
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.01), initial_scale=2.0**127
    )
    # a gradient of 2^127 times 4 is infinite until the scale has been halved
    model, weights = make_model(scaled), Weights()
    four = np.full((12, 1), 4.0, "float32")
    rule = [composed("linear"), weights]
    model.fit(four, four, batch_size=1, epochs=2, verbose=0, callbacks=rule)
    rates = -np.diff(weights.seen) / 4
    skipped = int((rates == 0).sum())
    assert 1 <= skipped <= 4
    expected = 0.1 * (1 - np.arange(24 - skipped) / 24)
    np.testing.assert_allclose(rates[rates != 0], expected, 1e-4)
    assert isinstance(model.optimizer.inner_optimizer, keras.optimizers.SGD)


def test_an_optimizer_with_a_schedule_keeps_it_and_counts_as_keras_does():
    schedule = schedules.ExponentialDecay(0.1, 10, 0.5)
    for steps in (None, 2):

        def sgd(steps=steps):
            return keras.optimizers.SGD(schedule, gradient_accumulation_steps=steps)

        alone = Weights()
        fit(make_model(sgd()), [alone])
        plateau = Plateau("loss", patience=1, min_delta=100.0, factor=0.5)
        model, weights = make_model(sgd()), Weights()
        fit(model, [LearningRate(plateau=plateau), weights], epochs=3)
        fallen = -np.diff(weights.seen)
        np.testing.assert_allclose(fallen[:24], -np.diff(alone.seen), 1e-4, 1e-6)
        last = 0.1 * 0.5 ** (35 / 10) * 0.5
        np.testing.assert_allclose(fallen[-1], last, 1e-4)
        assert model.optimizer.get_config() == {
            **sgd().get_config(),
            "name": model.optimizer.name,
        }


@pytest.mark.parametrize("own", [0.25, schedules.CosineDecay(0.25, 100)])
def test_the_optimizer_is_left_as_it_was_found(own):
    adam = keras.optimizers.Adam(own)
    model = make_model(adam)
    fit(model, [])
    before = adam.get_config(), [v.path for v in adam.variables], type(adam)
    fit(model, [LearningRate(0.5)])
    after = adam.get_config(), [v.path for v in adam.variables], type(adam)
    assert after == before
    path = adam.get_config()
    assert path["learning_rate"] == 0.25 or path["learning_rate"]["class_name"]


def test_a_fit_begins_anew_and_a_later_epoch_where_it_stands():
    rule, model, weights = composed("linear"), make_model(), Weights()
    for _ in range(2):
        fit(model, [rule, weights], steps=2, epochs=2)
        np.testing.assert_allclose(
            -np.diff(weights.seen), [0.1, 0.075, 0.05, 0.025], 1e-5
        )
    fit(model, [rule, weights], steps=2, epochs=2, initial_epoch=1)
    np.testing.assert_allclose(-np.diff(weights.seen), [0.05, 0.025], 1e-5)


def test_the_logs_hold_the_rate_of_the_last_update():
    history = fit(make_model(), [composed("linear")]).history
    expected = 0.1 * np.array([13, 1]) / 24
    np.testing.assert_allclose(history["learning_rate"], expected, 1e-5)


def drive(rule, model, values):
    """Take a callback through epochs, and give the rate of each."""
    rates = []
    rule.set_model(model)
    rule.on_train_begin()
    for epoch, value in enumerate(values):
        rule.on_epoch_begin(epoch)
        rates.append(float(ops.convert_to_numpy(model.optimizer.learning_rate)))
        rule.on_epoch_end(epoch, {"loss": float(value)})
    rule.on_train_end()
    return rates


@pytest.mark.parametrize("seed", range(12))
def test_a_plateau_is_that_of_keras(seed):
    random = np.random.default_rng(seed)
    options = {
        "factor": float(random.uniform(0.1, 0.9)),
        "patience": int(random.integers(0, 6)),
        "cooldown": int(random.integers(0, 4)),
        "min_delta": float(random.choice([0, 1e-4, 0.1])),
        "mode": str(random.choice(["min", "max"])),
    }
    minimum = float(random.choice([0, 1e-3]))
    values = random.normal(size=60) - 0.01 * np.arange(60)
    peer = keras.callbacks.ReduceLROnPlateau("loss", min_lr=minimum, **options)
    ours = LearningRate(plateau=Plateau("loss", minimum=minimum, **options))
    expected = drive(peer, make_model(keras.optimizers.SGD(0.5)), values)
    rates = drive(ours, make_model(keras.optimizers.SGD(0.5)), values)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(rates, expected, 1e-5)


def test_a_value_that_is_not_finite_is_never_the_best():
    memory, best, _ = Plateau("loss").judge(Memory(), float("nan"))
    assert memory == Memory(None, 1, 0, None) and not best


def test_the_best_weights_are_the_best_by_however_little():
    rule, memory = Plateau("loss", patience=3, min_delta=0.5), Memory()
    judged = []
    for value in (1.0, 0.9, 0.95, 0.8):
        memory, best, fall = rule.judge(memory, value)
        judged.append((best, fall))
    assert judged == [(True, False), (True, False), (False, False), (True, True)]


def test_a_fall_multiplies_the_decay_and_stops_at_the_minimum():
    plateau = Plateau("loss", factor=0.1, patience=1, min_delta=1e9, minimum=0.004)
    rates = drive(LearningRate(0.1, plateau=plateau), make_model(), np.zeros(5))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.004, 0.004], 1e-5)


def test_training_returns_to_the_best_weights_when_the_rate_falls():
    plateau = Plateau(
        "rising", mode="min", patience=2, min_delta=0.0, return_to_best=True
    )
    model, rule, weights = make_model(), LearningRate(0.1, plateau=plateau), Weights()
    told = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    rising = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(rising=next(told))
    )
    fit(model, [rising, rule, weights], steps=1, epochs=5)
    # two steps of 0.1 to the best, two more, back, and one of 0.01
    expected = [0, -0.1, -0.2, -0.3, -0.4, -0.21]
    np.testing.assert_allclose(weights.seen, expected, 1e-5)
    np.testing.assert_allclose(rule.get_arrays(), [-0.2], 1e-5)
    other = LearningRate(0.1, plateau=plateau)
    other.set_arrays(rule.get_arrays())
    assert other.get_arrays() == rule.get_arrays()


def test_a_person_overrides_the_rate_in_a_file(tmp_path):
    path = tmp_path / "rate.txt"
    texts = {1: "0.5\n", 2: "o.25", 3: "", 4: "-1", 5: "0"}

    def write(epoch, logs=None):
        if epoch in texts:
            path.write_text(texts[epoch])

    person = keras.callbacks.LambdaCallback(on_epoch_begin=write)
    rule = LearningRate(0.1, file=path)
    weights = Weights()
    with pytest.warns(UserWarning, match="no learning rate can be read") as told:
        fit(make_model(), [person, rule, weights], steps=1, epochs=6)
    rates = -np.diff(weights.seen)
    np.testing.assert_allclose(rates, [0.1, 0.5, 0.5, 0.1, 0.1, 0], 1e-5, 1e-7)
    about = [one for one in told if "learning rate" in str(one.message)]
    assert len(about) == 2  # once for each text that is none
    path.unlink()
    np.testing.assert_allclose(rates_of(rule, steps=1, epochs=2), 0.1, 1e-5)


def saved_optimizer(path):
    with zipfile.ZipFile(path) as archive:
        text = archive.read("config.json").decode()
    return json.loads(text)["compile_config"]["optimizer"], text


class Break(keras.callbacks.Callback):
    """Breaks training off as a person does."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("own", [0.25, schedules.CosineDecay(0.25, 100)])
@pytest.mark.parametrize("when", ["during", "broken"])
def test_a_model_saved_meanwhile_is_plain(own, when, tmp_path):
    path = tmp_path / "model.keras"
    model = make_model(keras.optimizers.Adam(own))
    model.loss = "mse"
    model.compile(model.optimizer, "mse")
    rule = LearningRate("linear", peak=0.125)
    if when == "during":
        fit(model, [rule, keras.callbacks.ModelCheckpoint(path)], epochs=1)
        reached = 0.125 / 12
    else:
        with pytest.raises(KeyboardInterrupt):
            fit(model, [rule, Break()])
        model.save(path)
        reached = 0.125 * 12 / 24  # that of the epoch which had begun
    config, text = saved_optimizer(path)
    assert "kerasmith" not in text
    plain = keras.saving.serialize_keras_object(keras.optimizers.Adam(own))
    rate = config["config"].pop("learning_rate")
    expected = plain["config"].pop("learning_rate")
    if isinstance(own, float):
        assert rate == pytest.approx(reached)
    else:
        assert rate == json.loads(json.dumps(expected))
    config["config"].pop("name"), plain["config"].pop("name")
    assert config == plain
    loaded = keras.models.load_model(path, custom_objects={"Slope": Slope})
    assert weight_of(loaded) == weight_of(model)
    # iterations, perhaps the rate, and two moments: all were loaded
    assert len(loaded.optimizer.variables) == 3 + isinstance(own, float)
    assert int(ops.convert_to_numpy(loaded.optimizer.iterations)) == 12
    fit(loaded, [])


def test_a_broken_off_training_can_go_on_and_leaves_no_trace():
    model, weights = make_model(keras.optimizers.SGD(0.25)), Weights()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [LearningRate(0.5), Break()])
    fit(model, [])
    fit(model, [LearningRate(), weights])
    np.testing.assert_allclose(-np.diff(weights.seen), 0.25, 1e-4)
    assert len(model.optimizer.variables) == 2
