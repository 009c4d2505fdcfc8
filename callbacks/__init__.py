"""Callbacks: what steers training."""

from .history_log import HistoryLog
from .keep_best import KeepBest
from .resume import Resume

__all__ = ["HistoryLog", "KeepBest", "Resume"]
