"""What the tests of normalisation share: formulas, and outcomes to compare."""

import keras
import numpy as np
from conformance.gradients import gradients


def drawn(*shape, seed=0, mean=0.5, deviation=2.0):
    draw = np.random.default_rng(seed)
    return draw.normal(mean, deviation, size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def standardized(x, axes, epsilon):
    x = x.astype("float64")
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


def grouped(x, groups, epsilon):
    """Equation 7 of group norm, for channels-last inputs."""
    parts = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    return standardized(parts, (1, 3), epsilon).reshape(x.shape)


def with_drawn_weights(layer, shape):
    layer.build(shape)
    weights = [drawn(*w.shape, seed=i) for i, w in enumerate(layer.weights)]
    # no negative variance
    layer.set_weights([np.abs(w) + 0.1 for w in weights])
    return layer


def outcome(layer, x, training=True, mask=None):
    """Give outputs, gradients of weights and inputs, and the variables afterwards."""
    mix = drawn(*x.shape, seed=9, mean=0)
    start = [np.copy(w) for w in layer.get_weights()]
    keywords = {"training": training} | ({} if mask is None else {"mask": mask})

    def function(arrays):
        held = zip(layer.trainable_variables, arrays[:-1], strict=True)
        with keras.StatelessScope(state_mapping=held):
            return keras.ops.sum(keras.ops.multiply(layer(arrays[-1], **keywords), mix))

    weights = [keras.ops.convert_to_numpy(w) for w in layer.trainable_variables]
    found = gradients(function, [*weights, x])
    outputs = numbers(layer(x, **keywords))
    after = [np.copy(w) for w in layer.get_weights()]
    layer.set_weights(start)
    return [outputs, *found, *after]


def check_alike(ours, keras_layer, x, **keywords):
    ours, peer = (
        with_drawn_weights(ours, x.shape),
        with_drawn_weights(keras_layer, x.shape),
    )
    ours.set_weights(peer.get_weights())
    found, expected = outcome(ours, x, **keywords), outcome(peer, x, **keywords)
    for one, other in zip(found, expected, strict=True):
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(one, other, 1e-4, 2e-5 * scale)
