"""What is asked of every layer and model that computes, eagerly, one by one."""

import keras
import numpy as np
import pytest
from conformance.tables import ROWS, every

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
every_policy = pytest.mark.parametrize("policy", POLICIES)


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@every(ROWS)
def test_the_promised_shape_is_that_of_the_result(row):
    layer = row.built()
    assert tuple(layer.compute_output_shape(row.shape)) == tuple(
        layer(row.inputs()).shape
    )


@every(ROWS)
def test_the_symbolic_shape_leaves_open_only_what_is_unknown(row):
    layer = row.built()
    promised, result = layer(row.symbolic()).shape, layer(row.inputs()).shape
    assert len(promised) == len(result)
    assert promised[0] is None
    for size, found in zip(promised[1:], result[1:], strict=True):
        assert size == found or (size is None and row.unknown)


@every({name: row for name, row in ROWS.items() if row.unknown})
def test_sizes_that_need_not_be_known_may_be_any(row):
    layer, symbolic = row.built(), row.symbolic()
    model = keras.Model(symbolic, layer(symbolic))
    for more in (0, 3):
        shape = [n + more * (axis in row.unknown) for axis, n in enumerate(row.shape)]
        inputs = np.ones(shape, "float32")
        assert tuple(model(inputs).shape) == tuple(layer.compute_output_shape(shape))


@every_policy
@every(ROWS)
def test_the_result_has_the_compute_dtype(row, policy):
    """A model's logits have float32: a softmax needs more digits than half has."""
    layer = row.built(policy)
    model = isinstance(layer, keras.Model)
    expected = "float32" if model else layer.compute_dtype
    for result in (layer(row.inputs()), layer(row.symbolic())):
        assert dtype_of(result) == expected


@every_policy
@every(ROWS)
def test_the_weights_are_kept_in_float32(row, policy):
    weights = row.built(policy).weights
    assert all(dtype_of(weight) == "float32" for weight in weights)


@every_policy
@every(ROWS)
def test_all_results_are_finite(row, policy):
    layer = row.built(policy)
    for training in (False, True):
        assert np.all(np.isfinite(numbers(layer(row.inputs(), training=training))))


@pytest.mark.parametrize("policy", POLICIES[1:])
@every(ROWS)
def test_half_the_bits_give_nearly_the_same_result(row, policy):
    exact, rough = row.built(), row.built(policy)
    rough.set_weights(exact.get_weights())
    expected = numbers(exact(row.inputs(), training=False))
    found = numbers(rough(row.inputs(), training=False))
    assert np.max(np.abs(found - expected)) < row.rounding * np.max(np.abs(expected))


@every(ROWS)
def test_inference_gives_the_same_twice(row):
    layer = row.built()
    first = numbers(layer(row.inputs(), training=False))
    np.testing.assert_array_equal(numbers(layer(row.inputs(), training=False)), first)


@every(ROWS)
def test_inference_changes_no_variable(row):
    layer = row.built()
    before = values(layer.variables)
    layer(row.inputs(), training=False)
    for old, new in zip(before, values(layer.variables), strict=True):
        np.testing.assert_array_equal(new, old)


@every(ROWS)
def test_samples_do_not_depend_on_each_other_at_inference(row):
    layer = row.built()
    together = numbers(layer(row.inputs(), training=False))
    alone = numbers(layer(row.inputs()[1:2], training=False))
    np.testing.assert_allclose(alone, together[1:2], 1e-4, 1e-5)


@every(ROWS)
def test_the_same_seed_gives_the_same_training(row):
    def train():
        keras.utils.set_random_seed(7)
        layer = row.built()
        return [numbers(layer(row.inputs(), training=True)) for _ in range(3)]

    np.testing.assert_array_equal(train(), train())


@every(ROWS)
def test_a_random_state_taken_back_repeats_the_draws(row):
    layer = row.built()
    start = values(layer.variables)
    first = numbers(layer(row.inputs(), training=True))
    for variable, value in zip(layer.variables, start, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(numbers(layer(row.inputs(), training=True)), first)
