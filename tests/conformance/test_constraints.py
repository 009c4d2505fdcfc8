"""What is asked of constraints, beside their configuration."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conformance.rows_constraints import CONSTRAINTS
from conformance.tables import every

SHAPE = (3, 5, 2, 7)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
EXACT = {
    name: build
    for name, build in CONSTRAINTS.items()
    if getattr(build(), "rate", 1) == 1
}


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def weights(dtype="float32", size=1.0, seed=0):
    drawn = np.random.default_rng(seed).normal(size=SHAPE) * size
    return keras.ops.cast(drawn.astype("float32"), dtype)


@every_dtype
@every(CONSTRAINTS, "build")
def test_a_constraint_keeps_shape_and_dtype_and_changes_something(build, dtype):
    before = weights(dtype)
    after = build()(before)
    assert tuple(after.shape) == SHAPE
    assert keras.backend.standardize_dtype(after.dtype) == dtype
    assert np.any(numbers(after) != numbers(before))


@every_dtype
@pytest.mark.parametrize("size", [0.0, 1e-4, 1e4])
@every(CONSTRAINTS, "build")
def test_a_constraint_is_finite_far_out(build, dtype, size):
    assert np.all(np.isfinite(numbers(build()(weights(dtype, size)))))


@every_dtype
@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 100.0])
@every(EXACT, "build")
def test_to_constrain_twice_changes_nothing(build, dtype, size):
    once = build()(weights(dtype, size))
    np.testing.assert_array_equal(numbers(build()(once)), numbers(once))


@every(CONSTRAINTS, "build")
def test_a_variable_is_constrained_like_its_value(build):
    variable = keras.Variable(weights())
    expected = numbers(build()(weights()))
    np.testing.assert_array_equal(numbers(build()(variable)), expected)
    np.testing.assert_array_equal(numbers(variable), numbers(weights()))


@every(CONSTRAINTS, "build")
def test_a_constraint_of_the_same_config_does_the_same(build):
    config = json.loads(json.dumps(keras.constraints.serialize(build())))
    again = keras.constraints.deserialize(config)
    expected = numbers(build()(weights()))
    np.testing.assert_array_equal(numbers(again(weights())), expected)


class Scale(keras.layers.Layer):
    """Multiplies by a kernel, whose constraint is asked in a `fit`."""

    def __init__(self, constraint, **keywords):
        super().__init__(**keywords)
        self.kernel = self.add_weight(
            shape=SHAPE,
            initializer=keras.initializers.RandomNormal(seed=1),
            constraint=constraint,
            name="kernel",
        )

    def call(self, inputs):
        return inputs * keras.ops.sum(keras.ops.convert_to_tensor(self.kernel))


@pytest.mark.parametrize("jit", [False, True])
@every(CONSTRAINTS, "build")
def test_fit_constrains_at_each_step(build, jit):
    if jit and keras.backend.backend() == "torch":
        pytest.skip("torch.compile translates for minutes what XLA does in seconds")
    constraint = build()
    model = keras.Sequential([keras.Input((1,)), Scale(constraint)])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    kernel = model.layers[0].kernel
    steps = []
    for _ in range(3):
        before = numbers(kernel)
        inputs = np.ones((4, 1), "float32")
        gradient = 2 * (before.sum() - 1)
        expected = constraint(keras.ops.convert_to_tensor(before - 0.1 * gradient))
        model.fit(inputs, inputs, verbose=0)
        np.testing.assert_allclose(numbers(kernel), numbers(expected), 1e-3, 1e-4)
        steps.append(numbers(kernel))
    assert np.any(steps[0] != steps[-1])


FRESH = """
import sys, keras, numpy as np
from kerasmith import layers
for path in sys.argv[1:]:
    model = keras.saving.load_model(path)
    inputs = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
    model.fit(inputs, 100 * np.ones((8, 7)), epochs=3, verbose=0)
    model.save(path)
"""


@pytest.fixture(scope="module")
def trained_elsewhere(tmp_path_factory):
    """Give what each constraint made of a kernel, loaded and trained elsewhere."""
    folder = tmp_path_factory.mktemp("constraints")
    paths = []
    for name in EVERY_SHAPE:
        model = keras.Sequential(
            [
                keras.Input((5,)),
                keras.layers.Dense(7, kernel_constraint=CONSTRAINTS[name]()),
            ]
        )
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.save(folder / f"{name}.keras")
        paths.append(folder / f"{name}.keras")
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, paths)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {path.stem: keras.saving.load_model(path) for path in paths}


# those that can constrain the kernel of Dense, too
EVERY_SHAPE = [name for name in EXACT if name in ("max_norm", "min_max_norm")]


@pytest.mark.parametrize("name", EVERY_SHAPE)
def test_it_goes_on_in_a_fresh_process(trained_elsewhere, name):
    kernel = trained_elsewhere[name].layers[0].kernel
    again = CONSTRAINTS[name]()(kernel)
    np.testing.assert_array_equal(numbers(again), numbers(kernel))
    assert np.abs(numbers(kernel)).max() > 0.1
