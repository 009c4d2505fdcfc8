"""Callbacks: what steers training."""

from .bias_variance import BiasVariance
from .check_gradients import check_gradients
from .discriminative_rates import DiscriminativeLearningRates
from .dropout_schedule import DropoutSchedule
from .early_stopping import EarlyStopping
from .error_gaps import bias_variance
from .freeze_schedule import FreezeSchedule
from .gradient_clipping import GradientClipping
from .history_log import HistoryLog
from .keep_best import KeepBest
from .learning_rate import LearningRate
from .norm_statistics import recompute_statistics
from .overfit_small_batch import overfit_small_batch
from .plateau import Plateau
from .prechelt import GeneralizationLoss, ProgressQuotient, UpSuccessive
from .precise_batch_norm import PreciseBatchNorm
from .range_test import find_learning_rate
from .refit import Refitted, refit
from .resume import Resume
from .schedules import Noam, OneCycle, StepDecay
from .shuffled_batches import ShuffledBatches
from .stopping import Criterion, Curves
from .stopping_criteria import Diverged, Patience, Threshold, TimeBudget
from .training_monitor import TrainingMonitor
from .weight_average import WeightAverage

__all__ = [
    "BiasVariance",
    "Criterion",
    "Curves",
    "DiscriminativeLearningRates",
    "Diverged",
    "DropoutSchedule",
    "EarlyStopping",
    "FreezeSchedule",
    "GeneralizationLoss",
    "GradientClipping",
    "HistoryLog",
    "KeepBest",
    "LearningRate",
    "Noam",
    "OneCycle",
    "Patience",
    "Plateau",
    "PreciseBatchNorm",
    "ProgressQuotient",
    "Refitted",
    "Resume",
    "ShuffledBatches",
    "StepDecay",
    "Threshold",
    "TimeBudget",
    "TrainingMonitor",
    "UpSuccessive",
    "WeightAverage",
    "bias_variance",
    "check_gradients",
    "find_learning_rate",
    "overfit_small_batch",
    "recompute_statistics",
    "refit",
]
