"""Random weights for a network of keras.applications, and the same in ours."""

import keras
import numpy as np

from kerasmith import layers


def randomize(model, seed=0):
    """Draw all weights, so that maps keep their size and no statistic is 0 or 1."""
    draw = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.path.endswith(("moving_variance", "gamma")):
            value = draw.uniform(0.5, 1.5, shape)
        elif len(shape) == 4:
            # a depthwise kernel has one output channel for each input channel
            inputs = shape[0] * shape[1] * (1 if shape[3] == 1 else shape[2])
            value = draw.normal(0, (2 / inputs) ** 0.5, shape)
        elif len(shape) == 2:
            value = draw.normal(0, shape[0] ** -0.5, shape)
        else:
            value = draw.normal(0, 0.2, shape)
        variable.assign(value.astype("float32"))


def copy(theirs, ours):
    """Copy weights in the order of the layers: both have the same, under other names.

    A dense layer and a 1 x 1 convolution have the same numbers in other shapes.
    """
    values = [
        value
        for layer in theirs.layers
        if not isinstance(layer, keras.layers.Normalization)
        for value in layer.get_weights()
    ]
    variables = [
        variable
        for layer in ours.layers
        if not isinstance(layer, layers.DropPath)  # its rate is a variable
        for variable in layer.weights
    ]
    for variable, value in zip(variables, values, strict=True):
        assert _longer(variable.shape) == _longer(value.shape), variable.path
        variable.assign(value.reshape(variable.shape))


def _longer(shape):
    """Leave out sizes of 1."""
    return [size for size in shape if size != 1]
