"""Callbacks: what steers training."""

from .history_log import HistoryLog
from .keep_best import KeepBest
from .learning_rate import LearningRate
from .plateau import Plateau
from .range_test import find_learning_rate
from .resume import Resume
from .schedules import Noam, OneCycle, StepDecay

__all__ = [
    "HistoryLog",
    "KeepBest",
    "LearningRate",
    "Noam",
    "OneCycle",
    "Plateau",
    "Resume",
    "StepDecay",
    "find_learning_rate",
]
