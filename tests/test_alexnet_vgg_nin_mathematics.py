"""AlexNet, VGG and network in network against other builds with the same weights."""

import functools

import keras
import numpy as np
import pytest

from kerasmith import layers, zoo
from kerasmith.zoo.tools.symbolic import without_numbers

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="compiles each of a hundred convolutions; the layers are asked one by one",
)

# torch's own names for what stands between convolutions
relu = functional.relu
local_response = functools.partial(
    functional.local_response_norm, size=5, alpha=5e-4, beta=0.75, k=2.0
)


def randomized(model, seed=0):
    """Draw all weights: small biases and offsets, variances and scales about one."""
    draw = np.random.default_rng(seed)
    noise = draw.normal(size=2**16).astype("float32")  # large kernels repeat it
    for weight in model.weights:
        drawn = np.resize(np.roll(noise, draw.integers(2**16)), weight.shape)
        if weight.name == "kernel":
            weight.assign(drawn * np.sqrt(2 / np.prod(weight.shape[:-1])))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(np.exp(0.2 * drawn))
        else:
            weight.assign(0.2 * drawn)
    return model


def symbolic(name, **options):
    return without_numbers(lambda: zoo.build(name, **options))


class Peer:
    """PyTorch's functions with the weights of a model of ours, by layer."""

    def __init__(self, model):
        self.weights = {
            layer.name: [
                torch.tensor(keras.ops.convert_to_numpy(weight))
                for weight in layer.weights
            ]
            for layer in model.layers
        }

    def conv(self, x, name, **options):
        kernel, bias = self.weights[name]
        return functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, **options)

    def norm(self, x, name):
        gamma, beta, mean, variance = self.weights[name]
        return functional.batch_norm(x, mean, variance, gamma, beta)

    def dense(self, x, name):
        kernel, bias = self.weights[name]
        return functional.linear(x, kernel.T, bias)

    def head(self, x):
        x = x.permute(0, 2, 3, 1).flatten(1)  # as Keras orders channels
        return self.dense(relu(self.dense(relu(self.dense(x, "fc6")), "fc7")), "logits")


def alexnet(peer, x, groups=1, norm=local_response):
    x = relu(peer.conv(x, "stem_conv", stride=4, padding=2))
    x = functional.max_pool2d(norm(x), 3, 2)
    x = relu(peer.conv(x, "stage1_conv1", padding=2, groups=groups))
    x = functional.max_pool2d(norm(x), 3, 2)
    x = relu(peer.conv(x, "stage2_conv1", padding=1))
    x = relu(peer.conv(x, "stage2_conv2", padding=1, groups=groups))
    x = relu(peer.conv(x, "stage2_conv3", padding=1, groups=groups))
    return peer.head(functional.max_pool2d(x, 3, 2))


def vgg_bn(peer, x, depths=(1, 1, 2, 2, 2)):
    for stage, depth in enumerate(depths, 1):
        for number in range(1, depth + 1):
            name = f"stage{stage}_conv{number}"
            x = peer.conv(x, name, padding=1)
            x = relu(peer.norm(x, f"{name}_norm"))
        x = functional.max_pool2d(x, 2, 2)
    return peer.head(x)


def nin_stage(peer, x, stage, **options):
    for number in (1, 2, 3):
        name = f"stage{stage}_conv{number}"
        if name in peer.weights:
            x = relu(peer.conv(x, name, **(options if number == 1 else {})))
    return x


def nin_cifar10(peer, x):
    # Caffe's windows overhang at the end, and at the end alone
    pool = functools.partial(
        functional.max_pool2d, kernel_size=3, stride=2, ceil_mode=True
    )
    x = pool(nin_stage(peer, x, 1, padding=2))
    x = pool(nin_stage(peer, x, 2, padding=2))
    x = nin_stage(peer, x, 3, padding=1)
    return relu(peer.conv(x, "logits_conv")).mean((2, 3))


def nin_imagenet(peer, x):
    x = functional.max_pool2d(nin_stage(peer, x, 1, stride=4), 3, 2)
    x = functional.max_pool2d(nin_stage(peer, x, 2, padding=2), 3, 2)
    x = functional.max_pool2d(nin_stage(peer, x, 3, padding=1), 3, 2)
    x = nin_stage(peer, x, 4, padding=1)
    return relu(peer.conv(x, "logits_conv")).mean((2, 3))


@pytest.mark.parametrize(
    "name, shape, peer",
    [
        ("alexnet", (95, 67, 3), functools.partial(alexnet, groups=2)),
        ("alexnet_ungrouped", (67, 63, 1), alexnet),
        (
            "alexnet_one_weird_trick",
            (63, 70, 3),
            functools.partial(alexnet, norm=lambda x: x),
        ),
        ("vgg11_bn", (32, 67, 2), vgg_bn),
        ("nin_cifar10", (32, 20, 3), nin_cifar10),
        ("nin_imagenet", (67, 103, 3), nin_imagenet),
    ],
)
def test_its_logits_are_those_of_the_same_network_in_torch(name, shape, peer):
    model = randomized(zoo.build(name, classes=7, input_shape=shape))
    images = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")
    with torch.no_grad():
        expected = peer(Peer(model), torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    found = keras.ops.convert_to_numpy(model(images, training=False))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name, peer", [("vgg16", "VGG16"), ("vgg19", "VGG19")])
def test_the_logits_of_vgg_are_those_of_keras(name, peer):
    options = {"classes": 7, "input_shape": (33, 70, 3)}
    model = randomized(zoo.build(name, **options))
    peer = getattr(keras.applications, peer)(
        weights=None, classifier_activation=None, **options
    )
    heads = {"fc1": "fc6", "fc2": "fc7", "predictions": "logits"}
    for layer in peer.layers:
        if layer.weights:
            ours = heads.get(layer.name) or layer.name.replace("block", "stage")
            layer.set_weights(model.get_layer(ours).get_weights())
    images = np.random.default_rng(1).normal(size=(2, 33, 70, 3)).astype("float32")
    found, expected = (
        keras.ops.convert_to_numpy(network(images, training=False))
        for network in (model, peer)
    )
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name, endpoint, size",
    [
        ("alexnet", "stem", 27),
        ("alexnet", "stage2_pool", 6),
        ("vgg16", "stage5_pool", 7),
        ("nin_cifar10", "stage3", 8),
        ("nin_imagenet", "stage4", 5),
    ],
)
def test_maps_have_the_sizes_of_the_paper(name, endpoint, size):
    output = symbolic(name).get_layer(endpoint).output
    assert output.shape[1:3] == (size, size)


@pytest.mark.parametrize(
    "name, stem, smallest",
    [
        ("alexnet", "paper", 63),
        ("alexnet", "small", 15),
        ("alexnet_one_weird_trick", "paper", 63),
        ("vgg11", "paper", 32),
        ("vgg19_bn", "small", 8),
        ("nin_imagenet", "paper", 67),
    ],
)
def test_the_smallest_image_leaves_one_position(name, stem, smallest):
    options = {"stem": stem, "classes": 5}
    model = symbolic(name, input_shape=(smallest, smallest, 1), **options)
    last = [layer for layer in model.layers if len(layer.output.shape) == 4][-1]
    assert last.output.shape[1:3] == (1, 1)
    with pytest.raises(ValueError, match=f"{smallest} x {smallest}"):
        symbolic(name, input_shape=(smallest + 1, smallest - 1, 1), **options)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "nin_cifar10", "nin_imagenet"])
def test_features_without_a_top_are_means_over_positions(name):
    model = symbolic(name, top=False, input_shape=(None, None, 3))
    mean = model.get_layer("features")
    assert isinstance(mean, keras.layers.GlobalAveragePooling2D)
    assert model.output_shape == (None, mean.input.shape[-1])
    widths = {"alexnet": 256, "vgg16": 512, "nin_cifar10": 192, "nin_imagenet": 1024}
    assert model.output_shape[-1] == widths[name]


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_dense_layers_need_to_know_the_size(name):
    with pytest.raises(ValueError, match=r"height and width.*top=False"):
        symbolic(name, input_shape=(None, 64, 3))


def kinds(model, kind):
    return [layer.name for layer in model.layers if isinstance(layer, kind)]


def test_a_norm_takes_the_place_of_local_response_normalization():
    kind = layers.LocalResponseNormalization
    names = ["stem_local_response", "stage1_local_response"]
    assert kinds(symbolic("alexnet"), kind) == names
    assert kinds(symbolic("alexnet", norm="batch"), kind) == []
    assert kinds(symbolic("alexnet", norm=None), kind) == []
    assert len(kinds(symbolic("alexnet", norm="batch"), layers.BatchNormalization)) == 5


@pytest.mark.parametrize(
    "name, places",
    [
        ("alexnet", ["fc7_dropout", "logits_dropout"]),
        ("vgg16", ["fc7_dropout", "logits_dropout"]),
        ("nin_cifar10", ["stage1_dropout", "stage2_dropout"]),
        ("nin_imagenet", ["stage3_dropout"]),
    ],
)
def test_dropout_stands_where_the_paper_has_it(name, places):
    model = symbolic(name)
    assert kinds(model, keras.layers.Dropout) == places
    assert {model.get_layer(place).rate for place in places} == {0.5}


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "nin_imagenet"])
def test_a_branch_that_is_not_there_cannot_be_dropped(name):
    with pytest.raises(ValueError, match="drop_path"):
        zoo.build(name, drop_path=0.1)


@pytest.mark.parametrize("name", ["vgg11", "nin_cifar10"])
def test_logits_have_full_precision_under_a_mixed_policy(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert symbolic(name).output.dtype == "float32"
