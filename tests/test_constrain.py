"""`constrain`: what it matches, what it keeps, what it tells and what it refuses."""

import random

import keras
import numpy as np
import pytest

from kerasmith import layers
from kerasmith.layers.kernels import kernels_of

L = keras.layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_the_report_tells_what_was_matched_and_what_not(capsys):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            L.DepthwiseConv2D(3, name="depthwise"),
            L.BatchNormalization(),
            layers.ConnectionTableConv2D([(0, 1), (2,)], 2, name="table"),
            L.Conv2D(5, 3, name="convolution"),
        ]
    )
    report = layers.constrain(model, layers.UnitNorm())
    lines = str(report).splitlines()
    assert capsys.readouterr().out == f"{report}\n"
    assert [line.split()[0] for line in lines[:3]] == [
        "kernel",
        "depthwise.kernel",
        "convolution.kernel",
    ]
    assert lines[1].endswith("(3, 3, 3, 1)  (0, 1)     3")
    assert lines[2].endswith("(3, 3, 2, 5)  (0, 1, 2)  5")
    assert "table: its filters have different numbers of inputs" in lines[3]
    assert lines[4] == "left alone: beta (1), bias (3), gamma (1), kernel (1)"
    assert [kernel.units for kernel in report.matched] == [3, 5]
    assert [path for path, _ in report.unknown] == ["table"]
    assert len(report.left_alone) == 6 and not report.unsaved
    layers.constrain(model, layers.UnitNorm(), verbose=False)
    assert not capsys.readouterr().out


def test_layers_and_variables_hold_the_same_constraint():
    layer = L.DepthwiseConv1D(3)
    layer.build((None, 5, 4))
    before = numbers(layer.kernel)
    layers.constrain(layer, layers.MinMaxNorm(1, 2, 0.5), verbose=False)
    assert layer.depthwise_constraint is layer.kernel.constraint
    config = layer.get_config()["depthwise_constraint"]["config"]
    assert config == {"min_value": 1, "max_value": 2, "rate": 0.5, "axis": [0]}
    np.testing.assert_array_equal(numbers(layer.kernel), before)


def test_any_constraint_of_keras_will_do():
    layer = L.Conv2DTranspose(3, 2)
    layer.build((None, 5, 5, 4))
    layers.constrain(layer, keras.constraints.MaxNorm(1.5), verbose=False)
    assert list(layer.kernel_constraint.axis) == [0, 1, 3]
    layers.constrain(layer, "non_neg", verbose=False)
    assert isinstance(layer.kernel.constraint, keras.constraints.NonNeg)


def test_one_constraint_serves_kernels_of_different_axes():
    layer = L.MultiHeadAttention(2, 3)
    layer.build((None, 5, 4), (None, 5, 4))
    layers.constrain(layer, layers.MaxNorm(1.0), verbose=False)
    config = layer.get_config()["kernel_constraint"]["config"]
    assert config["axis"] == [[[4, 2, 3], [0]], [[2, 3, 4], [0, 1]]]
    with pytest.raises(ValueError, match="one axis for all kernels"):
        layers.constrain(layer, keras.constraints.MaxNorm(1.0), verbose=False)
    cube = L.MultiHeadAttention(2, 2)
    cube.build((None, 5, 2), (None, 5, 2))
    with pytest.raises(
        ValueError, match=r"share one constraint and the shape \(2, 2, 2\)"
    ):
        layers.constrain(cube, layers.MaxNorm(1.0), verbose=False)


@pytest.mark.parametrize(
    "kind, shapes",
    [
        (layers.TransformerEncoderBlock, [(None, 5, 6)]),
        (layers.TransformerDecoderBlock, [(None, 5, 6), (None, 7, 6)]),
    ],
)
def test_a_block_of_a_transformer_remembers_its_constraint(kind, shapes):
    block = kind(2, 7)
    block.build(*shapes)
    report = layers.constrain(block, layers.MaxNorm(0.1), verbose=False)
    assert report.unsaved == ()
    copy = kind.from_config(block.get_config())
    copy.build(*shapes)
    kernels = kernels_of(copy)
    assert len(kernels) == (6 if kind is layers.TransformerEncoderBlock else 10)
    for kernel in kernels:
        shape = kernel.variable.shape
        shrunk = numbers(kernel.variable.constraint(drawn(*shape)))
        norms = np.sqrt(np.sum(shrunk**2, kernel.axes))
        np.testing.assert_allclose(norms, 0.1, 1e-5)


class Forgetful(keras.layers.Layer):
    """Builds its part without a constraint, and has none in its config."""

    def build(self, shape):
        self.part = L.Dense(3, name="part")
        self.part.build(shape)

    def call(self, inputs):
        return self.part(inputs)


def test_a_layer_that_forgets_is_told_of():
    model = keras.Sequential([keras.Input((4,)), Forgetful(name="own"), L.Dense(2)])
    state = random.getstate()
    with pytest.warns(UserWarning, match="own.part.kernel build their parts anew"):
        report = layers.constrain(model, layers.MaxNorm(0.1), verbose=False)
    assert random.getstate() == state
    assert report.unsaved == ("own.part.kernel",)
    assert "own.part.kernel (not saved)" in str(report)
    model.compile("sgd", "mse")
    model.fit(drawn(8, 4), drawn(8, 2), verbose=0)
    norms = np.linalg.norm(numbers(model.layers[0].part.kernel), axis=0)
    assert norms.max() <= 0.1


@pytest.mark.parametrize(
    "thing, constraint, error, match",
    [
        (L.Dense(3), layers.MaxNorm(1.0), ValueError, "is not built"),
        (L.ReLU(), layers.MaxNorm(1.0), ValueError, "found no kernel in ReLU"),
        ("dense", layers.MaxNorm(1.0), TypeError, "Expected a layer or a model"),
        (L.Dense(3), layers.MaxNorm(1.0, axis=0), ValueError, "leave axis out"),
        (L.Dense(3), lambda w: w, TypeError, "takes a keras.constraints.Constraint"),
    ],
)
def test_what_cannot_be_constrained_is_refused(thing, constraint, error, match):
    if isinstance(thing, L.ReLU):
        thing.build((None, 3))
    with pytest.raises(error, match=match):
        layers.constrain(thing, constraint, verbose=False)
