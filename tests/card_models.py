"""Models of one layer, and their count."""

import keras
import numpy as np

from kerasmith.zoo.tools.card import card


def ones(shape):
    return np.ones(shape, "float32")


def call(layer, *shapes, **kwargs):
    """Give a model of one layer."""
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = layer(*inputs, **kwargs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def number(model, **kwargs):
    """Give the multiply-accumulates of a model in which all is counted."""
    result = card(model, **kwargs)
    assert result.uncounted == ()
    assert result.parameters == model.count_params()
    return result.multiply_accumulates


# --- graphs --------------------------------------------------------------------------
