"""What surrounds a model: training runs, cards, reports, export."""

from .card import Card, card
from .export import ExportMismatch, export
from .export_best import ExportBest
from .finetune import finetune, stage_rates, stages
from .finished import export_run, predict_files, tell
from .parity import load_saved, predict_images
from .run import Run, train

__all__ = [
    "Card",
    "ExportBest",
    "ExportMismatch",
    "Run",
    "card",
    "export",
    "export_run",
    "finetune",
    "load_saved",
    "predict_files",
    "predict_images",
    "stage_rates",
    "stages",
    "tell",
    "train",
]
