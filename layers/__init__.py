"""Layers and what Keras looks up beside them: everything here computes on tensors."""

from .activation import Activation
from .activations import scaled_tanh
from .attention_cell import AttentionCell
from .batch_norm import BatchNormalization
from .bleu import BLEU
from .class_token import ClassToken
from .comparison import PairDistance, PairFeatures
from .concrete_dropout import ConcreteDropout
from .connection_table import ConnectionTableConv2D
from .constrain import constrain
from .constraints import MaxNorm, MinMaxNorm, UnitNorm
from .contrastive_loss import Contrastive
from .convolution import Conv2D, DepthwiseConv2D
from .decoding import (
    Decoded,
    DecodingState,
    beam_search,
    greedy_search,
    sample_sequences,
)
from .drop_block import DropBlock
from .drop_connect import DropConnect
from .drop_path import DropPath
from .edit_distance import CharacterErrorRate, WordErrorRate
from .exact_match import ExactMatch
from .group_norm import GroupNormalization
from .initializers import FanInUniform
from .instance_norm import InstanceNormalization
from .l2_normalization import L2Normalization
from .local_response_norm import LocalResponseNormalization
from .locked_dropout import LockedDropout
from .losses import (
    BoundaryWeightedCrossEntropy,
    Focal,
    LabelSmoothingCrossEntropy,
    MaximumAPosteriori,
    SoftDice,
    SoftJaccard,
    SumOfLosses,
    Tversky,
)
from .lsuv import lsuv
from .masked_average import MaskedAverage
from .masked_maximum import MaskedMaximum
from .match_size import MatchSize
from .metrics import MeanDice, MeanIoU
from .mirror_padding import MirrorPadding
from .monte_carlo import MonteCarlo
from .multi_head_attention import MultiHeadAttention
from .padded_shortcut import PaddedShortcut
from .positional_encoding import PositionalEncoding
from .radial_basis import RadialBasis
from .randomized_leaky_relu import RandomizedLeakyReLU
from .rotary_embedding import RotaryEmbedding
from .scheduled_sampling import ScheduledSampling
from .shakeout import Shakeout
from .squeeze_excite import SqueezeExcite
from .subsampling import Subsampling2D
from .text_scores import text_scores
from .token_embedding import TokenEmbedding
from .transformer_decoder_block import TransformerDecoderBlock
from .transformer_encoder_block import TransformerEncoderBlock
from .triplet_loss import Triplet
from .weight_noise import WeightNoise
from .weight_normalization import WeightNormalization
from .weight_standardization import WeightStandardization
from .whiteout import Whiteout
from .zoneout import Zoneout
from .zoneout_rnn import ZoneoutGRU, ZoneoutLSTM

__all__ = [
    "Activation",
    "AttentionCell",
    "BLEU",
    "BatchNormalization",
    "BoundaryWeightedCrossEntropy",
    "CharacterErrorRate",
    "ClassToken",
    "ConcreteDropout",
    "ConnectionTableConv2D",
    "Contrastive",
    "Conv2D",
    "Decoded",
    "DecodingState",
    "DepthwiseConv2D",
    "DropBlock",
    "DropConnect",
    "DropPath",
    "ExactMatch",
    "FanInUniform",
    "Focal",
    "GroupNormalization",
    "InstanceNormalization",
    "L2Normalization",
    "LabelSmoothingCrossEntropy",
    "LocalResponseNormalization",
    "LockedDropout",
    "MaskedAverage",
    "MaskedMaximum",
    "MatchSize",
    "MaxNorm",
    "MaximumAPosteriori",
    "MeanDice",
    "MeanIoU",
    "MinMaxNorm",
    "MirrorPadding",
    "MonteCarlo",
    "MultiHeadAttention",
    "PaddedShortcut",
    "PairDistance",
    "PairFeatures",
    "PositionalEncoding",
    "RadialBasis",
    "RandomizedLeakyReLU",
    "RotaryEmbedding",
    "ScheduledSampling",
    "Shakeout",
    "SoftDice",
    "SoftJaccard",
    "SqueezeExcite",
    "Subsampling2D",
    "SumOfLosses",
    "TokenEmbedding",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
    "Triplet",
    "Tversky",
    "UnitNorm",
    "WeightNoise",
    "WeightNormalization",
    "WeightStandardization",
    "Whiteout",
    "WordErrorRate",
    "Zoneout",
    "ZoneoutGRU",
    "ZoneoutLSTM",
    "beam_search",
    "constrain",
    "greedy_search",
    "lsuv",
    "sample_sequences",
    "scaled_tanh",
    "text_scores",
]
