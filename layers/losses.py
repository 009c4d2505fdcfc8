"""Losses that Keras does not have, or not as networks for segmentation need them."""

from .label_smoothing import LabelSmoothingCrossEntropy
from .maximum_a_posteriori import MaximumAPosteriori
from .overlap_losses import SoftDice, SoftJaccard, Tversky
from .pixel_losses import BoundaryWeightedCrossEntropy, Focal
from .sum_of_losses import SumOfLosses

__all__ = [
    "BoundaryWeightedCrossEntropy",
    "Focal",
    "LabelSmoothingCrossEntropy",
    "MaximumAPosteriori",
    "SoftDice",
    "SoftJaccard",
    "SumOfLosses",
    "Tversky",
]
