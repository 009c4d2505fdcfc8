"""LeNet-5 against the paper's own counts and a forward pass written in NumPy."""

import keras
import numpy as np
import pytest

from kerasmith import zoo
from kerasmith.zoo.lenet import C3_TABLE, class_codes


def trainable(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def test_each_layer_has_the_parameters_of_the_paper():
    model = zoo.lenet("lenet5")
    paper = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    found = {name: trainable(model.get_layer(name)) for name in paper}
    assert found == paper
    assert trainable(model) == 60_000


def test_the_modern_one_has_61706_parameters():
    assert trainable(zoo.lenet("lenet5_modern")) == 61_706


def test_the_connections_are_those_of_the_paper():
    """The paper counts 340,908: a multiplication or a bias each, four and one in S."""
    c1 = 28 * 28 * 6 * (25 + 1)
    s2 = 14 * 14 * 6 * (4 + 1)
    c3 = 10 * 10 * sum(25 * len(row) + 1 for row in C3_TABLE)
    s4 = 5 * 5 * 16 * (4 + 1)
    c5 = 120 * (25 * 16 + 1)
    f6 = 84 * (120 + 1)
    assert [c1, s2, c3, s4, c5, f6] == [122304, 5880, 151600, 2000, 48120, 10164]
    assert c1 + s2 + c3 + s4 + c5 + f6 + 840 == 340_908


def test_table_one_is_the_paper_s():
    """Six maps see three neighbours, nine see four, the last one sees all six."""
    assert [len(row) for row in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    # each map of S2 feeds ten maps of C3
    assert [sum(c in row for row in C3_TABLE) for c in range(6)] == [10] * 6
    assert len(set(C3_TABLE)) == 16


def convolve(x, kernel, bias):
    size = kernel.shape[0]
    height, width = x.shape[0] - size + 1, x.shape[1] - size + 1
    y = np.zeros((height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            y[i, j] = np.tensordot(x[i : i + size, j : j + size], kernel, 3) + bias
    return y


def squash(a):
    return 1.7159 * np.tanh(2 / 3 * a)


def subsample(x, coefficient, bias):
    sums = x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]
    return squash(coefficient * sums + bias)


def test_the_whole_network_computes_what_the_paper_says():
    keras.utils.set_random_seed(3)
    model = zoo.lenet("lenet5")
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    image = np.random.default_rng(0).normal(size=(32, 32, 1)).astype("float32")

    x = squash(convolve(image, *weights["c1"]))
    x = subsample(x, *weights["s2"])
    connections, bias = weights["c3"]
    full, slot = np.zeros((5, 5, 6, 16)), 0
    for filter_, row in enumerate(C3_TABLE):
        for channel in row:
            full[:, :, channel, filter_] = connections[:, :, slot]
            slot += 1
    x = squash(convolve(x, full, bias))
    x = subsample(x, *weights["s4"])
    x = squash(convolve(x, *weights["c5"])).ravel()
    x = squash(x @ weights["f6"][0] + weights["f6"][1])
    penalties = ((x - class_codes(10)) ** 2).sum(axis=1)

    logits = keras.ops.convert_to_numpy(model(image[None]))[0]
    np.testing.assert_allclose(logits, -penalties, rtol=2e-4)


def test_the_first_weights_lie_in_the_paper_s_interval():
    model = zoo.lenet("lenet5")
    for name, inputs in {"c1": 25, "c5": 400, "f6": 120}.items():
        kernel = model.get_layer(name).get_weights()[0]
        assert abs(kernel).max() <= 2.4 / inputs
        assert abs(kernel).max() > 2.0 / inputs


def test_codes_are_different_pictures_of_ones():
    codes = class_codes(10)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    differing = (codes[:, None] != codes[None]).sum(-1) + 84 * np.eye(10)
    assert differing.min() >= 10
    np.testing.assert_array_equal(class_codes(26), class_codes(26))
    assert len({tuple(code) for code in class_codes(26)}) == 26


@pytest.mark.parametrize("shape", [(32, 32, 1), (41, 35, 3), (None, None, 2)])
@pytest.mark.parametrize("variant", ["lenet5", "lenet5_modern"])
def test_any_size_from_32_up(variant, shape):
    model = zoo.build(variant, classes=4, input_shape=shape)
    image = np.zeros((1, *(size or 37 for size in shape)), "float32")
    assert model(image).shape == (1, 4)


def test_endpoints_cut_the_network():
    model = zoo.lenet()
    shapes = {
        "stem": (None, 28, 28, 6),
        "stage1": (None, 14, 14, 6),
        "stage2": (None, 5, 5, 16),
        "features": (None, 84),
        "logits": (None, 10),
    }
    for name, shape in shapes.items():
        assert keras.Model(model.input, model.get_layer(name).output).output_shape == (
            shape
        )
    assert zoo.lenet(top=False).output_shape == (None, 84)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"input_shape": (28, 28, 1)}, "at least 32 x 32"),
        ({"input_shape": (32, 32)}, r"\(height, width, channels\)"),
        ({"classes": 0}, "at least one class"),
        ({"activaton": "elu"}, "did you mean 'activation'"),
        ({"drop_path": 0.1}, "no place for the part 'drop_path'"),
        ({"norm": "grup:2"}, "did you mean 'group'"),
        ({"norm": "group:x"}, "'x' is no number"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        zoo.lenet("lenet5", **options)


def test_an_unknown_architecture_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'lenet5'"):
        zoo.build("lennet5")
