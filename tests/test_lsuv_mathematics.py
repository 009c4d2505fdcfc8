"""Layer-sequential unit-variance initialisation, against variances measured anew."""

import keras
import numpy as np
import pytest

from kerasmith import layers
from kerasmith.layers.kernels import incoming_axes

L = keras.layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def variances(report):
    return {row.path: row.after for row in report.layers}


def test_two_dense_layers_by_hand():
    """Without new directions: W1 / std(x W1), then W2 / std(relu(x W1') W2)."""
    x, first, second = drawn(50, 7), drawn(7, 9, seed=1), drawn(9, 4, seed=2)
    model = keras.Sequential(
        [keras.Input((7,)), L.Dense(9, "relu", name="a"), L.Dense(4, "tanh", name="b")]
    )
    model.set_weights([first, np.zeros(9), second, np.zeros(4)])
    report = layers.lsuv(model, x, orthonormal=False)
    before = [(x @ first).var(), (np.maximum(x @ first, 0) @ second).var()]
    first /= (x @ first).std()
    hidden = np.maximum(x @ first, 0)
    second /= (hidden @ second).std()
    np.testing.assert_allclose(numbers(model.layers[0].kernel), first, 1e-5)
    np.testing.assert_allclose(numbers(model.layers[1].kernel), second, 1e-5)
    np.testing.assert_allclose([row.before for row in report.layers], before, 1e-5)
    np.testing.assert_allclose([row.after for row in report.layers], 1, 1e-5)
    assert [(row.path, row.steps, row.note) for row in report.layers] == [
        ("a", 1, ""),
        ("b", 1, ""),
    ]


KERNELS = {
    "tall": (lambda: L.Dense(3), (20, 8), 1),
    "wide": (lambda: L.Dense(9), (20, 4), 1),
    "conv": (lambda: L.Conv2D(5, (2, 3)), (4, 6, 7, 2), 1),
    "groups": (lambda: L.Conv1D(6, 2, groups=2), (4, 9, 8), 2),
    "transpose": (lambda: L.Conv2DTranspose(4, 2), (4, 6, 7, 3), 1),
    "depthwise": (lambda: L.DepthwiseConv2D(2, depth_multiplier=3), (4, 6, 7, 2), 2),
    "einsum": (lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3)), (4, 5, 7), 1),
}


@pytest.mark.parametrize("kind", list(KERNELS.values()), ids=list(KERNELS))
def test_kernels_are_orthonormal_times_a_number(kind):
    build, shape, groups = kind
    layer = build()
    layers.lsuv(layer, drawn(*shape), seed=3)
    kernel = numbers(layer.kernel)
    axes = incoming_axes(layer)["kernel"]
    matrix = np.moveaxis(kernel, axes, range(len(axes)))
    size = np.prod(matrix.shape[: len(axes)], dtype=int)
    for part in np.split(matrix.reshape(size, -1), groups, axis=1):
        product = part.T @ part if size >= part.shape[1] else part @ part.T
        scale = np.trace(product) / len(product)
        np.testing.assert_allclose(product, scale * np.eye(len(product)), atol=1e-5)
    np.testing.assert_allclose(numbers(layer(drawn(*shape))).var(), 1, 1e-4)


def test_seeds():
    def kernel(seed):
        layer = L.Dense(3)
        layers.lsuv(layer, drawn(20, 8), seed=seed)
        return numbers(layer.kernel)

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert np.any(kernel(1) != kernel(2))
    assert np.any(kernel(None) != kernel(None))
    keras.utils.set_random_seed(4)
    first = kernel(None)
    keras.utils.set_random_seed(4)
    np.testing.assert_array_equal(kernel(None), first)


def measured(model, batch, name):
    """Give the variance before a layer's activation, by a network cut before it."""
    layer = model.get_layer(name)
    inputs = keras.Model(model.input, layer.input)(batch, training=False)
    activation, layer.activation = layer.activation, keras.activations.linear
    outputs = numbers(layer(inputs))
    layer.activation = activation
    return outputs.var()


def test_every_layer_of_a_network_of_many_kinds():
    keras.utils.set_random_seed(1)
    inputs = {"image": keras.Input((9, 9, 4), name="image"), "extra": keras.Input((5,))}
    shared = L.Dense(6, activation="gelu", name="shared")
    tail = [keras.Input((None, 6)), L.Dense(7, "relu", name="in"), L.Dropout(0.5)]
    x = L.Conv2D(8, 3, groups=2, activation="relu", name="grouped")(inputs["image"])
    x = layers.ConnectionTableConv2D([(0, 1), (2, 5, 7), (4,)], 3, name="table")(x)
    x = L.SeparableConv2D(4, 3, padding="same", activation="tanh", name="separable")(x)
    x = L.BatchNormalization()(x)
    x = L.TimeDistributed(L.Dense(6, activation="relu"), name="each")(x)
    x = shared(shared(L.Reshape((-1, 6))(x)))
    attention = L.MultiHeadAttention(2, 3, name="attention")
    x = keras.Sequential(tail, name="inner")(x + attention(x, x))
    side = L.Dense(3, name="side")(inputs["extra"])
    outputs = L.Dense(2, "softmax", name="logits")(
        L.Concatenate()([L.LSTM(4, name="memory")(x), side])
    )
    model = keras.Model(inputs, outputs)
    batch = {"image": 2 * drawn(40, 9, 9, 4) + 1, "extra": drawn(40, 5, seed=1)}
    report = layers.lsuv(model, batch, seed=1)
    projections = ("query", "key", "value", "output")
    assert {row.path for row in report.layers} == {
        "grouped",
        "table",
        "separable",
        "each.layer",
        "shared",
        *(f"attention.{name}_dense" for name in projections),
        "inner.in",
        "side",
        "logits",
    }
    np.testing.assert_allclose(list(variances(report).values()), 1, atol=1e-3)
    assert [path for path, _ in report.left_alone] == ["memory.cell"]
    assert "logits" in str(report) and "memory.cell: it works inside" in str(report)
    for name in ("grouped", "table", "separable", "side", "logits"):
        assert measured(model, batch, name) == pytest.approx(1, abs=2e-3)
    assert not any("call" in vars(layer) for layer in model.layers)


def test_deep_networks_keep_their_signal():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((16,))])
    for _ in range(20):
        model.add(L.Dense(16, "relu", kernel_initializer="glorot_uniform"))
    x = drawn(100, 16)
    report = layers.lsuv(model, x, seed=1)
    assert report.layers[-1].before < 1e-3
    np.testing.assert_allclose(list(variances(report).values()), 1, atol=1e-3)


def test_biases_stay_and_are_counted():
    x = drawn(60, 5)
    layer = L.Dense(4)
    layer.build(x.shape)
    bias = np.array([0.7, -0.7, 0.5, -0.5], "float32")
    layer.bias.assign(bias)
    (row,) = layers.lsuv(layer, x, seed=1).layers
    np.testing.assert_array_equal(numbers(layer.bias), bias)
    np.testing.assert_allclose(numbers(layer(x)).var(), 1, atol=1e-3)
    assert 1 < row.steps < 10 and not row.note
    layer.bias.assign(30 * bias)
    (row,) = layers.lsuv(layer, x, seed=1).layers
    assert "hardly follow the scale" in row.note and row.note in repr(row)
    (row,) = layers.lsuv(L.Dense(4, bias_initializer="ones"), x, max_steps=1).layers
    assert not row.note
    layer.bias.assign(bias)
    (row,) = layers.lsuv(layer, x, max_steps=1, tolerance=1e-6).layers
    assert row.note == "not there after all steps"


def test_wrappers_that_standardise_cannot_be_scaled():
    model = keras.Sequential(
        [layers.WeightStandardization(L.Dense(3), name="wrapped"), L.Dense(2, name="b")]
    )
    x = drawn(30, 8)
    report = layers.lsuv(model, x, seed=1)
    assert "hardly follow" in report.layers[0].note
    assert variances(report)["b"] == pytest.approx(1, abs=1e-3)
    wrapped = model.layers[0].layer
    product = numbers(wrapped.kernel).T @ numbers(wrapped.kernel)
    np.testing.assert_allclose(product, np.eye(3), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential([L.Conv1D(8, 3, activation="relu"), L.Dense(4)])
    report = layers.lsuv(model, 100 * drawn(30, 9, 4), seed=1)
    np.testing.assert_allclose(list(variances(report).values()), 1, atol=1e-3)


def test_a_compiled_model_goes_on_learning():
    model = keras.Sequential([L.Dense(8, "relu"), L.BatchNormalization(), L.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = drawn(64, 5)
    y = x[:, :1] * x[:, 1:2]
    model.fit(x, y, verbose=0)
    moving = numbers(model.layers[1].moving_mean)
    layers.lsuv(model, x, seed=1)
    np.testing.assert_array_equal(numbers(model.layers[1].moving_mean), moving)
    history = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]


def test_a_dead_layer_is_an_error_and_weights_stay():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(3, name="alive"),
            L.Dense(5, "relu", name="off"),
            L.Dense(2, name="dead"),
        ]
    )
    model.layers[1].bias.assign(np.full(5, -99.0))
    before = model.get_weights()
    with pytest.raises(ValueError, match="cannot scale dead: the variance .* is 0.0"):
        layers.lsuv(model, drawn(30, 4))
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not any("call" in vars(layer) for layer in model.layers)
    x = drawn(30, 4)
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match="cannot scale alive: .* nan"):
        layers.lsuv(model, x)


@pytest.mark.parametrize(
    "build, keywords, match",
    [
        (L.ReLU, {}, "found nothing to initialise in ReLU"),
        (lambda: L.LSTM(3), {}, "cell: it works inside the loop"),
        (lambda: L.Dense(3), {"tolerance": 0}, "a tolerance above 0"),
        (lambda: L.Dense(3), {"max_steps": 0}, "at least one step"),
    ],
)
def test_bad_arguments_say_what_would_be_right(build, keywords, match):
    with pytest.raises(ValueError, match=match):
        layers.lsuv(build(), drawn(4, 5, 3), **keywords)


def test_a_layer_that_is_not_used_is_told_of():
    class Partly(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = L.Dense(3, name="used"), L.Dense(3, name="unused")
            self.unused.build((None, 4))

        def call(self, inputs):
            return self.used(inputs)

    report = layers.lsuv(Partly(), drawn(20, 4))
    assert list(variances(report)) == ["used"]
    assert report.left_alone == (("unused", "it was not used"),)
