"""Layers and what Keras looks up beside them: everything here computes on tensors."""

from .activations import scaled_tanh
from .attention_cell import AttentionCell
from .batch_norm import BatchNormalization
from .concrete_dropout import ConcreteDropout
from .connection_table import ConnectionTableConv2D
from .constrain import constrain
from .constraints import MaxNorm, MinMaxNorm, UnitNorm
from .drop_block import DropBlock
from .drop_connect import DropConnect
from .drop_path import DropPath
from .group_norm import GroupNormalization
from .initializers import FanInUniform
from .instance_norm import InstanceNormalization
from .locked_dropout import LockedDropout
from .losses import MaximumAPosteriori
from .lsuv import lsuv
from .monte_carlo import MonteCarlo
from .radial_basis import RadialBasis
from .randomized_leaky_relu import RandomizedLeakyReLU
from .shakeout import Shakeout
from .subsampling import Subsampling2D
from .weight_noise import WeightNoise
from .weight_normalization import WeightNormalization
from .weight_standardization import WeightStandardization
from .whiteout import Whiteout
from .zoneout import Zoneout
from .zoneout_rnn import ZoneoutGRU, ZoneoutLSTM

__all__ = [
    "AttentionCell",
    "BatchNormalization",
    "ConcreteDropout",
    "ConnectionTableConv2D",
    "DropBlock",
    "DropConnect",
    "DropPath",
    "FanInUniform",
    "GroupNormalization",
    "InstanceNormalization",
    "LockedDropout",
    "MaxNorm",
    "MaximumAPosteriori",
    "MinMaxNorm",
    "MonteCarlo",
    "RadialBasis",
    "RandomizedLeakyReLU",
    "Shakeout",
    "Subsampling2D",
    "UnitNorm",
    "WeightNoise",
    "WeightNormalization",
    "WeightStandardization",
    "Whiteout",
    "Zoneout",
    "ZoneoutGRU",
    "ZoneoutLSTM",
    "constrain",
    "lsuv",
    "scaled_tanh",
]
