"""Callbacks: what steers training."""

from .dropout_schedule import DropoutSchedule
from .freeze_schedule import FreezeSchedule
from .history_log import HistoryLog
from .keep_best import KeepBest
from .resume import Resume
from .training_monitor import TrainingMonitor

__all__ = [
    "DropoutSchedule",
    "FreezeSchedule",
    "HistoryLog",
    "KeepBest",
    "Resume",
    "TrainingMonitor",
]
