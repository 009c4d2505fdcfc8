"""What surrounds a model: training runs, evaluation, cards, reports, export."""

from .alignments import Alignment
from .calibration import Calibration, calibration, fit_temperature
from .card import Card, card
from .ensemble import ensemble, export_ensemble
from .evaluate import Evaluation, evaluate
from .evaluation_page import tell_evaluation, write_evaluation
from .export import ExportMismatch, export
from .export_best import ExportBest
from .finetune import finetune, stage_rates, stages
from .finished import export_run, task_name, tell
from .gallery import Gallery
from .parity import load_saved
from .predicting import (
    predict_files,
    predict_images,
    predict_masks,
    predict_pairs,
)
from .predicting_texts import predict_texts
from .receptive_field import ReceptiveField, receptive_field
from .run import Run, train
from .tile_plan import Plan, plan_tiles
from .tiles import in_tiles, predict_tiled
from .translating import Translated, translate_texts
from .translator import Translation, Translator
from .verification import (
    OneShot,
    accuracy_at,
    area_under_curve,
    best_threshold,
    equal_error_rate,
    one_shot_accuracy,
    recall_at_k,
    roc,
)

__all__ = [
    "Alignment",
    "Calibration",
    "Card",
    "Evaluation",
    "ExportBest",
    "ExportMismatch",
    "Gallery",
    "OneShot",
    "Plan",
    "ReceptiveField",
    "Run",
    "Translated",
    "Translation",
    "Translator",
    "accuracy_at",
    "area_under_curve",
    "best_threshold",
    "calibration",
    "card",
    "ensemble",
    "equal_error_rate",
    "evaluate",
    "export",
    "export_ensemble",
    "export_run",
    "finetune",
    "fit_temperature",
    "in_tiles",
    "load_saved",
    "one_shot_accuracy",
    "plan_tiles",
    "predict_files",
    "predict_images",
    "predict_masks",
    "predict_pairs",
    "predict_texts",
    "predict_tiled",
    "recall_at_k",
    "receptive_field",
    "roc",
    "stage_rates",
    "stages",
    "task_name",
    "tell",
    "tell_evaluation",
    "train",
    "translate_texts",
    "write_evaluation",
]
