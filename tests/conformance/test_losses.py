"""What is asked of losses, beside their configuration and gradient."""

import keras
import numpy as np
import pytest
from conformance.tables import LOSSES, every

DTYPES = ("float32", "float16", "bfloat16")


def number(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@every(LOSSES)
def test_the_reductions_agree(row):
    def loss(reduction):
        return number(row.build(reduction=reduction)(row.labels, row.predictions))

    each = loss(None)
    shape = row.predictions.shape
    assert each.shape == (shape[:-1] if row.each == "position" else shape[:1])
    mean = each.sum() / row.counted
    assert loss("sum_over_batch_size") == pytest.approx(mean, rel=1e-5)
    assert loss("sum") == pytest.approx(each.sum(), rel=1e-5)


@every(LOSSES)
def test_sample_weights_weigh(row):
    loss = row.build(reduction=None)
    each = number(loss(row.labels, row.predictions))
    for shape in {each.shape[:1], each.shape}:  # of samples, of all values
        weights = np.arange(np.prod(shape), dtype="float32").reshape(shape)
        weighted = number(loss(row.labels, row.predictions, sample_weight=weights))
        spread = weights.reshape(*shape, *(1 for _ in each.shape[len(shape) :]))
        np.testing.assert_allclose(weighted, spread * each, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@every(LOSSES)
def test_it_is_computed_in_its_dtype(row, dtype):
    loss = row.build(dtype=dtype)(row.labels, row.predictions)
    assert keras.backend.standardize_dtype(loss.dtype) == dtype
    exact = number(row.build()(row.labels, row.predictions))
    assert number(loss) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("dtype", DTYPES)
@every(LOSSES)
def test_large_predictions_give_a_finite_loss(row, dtype):
    large = 1000 * np.sign(row.predictions)
    assert np.all(np.isfinite(number(row.build(dtype=dtype)(row.labels, large))))


@every(LOSSES)
def test_better_predictions_have_a_lower_loss(row):
    loss = row.build()
    losses = [number(loss(row.labels, sign * row.right)) for sign in (-2, -1, 0, 1, 2)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(map(float, losses))) == 5


@every(LOSSES)
def test_jit_compilation_changes_no_loss(row):
    model = keras.Sequential([keras.Input(row.predictions.shape[1:])])
    model.add(keras.layers.Identity())
    jit = keras.backend.backend() != "torch"  # see test_compiled.py
    model.compile(loss=row.build(), jit_compile=jit)
    found = model.evaluate(row.predictions, row.labels, verbose=0)
    expected = number(row.build()(row.labels, row.predictions))
    assert found == pytest.approx(expected, rel=1e-5)


@every(LOSSES)
def test_fit_lowers_the_loss(row):
    logits = keras.Input(row.predictions.shape[1:])
    model = keras.Model(logits, keras.layers.Dense(row.predictions.shape[-1])(logits))
    model.compile(keras.optimizers.SGD(0.1), row.build())
    history = model.fit(row.predictions, row.labels, epochs=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
