"""Callbacks: what steers training."""

from .early_stopping import EarlyStopping
from .history_log import HistoryLog
from .keep_best import KeepBest
from .prechelt import GeneralizationLoss, ProgressQuotient, UpSuccessive
from .refit import Refitted, refit
from .resume import Resume
from .stopping import Criterion, Curves
from .stopping_criteria import Diverged, Patience, Threshold, TimeBudget

__all__ = [
    "Criterion",
    "Curves",
    "Diverged",
    "EarlyStopping",
    "GeneralizationLoss",
    "HistoryLog",
    "KeepBest",
    "Patience",
    "ProgressQuotient",
    "Refitted",
    "Resume",
    "Threshold",
    "TimeBudget",
    "UpSuccessive",
    "refit",
]
