"""Siamese networks: what their heads compute, and what is refused."""

import keras
import numpy as np
import pytest

from kerasmith import zoo

SHAPE = (32, 33, 1)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def build(head, **options):
    model = zoo.siamese(head=head, embedding=6, input_shape=SHAPE, **options)
    weights = [0.4 * drawn(*w.shape, seed=i) for i, w in enumerate(model.weights)]
    model.set_weights(weights)
    return model


def embedded(model, images):
    """Give the embeddings, from the features of the encoder on in NumPy."""
    embedder = model.get_layer("embedder")
    features = keras.Model(embedder.input, embedder.get_layer("features").output)
    dense = embedder.get_layer("embedding")
    kernel, bias = dense.get_weights()
    x = numbers(features(images)) @ kernel + bias
    if dense.activation is keras.activations.relu:
        x = np.maximum(x, 0)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_embeddings_have_length_1_and_are_those_of_the_encoder():
    model, images = build("triplet"), drawn(3, *SHAPE)
    found = numbers(model(images))
    np.testing.assert_allclose(found, embedded(model, images), 1e-4, 1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, 1e-5)


def test_the_contrastive_head_is_the_distance():
    model = build("contrastive")
    pair = drawn(3, *SHAPE), drawn(3, *SHAPE, seed=1)
    one, other = (embedded(model, images) for images in pair)
    expected = np.sqrt(np.sum((one - other) ** 2, axis=-1, keepdims=True))
    np.testing.assert_allclose(numbers(model(list(pair))), expected, 1e-3, 1e-5)


@pytest.mark.parametrize("comparison", ["absolute", "chi_square"])
def test_the_logistic_head_weighs_differences(comparison):
    model = build("logistic", comparison=comparison)
    pair = drawn(3, *SHAPE), drawn(3, *SHAPE, seed=1)
    one, other = (embedded(model, images) for images in pair)
    features = np.abs(one - other)
    if comparison == "chi_square":
        both = one + other
        features = np.where(both > 0, features**2 / np.where(both > 0, both, 1), 0)
    kernel, bias = model.get_layer("logits").get_weights()
    expected = features @ kernel + bias
    np.testing.assert_allclose(numbers(model(list(pair))), expected, 1e-3, 1e-4)


def test_the_encoder_is_shared():
    model = build("contrastive")
    same = drawn(2, *SHAPE)
    np.testing.assert_allclose(numbers(model([same, same])), 0, atol=1e-6)
    encoders = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert [layer.name for layer in encoders] == ["embedder"]


def test_any_network_may_be_the_encoder():
    options = {"embedding": 7, "input_shape": (33, 35, 2), "norm": "group:1"}
    model = zoo.siamese("resnet20", **options)
    assert model(drawn(2, 33, 35, 2)).shape == (2, 7)
    stages = [layer.name for layer in model.get_layer("embedder").layers]
    assert {"stem", "stage1", "features"} <= set(stages)
    assert zoo.build("siamese_logistic").output_shape == (None, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"head": "tripelt"}, "did you mean 'triplet'"),
        ({"encoder": "lenet5_modren"}, "did you mean 'lenet5_modern'"),
        ({"encoder": "unet_same"}, "there is no encoder 'unet_same'"),
        ({"embedding": 0}, "embedding of 1, 2, ... values"),
        ({"head": "logistic", "comparison": "square"}, "comparison of siamese"),
        ({"comparison": "chi_square"}, "in the logistic head alone"),
        ({"activatoin": "relu"}, "did you mean 'activation'"),
        ({"input_shape": (16, 16, 1)}, "at least 32 x 32"),
    ],
)
def test_wrong_input_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        zoo.siamese(**options)
