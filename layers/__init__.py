"""Layers and what Keras looks up beside them: everything here computes on tensors."""

from .activations import scaled_tanh
from .batch_norm import BatchNormalization
from .connection_table import ConnectionTableConv2D
from .constrain import constrain
from .constraints import MaxNorm, MinMaxNorm, UnitNorm
from .drop_path import DropPath
from .group_norm import GroupNormalization
from .initializers import FanInUniform
from .instance_norm import InstanceNormalization
from .losses import MaximumAPosteriori
from .lsuv import lsuv
from .radial_basis import RadialBasis
from .subsampling import Subsampling2D

__all__ = [
    "BatchNormalization",
    "ConnectionTableConv2D",
    "DropPath",
    "FanInUniform",
    "GroupNormalization",
    "InstanceNormalization",
    "MaxNorm",
    "MaximumAPosteriori",
    "MinMaxNorm",
    "RadialBasis",
    "Subsampling2D",
    "UnitNorm",
    "constrain",
    "lsuv",
    "scaled_tanh",
]
