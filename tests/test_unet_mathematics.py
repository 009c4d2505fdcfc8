"""U-Net against its paper: sizes, crops, mirrors, and a pass written out in NumPy."""

import keras
import numpy as np
import pytest

from kerasmith import layers, zoo
from kerasmith.zoo.doubling import BilinearDoubling
from kerasmith.zoo.tools.symbolic import without_numbers
from kerasmith.zoo.unet import valid_size


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def shaken(model, seed=5):
    """Give every weight numbers, biases too."""
    values = [0.3 * drawn(*w.shape, seed=seed + i) for i, w in enumerate(model.weights)]
    model.set_weights(values)
    return {
        weight.path: value for weight, value in zip(model.weights, values, strict=True)
    }


# the paper's figure 1, from the mirror images of NumPy


@pytest.mark.parametrize("size, multiple", [(5, 4), (8, 4), (1, 7), (3, 16), (9, 1)])
def test_maps_are_continued_as_numpy_mirrors_them(size, multiple):
    x = drawn(2, size, 6, 3)
    wide = layers.MirrorPadding(multiple)
    after = [-size % multiple, -6 % multiple]
    expected = x
    for axis, more in enumerate(after, 1):
        width = [(0, 0)] * 4
        width[axis] = (0, more)
        expected = np.pad(expected, width, "symmetric")
    np.testing.assert_array_equal(numbers(wide(x)), expected)


def test_maps_are_continued_to_a_minimum():
    x = drawn(1, 5, 2)
    found = numbers(layers.MirrorPadding(4, minimum=16)(x))
    np.testing.assert_array_equal(
        found, np.pad(x, ((0, 0), (0, 11), (0, 0)), "symmetric")
    )


@pytest.mark.parametrize("align, before", [("center", 2), ("start", 0)])
def test_what_is_too_much_is_cut_off(align, before):
    x, others = drawn(2, 9, 7, 3), drawn(2, 4, 7, 1)
    found = numbers(layers.MatchSize(align)([x, others]))
    np.testing.assert_array_equal(found, x[:, before : before + 4])


@pytest.mark.parametrize("align, before", [("center", 1), ("start", 0)])
def test_what_lacks_is_continued(align, before):
    x, others = drawn(2, 4, 3), drawn(2, 7, 1)
    found = numbers(layers.MatchSize(align)([x, others]))
    width = ((0, 0), (before, 3 - before), (0, 0))
    np.testing.assert_array_equal(found, np.pad(x, width, "symmetric"))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.MirrorPadding(0), "multiple of at least 1"),
        (lambda: layers.MirrorPadding(4, minimum=6), "minimum that is a multiple of 4"),
        (lambda: layers.MatchSize("end"), "align to be one of center, start"),
        (
            lambda: layers.MatchSize()([drawn(1, 4, 3), drawn(1, 4, 4, 3)]),
            "equally many axes",
        ),
        (lambda: zoo.unet("unet_smae"), "did you mean 'unet_same'"),
        (lambda: zoo.unet(input_shape=(570, 572, 1)), "sizes are 556 and 572"),
        (lambda: zoo.unet(input_shape=(4, 572, 1)), "at least 188 x 188"),
        (lambda: zoo.unet(weights="imagenet"), "name an encoder"),
        (lambda: zoo.unet("unet", encoder="resnet34"), "build 'unet_same'"),
        (lambda: zoo.unet(encoder="unet_same"), "there is no encoder 'unet_same'"),
        (lambda: zoo.unet(encoder="resnet3"), "did you mean 'resnet34'"),
        (lambda: zoo.unet(encoder="resnet20", depth=3), "choose one of 1, 2"),
        (lambda: zoo.unet(depth=0), "depth of 1, 2, ..."),
        (lambda: zoo.unet(width=2.5), "width of 1, 2, ..."),
        (lambda: zoo.unet(upsampling="cubic"), "upsampling of unet 'cubic'"),
        (lambda: zoo.unet(drop_path=0.1), "no place for the part 'drop_path'"),
        (lambda: zoo.unet(input_shape=(9,)), r"\(height, width, channels\) or"),
        (
            lambda: zoo.unet("unet_same", input_shape=(16, 2), upsampling="bilinear"),
            "bilinear upsampling is for two axes",
        ),
    ],
)
def test_wrong_input_is_told(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        without_numbers(make)


def test_the_sizes_of_figure_1():
    model = without_numbers(zoo.unet)
    found = [model.get_layer(f"stage{n}").output.shape[1:] for n in (1, 2, 3, 4, 5)]
    assert found == [
        (568, 568, 64),
        (280, 280, 128),
        (136, 136, 256),
        (64, 64, 512),
        (28, 28, 1024),
    ]
    found = [model.get_layer(f"up{n}").output.shape[1:] for n in (4, 3, 2, 1)]
    assert found == [(52, 52, 512), (100, 100, 256), (196, 196, 128), (388, 388, 64)]
    assert model.output_shape == (None, 388, 388, 2)
    convolutions = [y for y in model.layers if "Conv" in type(y).__name__]
    assert len(convolutions) == 23  # as the paper counts them


def test_valid_sizes_are_those_that_the_network_gives():
    """Of the layers themselves; the paper: 572 gives 388, and all halved are even."""
    options = {"depth": 2, "width": 1, "input_shape": (None, None, 1)}
    model = without_numbers(lambda: zoo.unet("unet", **options))
    for size in range(44, 61):
        found = model.compute_output_shape((1, size, size, 1))[1]
        even = (size - 4) % 4 == 0
        assert valid_size(size, 2) == (found if even else None)
    assert [valid_size(n) for n in (572, 188, 187, 172)] == [388, 4, None, None]


def convolve(x, kernel, bias, same):
    """Convolve one image by the definition."""
    rows, columns = kernel.shape[:2]
    if same:
        before, after = (rows - 1) // 2, rows // 2
        x = np.pad(x, ((before, after), (before, after), (0, 0)))
    height, width = x.shape[0] - rows + 1, x.shape[1] - columns + 1
    y = np.zeros((height, width, kernel.shape[-1])) + bias
    for i in range(rows):
        for j in range(columns):
            y += x[i : i + height, j : j + width] @ kernel[i, j]
    return y


def rise(x, kernel, bias):
    """Convolve transposed, 2 x 2 with a stride of 2: kernel (2, 2, out, in)."""
    y = np.zeros((2 * x.shape[0], 2 * x.shape[1], kernel.shape[2])) + bias
    for i in range(2):
        for j in range(2):
            y[i::2, j::2] += x @ kernel[i, j].T
    return y


@pytest.mark.parametrize("variant, size", [("unet", (24, 20)), ("unet_same", (7, 10))])
def test_a_pass_of_depth_1_in_numpy(variant, size):
    options = {"depth": 1, "width": 3, "classes": 2, "input_shape": (*size, 2)}
    model = zoo.unet(variant, **options)
    w = shaken(model)
    same = variant == "unet_same"
    image = drawn(*size, 2, seed=9)

    def twice(x, stage):
        for n in (1, 2):
            name = f"{stage}_conv{n}"
            x = np.maximum(convolve(x, w[f"{name}/kernel"], w[f"{name}/bias"], same), 0)
        return x

    x = np.pad(image, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), "symmetric")
    top = twice(x if same else image, "stage1")
    height, width, filters = top.shape
    pooled = top.reshape(height // 2, 2, width // 2, 2, filters).max((1, 3))
    below = twice(pooled, "stage2")
    up = rise(below, w["up1_rise/kernel"], w["up1_rise/bias"])
    cut = [(have - need) // 2 for have, need in zip(top.shape, up.shape, strict=False)]
    skip = top[cut[0] : cut[0] + up.shape[0], cut[1] : cut[1] + up.shape[1]]
    y = twice(np.concatenate([skip, up], -1), "up1")
    y = y[: size[0], : size[1]] if same else y
    expected = y @ w["logits/kernel"][0, 0] + w["logits/bias"]
    found = numbers(model(image[None]))[0]
    np.testing.assert_allclose(found, expected, 1e-4, 1e-4)


def test_gates_weigh_positions_as_their_paper_has_it():
    options = {"depth": 1, "width": 4, "classes": 2, "input_shape": (6, 4, 2)}
    model = zoo.unet("unet_same", attention_gates=True, **options)
    w = shaken(model)
    names = ("stage1", "stage2", "up1_gate_product")
    ends = [model.get_layer(name).output for name in names]
    skip, below, found = map(numbers, keras.Model(model.input, ends)(drawn(1, 6, 4, 2)))
    kernel = w["up1_gate_skip/kernel"]
    seen = sum(skip[0, i::2, j::2] @ kernel[i, j] for i in (0, 1) for j in (0, 1))
    known = below[0] @ w["up1_gate_below/kernel"][0, 0] + w["up1_gate_below/bias"]
    both = np.maximum(seen + w["up1_gate_skip/bias"] + known, 0)
    logit = both @ w["up1_gate_logit/kernel"][0, 0] + w["up1_gate_logit/bias"]
    gate = 1 / (1 + np.exp(-logit))
    for axis, size in enumerate((6, 4)):
        places = np.clip((np.arange(size) + 0.5) / 2 - 0.5, 0, size / 2 - 1)
        low = np.minimum(places.astype(int), size // 2 - 1)
        high = np.minimum(low + 1, size // 2 - 1)
        part = (places - low).reshape([-1 if a == axis else 1 for a in range(3)])
        gate = gate.take(low, axis) * (1 - part) + gate.take(high, axis) * part
    np.testing.assert_allclose(found[0], skip[0] * gate, 1e-4, 1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 17), (33, 40)])
@pytest.mark.parametrize("encoder", [None, "resnet20", "lenet5_modern"])
def test_any_size_gives_its_own(encoder, size):
    options = {"classes": 3, "input_shape": (None, None, 2), "width": 2}
    model = zoo.unet("unet_same", encoder=encoder, **options)
    assert model(drawn(2, *size, 2)).shape == (2, *size, 3)


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("shape", [(13, 2), (5, 9, 6, 2)], ids=["1-D", "3-D"])
def test_one_and_three_axes(shape, upsampling):
    options = {"upsampling": upsampling, "width": 2, "depth": 2, "classes": 3}
    model = zoo.unet("unet_same", input_shape=shape, attention_gates=True, **options)
    assert model(drawn(2, *shape)).shape == (2, *shape[:-1], 3)
    open_sizes = zoo.unet(
        "unet", input_shape=(*[None] * (len(shape) - 1), 2), **options
    )
    inputs = drawn(1, *[44] * (len(shape) - 1), 2)
    assert set(open_sizes(inputs).shape[1:-1]) == {4}


# reductions of the maps that each encoder gives, and whether sizes fit exactly
ENCODERS = {
    "resnet34": [2, 4, 8, 16, 32],
    "resnet50_v1_5": [2, 4, 8, 16, 32],
    "vgg16_bn": [1, 2, 4, 8, 16],
    "mobilenet_v2": [2, 4, 8, 16, 32],
    "efficientnet_b0": [2, 4, 8, 16, 32],
    "googlenet_bn": [2, 4, 8, 16, 32],
    "resnet20": [1, 2, 4],
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_gives_its_maps_of_each_size(encoder):
    options = {"classes": 3, "input_shape": (64, 96, 3)}
    model = without_numbers(lambda: zoo.unet(encoder=encoder, **options))
    joins = [y for y in model.layers if y.name.endswith("_join")]
    found = [64 // y.output.shape[1] for y in joins]
    assert found == ENCODERS[encoder][-2::-1]
    assert model.output_shape == (None, 64, 96, 3)
    assert not any(isinstance(y, layers.MatchSize) for y in model.layers)
    # the layers are the encoder's own, under their names, not one inside another
    assert model.get_layer("stage2").output.shape[1] < 64
    assert not any(isinstance(y, keras.Model) for y in model.layers)


def test_an_encoder_starts_as_it_was():
    """As with weights from elsewhere: its maps are those of the classifier."""
    from kerasmith.zoo import unet_encoder

    keras.utils.set_random_seed(3)
    net = zoo.build("resnet20", top=False, input_shape=(None, None, 3))
    shaken(net)
    x = drawn(2, 32, 16, 3)
    image = keras.Input((None, None, 3))
    real, unet_encoder.registry.build = unet_encoder.registry.build, lambda *a, **k: net
    try:
        maps, exact = unet_encoder.encode("resnet20", image, None, {"weights": "some"})
    finally:
        unet_encoder.registry.build = real
    assert exact
    for level, y in maps.items():
        found = numbers(keras.Model(image, y)(x))
        wanted = net.get_layer(f"stage{level + 1}").output
        expected = numbers(keras.Model(net.input, wanted)(x))
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 5, 2), (1, 1, 4, 3), (1, 1, 1, 1)])
def test_doubled_maps_are_those_of_keras(shape):
    x = drawn(*shape)
    theirs = keras.layers.UpSampling2D(2, interpolation="bilinear")
    np.testing.assert_allclose(
        numbers(BilinearDoubling()(x)), numbers(theirs(x)), 1e-5, 1e-6
    )


def test_gates_and_bilinear_maps_leave_for_any_size(tmp_path):
    options = {"width": 4, "depth": 2, "dropout": None, "upsampling": "bilinear"}
    model = zoo.unet("unet_same", input_shape=(None, None, 1), classes=3, **options)
    gated = zoo.unet(
        "unet_same",
        input_shape=(None, None, 1),
        classes=3,
        attention_gates=True,
        **options,
    )
    for number, one in enumerate((model, gated)):
        written = zoo.export(one, tmp_path / str(number))
        masks = zoo.tools.load_saved(written["saved_model"]).masks
        assert masks(np.zeros((1, 13, 9, 1), "uint8")).shape == (1, 13, 9)
