"""Recurrent classifiers against their equations, in NumPy, a token after the other."""

import keras
import numpy as np
import pytest

from kerasmith.layers.masked_maximum import MaskedMaximum
from kerasmith.zoo.recurrent_classifier import POOLINGS, recurrent_classifier

VOCABULARY, CLASSES, WIDTH = 11, 3, 4
# one with padding, one without, one of a single token, one of none
TOKENS = np.array([[2, 5, 7, 3, 0, 0], [4, 4, 9, 10, 1, 3], [8] + [0] * 5, [0] * 6])


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm(x, state, kernel, recurrent, bias):
    """Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000."""
    h, c = state or (np.zeros(WIDTH), np.zeros(WIDTH))
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, state, kernel, recurrent, bias):
    """Cho et al., 2014, as cuDNN has it: the reset gate behind the product."""
    (h,) = state or (np.zeros(WIDTH),)
    xz, xr, xh = np.split(x @ kernel + bias[0], 3)
    hz, hr, hh = np.split(h @ recurrent + bias[1], 3)
    update = sigmoid(xz + hz)
    return (update * h + (1 - update) * np.tanh(xh + sigmoid(xr + hr) * hh),)


def simple(x, state, kernel, recurrent, bias):
    (h,) = state or (np.zeros(WIDTH),)
    return (np.tanh(x @ kernel + h @ recurrent + bias),)


CELLS = {"lstm": lstm, "gru": gru, "simple": simple}


def read(cell, vectors, weights):
    """Give the outputs of one direction, in its own order."""
    state, outputs = None, []
    for vector in vectors:
        state = CELLS[cell](vector, state, *weights)
        outputs.append(state[0])
    return outputs


def logits(text, cell, depth, pooling, weights):
    """Read a text without its padding."""
    weights = list(weights)
    x = weights.pop(0)[text[text != 0]]
    if not len(x):
        features = np.zeros(2 * WIDTH)
    else:
        for _ in range(depth):
            ahead = read(cell, x, [weights.pop(0) for _ in range(3)])
            back = read(cell, x[::-1], [weights.pop(0) for _ in range(3)])
            ends = np.concatenate([ahead[-1], back[-1]])
            x = np.concatenate([ahead, back[::-1]], axis=1)
        features = {"mean": x.mean(0), "max": x.max(0), "last": ends}[pooling]
    kernel, bias = weights[-2:]
    return features @ kernel + bias


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell, depth", [("lstm", 2), ("gru", 1), ("simple", 2)])
def test_it_reads_from_both_sides_and_leaves_padding_out(cell, depth, pooling):
    options = {"vocabulary": VOCABULARY, "classes": CLASSES, "width": WIDTH}
    model = recurrent_classifier(
        **options, cell=cell, depth=depth, pooling=pooling, embedding=5
    )
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=w.shape) for w in model.trainable_weights]
    for weight, values in zip(model.trainable_weights, weights, strict=True):
        weight.assign(values)
    expected = [logits(text, cell, depth, pooling, weights) for text in TOKENS]
    found = numbers(model(TOKENS, training=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    alone = numbers(model(TOKENS[:1, :4], training=False))
    np.testing.assert_allclose(alone, expected[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_largest_is_that_of_what_is_there(dtype):
    x = np.random.default_rng(2).normal(-9, 2, (3, 5, 4)).astype("float32")
    mask = np.arange(5) < np.array([[5], [2], [0]])
    layer = MaskedMaximum(dtype=dtype)
    found = layer(x, mask=keras.ops.convert_to_tensor(mask))
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    found = numbers(keras.ops.cast(found, "float32"))
    expected = [x[0].max(0), x[1, :2].max(0), np.zeros(4)]
    rtol = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}[dtype]
    np.testing.assert_allclose(found, expected, rtol=rtol)
    bare = numbers(keras.ops.cast(layer(x), "float32"))
    np.testing.assert_allclose(bare, x.max(1), rtol=rtol)


def test_nothing_is_learned_from_padding():
    """The gradient goes to the largest of what is there, and is finite everywhere."""
    x = keras.Input((3, 2))
    mask = keras.Input((3,), dtype="bool")
    layer = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")
    model = keras.Model([x, mask], MaskedMaximum()(layer(x), mask=mask))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    values = np.array([[[1.0, 2], [3, 1], [50, 60]], [[7, 7], [7, 7], [7, 7]]])
    there = np.array([[True, True, False], [False] * 3])
    model.train_on_batch([values, there], np.zeros((2, 2)))
    # of the mean of four squares, two of them 4^2: the slope is 2 * 4 / 4 times (3, 1)
    step = 1 - 2 * np.array([[3.0, 3], [1, 1]])
    np.testing.assert_allclose(numbers(layer.kernel), step, rtol=1e-5)


def test_dropout_drops_whole_features_of_a_text():
    model = recurrent_classifier(vocabulary=VOCABULARY, width=WIDTH, dropout=0.5)
    cut = keras.Model(model.input, model.get_layer("encoder1_dropout").output)
    found = numbers(cut(TOKENS[1:2], training=True))[0]
    dropped = (found == 0).all(axis=0)
    assert 0.2 < dropped.mean() < 0.8 and ((found == 0).any(0) == dropped).all()


@pytest.mark.parametrize(
    "options, told",
    [
        ({"pooling": "maximum"}, "did you mean 'max'"),
        ({"cell": "lstn"}, "did you mean 'lstm'"),
        ({"classes": 0}, "classes to be 1, 2, ..., received 0"),
        ({"width": 2.5}, "width to be 1, 2, ..., received 2.5"),
        ({"length": (3, 4)}, "needs one length"),
        ({"dropout": 1.5}, "rate"),
    ],
)
def test_what_cannot_be_is_told(options, told):
    with pytest.raises(ValueError, match=told):
        recurrent_classifier(vocabulary=9, **options)
