"""Searching for hyperparameters: the search, its record, its report."""

from ..tools.search import recipe_space, settings_of, space, with_values
from .coarse_to_fine import CoarseToFine, CoarseToFineOracle
from .hparams import write_hparams
from .hypermodel import RecipeHyperModel
from .importances import importance
from .own_model import Search
from .record import Execution, SearchRecord, TrialRecord
from .search_page import write_search_page
from .tune import Found, join, tune

__all__ = [
    "CoarseToFine",
    "CoarseToFineOracle",
    "Execution",
    "Found",
    "RecipeHyperModel",
    "Search",
    "SearchRecord",
    "TrialRecord",
    "importance",
    "join",
    "recipe_space",
    "settings_of",
    "space",
    "tune",
    "with_values",
    "write_hparams",
    "write_search_page",
]
