"""Callbacks: what steers training."""

from .bias_variance import BiasVariance, bias_variance
from .check_gradients import check_gradients
from .history_log import HistoryLog
from .keep_best import KeepBest
from .overfit_small_batch import overfit_small_batch
from .resume import Resume

__all__ = [
    "BiasVariance",
    "HistoryLog",
    "KeepBest",
    "Resume",
    "bias_variance",
    "check_gradients",
    "overfit_small_batch",
]
