"""Weights drawn at random, in which no statistic is 0 or 1 and maps keep their size."""

import keras
import numpy as np

# Keras divides EfficientNet's pixels by the deviation in two steps, the second of which
# is there with its weights only
MEAN = np.array([0.485, 0.456, 0.406], "float32")
DEVIATION = np.array([0.229, 0.224, 0.225], "float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def draw(model, gain=1.0):
    """Draw all weights of a functional model, and give it back.

    The gain is that of each kernel: 1.4 keeps what a ReLU halves, and branches that are
    added to shortcuts grow with less.
    """
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            if layer.weights:
                layer.adapt_mean.assign(MEAN)
                layer.adapt_variance.assign(DEVIATION**2)
                layer.finalize_state()
            continue
        for weight in layer.weights:
            if tuple(weight.shape):  # no rate of a layer that drops
                weight.assign(drawn(random, weight, gain).astype("float32"))
    return model


def drawn(random, weight, gain):
    kind, shape = weight.name, tuple(weight.shape)
    if kind in ("bias", "beta", "moving_mean"):
        return random.normal(0, 0.3, shape)
    if kind in ("gamma", "moving_variance"):
        return random.uniform(0.5, 1.5, shape)
    # a depthwise kernel has one filter for each channel
    fan_in = np.prod(shape[:2]) if shape[-1] == 1 else np.prod(shape[:-1])
    return random.standard_normal(shape, "float32") * (gain * fan_in**-0.5)
