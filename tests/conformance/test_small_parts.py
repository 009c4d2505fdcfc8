"""What is asked of activations and initialisers, beside what their layers answer."""

import keras
import numpy as np
import pytest
from conformance.tables import ACTIVATIONS, INITIALIZERS, every

DTYPES = ("float32", "float16", "bfloat16")
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@every(ACTIVATIONS, "activation")
def test_an_activation_is_found_by_its_name(activation):
    name = keras.activations.serialize(activation)
    assert keras.activations.get(name) is activation


@every_dtype
@every(ACTIVATIONS, "activation")
def test_an_activation_keeps_shape_and_dtype(activation, dtype):
    inputs = keras.ops.ones((3, 5, 2), dtype)
    assert activation(inputs).shape == inputs.shape
    assert dtype_of(activation(inputs)) == dtype


@every_dtype
@every(ACTIVATIONS, "activation")
def test_an_activation_is_finite_far_out(activation, dtype):
    inputs = keras.ops.cast(np.array([-1e4, -50.0, 0.0, 50.0, 1e4]), dtype)
    assert np.all(np.isfinite(numbers(activation(inputs))))


@every_dtype
@every(INITIALIZERS, "build")
def test_an_initializer_draws_the_shape_and_dtype_asked_for(build, dtype):
    drawn = build()((3, 5, 2, 7), dtype=dtype)
    assert tuple(drawn.shape) == (3, 5, 2, 7)
    assert dtype_of(drawn) == dtype
    assert np.all(np.isfinite(numbers(drawn)))


@every(INITIALIZERS, "build")
def test_an_initializer_repeats_itself_only_with_its_seed(build):
    def draw(**seed):
        return numbers(build(**seed)((5, 7)))

    np.testing.assert_array_equal(draw(seed=1), draw(seed=1))
    assert np.any(draw(seed=1) != draw(seed=2))
    assert np.any(draw() != draw())


@every(INITIALIZERS, "build")
def test_an_initializer_follows_the_global_seed(build):
    def draw():
        keras.utils.set_random_seed(3)
        return numbers(build()((5, 7)))

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize("shape", [(7,), (5, 7), (3, 5, 7), (3, 3, 5, 7), ()])
@every(INITIALIZERS, "build")
def test_an_initializer_takes_any_shape(build, shape):
    assert tuple(build()(shape).shape) == shape
