"""Callbacks: what steers training."""

from .history_log import HistoryLog
from .keep_best import KeepBest
from .norm_statistics import recompute_statistics
from .precise_batch_norm import PreciseBatchNorm
from .resume import Resume
from .weight_average import WeightAverage

__all__ = [
    "HistoryLog",
    "KeepBest",
    "PreciseBatchNorm",
    "Resume",
    "WeightAverage",
    "recompute_statistics",
]
