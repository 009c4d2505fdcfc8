"""What is asked of metrics, beside their configuration."""

import keras
import numpy as np
import pytest
from conformance.tables import METRICS, every


def number(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


def updated(row, *parts):
    """Build a metric and show it parts of the row's samples."""
    metric = row.build()
    for part in parts:
        metric.update_state(row.labels[part], row.predictions[part])
    return metric


@every(METRICS)
def test_batches_one_by_one_give_what_all_at_once_do(row):
    expected = updated(row, slice(None))
    found = updated(row, slice(0, 2), slice(2, 3))
    assert 0 < number(expected) < 1
    assert number(found) == number(expected)


@every(METRICS)
def test_a_reset_forgets_everything(row):
    metric = updated(row, slice(0, 2))
    assert any(np.any(variable.numpy()) for variable in metric.variables)
    metric.reset_state()
    assert not any(np.any(variable.numpy()) for variable in metric.variables)
    metric.update_state(row.labels[2:], row.predictions[2:])
    assert number(metric) == number(updated(row, slice(2, 3)))


@every(METRICS)
def test_a_call_updates_and_gives_the_result(row):
    found = row.build()(row.labels, row.predictions)
    assert float(keras.ops.convert_to_numpy(found)) == number(updated(row, slice(None)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@every(METRICS)
def test_the_result_has_its_dtype(row, dtype):
    found = row.build(dtype=dtype)(row.labels, row.predictions)
    assert keras.backend.standardize_dtype(found.dtype) == dtype


@every(METRICS)
def test_fit_and_evaluate_give_it_under_jit(row):
    """Of batches of two and one, where the last is not full."""
    shape, weights = row.predictions.shape[1:], np.array([1.0, 0.5, 2.0])
    unmoved = keras.layers.Dense(shape[-1], kernel_initializer="identity")
    model = keras.Sequential([keras.Input(shape), unmoved])
    jit = keras.backend.backend() != "torch"  # see test_compiled.py
    metrics = {
        "metrics": [row.build()],
        "weighted_metrics": [row.build(name="weighed")],
    }
    model.compile("sgd", flat_loss, jit_compile=jit, **metrics)
    weighed = row.build()
    weighed.update_state(row.labels, row.predictions, sample_weight=weights)
    expected = [number(updated(row, slice(None))), number(weighed)]
    data = {"x": row.predictions, "y": row.labels, "sample_weight": weights}
    logs = model.fit(**data, batch_size=2, verbose=0).history
    found = [logs[metrics["metrics"][0].name][0], logs["weighed"][0]]
    assert found == pytest.approx(expected, rel=1e-6)
    found = model.evaluate(**data, batch_size=2, verbose=0)[1:]
    assert found == pytest.approx(expected, rel=1e-6)


def flat_loss(y_true, y_pred):
    """Teach nothing."""
    each = keras.ops.reshape(0 * y_pred, (keras.ops.shape(y_pred)[0], -1))
    return keras.ops.mean(each, axis=-1)
