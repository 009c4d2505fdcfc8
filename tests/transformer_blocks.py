"""Blocks of a Transformer with drawn weights, for the tests of their mathematics."""

import keras
import numpy as np
import pytest

from kerasmith import layers

HEADS, WIDTH, DEPTH, MEMORY = 2, 10, 6, 4
PADDING = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0]], bool)
SOURCE = np.array([[1, 1, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0], [1] * 7], bool)
every_order = pytest.mark.parametrize(
    "norm_first", [False, True], ids=["post-norm", "pre-norm"]
)


def drawn(*shape, seed=0):
    """Draw an array."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    """Give a tensor's numbers in float32."""
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def tensor(array):
    """Give a tensor of an array."""
    return keras.ops.convert_to_tensor(array)


def randomized(block):
    """Draw all trainable weights, biases and norms too."""
    for i, weight in enumerate(block.trainable_weights):
        weight.assign(0.5 * drawn(*weight.shape, seed=100 + i))
    return block


def make_encoder(**keywords):
    """Build an encoder's block for inputs of six dimensions."""
    block = layers.TransformerEncoderBlock(HEADS, WIDTH, **keywords)
    block.build((None, None, DEPTH))
    return randomized(block)


def make_decoder(**keywords):
    """Build a decoder's block for inputs of six dimensions, and a memory of four."""
    block = layers.TransformerDecoderBlock(HEADS, WIDTH, **keywords)
    block.build((None, None, DEPTH), (None, None, MEMORY))
    return randomized(block)
