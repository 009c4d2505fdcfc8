"""EfficientNets against those of keras.applications, and their scaling."""

import keras
import numpy as np
import pytest
from keras_weights import copy, randomize

from kerasmith import layers, zoo
from kerasmith.zoo.efficientnet import VARIANTS, efficientnet, scale
from kerasmith.zoo.tools.symbolic import without_numbers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="compiles each of a hundred convolutions; the layers are asked one by one",
)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_logits_are_those_of_keras_applications():
    shape = (45, 64, 3)
    theirs = keras.applications.EfficientNetB0(
        input_shape=shape, weights=None, classes=7, classifier_activation=None
    )
    ours = zoo.build("efficientnet_b0", input_shape=shape, classes=7)
    randomize(theirs)
    normalization = theirs.get_layer(index=2)
    normalization.mean, normalization.variance = np.zeros(3), np.ones(3)
    copy(theirs, ours)
    images = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    # the first layer of theirs divides by 255
    expected = theirs.predict_on_batch(255 * images)
    assert expected.std() > 0.1
    found = ours.predict_on_batch(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [0, 3])
def test_rates_are_those_of_keras_applications(number):
    shape = (32, 32, 3)
    build = getattr(keras.applications, f"EfficientNetB{number}")
    theirs = without_numbers(lambda: build(input_shape=shape, weights=None))
    name = f"efficientnet_b{number}"
    ours = without_numbers(lambda: zoo.build(name, input_shape=shape))
    kinds = keras.layers.Dropout, layers.DropPath
    expected, found = (
        [x.get_config()["rate"] for x in model.layers if isinstance(x, kinds)]
        for model in (theirs, ours)
    )
    np.testing.assert_allclose(found, expected)


def published_filters(filters, width):
    """The rule of the authors' code."""
    filters *= width
    rounded = max(8, int(filters + 8 / 2) // 8 * 8)
    if rounded < 0.9 * filters:
        rounded += 8
    return int(rounded)


@pytest.mark.parametrize("width, depth", [(0.3, 0.4), (1.15, 1.3), (2.0, 3.1)])
def test_scaling_rounds_as_the_published_code(width, depth):
    model = without_numbers(lambda: efficientnet(scale(depth, width, 40)))
    assert model.input_shape == (None, 40, 40, 3)
    filters = [
        layer.filters
        for layer in model.layers
        if layer.name.endswith("_project") or layer.name in ("stem_conv", "head_conv")
    ]
    rows = (16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 4), (320, 1)
    expected = [published_filters(32, width)]
    for channels, repeats in rows:
        expected += [published_filters(channels, width)] * int(np.ceil(repeats * depth))
    assert filters == [*expected, published_filters(1280, width)]


def test_published_variants_are_made_by_scaling():
    made, published = scale(1.4, 1.2, 300, dropout=0.3), VARIANTS["efficientnet_b3"]
    for field in ("depth", "width", "input_shape"):
        assert getattr(made, field) == getattr(published, field)


@pytest.mark.parametrize(
    "numbers, message",
    [
        ({"depth": 0}, "depth above 0, received 0"),
        ({"width": -1.5}, "width above 0, received -1.5"),
        ({"resolution": 0}, "resolution above 0, received 0"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), received 1.0"),
    ],
)
def test_scaling_refuses_what_cannot_be(numbers, message):
    with pytest.raises(ValueError, match=message):
        scale(**numbers)


SMALL = scale(depth=0.3, width=0.25, resolution=32)


def attention(**parts):
    model = efficientnet(SMALL, **parts)
    return [x for x in model.layers if isinstance(x, layers.SqueezeExcite)]


def test_squeeze_and_excitation_is_a_quarter_of_the_input_of_a_block():
    found = attention(kernel_regularizer="l2:0.1")
    channels = [8, 8, 8, 16, 24, 32, 48, 48]
    assert [layer.units for layer in found] == [n // 4 for n in channels]
    assert found[0].kernel_regularizer is not None


def test_squeeze_and_excitation_can_be_left_out():
    assert not attention(attention=None)


def test_attention_can_be_replaced():
    assert {layer.ratio for layer in attention(attention="squeeze_excite:2")} == {2}


def test_kernels_are_drawn_as_published():
    keras.utils.set_random_seed(3)
    model = efficientnet(SMALL, classes=200)
    kernel = numbers(model.get_layer("head_conv").kernel)
    assert kernel.std() == pytest.approx((2 / kernel.shape[-1]) ** 0.5, rel=0.02)
    kernel = numbers(model.get_layer("logits").kernel)
    assert np.abs(kernel).max() == pytest.approx(200**-0.5, rel=0.01)


def test_an_initialiser_is_exchanged_everywhere():
    model = efficientnet(SMALL, kernel_initializer="zeros")
    kernels = [x for x in model.trainable_variables if "kernel" in x.path]
    assert all(not numbers(kernel).any() for kernel in kernels)


def test_a_small_image_keeps_4_x_4_positions():
    model = efficientnet(SMALL, stem="small")
    assert model.get_layer("stage5").output.shape[1:3] == (4, 4)


@pytest.mark.parametrize("stem", ["paper", "small"])
def test_one_pixel_is_enough(stem):
    model = efficientnet(SMALL, input_shape=(1, 1, 2), classes=3, stem=stem)
    logits = numbers(model(np.ones((1, 1, 1, 2), "float32")))
    assert logits.shape == (1, 3)
    assert np.all(np.isfinite(logits))
