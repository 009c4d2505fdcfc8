"""Constraints against projections written out unit by unit, alone and in `fit`."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from kernel_kinds import KINDS

from kerasmith import layers
from kerasmith.layers.kernels import kernels_of

L = keras.layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def by_units(kernel, axes):
    """Give the weights of a kernel as a matrix (inputs, units)."""
    size = np.prod([kernel.shape[axis] for axis in axes], dtype=int)
    return np.moveaxis(kernel, axes, range(len(axes))).reshape(size, -1)


def projected(kernel, axes, radius):
    """Project unit by unit: w * min(1, r / ||w||), in float64."""
    kernel = kernel.astype("float64")
    result = np.empty_like(kernel)
    kept = [axis for axis in range(kernel.ndim) if axis not in axes]
    for unit in np.ndindex(*(kernel.shape[axis] for axis in kept)):
        place = [slice(None)] * kernel.ndim
        for axis, index in zip(kept, unit, strict=True):
            place[axis] = index
        weights = kernel[tuple(place)]
        length = np.sqrt(np.sum(weights**2))
        result[tuple(place)] = weights * min(1, radius / length)
    return result


# The mathematics


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=list(KINDS))
def test_max_norm_projects_every_unit_of_every_kind(kind):
    layer = kind.built()
    layers.constrain(layer, layers.MaxNorm(0.6), verbose=False)
    kernels = {kernel.path: kernel.variable for kernel in kernels_of(layer)}
    assert set(kernels) == set(kind.axes)
    changed = []
    for path, axes in kind.axes.items():
        weights = drawn(*kernels[path].shape)
        found = numbers(kernels[path].constraint(weights))
        np.testing.assert_allclose(found, projected(weights, axes, 0.6), 2e-6, 1e-7)
        changed.append(np.any(found != weights))
    assert all(changed)


def test_inside_the_ball_not_a_bit_changes():
    kernel = drawn(40, 300)
    kernel *= np.linspace(0.2, 3, 300, dtype="float32") / np.linalg.norm(kernel, axis=0)
    found = numbers(layers.MaxNorm(1.0)(kernel))
    length = np.linalg.norm(kernel.astype("float64"), axis=0)
    inside = length < 1 - 1e-6
    assert 50 < inside.sum() < 250
    np.testing.assert_array_equal(found[:, inside], kernel[:, inside])
    after = np.linalg.norm(found.astype("float64"), axis=0)
    assert after.max() <= 1
    np.testing.assert_allclose(after[~inside], 1, 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "shape, axis",
    [((25088, 3), 0), ((3, 3, 512, 8), (0, 1, 2)), ((1, 40), 0), ((9, 200), -1)],
)
def test_to_project_twice_changes_no_bit_however_large(shape, axis, dtype):
    for constraint in (
        layers.MaxNorm(3.0, axis),
        layers.UnitNorm(axis),
        layers.MinMaxNorm(0.9, 0.9, axis=axis),
        layers.MinMaxNorm(200.0, 300.0, axis=axis),
    ):
        weights = keras.ops.cast(drawn(*shape), dtype)
        once = constraint(weights)
        np.testing.assert_array_equal(numbers(constraint(once)), numbers(once))


def test_equal_weights_of_half_precision_do_not_leave_the_ball():
    for dtype in ("float16", "bfloat16"):
        weights = keras.ops.cast(np.full((27, 5), 0.3, "float32"), dtype)
        found = numbers(layers.MaxNorm(0.7)(weights)).astype("float64")
        length = np.linalg.norm(found, axis=0)
        assert np.all((0.98 * 0.7 < length) & (length <= 0.7))


def test_norms_neither_overflow_nor_vanish():
    half = keras.ops.cast(np.full((1000, 2), 6e4, "float32"), "float16")
    expected = np.full((1000, 2), 2 / np.sqrt(1000))
    np.testing.assert_allclose(numbers(layers.MaxNorm(2.0)(half)), expected, 2e-3)
    huge, tiny = np.full((4, 1), 1e18, "float32"), np.full((4, 1), 1e-18, "float32")
    half_each = np.full((4, 1), 0.5)
    np.testing.assert_allclose(numbers(layers.MaxNorm(1.0)(huge)), half_each, 1e-6)
    np.testing.assert_allclose(numbers(layers.UnitNorm()(huge)), half_each, 1e-6)
    np.testing.assert_allclose(numbers(layers.UnitNorm()(tiny)), half_each, 1e-6)


def test_unit_norm_divides_by_the_norm_and_leaves_zeros():
    kernel = drawn(3, 4, 5)
    kernel[:, :, 2] = 0
    found = numbers(layers.UnitNorm()(kernel))
    length = np.sqrt((kernel.astype("float64") ** 2).sum(axis=(0, 1)))
    expected = kernel / np.where(length > 0, length, 1)
    np.testing.assert_allclose(found, expected, 1e-6, 1e-7)
    assert not found[:, :, 2].any()


@pytest.mark.parametrize("rate", [1.0, 0.3, 0.0])
def test_min_max_norm_goes_its_share_of_the_way(rate):
    kernel = drawn(6, 50) * np.linspace(0, 1, 50, dtype="float32")
    found = numbers(layers.MinMaxNorm(0.5, 1.25, rate)(kernel))
    length = np.linalg.norm(kernel.astype("float64"), axis=0)
    wished = rate * np.clip(length, 0.5, 1.25) + (1 - rate) * length
    expected = kernel * (wished / np.where(length > 0, length, 1))
    np.testing.assert_allclose(found, expected, 2e-6, 1e-7)
    inside = (length > 0.51) & (length < 1.24)
    assert inside.any()
    np.testing.assert_array_equal(found[:, inside], kernel[:, inside])
    if rate == 0:
        np.testing.assert_array_equal(found, kernel)


def test_auto_is_all_but_the_last_and_each_number_of_a_vector():
    kernel = drawn(3, 4, 5)
    auto, by_hand = layers.MaxNorm(0.5), layers.MaxNorm(0.5, (0, 1))
    np.testing.assert_array_equal(numbers(auto(kernel)), numbers(by_hand(kernel)))
    vector = np.array([-3, 0.2, 0, 4], "float32")
    np.testing.assert_allclose(numbers(auto(vector)), [-0.5, 0.2, 0, 0.5], 1e-5)
    whole = numbers(layers.MaxNorm(0.5, 0)(vector))
    np.testing.assert_allclose(np.linalg.norm(whole), 0.5, 1e-5)
    np.testing.assert_allclose(numbers(auto(np.float32(7))), 0.5, 1e-5)


def test_axes_may_be_given_in_many_ways():
    kernel = drawn(3, 4, 5)
    expected = numbers(layers.MaxNorm(0.5, (0, 2))(kernel))
    for axis in ([0, 2], (-1, 0), np.array([2, 0]), {(3, 4, 5): (0, 2), (9,): ()}):
        found = numbers(layers.MaxNorm(0.5, axis)(kernel))
        np.testing.assert_array_equal(found, expected)
    one = numbers(layers.MaxNorm(0.5, -1)(kernel))
    np.testing.assert_allclose(one, projected(kernel, [2], 0.5), 1e-5)


# Bad input


@pytest.mark.parametrize(
    "build, match",
    [
        (lambda: layers.MaxNorm(0.0), "max_value above 0, received 0.0"),
        (lambda: layers.MaxNorm(float("nan")), "max_value above 0"),
        (lambda: layers.MinMaxNorm(2.0, 1.0), "min_value=2.0, max_value=1.0"),
        (lambda: layers.MinMaxNorm(-1.0, 1.0), "0 <= min_value"),
        (lambda: layers.MinMaxNorm(0.0, 0.0), "max_value above 0"),
        (lambda: layers.MinMaxNorm(0.0, 1.0, 1.5), r"rate in \[0, 1\], received 1.5"),
        (lambda: layers.UnitNorm("all"), "UnitNorm takes axis='auto'.*'all'"),
        (lambda: layers.UnitNorm(0.5), "UnitNorm takes axis='auto'.*0.5"),
        (lambda: layers.UnitNorm(None), "UnitNorm takes axis='auto'.*None"),
        (lambda: layers.UnitNorm(2)(drawn(3, 4)), r"shape \(3, 4\), whose axes are 0"),
        (lambda: layers.UnitNorm({(3,): 0}), "UnitNorm takes axis='auto'"),
        (lambda: layers.UnitNorm({(3,): (0,)})(drawn(3, 4)), "call `constrain`"),
    ],
)
def test_bad_arguments_say_what_would_be_right(build, match):
    with pytest.raises(ValueError, match=match):
        build()


# In a fit


class Norms(keras.callbacks.Callback):
    """Notes the largest norm of all units after each epoch."""

    def __init__(self, axes):
        super().__init__()
        self.axes, self.seen = axes, []

    def on_epoch_end(self, epoch, logs=None):
        found = {kernel.path: kernel for kernel in kernels_of(self.model)}
        self.seen += [
            np.linalg.norm(by_units(numbers(found[path].variable), axes), axis=0).max()
            for path, axes in self.axes.items()
        ]


def network():
    """Build one of many kinds of kernels, compiled, with axes written by hand."""
    inputs = keras.Input((6, 8))
    x = L.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    x = L.SeparableConv1D(5, 3, name="separable")(x)
    x = L.BatchNormalization()(x)
    x = L.Conv1DTranspose(3, 2, name="up")(x)
    x = L.Bidirectional(L.LSTM(3), name="both")(x)
    model = keras.Model(inputs, L.Dense(2, name="logits")(x))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    gates = {"cell.kernel": (0,), "cell.recurrent_kernel": (0,)}
    axes = {
        **{
            f"attention.{name}_dense.kernel": (0,) for name in ("query", "key", "value")
        },
        "attention.output_dense.kernel": (0, 1),
        "separable.depthwise_kernel": (0,),
        "separable.pointwise_kernel": (0, 1),
        "up.kernel": (0, 2),
        **{f"both.forward_layer.{path}": axis for path, axis in gates.items()},
        **{f"both.backward_layer.{path}": axis for path, axis in gates.items()},
        "logits.kernel": (0,),
    }
    return model, axes


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_it_acts_in_a_model_that_was_trained_already(policy):
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    model, axes = network()
    inputs, targets = drawn(16, 6, 8), 5 * drawn(16, 2, seed=1)
    free = Norms(axes)
    model.fit(inputs, targets, epochs=1, verbose=0, callbacks=[free])
    assert min(free.seen) > 0.3
    layers.constrain(model, layers.MaxNorm(0.3), verbose=False)
    held = Norms(axes)
    model.fit(inputs, targets, epochs=2, batch_size=8, verbose=0, callbacks=[held])
    assert max(held.seen) <= 0.3 and len(held.seen) == 2 * len(axes)
    assert np.median(held.seen) > 0.2999
    layers.constrain(model, None, verbose=False)
    free = Norms(axes)
    model.fit(inputs, targets, epochs=2, verbose=0, callbacks=[free])
    assert max(free.seen) > 0.31
    assert model.get_layer("logits").get_config()["kernel_constraint"] is None


FRESH = """
import sys, keras, numpy as np
from kerasmith import layers
model = keras.saving.load_model(sys.argv[1])
inputs = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
model.fit(inputs, 100 * np.ones((16, 2)), epochs=2, verbose=0)
model.save(sys.argv[1])
"""


def test_it_survives_saving_and_goes_on_in_a_fresh_process(tmp_path):
    model, axes = network()
    report = layers.constrain(model, layers.MaxNorm(0.25), verbose=False)
    assert not report.unsaved
    path = tmp_path / "model.keras"
    model.save(path)
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(path)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    again = keras.saving.load_model(path)
    found = {kernel.path: kernel.variable for kernel in kernels_of(again)}
    was = {kernel.path: kernel.variable for kernel in kernels_of(model)}
    for name, axis in axes.items():
        norms = np.linalg.norm(by_units(numbers(found[name]), axis), axis=0)
        assert 0.1 < norms.max() <= 0.25
        assert found[name].constraint.get_config() == was[name].constraint.get_config()


def test_given_to_a_layer_it_is_used():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, kernel_constraint=layers.MaxNorm(0.5))]
    )
    model.compile("sgd", "mse")
    model.fit(drawn(8, 4), drawn(8, 3), verbose=0)
    norms = np.linalg.norm(numbers(model.layers[0].kernel), axis=0)
    assert norms.max() <= 0.5
