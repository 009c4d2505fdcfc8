"""Callbacks: what steers training."""

from .gradient_clipping import GradientClipping
from .history_log import HistoryLog
from .keep_best import KeepBest
from .learning_rate import LearningRate
from .plateau import Plateau
from .range_test import find_learning_rate
from .bias_variance import BiasVariance, bias_variance
from .check_gradients import check_gradients
from .history_log import HistoryLog
from .keep_best import KeepBest
from .overfit_small_batch import overfit_small_batch
from .resume import Resume
from .shuffled_batches import ShuffledBatches

__all__ = ["HistoryLog", "KeepBest", "Resume", "ShuffledBatches"]
__all__ = ["GradientClipping", "HistoryLog", "KeepBest", "Resume"]
from .dropout_schedule import DropoutSchedule
from .freeze_schedule import FreezeSchedule
from .early_stopping import EarlyStopping
from .history_log import HistoryLog
from .keep_best import KeepBest
from .prechelt import GeneralizationLoss, ProgressQuotient, UpSuccessive
from .refit import Refitted, refit
from .resume import Resume
from .training_monitor import TrainingMonitor

__all__ = [
    "DropoutSchedule",
    "FreezeSchedule",
    "HistoryLog",
    "KeepBest",
    "Resume",
    "TrainingMonitor",
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
__all__ = [
    "BiasVariance",
    "HistoryLog",
    "KeepBest",
    "Resume",
    "bias_variance",
    "check_gradients",
    "overfit_small_batch",
]
