"""Callbacks: what steers training."""

from .check_gradients import check_gradients
from .history_log import HistoryLog
from .keep_best import KeepBest
from .resume import Resume

__all__ = ["HistoryLog", "KeepBest", "Resume", "check_gradients"]
