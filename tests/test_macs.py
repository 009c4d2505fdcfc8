"""Counts of multiply-accumulates against counts made on another road.

Linear layers are counted by themselves: with every weight and every input 1, each
product adds 1, so the sum of the outputs is the number of multiply-accumulates."""

from typing import Any

import keras
import numpy as np
import pytest
from card_models import call, number, ones
from keras import layers, ops

from kerasmith.layers import AttentionCell, ConnectionTableConv2D, TokenEmbedding
from kerasmith.zoo.tools.card import card

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX takes 10 s to build each"
)


@tensorflow_only
@pytest.mark.parametrize(
    "name, shown, trainable",
    [
        ("ResNet50", "3.858 G", 25_583_592),
        ("VGG16", "15.470 G", 138_357_544),
        ("MobileNetV2", "300.774 M", 3_504_872),
    ],
)
def test_published_counts_of_keras_applications(name, shown, trainable):
    result = card(getattr(keras.applications, name)(weights=None))
    assert f"({shown})" in str(result)
    assert result.trainable_parameters == trainable
    assert result.uncounted == ()


def test_lenet_with_a_full_third_layer_counts_416_520():
    model = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            *(layers.Conv2D(6, 5, activation="tanh"), layers.AveragePooling2D(2)),
            *(
                layers.Conv2D(16, 5, activation="tanh"),
                layers.AveragePooling2D(2),
                layers.Flatten(),
            ),
            *(layers.Dense(120), layers.Dense(84), layers.Dense(10)),
        ]
    )
    assert number(model) == 416_520
    assert card(model).parameters == 61_706


# --- linear layers count themselves --------------------------------------------------


LINEAR = [
    (layers.Dense(4), (5, 7)),
    (layers.EinsumDense("abc,cde->abde", (None, 3, 2)), (5, 7)),
    (layers.EinsumDense("...x,xy->...y", 3), (5, 2, 7)),
    (layers.Conv1D(4, 3, strides=2), (10, 3)),
    (layers.Conv1D(4, 3, dilation_rate=2), (10, 3)),
    (layers.Conv2D(6, (3, 2), strides=(2, 3), groups=2), (11, 9, 4)),
    (layers.Conv2D(6, (3, 2), dilation_rate=(2, 3)), (11, 9, 4)),
    (layers.Conv3D(2, (3, 2, 1), strides=(1, 2, 3)), (5, 7, 6, 3)),
    (layers.DepthwiseConv1D(3, strides=2, depth_multiplier=2), (10, 3)),
    (layers.DepthwiseConv2D((3, 2), depth_multiplier=3), (7, 9, 4)),
    (layers.Conv1DTranspose(4, 3, strides=2), (5, 3)),
    (layers.Conv2DTranspose(4, (3, 2), strides=(2, 3)), (5, 7, 3)),
    (layers.Conv3DTranspose(2, (3, 2, 1), strides=(1, 2, 3)), (3, 5, 2, 3)),
    (ConnectionTableConv2D([(0, 1), (1,), (0, 1, 2)], (3, 2)), (7, 9, 3)),
]


@pytest.mark.parametrize("layer, shape", LINEAR, ids=lambda x: getattr(x, "name", ""))
def test_a_linear_layer_of_ones_sums_to_its_count(layer, shape):
    model = call(layer, shape)
    for weight in layer.weights:
        weight.assign(np.full(weight.shape, "bias" not in weight.name, "float32"))
    assert number(model) == int(np.sum(model(ones((1, *shape)))))


@pytest.mark.parametrize("length", [9, 12])
@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (3, 1), (1, 2)])
@pytest.mark.parametrize("kind", [layers.Conv2D, layers.DepthwiseConv2D])
def test_padding_the_same_counts_its_zeros(kind, length, stride, dilation):
    what: dict[str, Any] = {"filters": 4} if kind is layers.Conv2D else {}
    what |= {"kernel_size": 3, "strides": stride, "dilation_rate": dilation}
    same = call(kind(padding="same", **what), (length, 8, 2))
    padded = [(n - 1) * stride + 2 * dilation + 1 for n in same.output_shape[1:3]]
    valid = call(kind(**what), (*padded, 2))
    assert valid.output_shape == same.output_shape
    assert number(same) == number(valid)


def test_a_declared_count_holds_for_each_image_of_a_folded_batch():
    layer = ConnectionTableConv2D([(0, 1), (1,)], 3)
    once, images = call(layer, (7, 9, 2)), keras.Input((5, 7, 9, 2))
    folded = layer(ops.reshape(images, (-1, 7, 9, 2)))
    often = keras.Model(images, ops.reshape(folded, (-1, 5, 5, 7, 2)))
    assert number(often) == 5 * number(once) == 5 * (5 * 7) * (3 * 9)


def test_causal_padding_counts_its_zeros():
    assert number(call(layers.Conv1D(4, 3, padding="causal"), (10, 2))) == 10 * 4 * 6


def test_a_transposed_convolution_counts_what_the_crop_cuts_off():
    layer = layers.Conv2DTranspose(4, 3, strides=2, padding="same")
    assert number(call(layer, (5, 7, 3))) == (5 * 7) * (3 * 3) * 3 * 4


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one():
    separable = layers.SeparableConv2D(5, (3, 2), strides=(2, 2), depth_multiplier=3)
    depthwise = layers.DepthwiseConv2D((3, 2), strides=(2, 2), depth_multiplier=3)
    parts = call(depthwise, (11, 9, 4)), call(layers.Conv2D(5, 1), (5, 4, 12))
    assert number(call(separable, (11, 9, 4))) == sum(map(number, parts))
    line = layers.SeparableConv1D(5, 3, padding="same")
    assert number(call(line, (7, 4))) == 7 * (4 * 3 + 4 * 5)


def test_channels_may_come_first():
    last = call(layers.Conv2D(6, 3, groups=2), (7, 9, 4))
    first = layers.Conv2D(6, 3, groups=2, data_format="channels_first")
    if keras.backend.backend() == "tensorflow":
        first.build((None, 4, 7, 9))
        assert number(first, input_shape=(4, 7, 9)) == number(last)
    else:
        assert number(call(first, (4, 7, 9))) == number(last)


# --- operations ----------------------------------------------------------------------


AXES: Any = [[1, 2], [1, 0]]


OPERATIONS = [
    (lambda a: ops.matmul(a, ones((7, 3))), [(5, 7)]),
    (lambda a, b: ops.matmul(a, b), [(2, 5, 7), (2, 7, 3)]),
    (lambda a, b: a @ b, [(5, 7), (7, 3)]),
    (lambda a, b: ops.einsum("bqd,bkd->bqk", a, b), [(5, 7), (3, 7)]),
    (lambda a, b: ops.einsum("...id,...jd->...ij", a, b), [(2, 5, 7), (2, 3, 7)]),
    (lambda a: ops.tensordot(a, ones((7, 5, 4)), AXES), [(5, 7)]),
    (lambda a: ops.dot(a, ones((7, 3))), [(5, 7)]),
    (lambda a: ops.outer(a, ones(3)), [(7,)]),
    (lambda a: ops.vdot(a, ones((1, 5, 7))), [(5, 7)]),
    (lambda a: ops.conv(a, ones((3, 2, 4, 6)), strides=2), [(7, 9, 4)]),
    (lambda a: ops.depthwise_conv(a, ones((3, 2, 4, 2))), [(7, 9, 4)]),
    (lambda a, b: layers.Dot(2)([a, b]), [(5, 7), (3, 7)]),
    (lambda a, b: layers.Dot((1, 2))([a, b]), [(7, 5), (3, 7)]),
]


@pytest.mark.parametrize("function, shapes", OPERATIONS)
def test_an_operation_on_ones_sums_to_its_count(function, shapes):
    model = call(function, *shapes)
    inputs = [ones((1, *shape)) for shape in shapes]
    assert number(model) == int(np.sum(model(inputs if inputs[1:] else inputs[0])))


def test_an_einsum_of_one_operand_only_moves():
    assert number(call(lambda a: ops.einsum("bqd->bdq", a), (5, 7))) == 0


def test_attention_as_an_operation():
    def attend(query, key):
        return ops.dot_product_attention(query, key, key)

    model = call(attend, (5, 2, 4), (7, 2, 4))  # heads of 4, two of them
    assert number(model) == 2 * (5 * 7 * 4) + 2 * (5 * 7 * 4)


def test_a_separable_convolution_as_an_operation():
    def convolve(image):
        return ops.separable_conv(image, ones((3, 2, 4, 2)), ones((1, 1, 8, 5)))

    assert number(call(convolve, (7, 9, 4))) == (5 * 8) * (3 * 2 * 4 * 2 + 8 * 5)


@pytest.mark.parametrize(
    "function, kind",
    [
        (lambda a: ops.cholesky(a), "Cholesky"),
        (lambda a: ops.fft((a, a)), "FFT"),
        (lambda a: ops.einsum("bij,bjk,bkl->bil", a, a, a), "Einsum"),
    ],
)
def test_matrix_work_without_a_rule_is_named(function, kind):
    result = card(call(function, (5, 5)))
    assert [name.split(" ")[1] for name in result.uncounted] == [f"({kind})"]
    assert f"NOT COUNTED           {result.uncounted[0]}\n" in str(result)


# --- attention -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
def test_attention_scores_every_pair_and_weighs_every_value(kind):
    query, value, key = (keras.Input(shape) for shape in ((5, 6), (7, 4), (7, 6)))
    model = keras.Model([query, value, key], kind()([query, value, key]))
    assert number(model) == 5 * 7 * 6 + 5 * 7 * 4


def test_scores_without_a_weight_only_sum():
    for layer in (
        layers.AdditiveAttention(use_scale=False),
        layers.Attention(score_mode="concat"),
    ):
        query, value = keras.Input((5, 6)), keras.Input((7, 6))
        model = keras.Model([query, value], layer([query, value]))
        assert number(model) == 5 * 7 * 6


def test_multi_head_attention_projects_scores_weighs_and_projects():
    heads, dim, width, queries, values = 3, 4, 10, 5, 7
    layer = layers.MultiHeadAttention(heads, dim)
    projected = 2 * queries * width * heads * dim + 2 * values * width * heads * dim
    attended = 2 * heads * queries * values * dim
    model = call(layer, (queries, width), (values, width))
    assert number(model) == projected + attended
    assert [row.kind for row in card(model).rows] == ["MultiHeadAttention"]


def test_multi_head_attention_over_one_axis_of_an_image():
    layer = layers.MultiHeadAttention(2, 4, attention_axes=2, output_shape=3)
    image = keras.Input((5, 7, 6))
    model = keras.Model(image, layer(image, image))
    projected = 3 * (5 * 7) * 6 * 2 * 4 + (5 * 7) * 2 * 4 * 3
    assert number(model) == projected + 2 * 2 * (5 * 7) * 7 * 4  # 7 keys a query


def test_grouped_query_attention_has_fewer_key_heads():
    layer = layers.GroupQueryAttention(4, 6, 2)
    projected = 2 * 5 * 10 * 6 * 4 + 2 * 7 * 10 * 2 * 4
    model = call(layer, (5, 10), (7, 10))
    assert number(model) == projected + 2 * 6 * 5 * 7 * 4


# --- recurrence ----------------------------------------------------------------------


STEPS, FEATURES, UNITS = 7, 3, 5


GATES = [(layers.SimpleRNN, 1), (layers.GRU, 3), (layers.LSTM, 4)]


@pytest.mark.parametrize("kind, gates", GATES)
def test_a_recurrent_layer_has_two_products_a_gate_and_step(kind, gates):
    expected = STEPS * gates * (FEATURES * UNITS + UNITS * UNITS)
    for options in ({}, {"return_sequences": True, "return_state": True}):
        assert number(call(kind(UNITS, **options), (STEPS, FEATURES))) == expected


def test_a_mask_and_a_first_state_change_nothing():
    tokens, state = keras.Input((STEPS,)), keras.Input((UNITS,))
    vectors = layers.Embedding(11, FEATURES, mask_zero=True)(tokens)
    outputs = layers.GRU(UNITS)(vectors, initial_state=state)
    expected = STEPS * 3 * UNITS * (FEATURES + UNITS)
    assert number(keras.Model([tokens, state], outputs)) == expected


def test_both_directions_count():
    model = call(layers.Bidirectional(layers.LSTM(UNITS)), (STEPS, FEATURES))
    assert number(model) == 2 * STEPS * 4 * (FEATURES * UNITS + UNITS * UNITS)


class Leaky(layers.Layer):
    """A recurrent cell of ours that is in no table."""

    state_size = output_size = UNITS

    def build(self, input_shape):
        self.into = self.add_weight(shape=(input_shape[-1], UNITS))
        self.across = self.add_weight(shape=(UNITS, UNITS))

    def call(self, inputs, states):
        before = ops.matmul(states[0], self.across)
        new = ops.add(ops.matmul(inputs, self.into), before)
        return new, [new]


def test_cells_are_counted_by_the_step():
    cells = [layers.LSTMCell(4), Leaky(), layers.SimpleRNNCell(2)]
    model = call(layers.RNN(cells), (STEPS, FEATURES))
    step = 4 * (FEATURES * 4 + 4 * 4) + (4 * UNITS + UNITS * UNITS) + (UNITS * 2 + 4)
    assert number(model) == STEPS * step
    assert [row.kind for row in card(model).rows] == ["RNN"]


@pytest.mark.parametrize("score", ["additive", "multiplicative", "dot"])
def test_a_memory_is_projected_once_and_looked_at_at_each_step(score):
    positions, width = 9, UNITS if score == "dot" else 4
    cell = AttentionCell(layers.LSTMCell(UNITS), width, score=score)
    inputs, memory = keras.Input((STEPS, FEATURES)), keras.Input((positions, width))
    states = cell.initial_state(memory)
    outputs = layers.RNN(cell, return_sequences=True)(inputs, initial_state=states)
    fed = width if score == "additive" else UNITS
    step = 4 * UNITS * (FEATURES + fed + UNITS) + positions * (UNITS + width)
    # the query's projection, or that of what was seen beside what the cell gave
    step += UNITS * UNITS if score == "additive" else (width + UNITS) * UNITS
    keys = 0 if score == "dot" else positions * width * UNITS
    assert number(keras.Model([inputs, memory], outputs)) == keys + STEPS * step


def test_an_embedding_looks_up_and_its_reverse_multiplies():
    embedding = TokenEmbedding(11, FEATURES)
    vectors = embedding(tokens := keras.Input((STEPS,)))
    assert number(keras.Model(tokens, vectors)) == 0
    logits = embedding(vectors, reverse=True)
    assert number(keras.Model(tokens, logits)) == STEPS * FEATURES * 11


def test_a_convolutional_lstm_convolves_input_and_state():
    layer = layers.ConvLSTM2D(4, (3, 2), strides=2, return_sequences=True)
    model = call(layer, (STEPS, 9, 8, 3))
    positions, window = 4 * 4, 3 * 2
    assert model.output_shape == (None, STEPS, 4, 4, 4)
    assert number(model) == STEPS * 4 * positions * window * (3 * 4 + 4 * 4)


def test_a_layer_over_time_counts_by_the_step():
    inner = keras.Sequential([keras.Input((8, 6)), layers.LSTM(4), layers.Dense(3)])
    for layer, shape in ((layers.Dense(3), (6,)), (inner, (8, 6))):
        once, often = (
            call(layer, shape),
            call(layers.TimeDistributed(layer), (5, *shape)),
        )
        assert number(often) == 5 * number(once)
        assert card(often).activation_bytes == 5 * card(once).activation_bytes
        assert card(often).rows[-1].output_shape == (None, 5, 3)
