"""ImageNet's weights: our logits are those of keras.applications, weight for weight."""

import sys

import keras
import numpy as np
import pytest

from kerasmith import zoo
from kerasmith.zoo.tools import imagenet
from kerasmith.zoo.tools.imagenet_names import HOSTED


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def application(name, *, size, classes=7, top=True):
    """Build the model of Keras without its weights, and draw some."""
    row = HOSTED[name]
    theirs = getattr(keras.applications, row.application)(
        input_shape=(size, size, 3),
        include_top=top,
        weights=None,
        classes=classes,
        classifier_activation=None,
        **row.options,
    )
    return draw(theirs)


def draw(model):
    random = np.random.default_rng(0)
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(drawn(random, weight))
    return model


def drawn(random, weight):
    kind, shape = weight.name, tuple(weight.shape)
    if kind in ("bias", "beta", "moving_mean"):
        return random.normal(0, 0.3, shape).astype("float32")
    if kind in ("gamma", "moving_variance"):
        return random.uniform(0.5, 1.5, shape).astype("float32")
    if kind == "kernel":
        fan_in = np.prod(shape[:2]) if shape[-1] == 1 else np.prod(shape[:-1])
        kernel = random.standard_normal(shape, "float32")
        return kernel * np.float32(1 / np.sqrt(fan_in))
    return numbers(weight)


SIZES = {"inception_v3": 75}


@pytest.mark.parametrize("name", [n for n in HOSTED if n in zoo.names()])
def test_logits_are_those_of_keras(name, monkeypatch):
    size = SIZES.get(name, 40)
    theirs = application(name, size=size)
    monkeypatch.setattr(imagenet, "_application", lambda model: theirs)
    ours = zoo.build(name, classes=7, input_shape=(size, size, 3), weights="imagenet")
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3))
    images = images.astype("float32")
    module = sys.modules[
        getattr(keras.applications, HOSTED[name].application).__module__
    ]
    expected = theirs(module.preprocess_input(images.copy()), training=False)
    found = numbers(ours(images, training=False))
    assert 0.3 < np.std(numbers(expected)) < 300
    np.testing.assert_allclose(found, numbers(expected), rtol=1e-4, atol=1e-4)
