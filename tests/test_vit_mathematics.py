"""Vision Transformers against the equations of the paper, written out in NumPy."""

import math
import re

import keras
import numpy as np
import pytest

from kerasmith import layers, zoo
from kerasmith.zoo.tools.symbolic import without_numbers

# three rows of five patches, not square, of two channels
PATCH, ROWS, COLUMNS, CHANNELS = 8, 3, 5, 2
SHAPE = (ROWS * PATCH, COLUMNS * PATCH, CHANNELS)
WIDTH, HEADS, BLOCKS = 192, 3, 5
POOLINGS = ["token", "average"]
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def build(**options):
    common = {"classes": 7, "input_shape": SHAPE, "patch_size": PATCH, "depth": BLOCKS}
    return zoo.vit("vit_tiny", **{**common, **options})


def symbolic(name="vit_tiny", **options):
    return without_numbers(lambda: zoo.vit(name, **options))


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def draw(model):
    """Draw all weights, so that no bias is 0 and attention looks at some more."""
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if weight.name == "gamma":
            drawn = random.uniform(0.5, 1.5, weight.shape)
        elif weight.name == "kernel":
            # queries and keys are (inputs, heads, outputs), their sum (heads, ...)
            joined = "attention_output" in weight.path or len(weight.shape) == 4
            inputs = np.prod(weight.shape[:-1]) if joined else weight.shape[0]
            drawn = random.normal(0, 2 * inputs**-0.5, weight.shape)
        else:
            drawn = random.normal(0, 0.5, weight.shape)
        weight.assign(drawn.astype("float32"))
    return model


def images(batch):
    size = (batch, *SHAPE)
    return np.random.default_rng(1).normal(size=size).astype("float32")


# The paper's equations


def normalize(layer, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + 1e-6)
    return scaled * numbers(layer.gamma) + numbers(layer.beta)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def affine(layer, x):
    return x @ numbers(layer.kernel) + numbers(layer.bias)


def attend(layer, z):
    """Appendix A: `softmax(q k^T / sqrt(D_h)) v` of each head, all joined by U."""
    kernels = [layer.query_dense, layer.key_dense, layer.value_dense]
    total = numbers(layer.output_dense.bias)
    for head in range(HEADS):
        q, k, v = (
            z @ numbers(part.kernel)[:, head] + numbers(part.bias)[head]
            for part in kernels
        )
        scores = np.exp(q @ k.T / math.sqrt(WIDTH / HEADS))
        weights = scores / scores.sum(-1, keepdims=True)
        total = total + weights @ v @ numbers(layer.output_dense.kernel)[head]
    return total


def block(layer, z):
    """Equations 2 and 3."""
    z = z + attend(layer.attention, normalize(layer.attention_norm, z))
    hidden = affine(layer.feed_forward_hidden, normalize(layer.feed_forward_norm, z))
    return z + affine(layer.feed_forward_output, gelu(hidden))


def embed(model, image, pooling):
    """Equation 1: flattened patches, row by row, times a matrix, with positions."""
    layer = model.get_layer("stem_conv")
    matrix = numbers(layer.kernel).reshape(PATCH * PATCH * CHANNELS, WIDTH)
    vectors = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            here = image[row * PATCH :, column * PATCH :][:PATCH, :PATCH]
            vectors.append(here.reshape(-1) @ matrix + numbers(layer.bias))
    if pooling == "token":
        vectors.insert(0, numbers(model.get_layer("token").token)[0, 0])
    return np.stack(vectors) + numbers(model.get_layer("positions").embeddings)


def blocks_of(model):
    kind = layers.TransformerEncoderBlock
    return [layer for layer in model.layers if isinstance(layer, kind)]


def predict(model, image, pooling):
    """Give what follows each block, and the logits: equation 4."""
    z = embed(model, image.astype("float64"), pooling)
    after = []
    for layer in blocks_of(model):
        z = block(layer, z)
        after.append(z)
    y = normalize(model.get_layer("norm"), z)
    features = y[0] if pooling == "token" else y.mean(0)
    return after, affine(model.get_layer("logits"), features)


@pytest.mark.parametrize("batch", [1, 3])
@every_pooling
def test_logits_are_those_of_the_equations(pooling, batch):
    model = draw(build(pooling=pooling))
    expected = [predict(model, image, pooling)[1] for image in images(batch)]
    found = numbers(model(images(batch), training=False))
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, 1e-3, 1e-3)


@every_pooling
def test_stages_end_in_the_patches_of_their_last_block(pooling):
    model = draw(build(pooling=pooling))
    names = ["stem", *(f"stage{number}" for number in (1, 2, 3, 4))]
    cut = keras.Model(model.input, [model.get_layer(name).output for name in names])
    found = [numbers(y)[0] for y in cut(images(1), training=False)]
    after, _ = predict(model, images(1)[0], pooling)
    assert [y.shape for y in found] == [(ROWS, COLUMNS, WIDTH)] * 5
    # of five blocks the last stage has two
    for maps, z in zip(found[1:], (after[i] for i in (0, 1, 2, 4)), strict=True):
        expected = z[-ROWS * COLUMNS :].reshape(ROWS, COLUMNS, WIDTH)
        np.testing.assert_allclose(maps, expected, 1e-3, 1e-3)
    first = images(1)[0, :PATCH, PATCH : 2 * PATCH].reshape(-1)
    stem = model.get_layer("stem_conv")
    expected = first @ numbers(stem.kernel).reshape(-1, WIDTH) + numbers(stem.bias)
    np.testing.assert_allclose(found[0][0, 1], expected, 1e-4, 1e-4)


@pytest.mark.parametrize(
    "name, patch, sizes",
    [
        ("vit_tiny", 8, (192, 12)),
        ("vit_small", 32, (384, 12)),
        ("vit_large_32", None, (1024, 24)),
    ],
)
@every_pooling
def test_parameters_add_up(name, patch, sizes, pooling):
    width, depth = sizes
    shape = (96, 160, 5)
    model = symbolic(
        name, patch_size=patch, input_shape=shape, classes=11, pooling=pooling
    )
    side = patch or 32
    vectors = (96 // side) * (160 // side) + (pooling == "token")
    matrices = 4 * width * (width + 1) + width * 8 * width + 5 * width
    expected = (side * side * 5 + 1) * width + vectors * width
    expected += (pooling == "token") * width + depth * (matrices + 4 * width)
    expected += 2 * width + (width + 1) * 11
    found = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert found == expected


@pytest.mark.parametrize(
    "options, patch",
    [({}, 16), ({"stem": "small"}, 4), ({"stem": "small", "patch_size": 8}, 8)],
)
def test_a_stem_has_its_patches(options, patch):
    model = symbolic(input_shape=(32, 64, 3), depth=4, **options)
    expected = (None, 32 // patch, 64 // patch, WIDTH)
    assert model.get_layer("stem").output.shape == expected


@pytest.mark.parametrize("name, last", [("vit_tiny", 0.1), ("vit_base", 0.0)])
def test_branches_are_dropped_more_often_the_deeper_they_are(name, last):
    rates = [
        layer.get_config()["drop_path"]
        for layer in blocks_of(symbolic(name, input_shape=(32, 32, 3)))
    ]
    np.testing.assert_allclose(rates, last * np.arange(12) / 11, atol=1e-7)


def test_dropout_stands_behind_the_positions_and_before_the_logits():
    model = symbolic(dropout="gaussian:0.3", block_dropout=0.2)
    kinds = [type(layer) for layer in model.layers]
    places = [i for i, kind in enumerate(kinds) if kind is keras.layers.GaussianDropout]
    assert [model.layers[i].rate for i in places] == [0.3, 0.3]
    assert kinds[places[0] - 1] is layers.PositionalEncoding
    assert model.layers[places[1] - 1].name == "features"
    assert model.layers[places[1] + 1].name == "logits"
    rates = {layer.get_config()["dropout"] for layer in blocks_of(model)}
    np.testing.assert_allclose([*rates], 0.2)


def test_parts_reach_the_kernels_of_blocks():
    model = build(
        depth=4,
        activation="silu",
        kernel_initializer="zeros",
        kernel_regularizer="l2:0.1",
        kernel_constraint="max_norm:3",
    )
    kernels = [w for w in model.trainable_variables if "kernel" in w.path]
    assert len(kernels) == 4 * 6 + 2
    assert all(not numbers(kernel).any() for kernel in kernels)
    assert all(kernel.regularizer.l2 == pytest.approx(0.1) for kernel in kernels)
    assert all(isinstance(kernel.constraint, layers.MaxNorm) for kernel in kernels)
    assert {layer.activation for layer in blocks_of(model)} == {keras.activations.silu}


def test_it_starts_as_published():
    keras.utils.set_random_seed(3)
    model = build(depth=4)
    seen = []
    for weight in model.trainable_weights:
        values = numbers(weight)
        if weight.name in ("token", "embeddings", "kernel"):
            # what is cut off at two deviations has 0.88 of one left
            assert values.std() == pytest.approx(0.88 * 0.02, rel=0.2)
            # (Keras over PyTorch lets four of a million pass)
            assert np.mean(np.abs(values) <= 0.04 + 1e-7) > 0.9999
            seen.append(values.flat[:5].tolist())
        else:
            assert np.all(values == (1 if weight.name == "gamma" else 0))
    # none starts like another
    assert len(np.unique(seen, axis=0)) == len(seen) == 4 * 6 + 2 + 2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"input_shape": (30, 32, 3)}, "16 x 32 or 32 x 32"),
        ({"input_shape": (40, 47, 3)}, "32 x 32 or 48 x 48"),
        ({"input_shape": (None, 32, 3)}, "needs to know height and width"),
        ({"input_shape": (15, 32, 3)}, "at least 16 x 16"),
        ({"input_shape": (3, 32, 3), "stem": "small"}, "at least 4 x 4"),
        ({"patch_size": 0}, "whole patch_size of at least 1, received 0"),
        ({"patch_size": 1.5}, "whole patch_size of at least 1, received 1.5"),
        ({"depth": 3}, "whole depth of at least 4, received 3"),
        ({"pooling": "max"}, "there is no pooling of vit_tiny 'max'"),
        ({"block_dropout": 1.5}, "dropout"),
        ({"norm": "batch"}, "no place for the part 'norm'"),
        ({"attention": "squeeze_excite"}, "no place for the part 'attention'"),
        ({"weights": "imagenet"}, "there are no ImageNet weights of vit_tiny"),
    ],
)
def test_it_refuses_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        symbolic(**options)


def test_it_refuses_an_activation_with_weights():
    with pytest.raises(TypeError, match="a name or a function as its activation"):
        symbolic(activation=keras.layers.PReLU)


def test_a_class_token_is_in_front_and_seen():
    layer = layers.ClassToken(token_initializer="ones")
    sequence = np.random.default_rng(2).normal(size=(2, 3, 5)).astype("float32")
    found = numbers(layer(sequence))
    np.testing.assert_array_equal(found[:, 0], np.ones((2, 5)))
    np.testing.assert_array_equal(found[:, 1:], sequence)
    padding = np.array([[True, False, True], [False, False, True]])
    mask = layer.compute_mask(sequence, keras.ops.convert_to_tensor(padding))
    expected = [[True, True, False, True], [True, False, False, True]]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(mask), expected)
    assert layer.compute_mask(sequence, None) is None
    with pytest.raises(ValueError, match="depth of its inputs"):
        layers.ClassToken().build((None, 3, None))
