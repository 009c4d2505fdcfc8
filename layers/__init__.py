"""Layers and what Keras looks up beside them: everything here computes on tensors."""

from .activations import scaled_tanh
from .connection_table import ConnectionTableConv2D
from .drop_path import DropPath
from .initializers import FanInUniform
from .losses import MaximumAPosteriori
from .radial_basis import RadialBasis
from .subsampling import Subsampling2D

__all__ = [
    "ConnectionTableConv2D",
    "DropPath",
    "FanInUniform",
    "MaximumAPosteriori",
    "RadialBasis",
    "Subsampling2D",
    "scaled_tanh",
]
