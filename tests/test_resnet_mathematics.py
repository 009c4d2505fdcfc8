"""Residual networks against the paper's formulas, written down once more in NumPy."""

import keras
import numpy as np
import pytest

from kerasmith import layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_the_padded_shortcut_takes_every_second_position():
    image = np.random.default_rng(0).normal(size=(2, 7, 4, 3)).astype("float32")
    found = numbers(layers.PaddedShortcut(5, 2)(image))
    expected = np.zeros((2, 4, 2, 5), "float32")
    for row in range(4):
        for column in range(2):
            expected[:, row, column, :3] = image[:, 2 * row, 2 * column]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("filters, stride", [(0, 1), (3, 0), (2, 1)])
def test_the_padded_shortcut_refuses_what_it_cannot_pad(filters, stride):
    with pytest.raises(ValueError, match="PaddedShortcut"):
        layers.PaddedShortcut(filters, stride)(np.ones((1, 4, 4, 3), "float32"))
