"""Convolutions against sums written in NumPy, whatever road computes them."""

import keras
import numpy as np
import pytest

from kerasmith import layers

# what a window meets: few positions for the filters, or many; even, odd, not square
CONVOLUTIONS = [
    ((2, 2, 3, 5), (3, 3), 1, 40),  # few positions: a product of patches
    ((2, 3, 2, 5), (1, 3), 1, 40),
    ((2, 3, 2, 6), (1, 1), 1, 40),  # few positions: a product
    ((3, 7, 5, 6), (1, 1), 2, 90),
    ((3, 7, 6, 4), (1, 1), 1, 3),  # many positions
    ((3, 7, 6, 4), (1, 1), (3, 2), 3),
    ((3, 6, 7, 4), (4, 2), 2, 3),
]
DEPTHWISE = [
    ((2, 7, 5, 3), (5, 5), 1, 1),
    ((2, 8, 9, 3), (5, 5), 2, 1),
    ((3, 9, 6, 3), (2, 4), 2, 2),
    ((3, 6, 8, 2), (1, 7), 1, 1),
    ((3, 7, 6, 2), (3, 3), 2, 2),
]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def windows(x, size, strides, padding):
    """Give (batch, height, width, rows, columns, channels): what each window sees."""
    pads = [(0, 0)]
    for n, k, s in zip(x.shape[1:3], size, strides, strict=True):
        missing = max(0, (-(-n // s) - 1) * s + k - n) if padding == "same" else 0
        pads.append((missing // 2, missing - missing // 2))
    x = np.pad(x, [*pads, (0, 0)])
    seen = np.lib.stride_tricks.sliding_window_view(x, size, (1, 2))
    return np.moveaxis(seen[:, :: strides[0], :: strides[1]], 3, -1)


def slopes(layer, x, dy):
    """Give what the layer makes, and the gradients of the maps and the kernel."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            kernel = layer.kernel.value
            return y, tape.gradient(y, [x, kernel], tf.cast(dy, y.dtype))

        y, (dx, dk) = run(tf.constant(x))
    elif backend == "jax":
        import jax

        def run(x, kernel):
            return layer.stateless_call([kernel], [], x)[0]

        y, back = jax.vjp(run, x, layer.kernel.value)
        dx, dk = back(dy.astype(y.dtype))
    else:
        import torch

        x = torch.tensor(x, requires_grad=True)
        y = layer(x)
        dy = torch.tensor(dy, dtype=y.dtype)
        dx, dk = torch.autograd.grad(y, [x, layer.kernel.value], dy)
    return [numbers(value) for value in (y, dx, dk)]


def numbers(tensor):
    tensor = tensor.detach() if hasattr(tensor, "detach") else tensor
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def differentiate(function, x):
    """Differentiate a linear function by asking it for every unit vector."""
    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.reshape([function(unit) for unit in units], x.shape)


def check(layer, shape, formula):
    """Compare a layer with a formula of what each window sees and the kernel."""
    x = drawn(*shape).astype("float32")
    layer.build(shape)
    kernel = drawn(*layer.kernel.shape, seed=1).astype("float32")
    layer.set_weights([kernel])

    def convolve(x, kernel):
        return formula(
            windows(x, layer.kernel_size, layer.strides, layer.padding), kernel
        )

    y = convolve(x, kernel)
    dy = drawn(*y.shape, seed=2).astype("float32")
    expected = (
        y,
        differentiate(lambda unit: np.vdot(dy, convolve(unit, kernel)), x),
        differentiate(lambda unit: np.vdot(dy, convolve(x, unit)), kernel),
    )
    close = 1e-5 if layer.compute_dtype == "float32" else 2e-2
    for found, right in zip(slopes(layer, x, dy), expected, strict=True):
        assert found.shape == right.shape
        largest = np.abs(right).max(initial=0)
        np.testing.assert_allclose(found, right, close, close * largest)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shape, size, strides, filters", CONVOLUTIONS, ids=str)
def test_convolution(shape, size, strides, filters, padding, policy):
    if padding == "valid" and min(np.subtract(shape[1:3], size)) < 0:
        pytest.skip("no window fits")
    options = {"padding": padding, "use_bias": False, "dtype": policy}
    check(
        layers.Conv2D(filters, size, strides, **options),
        shape,
        lambda seen, kernel: np.einsum("bhwijc,ijcf->bhwf", seen, kernel),
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shape, size, strides, multiplier", DEPTHWISE, ids=str)
def test_depthwise_convolution(shape, size, strides, multiplier, padding, policy):
    def formula(seen, kernel):
        y = np.einsum("bhwijc,ijcm->bhwcm", seen, kernel)
        return y.reshape(*y.shape[:3], -1)

    options = {"padding": padding, "use_bias": False, "dtype": policy}
    layer = layers.DepthwiseConv2D(
        size, strides, depth_multiplier=multiplier, **options
    )
    check(layer, shape, formula)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_norm_folded_into_a_convolution(depthwise, policy):
    """What graphs compute at inference is what the two layers do one by one."""
    make = layers.DepthwiseConv2D if depthwise else layers.Conv2D
    sizes = ((3,) if depthwise else (5, 3), {"padding": "same", "dtype": policy})
    image = keras.Input((9, 8, 5))
    maps = make(*sizes[0], use_bias=False, **sizes[1])(image)
    norm = layers.BatchNormalization(dtype=policy)
    model = keras.Model(image, [maps, norm(maps)])
    random = np.random.default_rng(3)
    norm.set_weights([random.uniform(0.5, 2, 5) for _ in range(4)])
    x = random.normal(size=(4, 9, 8, 5)).astype("float32")
    before, found = (numbers(y) for y in model.predict_on_batch(x))
    gamma, beta, mean, variance = norm.get_weights()
    expected = (before - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
    close = 1e-5 if policy == "float32" else 3e-2
    np.testing.assert_allclose(found, expected, close, close)


def test_a_frozen_norm_learns_through_its_convolution():
    """Gradients that pass a folded norm are those that pass Keras'."""
    found = []
    for kinds in (layers, keras.layers):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((9, 8, 3)),
                kinds.DepthwiseConv2D(5, use_bias=False),
                kinds.BatchNormalization(trainable=False),
                kinds.Activation("silu"),
                keras.layers.GlobalAveragePooling2D(),
            ]
        )
        model.compile(keras.optimizers.SGD(1.0), "mse")
        x = drawn(4, 9, 8, 3).astype("float32")
        model.train_on_batch(x, np.ones((4, 3), "float32"))
        found.append(model.get_weights()[0])
    np.testing.assert_allclose(*found, 1e-4, 1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["relu", "relu6", "silu"])
def test_activations(name, policy):
    """In training an activation and its slope are those of its formula."""
    layer = layers.Activation(name, dtype=policy)
    x = np.array([-9, -3, -1, -0.5, 0.5, 1, 3, 5, 7, 9], "float32")
    gate = 1 / (1 + np.exp(-x))
    values, slope = {
        "relu": (np.maximum(x, 0), x > 0),
        "relu6": (np.clip(x, 0, 6), (x > 0) & (x < 6)),
        "silu": (x * gate, gate + x * gate * (1 - gate)),
    }[name]
    model = keras.Sequential([keras.Input((10,)), Scale(dtype="float32"), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    y = model(x[None], training=True)
    close = 1e-5 if policy == "float32" else 1e-2
    np.testing.assert_allclose(numbers(y)[0], values, close, close)
    model.train_on_batch(x[None], np.zeros((1, 10), "float32"))
    # d mean(y^2) / d scale = 2 y y' x / n
    moved = (1 - model.layers[0].get_weights()[0]) * 10 / 2
    np.testing.assert_allclose(moved, values * slope * x, 2 * close, close)


class Scale(keras.layers.Layer):
    """Multiply each input by a weight of its own."""

    def build(self, input_shape):
        self.factors = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.factors
