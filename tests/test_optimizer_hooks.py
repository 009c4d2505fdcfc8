"""Hooks in the step of an optimizer."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hooked_models import (
    Probe,
    Probing,
    Stop,
    X,
    Y,
    difference,
    fit,
    make_model,
    values_of,
)
from keras import ops

from kerasmith.callbacks import optimizer_hooks as hooks

BACKEND = keras.backend.backend()
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "accumulating": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "averaging": lambda: keras.optimizers.Adam(
        0.01, use_ema=True, ema_overwrite_frequency=3
    ),
    "clipping": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "loss_scaling": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01)
    ),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


@every_optimizer
def test_who_only_looks_changes_nothing(make):
    probing = Probing(Probe())
    watched, plain = fit(make_model(make()), probing), fit(make_model(make()))
    assert difference(watched, plain) == 0
    updates = 2 if inner_steps(plain) else 4
    assert probing.seen == probing.changed == [updates]
    own, other = (values_of(m.optimizer.variables) for m in (watched, plain))
    np.testing.assert_equal(own, other)


def inner_steps(model):
    return hooks.inner(model.optimizer).gradient_accumulation_steps


def test_who_only_looks_at_an_embedding_changes_nothing():
    watched = fit(make_model(embedding=True), Probing(Probe()))
    assert difference(watched, fit(make_model(embedding=True))) == 0


@pytest.mark.parametrize("turned", [False, True])
def test_hooks_run_in_ascending_order(turned):
    probes = Probe(3.0, order=0), Probe(5.0, order=1), Probe(order=2)
    probing = Probing(*(probes[::-1] if turned else probes))
    fit(make_model(), probing)
    first, second, third = probing.norms[::-1] if turned else probing.norms
    np.testing.assert_allclose([second / first, third / first], [3, 15], 1e-5)


def test_the_step_takes_what_hooks_return():
    hooked = fit(make_model(keras.optimizers.SGD(0.1)), Probing(Probe(0.5)))
    assert difference(hooked, fit(make_model(keras.optimizers.SGD(0.05)))) < 1e-6


def test_accumulated_gradients_come_as_their_mean():
    accumulating = Probing(Probe(2.0))
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    split = fit(make_model(optimizer), accumulating)
    whole = Probing(Probe(2.0))
    together = fit(make_model(), whole, batch_size=8)
    np.testing.assert_allclose(accumulating.norms, whole.norms, 1e-5)
    assert accumulating.seen == accumulating.changed == whole.seen == [2]
    assert difference(split, together) < 1e-6


def test_scaled_losses_give_unscaled_gradients():
    scaling, plain = Probing(Probe()), Probing(Probe())
    inner = keras.optimizers.SGD(0.1)
    fit(make_model(keras.optimizers.LossScaleOptimizer(inner)), scaling)
    fit(make_model(), plain)
    np.testing.assert_allclose(scaling.norms, plain.norms, 1e-5)


def test_steps_that_overflow_run_no_hook():
    probing, inner = Probing(Probe()), keras.optimizers.SGD(0.1)
    scaling = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    model = make_model(scaling, loss_weights=100.0)
    before = model.get_weights()
    fit(model, probing, steps_per_epoch=1)
    assert probing.seen == probing.changed == [0]
    np.testing.assert_equal(model.get_weights(), before)


def test_attaching_twice_is_attaching_once():
    model, probe = make_model("adam"), Probe()
    model.optimizer.build(model.trainable_variables)
    count = len(model.optimizer.variables)
    hooks.attach(model, probe)
    hooks.attach(model, probe)
    assert hooks.attached_hooks(model.optimizer) == [probe]
    assert len(model.optimizer.variables) == count + 3
    hooks.detach(model, probe)
    hooks.detach(model, probe)
    assert len(model.optimizer.variables) == count


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("name", ["adam", "loss_scaling"])
def test_the_last_to_go_leaves_the_optimizer_as_it_was(name, order):
    model = make_model(OPTIMIZERS[name]())
    model.optimizer.build(model.trainable_variables)
    inner = hooks.inner(model.optimizer)
    before = [
        (type(o), list(o.variables), set(vars(o))) for o in (inner, model.optimizer)
    ]
    probes = [Probe(), Probe(), Probe()]
    for probe in probes:
        hooks.attach(model, probe)
    kept = hooks.own_variables(model.optimizer)
    assert [id(v) for v in kept] == [id(v) for v in before[1][1]]
    for place in order:
        hooks.detach(model, probes[place])
    for optimizer, (kind, variables, attributes) in zip(
        (inner, model.optimizer), before, strict=True
    ):
        assert type(optimizer) is kind
        assert [id(v) for v in optimizer.variables] == [id(v) for v in variables]
        assert set(vars(optimizer)) == attributes


@pytest.mark.parametrize("name", ["adam", "momentum", "loss_scaling"])
def test_training_goes_on_as_if_there_had_been_none(name):
    make = OPTIMIZERS[name]
    hooked = fit(fit(make_model(make()), Probing(Probe())))
    assert difference(hooked, fit(make_model(make()), epochs=2)) == 0


class Saver(keras.callbacks.Callback):
    """Saves the model in the middle of a training, and reads it back into itself."""

    def __init__(self, path):
        super().__init__()
        self.path = str(path)

    def on_epoch_end(self, epoch, logs=None):
        self.model.save(self.path)
        self.model.load_weights(self.path)


LOADED = """
import json, sys
import keras
from keras import ops
found = []
for path in json.loads(sys.argv[1]):
    model = keras.saving.load_model(path)
    variables = model.optimizer.variables
    values = [ops.convert_to_numpy(v).astype(float).ravel().tolist() for v in variables]
    found.append([type(model.optimizer).__name__, values])
ours = [name for name in sys.modules if name.startswith("kerasmith")]
print(json.dumps([found, ours]))
"""


def test_a_model_saved_meanwhile_is_a_plain_model(tmp_path):
    paths, expected = [], []
    for name in ("adam", "accumulating", "loss_scaling"):
        paths.append(str(tmp_path / f"{name}.keras"))
        model = fit(make_model(OPTIMIZERS[name]()), Probing(Probe()), Saver(paths[-1]))
        values = [v.astype(float).ravel() for v in values_of(model.optimizer.variables)]
        expected.append([type(model.optimizer).__name__, values])
    broken = make_model("adam")
    with pytest.raises(KeyboardInterrupt):
        fit(broken, Probing(Probe()), Stop())
    paths.append(str(tmp_path / "broken.keras"))
    broken.save(paths[-1])
    values = values_of(hooks.own_variables(broken.optimizer))
    expected.append(["Adam", [v.astype(float).ravel() for v in values]])
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LOADED, json.dumps(paths)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
    )
    assert not done.returncode, done.stderr[-2000:]
    found, ours = json.loads(done.stdout.splitlines()[-1])
    assert not ours
    for (kind, values), (wanted_kind, wanted) in zip(found, expected, strict=True):
        assert kind == wanted_kind
        for value, want in zip(values, wanted, strict=True):
            np.testing.assert_array_equal(value, want)


def test_the_configuration_is_that_of_the_optimizer():
    model = make_model("adam")
    plain = keras.optimizers.serialize(model.optimizer)
    hooks.attach(model, Probe())
    assert keras.optimizers.serialize(model.optimizer) == plain
    again = model.optimizer.from_config(model.optimizer.get_config())
    assert hooks.attached_hooks(again) == []
    assert type(again) is model.optimizer.__class__ is not type(model.optimizer)


def test_a_training_broken_off_leaves_nothing_to_the_next():
    model, left = make_model("adam"), Probe(0.5)
    with pytest.raises(KeyboardInterrupt):
        fit(model, Probing(left), Stop())
    assert hooks.attached_hooks(model.optimizer) == [left]
    again = Probing(Probe())
    fit(model, again)
    assert hooks.attached_hooks(model.optimizer) == []
    assert again.seen == [4]


def test_the_same_hooks_serve_after_a_training_broken_off():
    probing = Probing(Probe(0.5), Probe(0.5, order=3))
    model = make_model()
    with pytest.raises(KeyboardInterrupt):
        fit(model, probing, Stop())
    count = len(hooks.own_variables(model.optimizer))
    fit(model, probing)
    assert probing.seen == [4, 4]
    assert len(model.optimizer.variables) == count


def test_a_model_goes_on_without_hooks_after_a_training_broken_off():
    model = make_model("adam")
    with pytest.raises(KeyboardInterrupt):
        fit(model, Probing(Probe(0.5)), Stop())
    hooks.detach_all(model)
    assert type(model.optimizer) is model.optimizer.__class__
    fit(model)


@pytest.mark.parametrize(
    "keywords",
    [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 3}],
    ids=lambda keywords: next(iter(keywords)),
)
def test_it_does_not_matter_how_steps_are_computed(keywords):
    if BACKEND == "torch" and "run_eagerly" not in keywords:
        pytest.skip("Keras takes one step at a time; compiling takes most of a minute")
    probing, plain = Probing(Probe(0.5)), Probing(Probe(0.5))
    model = fit(make_model(**keywords), probing, epochs=2)
    assert difference(model, fit(make_model(), plain, epochs=2)) < 1e-6
    np.testing.assert_allclose(probing.norms, plain.norms, 1e-4)
    assert probing.seen == [8]


def test_steps_of_ones_own_are_hooked_too():
    model, probe = make_model(), Probe()
    hooks.attach(model, probe)
    model.train_on_batch(X[:4], Y[:4])
    assert float(ops.convert_to_numpy(probe.seen)) == 1


def test_what_cannot_be_hooked_is_an_error():
    model = make_model()
    model.compile(None, "mse")
    model.optimizer = None
    with pytest.raises(ValueError, match="no optimizer"):
        hooks.attach(model, Probe())

    class Elsewhere(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            self.iterations.assign_add(1)

    model = make_model(Elsewhere(0.1), run_eagerly=True)
    with pytest.raises(RuntimeError, match="Elsewhere of Keras .* does not clip"):
        fit(model, Probing(Probe()))


def test_a_keras_without_the_place_is_an_error(monkeypatch):
    monkeypatch.setattr(hooks, "_PRIVATE_PLACES", ("_place_of_the_future",))
    with pytest.raises(RuntimeError, match=f"SGD of Keras {keras.__version__}"):
        hooks.attach(make_model(), Probe())
