"""What surrounds a model: training runs, evaluation, cards, reports, export."""

from .calibration import Calibration, calibration, fit_temperature
from .card import Card, card
from .ensemble import ensemble, export_ensemble
from .evaluate import Evaluation, evaluate
from .evaluation_page import tell_evaluation, write_evaluation
from .export import ExportMismatch, export
from .export_best import ExportBest
from .finetune import finetune, stage_rates, stages
from .finished import export_run, predict_files, tell
from .parity import load_saved, predict_images
from .run import Run, train

__all__ = [
    "Calibration",
    "Card",
    "Evaluation",
    "ExportBest",
    "ExportMismatch",
    "Run",
    "calibration",
    "card",
    "ensemble",
    "evaluate",
    "export",
    "export_ensemble",
    "export_run",
    "finetune",
    "fit_temperature",
    "load_saved",
    "predict_files",
    "predict_images",
    "stage_rates",
    "stages",
    "tell",
    "tell_evaluation",
    "train",
    "write_evaluation",
]
