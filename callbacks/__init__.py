"""Callbacks: what steers training."""

from .gradient_clipping import GradientClipping
from .history_log import HistoryLog
from .keep_best import KeepBest
from .resume import Resume

__all__ = ["GradientClipping", "HistoryLog", "KeepBest", "Resume"]
