"""The rules of gradient clipping in NumPy, and the kernels that are clipped by unit."""

import math

import keras
import numpy as np
import pytest
from hooked_models import length
from keras import ops

from kerasmith import layers
from kerasmith.callbacks import clipping_rules
from kerasmith.callbacks.clipped_kernels import clipped_kernels, last_layers

RNG = np.random.default_rng(5)
GRADIENTS = [RNG.normal(size=s).astype("float32") for s in [(3, 3, 2, 4), (4,), (5, 2)]]


def tensors(arrays):
    return [ops.convert_to_tensor(array) for array in arrays]


def assert_clipped(found, expected):
    gradients, some = found
    for gradient, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(gradient), wanted, 1e-5, 1e-7)
    changed = any((a != b).any() for a, b in zip(expected, GRADIENTS, strict=True))
    assert bool(some) == changed


@pytest.mark.parametrize("limit", [0.0, 0.7, 2.5, 50.0, math.inf])
def test_the_rules_are_the_papers_in_numpy(limit):
    rules, bound = clipping_rules, ops.convert_to_tensor(np.float32(limit))
    every = tensors(GRADIENTS)
    total = length(GRADIENTS)
    values = [np.clip(g, -limit, limit) for g in GRADIENTS]
    norms = [g * min(1, limit / length([g])) for g in GRADIENTS]
    together = [g * min(1, limit / total) for g in GRADIENTS]
    assert_clipped(rules.by_value(every, bound), values)
    assert_clipped(rules.by_norm(every, bound), norms)
    assert_clipped(rules.by_global_norm(every, bound, rules.norm(every)), together)
    assert_clipped(rules.by_norm_of_all(every, bound, rules.norm(every)), together)
    np.testing.assert_allclose(float(rules.norm(every)), total, 1e-6)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 1, 3), (0, 1)])
def test_adaptive_clipping_is_a_loop_over_units(axes):
    gradient, weight = GRADIENTS[0], RNG.normal(size=(3, 3, 2, 4)).astype("float32")
    weight[:, :, :, 1] = 0  # units at zero may still learn
    others = [axis for axis in range(4) if axis not in axes]
    expected, clipped = gradient.copy(), False
    for unit in np.ndindex(*[4 if axis == 3 else 2 for axis in others]):
        place = [slice(None)] * 4
        for axis, index in zip(others, unit, strict=True):
            place[axis] = index
        here, size = tuple(place), length([gradient[tuple(place)]])
        limit = 0.4 * max(length([weight[here]]), 1e-3)
        if size > limit:
            expected[here] *= limit / size
            clipped = True
    found, some = clipping_rules.adaptively(
        *tensors([gradient, weight]), axes, ops.convert_to_tensor(np.float32(0.4))
    )
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, 1e-5, 1e-8)
    assert bool(some) == clipped


@pytest.mark.parametrize("percent", [0, 10, 50, 99.5, 100])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_percentiles_are_numpys(percent, count):
    values = np.full(9, np.finfo("float32").max, "float32")
    values[:count] = RNG.exponential(size=count)
    found = clipping_rules.percentile(
        *tensors([values, np.int32(count), np.float32(percent)])
    )
    np.testing.assert_allclose(found, np.percentile(values[:count], percent), 1e-5)


def deep():
    """A model with kernels of several kinds, two heads, and no kernel between."""
    image = keras.Input((9, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.Conv2DTranspose(5, 3, name="transpose")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(3, name="logits")(x)
    size = keras.layers.Dense(1, name="size")(x)
    return keras.Model(image, [keras.layers.Softmax(name="shares")(logits), size])


def test_which_kernels_are_clipped():
    model = deep()
    inner = ["conv.kernel", "depthwise.kernel", "transpose.kernel"]
    heads = ["logits.kernel", "size.kernel"]
    assert {layer.name for layer in last_layers(model)} == {"logits", "size"}

    def paths(exclude):
        return [kernel.path for kernel in clipped_kernels(model, exclude)]

    assert paths(None) == inner
    assert paths([]) == inner + heads
    assert paths(["conv", "size"]) == [*inner[1:], "logits.kernel"]
    depthwise = keras.layers.DepthwiseConv2D
    found = paths(lambda layer: isinstance(layer, depthwise))
    assert found == [inner[0], inner[2], *heads]
    with pytest.raises(ValueError, match=r"\['missing'\].*'conv', 'depthwise'"):
        paths(["missing"])
    with pytest.raises(ValueError, match="no kernel to clip"):
        paths(lambda layer: True)


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.LSTM(3, name="first")
        self.body = keras.Sequential(
            [keras.layers.Dense(4, name="a"), keras.layers.Dense(2, name="b")]
        )

    def call(self, inputs):
        return self.body(self.first(inputs))


def test_the_last_layer_of_a_model_of_ones_own_and_of_a_model_in_it():
    model = Own()
    model(np.ones((2, 5, 3), "float32"))
    assert [layer.name for layer in last_layers(model)] == ["b"]
    found = [kernel.path for kernel in clipped_kernels(model)]
    assert found[:2] == ["first.cell.kernel", "first.cell.recurrent_kernel"]
    assert found[2].endswith("a.kernel") and len(found) == 3


def test_a_kernel_of_unknown_units_is_an_error():
    inputs = keras.Input((9, 8, 2))
    table = layers.ConnectionTableConv2D([(0, 1), (1,)], 3, name="table")
    x = keras.layers.Conv2D(2, 3, name="conv")(table(inputs))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 3, name="end")(x))
    with pytest.raises(ValueError, match="'table'.*numbers of inputs.*exclude="):
        clipped_kernels(model)
    assert [k.path for k in clipped_kernels(model, ["table", "end"])] == ["conv.kernel"]
