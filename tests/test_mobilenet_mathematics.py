"""MobileNets against those of keras.applications, and their options."""

import keras
import numpy as np
import pytest
from keras_weights import copy, randomize

from kerasmith import layers, zoo
from kerasmith.zoo.tools.symbolic import without_numbers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="compiles each of a hundred convolutions; the layers are asked one by one",
)

APPLICATIONS = keras.applications


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    "name, build, alpha, shape",
    [
        # Keras pads odd maps of V1 in its own way
        ("mobilenet_v1_050", APPLICATIONS.MobileNet, 0.5, (64, 96, 3)),
        ("mobilenet_v2_075", APPLICATIONS.MobileNetV2, 0.75, (45, 70, 3)),
        ("mobilenet_v2_140", APPLICATIONS.MobileNetV2, 1.4, (33, 32, 3)),
    ],
)
def test_logits_are_those_of_keras_applications(name, build, alpha, shape):
    theirs = build(
        shape, alpha=alpha, weights=None, classes=7, classifier_activation=None
    )
    ours = zoo.build(name, input_shape=shape, classes=7)
    randomize(theirs)
    copy(theirs, ours)
    images = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    expected = theirs.predict_on_batch(images)
    assert expected.std() > 0.1
    found = ours.predict_on_batch(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("width", [0.3, 0.45, 1.1])
@pytest.mark.parametrize(
    "name, build",
    [
        ("mobilenet_v1", APPLICATIONS.MobileNet),
        ("mobilenet_v2", APPLICATIONS.MobileNetV2),
    ],
)
def test_other_widths_are_rounded_as_in_keras_applications(name, build, width):
    shape = (32, 32, 3)
    theirs = without_numbers(lambda: build(shape, alpha=width, weights=None))
    ours = without_numbers(lambda: zoo.build(name, input_shape=shape, width=width))
    assert ours.count_params() == theirs.count_params()


def test_drop_path_grows_to_the_last_block_of_the_second_version():
    model = zoo.build("mobilenet_v2", input_shape=(32, 32, 3), drop_path=0.34)
    rates = {
        layer.name: layer.get_config()["rate"]
        for layer in model.layers
        if isinstance(layer, layers.DropPath)
    }
    # of 17 blocks ten add their input
    assert len(rates) == 10
    assert rates["stage2_block2_sum_drop_path"] == pytest.approx(0.34 * 3 / 17)
    assert rates["stage5_block3_sum_drop_path"] == pytest.approx(0.34 * 16 / 17)


def test_the_first_version_has_no_branch_to_drop():
    with pytest.raises(ValueError, match="mobilenet_v1 has no place .* 'drop_path'"):
        zoo.build("mobilenet_v1", drop_path=0.1)


@pytest.mark.parametrize("name, places", [("mobilenet_v1", 5), ("mobilenet_v2", 17)])
def test_attention_has_its_places(name, places):
    model = zoo.build(name, input_shape=(8, 8, 1), attention="squeeze_excite:4")
    found = [isinstance(layer, layers.SqueezeExcite) for layer in model.layers]
    assert sum(found) == places


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_small_image_keeps_4_x_4_positions(name):
    model = zoo.build(name, input_shape=(32, 32, 1), stem="small")
    assert model.get_layer("stage5").output.shape[1:3] == (4, 4)


@pytest.mark.parametrize("stem", ["paper", "small"])
@pytest.mark.parametrize("name", ["mobilenet_v1_025", "mobilenet_v2_035"])
def test_one_pixel_is_enough(name, stem):
    model = zoo.build(name, input_shape=(1, 1, 2), classes=3, stem=stem)
    logits = numbers(model(np.ones((1, 1, 1, 2), "float32")))
    assert logits.shape == (1, 3)
    assert np.all(np.isfinite(logits))


@pytest.mark.parametrize("width", [0, -1.0])
def test_a_width_is_above_0(width):
    with pytest.raises(ValueError, match=f"width above 0, received {width}"):
        zoo.build("mobilenet_v2", width=width)
