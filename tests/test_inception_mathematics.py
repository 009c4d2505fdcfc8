"""Inception networks against peers with the same random weights, and their losses."""

import keras
import numpy as np
import pytest

from kerasmith import layers, zoo
from kerasmith.zoo.inception import VARIANTS
from kerasmith.zoo.tools.symbolic import without_numbers

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="compiles each of a hundred convolutions; the layers are asked one by one",
)

SEEN = {"classes": 3, "input_shape": (33, 25, 2), "stem": "small"}


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def symbolic(*arguments, **keywords):
    """Build a network without allocating its weights."""
    return without_numbers(lambda: zoo.inception(*arguments, **keywords))


def randomise(model):
    """Give random values to all that starts as zeros or ones."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in ("beta", "bias", "moving_mean"):
            weight.assign(0.1 * random.normal(size=weight.shape))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, size=weight.shape))


def place(layer):
    """Tell when Keras made a layer, from the number in its name."""
    number = layer.name.rpartition("_")[2]
    return int(number) if number.isdigit() else 0


def test_inception_v3_gives_the_logits_of_keras_applications():
    # open sizes allow for one network of each
    ours = zoo.inception("inception_v3", classes=7, input_shape=(None, None, 3))
    theirs = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(None, None, 3), pooling="avg"
    )
    randomise(ours)
    for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization):
        made = [layer for layer in theirs.layers if isinstance(layer, kind)]
        made.sort(key=place)
        named = [layer for layer in ours.layers if isinstance(layer, kind)]
        named.sort(key=lambda layer: (not layer.name.startswith("stem"), layer.name))
        assert len(made) == len(named) == 94
        for source, target in zip(named, made, strict=True):
            target.set_weights(source.get_weights())
    kernel, bias = ours.get_layer("logits").get_weights()
    for shape in ((1, 299, 299, 3), (2, 75, 75, 3), (1, 98, 131, 3)):
        image = images(*shape)
        expected = numbers(theirs(image, training=False)) @ kernel + bias
        found = numbers(ours(image, training=False))
        assert np.std(expected) > 0.01
        np.testing.assert_allclose(found, expected, atol=1e-4)


def same_pool(x):
    """Halve maps as TensorFlow does, the odd position behind."""
    padding = [side for n in x.shape[:1:-1] for side in ((n % 2), 1)]
    return functional.max_pool2d(functional.pad(x, padding, value=-np.inf), 3, 2)


def plain_googlenet(image, weights):
    """Give the three logits, channels first, from the table of the paper."""

    def conv(x, name, **options):
        kernel, bias = (torch.tensor(w) for w in weights[name])
        kernel = kernel.permute(3, 2, 0, 1)
        options = {"padding": kernel.shape[-1] // 2, **options}
        return torch.relu(functional.conv2d(x, kernel, bias, **options))

    def dense(x, name):
        kernel, bias = (torch.tensor(w) for w in weights[name])
        return x @ kernel + bias

    def respond(x):
        return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)

    def module(x, name):
        name = f"{name}_branch"
        pooled = functional.max_pool2d(x, 3, 1, padding=1)
        ends = [
            conv(x, f"{name}1_conv1"),
            conv(conv(x, f"{name}2_conv1"), f"{name}2_conv2"),
            conv(conv(x, f"{name}3_conv1"), f"{name}3_conv2"),
            conv(pooled, f"{name}4_conv1"),
        ]
        return torch.cat(ends, 1)

    def head(x, name):
        x = conv(functional.avg_pool2d(x, 5, 3), f"{name}_conv")
        x = x.permute(0, 2, 3, 1).flatten(1)
        return dense(torch.relu(dense(x, f"{name}_dense")), name)

    logits = {}
    x = conv(torch.tensor(image).permute(0, 3, 1, 2), "stem_conv1", stride=2)
    x = respond(same_pool(x))
    x = same_pool(respond(conv(conv(x, "stem_conv2"), "stem_conv3")))
    for stage, modules in enumerate((2, 5, 2), 1):
        x = same_pool(x) if stage > 1 else x
        for number in range(1, modules + 1):
            x = module(x, f"stage{stage}_module{number}")
            if (stage, number) in ((2, 1), (2, 4)):
                name = f"auxiliary{1 if number == 1 else 2}"
                logits[name] = head(x, name)
    logits["logits"] = dense(x.mean((2, 3)), "logits")
    return {name: values.numpy() for name, values in logits.items()}


def test_googlenet_gives_the_logits_of_plain_torch():
    # 97 leaves maps of 49, 25, 13 and 7, 114 of 57, 29, 15 and 8
    ours = zoo.inception(classes=5, input_shape=(97, 114, 2), auxiliary=True)
    randomise(ours)
    # responses large enough for their norm to matter
    ours.get_layer("stem_conv1").kernel.assign(
        20 * ours.get_layer("stem_conv1").kernel.value
    )
    weights = {layer.name: layer.get_weights() for layer in ours.layers}
    image = images(2, 97, 114, 2)
    found, expected = ours(image, training=False), plain_googlenet(image, weights)
    assert set(found) == set(expected)
    for name in expected:
        assert np.std(expected[name]) > 0.1
        scale = np.max(np.abs(expected[name]))
        np.testing.assert_allclose(
            numbers(found[name]), expected[name], atol=1e-5 * scale
        )


@pytest.fixture(scope="module")
def with_heads():
    return zoo.inception(auxiliary=True, **SEEN)


def cross_entropy(logits, labels, weights):
    logits = logits.astype("float64")
    logs = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    return np.mean(-logs[np.arange(len(labels)), labels] * weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_auxiliary_loss_counts_three_tenths(with_heads, weighted):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    zoo.compile_with_auxiliary(with_heads, "sgd", loss, metrics=["accuracy"])
    image, labels = images(5, 33, 25, 2), np.array([0, 2, 1, 1, 0])
    weights = np.array([1.0, 0.5, 2.0, 0.0, 3.0]) if weighted else np.ones(5)
    repeat = zoo.repeat_targets(with_heads)
    x, y, *repeated = repeat(image, labels, *([weights] if weighted else []))
    found = with_heads.evaluate(x, y, None, 0, *repeated, return_dict=True)
    logits = with_heads.predict(image, verbose=0)
    losses = {n: cross_entropy(logits[n], labels, weights) for n in logits}
    others = losses["auxiliary1"] + losses["auxiliary2"]
    assert found["loss"] == pytest.approx(losses["logits"] + 0.3 * others, rel=1e-4)
    right = np.mean(np.argmax(logits["logits"], -1) == labels)
    assert found["logits_accuracy"] == pytest.approx(right)
    assert not [name for name in found if name.startswith("aux") and "acc" in name]


def test_a_data_set_trains_what_loads_without_heads(with_heads, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    zoo.compile_with_auxiliary(with_heads, keras.optimizers.SGD(1e-3), loss)
    arrays = images(4, 33, 25, 2), np.array([0, 2, 1, 1])
    data = tensorflow.data.Dataset.from_tensor_slices(arrays).batch(3)
    before = with_heads.get_layer("auxiliary1_conv").get_weights()[0]
    with_heads.fit(data.map(zoo.repeat_targets(with_heads)), verbose=0)
    assert np.any(before != with_heads.get_layer("auxiliary1_conv").get_weights()[0])
    path = tmp_path / "trained.weights.h5"
    zoo.without_auxiliary(with_heads).save_weights(path)
    alone = zoo.inception(**SEEN)
    alone.load_weights(path)
    found = alone.predict(arrays[0], verbose=0)
    expected = with_heads.predict(arrays[0], verbose=0)["logits"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("helper", [zoo.repeat_targets, zoo.without_auxiliary])
def test_a_model_without_heads_is_told_how_to_get_them(helper):
    with pytest.raises(ValueError, match="auxiliary=True"):
        helper(symbolic("googlenet_bn", **SEEN))


@pytest.mark.parametrize(
    "variant, stem, heads, smallest",
    [
        ("googlenet", "paper", False, 1),
        ("googlenet_bn", "small", False, 1),
        ("googlenet", "paper", True, 65),
        ("googlenet_bn", "small", True, 17),
        ("inception_v3", "paper", False, 75),
        ("inception_v3", "small", False, 1),
    ],
)
def test_the_smallest_image(variant, stem, heads, smallest):
    options = {"classes": 2, "stem": stem, "auxiliary": heads}
    model = symbolic(variant, input_shape=(smallest, smallest + 2, 1), **options)
    last = model.get_layer("stage3").output.shape
    assert last[1] >= 1 and last[2] >= 1
    with pytest.raises(ValueError, match=f"at least {smallest} x {smallest}"):
        symbolic(variant, input_shape=(smallest + 2, smallest - 1, 1), **options)


def test_heads_need_known_sizes_logits_and_a_place():
    with pytest.raises(ValueError, match="known size"):
        symbolic(input_shape=(None, 224, 3), auxiliary=True)
    with pytest.raises(ValueError, match="top=False"):
        symbolic(auxiliary=True, top=False)
    with pytest.raises(ValueError, match="googlenet, googlenet_bn have"):
        symbolic("inception_v3", auxiliary=True)


def test_open_sizes_change_nothing():
    options = {**SEEN, "input_shape": (None, None, 2)}
    known, unknown = zoo.inception(**SEEN), zoo.inception(**options)
    unknown.set_weights(known.get_weights())
    image = images(2, 33, 25, 2)
    np.testing.assert_allclose(
        numbers(unknown(image)), numbers(known(image)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_small_stem_leaves_four_positions_of_32(variant):
    model = symbolic(variant, input_shape=(32, 32, 3), stem="small", top=False)
    assert model.get_layer("stage3").output.shape[1:3] == (4, 4)
    assert model.output_shape == (None, model.get_layer("stage3").output.shape[-1])


def test_parts_stand_where_they_belong():
    rate = {"dropout": lambda: keras.layers.Dropout(0.1)}
    parts = {"norm": None, "attention": "squeeze_excite:8"}
    model = symbolic("googlenet_bn", auxiliary=True, **SEEN, **parts)
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(layers.SqueezeExcite) == 9
    assert kinds.count(layers.LocalResponseNormalization) == 2

    def rates(model):
        return [
            model.get_layer(f"{name}_dropout").get_config()["rate"]
            for name in ("logits", "auxiliary1", "auxiliary2")
        ]

    assert rates(model) == [0.4, 0.7, 0.7]
    assert rates(symbolic(auxiliary=True, **SEEN, **rate)) == [0.1] * 3
    with pytest.raises(ValueError, match="drop_path"):
        symbolic(drop_path=0.1)
