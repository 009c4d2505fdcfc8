"""Every kind of kernel, with the axes of a unit's inputs written down by hand."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from kerasmith import layers

L = keras.layers


@dataclasses.dataclass(frozen=True)
class Kind:
    """How to build a layer, inputs for it, and what its kernels are."""

    build: Callable
    shape: tuple
    # the axes of the inputs of a unit, by the path of the kernel
    axes: dict
    # the axes of the outputs that tell units apart
    features: tuple = (-1,)

    def built(self):
        """Build it, with weights that depend on no seed but this."""
        keras.utils.set_random_seed(1)
        layer = self.build()
        inputs = self.inputs()
        layer(inputs, inputs) if self.attends(layer) else layer(inputs)
        return layer

    def inputs(self):
        """Draw inputs, whole numbers for a table of embeddings."""
        if len(self.axes) == 1 and "embeddings" in self.axes:
            return np.arange(np.prod(self.shape)).reshape(self.shape) % 5
        drawn = np.random.default_rng(0).normal(size=self.shape)
        return drawn.astype("float32")

    @staticmethod
    def attends(layer):
        """Tell whether it takes a query and a value."""
        return isinstance(layer, L.MultiHeadAttention | L.GroupQueryAttention)


# one kernel, whose entries each come into one unit of the outputs
PLAIN = {
    "dense": Kind(lambda: L.Dense(3), (2, 4), {"kernel": (0,)}),
    "conv1d": Kind(lambda: L.Conv1D(3, 2), (2, 5, 4), {"kernel": (0, 1)}),
    "conv2d": Kind(lambda: L.Conv2D(3, (2, 3)), (2, 4, 5, 2), {"kernel": (0, 1, 2)}),
    "conv2d_groups": Kind(
        lambda: L.Conv2D(6, 2, groups=2), (2, 3, 4, 4), {"kernel": (0, 1, 2)}
    ),
    "conv3d": Kind(
        lambda: L.Conv3D(3, (1, 2, 2)), (2, 2, 3, 4, 2), {"kernel": (0, 1, 2, 3)}
    ),
    "conv1d_transpose": Kind(
        lambda: L.Conv1DTranspose(3, 2), (2, 5, 4), {"kernel": (0, 2)}
    ),
    "conv2d_transpose": Kind(
        lambda: L.Conv2DTranspose(3, (2, 3), strides=2),
        (2, 3, 4, 2),
        {"kernel": (0, 1, 3)},
    ),
    "conv3d_transpose": Kind(
        lambda: L.Conv3DTranspose(3, (1, 2, 2)),
        (2, 2, 3, 4, 2),
        {"kernel": (0, 1, 2, 4)},
    ),
    "depthwise1d": Kind(
        lambda: L.DepthwiseConv1D(3, depth_multiplier=2), (2, 5, 4), {"kernel": (0,)}
    ),
    "depthwise2d": Kind(
        lambda: L.DepthwiseConv2D((2, 3), depth_multiplier=2),
        (2, 4, 5, 3),
        {"kernel": (0, 1)},
    ),
    "einsum": Kind(
        lambda: L.EinsumDense("abc,cde->abde", (None, 3, 2)),
        (2, 3, 4),
        {"kernel": (0,)},
        features=(-2, -1),
    ),
    "einsum_two_summed": Kind(
        lambda: L.EinsumDense("abcd,cde->abe", (None, 5)),
        (2, 3, 4, 2),
        {"kernel": (0, 1)},
    ),
    "einsum_transposed": Kind(
        lambda: L.EinsumDense("...x,yx->...y", 3), (2, 3, 4), {"kernel": (1,)}
    ),
    "einsum_by_head": Kind(
        lambda: L.EinsumDense("bhtd,hde->bhte", (3, None, 2)),
        (2, 3, 5, 4),
        {"kernel": (1,)},
        features=(1, 3),
    ),
}

_RECURRENT = {"cell.kernel": (0,), "cell.recurrent_kernel": (0,)}
_ATTENTION = {"query": (0,), "key": (0,), "value": (0,), "output": (0, 1)}

# layers with several kernels
COMPOSED = {
    "embedding": Kind(lambda: L.Embedding(5, 3), (2, 4), {"embeddings": (1,)}),
    "separable1d": Kind(
        lambda: L.SeparableConv1D(3, 2, depth_multiplier=2),
        (2, 5, 4),
        {"depthwise_kernel": (0,), "pointwise_kernel": (0, 1)},
    ),
    "separable2d": Kind(
        lambda: L.SeparableConv2D(3, (2, 3)),
        (2, 4, 5, 3),
        {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2)},
    ),
    "simple_rnn": Kind(lambda: L.SimpleRNN(3), (2, 4, 2), _RECURRENT),
    "lstm": Kind(lambda: L.LSTM(3), (2, 4, 2), _RECURRENT),
    "gru": Kind(lambda: L.GRU(3), (2, 4, 2), _RECURRENT),
    "conv_lstm": Kind(
        lambda: L.ConvLSTM1D(2, 2),
        (2, 3, 5, 2),
        {"cell.kernel": (0, 1), "cell.recurrent_kernel": (0, 1)},
    ),
    "stacked_cells": Kind(
        lambda: L.RNN([L.GRUCell(3), L.LSTMCell(2)]),
        (2, 4, 2),
        {
            f"cell.cells.{i}.{name}": (0,)
            for i in (0, 1)
            for name in ("kernel", "recurrent_kernel")
        },
    ),
    "bidirectional": Kind(
        lambda: L.Bidirectional(L.LSTM(2)),
        (2, 4, 3),
        {
            f"{way}_layer.{path}": axes
            for way in ("forward", "backward")
            for path, axes in _RECURRENT.items()
        },
    ),
    "time_distributed": Kind(
        lambda: L.TimeDistributed(L.Conv1DTranspose(3, 2)),
        (2, 4, 5, 2),
        {"layer.kernel": (0, 2)},
    ),
    "spectral": Kind(
        lambda: L.SpectralNormalization(L.Dense(3)), (2, 4), {"layer.kernel": (0,)}
    ),
    "attention": Kind(
        lambda: L.MultiHeadAttention(2, 3),
        (2, 5, 4),
        {f"{name}_dense.kernel": axes for name, axes in _ATTENTION.items()},
    ),
    "grouped_attention": Kind(
        lambda: L.GroupQueryAttention(3, 4, 2),
        (2, 5, 4),
        {f"_{name}_dense.kernel": axes for name, axes in _ATTENTION.items()},
    ),
    "our_attention": Kind(
        lambda: layers.MultiHeadAttention(4, 3, num_key_value_heads=2),
        (2, 5, 4),
        {f"{name}_dense.kernel": axes for name, axes in _ATTENTION.items()},
    ),
}
KINDS = {**PLAIN, **COMPOSED}
