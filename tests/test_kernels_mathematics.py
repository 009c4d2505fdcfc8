"""Which weights come into the same unit: found by moving every weight."""

import keras
import numpy as np
import pytest
from kernel_kinds import KINDS, PLAIN

from kerasmith import layers
from kerasmith.layers.kernels import Kernel, incoming_axes, kernels_of

L = keras.layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def slopes(compute, variable, step=1.0):
    """Give the slope of all outputs for every weight, weights first."""
    value = numbers(variable).copy()
    found = []
    for place in np.ndindex(*value.shape):
        both = []
        for sign in (1, -1):
            moved = value.copy()
            moved[place] += sign * step
            variable.assign(moved)
            both.append(numbers(compute()))
        found.append((both[0] - both[1]) / (2 * step))
    variable.assign(value)
    return np.stack(found)


def units_by_axes(shape, axes):
    """Give for every weight where it lies beside the axes of the inputs."""
    return [
        tuple(i for axis, i in enumerate(place) if axis not in axes)
        for place in np.ndindex(*shape)
    ]


def same_partition(labels, others):
    """Tell whether two labellings put the same weights together."""
    pairs = len(set(zip(labels, others, strict=True)))
    return len(set(labels)) == len(set(others)) == pairs


def units_reached(found, features):
    """Give for every weight the units that it reaches, as a tuple of places."""
    axes = [axis % (found.ndim - 1) + 1 for axis in features]
    others = tuple(a for a in range(1, found.ndim) if a not in axes)
    reached = np.abs(found).max(axis=others) > 1e-4
    return [tuple(map(tuple, np.argwhere(each))) for each in reached]


@pytest.mark.parametrize("kind", list(PLAIN.values()), ids=list(PLAIN))
def test_a_unit_is_what_its_weights_reach(kind):
    layer, inputs = kind.built(), kind.inputs()
    found = slopes(lambda: layer(inputs), layer.kernel)
    units = units_reached(found, kind.features)
    assert all(len(reached) == 1 for reached in units)
    axes = incoming_axes(layer)["kernel"]
    assert same_partition(units, units_by_axes(layer.kernel.shape, axes))


def test_units_of_the_depthwise_part_are_the_inputs_of_the_pointwise_one():
    inputs = KINDS["separable2d"].inputs()
    layer = L.SeparableConv2D(6, (2, 3), depth_multiplier=2)
    layer(inputs)
    # one filter for each of the units between
    layer.pointwise_kernel.assign(np.eye(6)[None, None])
    for name, step in [("depthwise_kernel", 1), ("pointwise_kernel", 1)]:
        kernel = getattr(layer, name)
        units = units_reached(slopes(lambda: layer(inputs), kernel, step), (-1,))
        assert all(len(reached) == 1 for reached in units)
        assert same_partition(
            units, units_by_axes(kernel.shape, incoming_axes(layer)[name])
        )


@pytest.mark.parametrize("name", ["query", "key", "value", "output"])
@pytest.mark.parametrize("kind", ["attention", "our_attention"])
def test_units_of_the_projections_of_attention(kind, name):
    layer = KINDS[kind].built()
    part = getattr(layer, f"{name}_dense")
    shape = (2, 5, *part.kernel.shape[: -1 if name == "output" else -2])
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    features = (-1,) if name == "output" else (-2, -1)
    units = units_reached(slopes(lambda: part(inputs), part.kernel), features)
    axes = incoming_axes(layer)[f"{name}_dense.kernel"]
    assert all(len(reached) == 1 for reached in units)
    assert same_partition(units, units_by_axes(part.kernel.shape, axes))


@pytest.mark.parametrize(
    "build", [L.SimpleRNNCell, L.LSTMCell, L.GRUCell], ids=lambda cell: cell.__name__
)
@pytest.mark.parametrize("name", ["kernel", "recurrent_kernel"])
def test_a_unit_of_a_cell_is_a_gate(build, name):
    """Weights of one gate have the same slopes, up to what they multiply."""
    cell = build(3)
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0.5, 1.5, (6, 2)).astype("float32")
    state = rng.uniform(0.5, 1.5, (6, 3)).astype("float32")
    states = [state, state[:, ::-1].copy()] if build is L.LSTMCell else [state]
    cell.build((None, 2))
    kernel = getattr(cell, name)
    found = slopes(lambda: cell(inputs, states)[0], kernel, 0.02)
    source = inputs if name == "kernel" else state
    rows = [place[0] for place in np.ndindex(*kernel.shape)]
    gates = [each / source[:, row, None] for each, row in zip(found, rows, strict=True)]
    firsts, units = [], []
    for gate in gates:
        near = [np.allclose(gate, first, 1e-2, 2e-4) for first in firsts]
        units.append(near.index(True) if True in near else len(firsts))
        if True not in near:
            firsts.append(gate)
    axes = incoming_axes(cell)[name]
    assert same_partition(units, units_by_axes(kernel.shape, axes))


def test_a_unit_of_an_embedding_is_a_row():
    layer = KINDS["embedding"].built()
    found = slopes(lambda: layer(np.arange(5)), layer.embeddings)
    units = units_reached(found, (0,))
    assert same_partition(
        units, units_by_axes((5, 3), incoming_axes(layer)["embeddings"])
    )


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=list(KINDS))
def test_axes_are_those_written_down(kind):
    assert incoming_axes(kind.built()) == kind.axes


def test_models_name_kernels_by_layers_and_each_once():
    inputs = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3, name="in")], name="inner")
    model = keras.Model(inputs, inner(shared(shared(inputs))))
    assert incoming_axes(model) == {"shared.kernel": (0,), "inner.in.kernel": (0,)}
    first = kernels_of(model)[0]
    assert first == Kernel("shared.kernel", shared, "kernel", (0,))
    assert first.variable is shared.kernel and first.units == 4


class Own(keras.layers.Layer):
    """A layer of one's own that says what its kernels are."""

    kernel_axes = {"table": (0, 2)}

    def build(self, shape):
        self.table = self.add_weight(shape=(2, 3, 4), name="table")


def test_a_layer_of_ones_own_says_it_itself():
    layer = Own()
    layer.build((None, 3))
    assert incoming_axes(layer) == {"table": (0, 2)}
    assert kernels_of(layer)[0].units == 3


class Silent(keras.layers.Layer):
    """A layer of one's own that does not."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(2, 3), name="kernel")


def test_what_is_unknown_is_refused():
    silent = Silent()
    silent.build((None, 3))
    with pytest.raises(ValueError, match=r'kernel_axes = {"kernel": \(0,\)}'):
        incoming_axes(silent)
    with pytest.raises(ValueError, match="Dense 'new' is not built"):
        incoming_axes(L.Dense(3, name="new"))
    norm = L.LayerNormalization()
    norm.build((None, 3))
    with pytest.raises(ValueError, match="has no kernel"):
        incoming_axes(norm)
    with pytest.raises(TypeError, match="Expected a layer"):
        incoming_axes("dense")
    table = layers.ConnectionTableConv2D([(0, 1), (1,)], 2)
    table.build((None, 4, 4, 2))
    with pytest.raises(ValueError, match="different numbers of inputs"):
        incoming_axes(table)
    lora = L.Dense(3)
    lora.build((None, 4))
    lora.enable_lora(2)
    with pytest.raises(ValueError, match="LoRA"):
        incoming_axes(lora)
