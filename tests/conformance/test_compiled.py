"""What is asked of compiled models: all rows are compiled together."""

import keras
import numpy as np
import pytest
from conformance.tables import LAYERS, ROWS
from conformance.together import inputs_of, join, numbers

every_name = pytest.mark.parametrize("name", list(ROWS))
not_on_torch = pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="torch.compile translates for minutes what XLA does in seconds",
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return join(ROWS)


@pytest.fixture(scope="module")
def eager(model):
    return numbers(model(inputs_of(ROWS), training=False))


@pytest.fixture(scope="module")
def in_batches_of_two(model):
    model.compile(jit_compile=False)
    return model.predict(inputs_of(ROWS), batch_size=2, verbose=0)


@pytest.fixture(scope="module")
def under_jit(model):
    model.compile(jit_compile=True)
    return model.predict(inputs_of(ROWS), verbose=0)


@every_name
def test_the_batch_size_is_free(eager, in_batches_of_two, name):
    np.testing.assert_allclose(in_batches_of_two[name], eager[name], 1e-4, 1e-5)


@not_on_torch
@every_name
def test_jit_compilation_changes_no_prediction(eager, under_jit, name):
    np.testing.assert_allclose(under_jit[name], eager[name], 1e-4, 1e-5)


def constrain(model):
    """Bring weights to where the first step of a training would take them at once."""
    for weight in model.trainable_weights:
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))


def _learn(rows, jit, steps):
    """Let each row learn to do what it would do with other weights.

    Tells for each row the loss before, after, and at each step.
    """
    keras.utils.set_random_seed(2)
    model = join(rows, front=True)
    inputs = inputs_of(rows, batch=12)
    constrain(model)
    start = model.get_weights()
    for weight in model.trainable_weights:
        weight.assign_add(0.3 * keras.random.normal(weight.shape, seed=3))
    constrain(model)
    targets = numbers(model(inputs, training=False))
    model.set_weights(start)

    def losses():
        outputs = numbers(model(inputs, training=False))
        return {name: np.mean((outputs[name] - targets[name]) ** 2) for name in rows}

    before = losses()
    model.compile(
        keras.optimizers.Adam(0.002),
        loss={name: "mse" for name in rows},
        jit_compile=jit,
    )
    fit = model.fit(
        inputs, targets, batch_size=12, epochs=steps, shuffle=False, verbose=0
    )
    after = losses()
    return {
        name: (before[name], after[name], fit.history[f"{name}_loss"]) for name in rows
    }


@pytest.fixture(scope="module")
def learned():
    return _learn(ROWS, jit="auto", steps=24)


@pytest.fixture(scope="module")
def learned_the_other_way():
    # "auto" is no XLA on the CPU
    rows = {name: ROWS[name] for name in LAYERS if not ROWS[name].draws()}
    return _learn(rows, jit=True, steps=3)


@every_name
def test_fit_lowers_the_loss(learned, name):
    before, after, _ = learned[name]
    assert after < 0.95 * before


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="JAX always compiles, and step by step it trains for minutes",
)
@pytest.mark.parametrize("name", list(LAYERS))
def test_jit_compilation_changes_no_training(learned, learned_the_other_way, name):
    if ROWS[name].draws():
        pytest.skip("XLA draws other numbers from the same seed on TensorFlow")
    first_steps = learned[name][2][:3]
    assert learned_the_other_way[name][2] == pytest.approx(first_steps, rel=1e-3)
