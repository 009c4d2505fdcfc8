"""What networks look at, against what they answer to single positions.

With positive kernels and no biases, an image of zeros but for one position is answered
by other numbers than 0 just where that position is looked at.
"""

import keras
import numpy as np
import pytest
from keras import layers as of_keras

from kerasmith import layers, zoo
from kerasmith.zoo.tools import ReceptiveField, receptive_field

SAME = {"padding": "same"}


def network(axes, *stack):
    """Build a network of layers, or of functions of tensors."""
    image = x = keras.Input((None,) * axes + (1,))
    for layer in stack:
        x = layer(x)
    model = keras.Model(image, x)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(generator.uniform(0.5, 1, weight.shape))
    return model


def responses(model, size, other=12):
    """Answer to one image for each position along the first axis."""
    axes = len(model.inputs[0].shape) - 2
    images = np.zeros((size, size) + (other,) * (axes - 1) + (1,), "float32")
    images[np.arange(size), np.arange(size)] = 1
    # JAX compiles each operation where it runs no whole network
    run = model.predict_on_batch if keras.backend.backend() == "jax" else model
    answers = keras.ops.convert_to_numpy(run(images))
    return answers.reshape(*answers.shape[:2], -1)


def measure(model, size, stride, other=12):
    """Give before, after and margin at one size."""
    seen = np.any(responses(model, size, other) != 0, axis=-1)
    number = seen.shape[1]
    own = np.arange(number) + (size - number) // 2
    middle = slice(number // 2 - stride, number // 2 + stride)
    low, high = seen.argmax(0), size - 1 - seen[::-1].argmax(0)
    start = size // 2 // stride * stride
    end = start + size % stride
    margins = (
        own[seen[:start].any(0)].max() - start + 1,
        end - own[seen[end:].any(0)].min(),
    )
    return (own - low)[middle].max(), (high - own)[middle].max(), max(margins)


def keeps(model, size, axes):
    """Tell whether a model answers for each position of an image of some size."""
    return model.compute_output_shape((1, size, *(12,) * (axes - 1), 1))[1] == size


def both_ways(x):
    """Look with one layer twice, and through a model within a model."""
    inner = network(1, of_keras.Conv1D(1, 3, **SAME), of_keras.ReLU())
    outer = network(1, inner, of_keras.Conv1D(1, 2, **SAME))
    twice = of_keras.Conv1D(1, 4, **SAME, use_bias=False)
    y = twice(twice(outer(x)))
    return keras.ops.relu(y + outer(x)) * 2


def beside(x):
    """Join maps with others that are half as large, of any size."""
    y = of_keras.UpSampling1D(2)(of_keras.Conv1D(1, 5, 2, **SAME)(x))
    return of_keras.Concatenate()([x, layers.MatchSize("start")([y, x])])


NETWORKS = {
    "one convolution": (1, [of_keras.Conv1D(1, 4, **SAME)]),
    "holes": (1, [of_keras.Conv1D(1, 3, dilation_rate=4, **SAME)]),
    "causal": (1, [of_keras.Conv1D(1, 3, dilation_rate=2, padding="causal")]),
    "no padding": (1, [of_keras.Conv1D(1, 4), of_keras.MaxPooling1D(4, 1)]),
    "separable": (1, [of_keras.SeparableConv1D(1, 5, **SAME)]),
    "alone": (1, [of_keras.Dense(2), layers.Activation("relu"), layers.DropPath(0.5)]),
    "sequence": (1, [keras.Sequential([of_keras.Conv1D(1, 3, **SAME)])]),
    "within each other": (1, [both_ways]),
    "around and off": (
        1,
        [of_keras.ZeroPadding1D((3, 0)), of_keras.Cropping1D((1, 2))],
    ),
    "wrapped": (
        1,
        [
            layers.WeightNormalization(of_keras.Conv1D(1, 3, **SAME, use_bias=False)),
            of_keras.BatchNormalization(),
        ],
    ),
    "transposed 3": (
        1,
        [of_keras.AveragePooling1D(2), of_keras.Conv1DTranspose(1, 3, 2, **SAME)],
    ),
    "transposed 5": (
        1,
        [
            of_keras.Conv1D(1, 3, 3, **SAME),
            of_keras.Conv1DTranspose(1, 5, 3, **SAME),
        ],
    ),
    "strided, any size": (1, [beside]),
    "continued": (
        1,
        [
            layers.MirrorPadding(4),
            of_keras.MaxPooling1D(3, 2, **SAME),
            of_keras.AveragePooling1D(2),
            of_keras.UpSampling1D(4),
        ],
    ),
    "two axes": (
        2,
        [
            layers.Conv2D(2, (3, 5), **SAME),
            of_keras.DepthwiseConv2D((4, 1), **SAME),
            layers.ConnectionTableConv2D([[0, 1], [1]], (3, 1), **SAME),
        ],
    ),
    "subsampled": (2, [layers.Subsampling2D(3), of_keras.UpSampling2D(3)]),
    "shortcut": (2, [layers.PaddedShortcut(2, 2), of_keras.UpSampling2D((2, 2))]),
    "bilinear": (
        2,
        [of_keras.MaxPooling2D(2), of_keras.UpSampling2D(2, interpolation="bilinear")],
    ),
    "bilinear 3": (
        2,
        [
            of_keras.MaxPooling2D((3, 1)),
            of_keras.UpSampling2D((3, 1), interpolation="bilinear"),
        ],
    ),
    "bicubic": (
        2,
        [of_keras.MaxPooling2D(2), of_keras.UpSampling2D(2, interpolation="bicubic")],
    ),
    "three axes": (
        3,
        [of_keras.Conv3D(1, (3, 1, 2)), of_keras.MaxPooling3D((2, 3, 3), 1, **SAME)],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_seen_is_what_is_answered_to(name):
    axes, stack = NETWORKS[name]
    model = network(axes, *stack)
    field = receptive_field(model)
    stride = field.stride[0]
    sizes = [n for n in range(24, 24 + stride) if n == 24 or keeps(model, n, axes)]
    found = [measure(model, size, stride) for size in sizes]
    expected = tuple(np.max(found, axis=0))
    assert (field.before[0], field.after[0], field.margin[0]) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_shift_by_the_stride_and_nothing_less(name):
    axes, stack = NETWORKS[name]
    model = network(axes, *stack)
    stride = receptive_field(model).stride[0]
    found = responses(model, 24)
    middle = range(8, 13)  # images with a position there, all of them far from borders

    def shifts(step):
        ends = found.shape[1] - step
        return all(
            np.allclose(found[p, :ends], found[p + step, step:], 1e-4) for p in middle
        )

    assert 24 % stride == 0 and shifts(stride)
    assert not any(shifts(n) for n in range(1, stride) if stride % n == 0)


@pytest.mark.parametrize(
    "upsampling, axes", [("transposed", 1), ("nearest", 1), ("bilinear", 2)]
)
def test_u_nets_of_two_halvings(upsampling, axes):
    options = {"depth": 2, "width": 1, "upsampling": upsampling}
    for variant, sizes in (("unet", [124]), ("unet_same", range(124, 128))):
        model = zoo.unet(variant, input_shape=(None,) * axes + (1,), **options)
        for weight in model.weights:
            if len(weight.shape) > 1:
                weight.assign(np.full(weight.shape, 0.1))
        field = receptive_field(model)
        found = np.max([measure(model, size, 4, other=44) for size in sizes], axis=0)
        assert field.stride[0] == 4
        assert (field.before[0], field.after[0], field.margin[0]) == tuple(found)


def test_the_92_positions_of_figure_1():
    field = receptive_field(zoo.unet("unet", width=1))
    assert field == ReceptiveField((107,) * 2, (107,) * 2, (92,) * 2, (16,) * 2, (1, 1))


@pytest.mark.parametrize(
    "name, size, stride",
    [
        # published by Araujo et al., 2019; VGG's before its last pooling of 2 x 2
        ("vgg16", 212 - 16, 16),
        ("resnet50", 483, 32),
        # of the same recurrence: 11 behind the stem, then 3 x 3 at 4, 8, 16 and 32
        ("resnet18", 11 + 2 * (4 * 4 + (4 + 3 * 8) + (8 + 3 * 16) + (16 + 3 * 32)), 32),
    ],
)
def test_published_sizes(name, size, stride):
    options = {"input_shape": (None, None, 3), "top": False}
    model = zoo.registry.build(name, **options)
    maps = [
        y for y in model.layers if y.name.startswith("stage") and y.name[5:].isdigit()
    ]
    field = receptive_field(keras.Model(model.input, maps[-1].output))
    assert field.size == (size,) * 2 and field.spacing == (stride,) * 2
    assert field.stride == (stride,) * 2


def pooled(x):
    gate = of_keras.GlobalAveragePooling1D(name="seen", keepdims=True)(x)
    return of_keras.Multiply()([of_keras.Dense(1)(gate), x])


@pytest.mark.parametrize(
    "see",
    [
        layers.SqueezeExcite(units=1, name="seen"),
        layers.GroupNormalization(1, name="seen"),
        of_keras.LayerNormalization(axis=(1, 2), name="seen"),
        of_keras.Softmax(axis=1, name="seen"),
        pooled,
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_sees_everything_is_named(see):
    image = keras.Input((16, 1))
    x = of_keras.Conv1D(1, 5, **SAME)(see(image))
    field = receptive_field(keras.Model(image, x))
    assert field.whole == ("seen",) and field.margin == (2,)


@pytest.mark.parametrize(
    "normalize",
    [
        of_keras.LayerNormalization(),
        of_keras.RMSNormalization(),
        of_keras.UnitNormalization(),
        layers.L2Normalization(),
        layers.LocalResponseNormalization(),
        of_keras.PReLU(shared_axes=[1, 2]),
    ],
    ids=lambda layer: layer.name,
)
def test_what_keeps_to_the_channels_sees_one_position(normalize):
    field = receptive_field(network(2, normalize))
    assert field == ReceptiveField((0, 0), (0, 0), (0, 0), (1, 1), (1, 1))


def first_channels(image):
    return of_keras.UpSampling2D(data_format="channels_first")(image)


@pytest.mark.parametrize(
    "look, message",
    [
        (of_keras.Lambda(lambda x: x, name="mine"), "how far the layer 'mine'.*Lambda"),
        (of_keras.Reshape((9, 4, 1)), "Reshape"),
        (of_keras.Resizing(6, 6), "Resizing"),
        (first_channels, "channels on the last axis"),
        (of_keras.Flatten(), "an answer for each position"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_nobody_knows_is_refused(look, message):
    image = keras.Input((6, 6, 1))
    with pytest.raises(ValueError, match=message):
        receptive_field(keras.Model(image, look(image)))


def test_a_layer_that_computes_something_else_is_not_trusted():
    class Mine(of_keras.Conv1D):
        def call(self, inputs):
            return super().call(inputs[:, ::-1])

    with pytest.raises(ValueError, match=r"how far the layer .*\(Mine\)"):
        receptive_field(network(1, Mine(1, 3)))


def test_models_of_several_images_or_none_are_refused():
    one, two = keras.Input((9, 1)), keras.Input((9, 1))
    both = keras.Model([one, two], of_keras.Add()([one, two]))
    with pytest.raises(ValueError, match=r"\[\(None, 9, 1\), \(None, 9, 1\)\], expect"):
        receptive_field(both)
    with pytest.raises(ValueError, match="one to three axes"):
        receptive_field(keras.Sequential([keras.Input((3,)), of_keras.Dense(2)]))
    with pytest.raises(ValueError, match="on data first"):
        receptive_field(keras.Sequential([of_keras.Conv1D(1, 3)]))
