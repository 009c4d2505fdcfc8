"""Callbacks: what steers training."""

from .dropout_schedule import DropoutSchedule
from .history_log import HistoryLog
from .keep_best import KeepBest
from .resume import Resume

__all__ = ["DropoutSchedule", "HistoryLog", "KeepBest", "Resume"]
