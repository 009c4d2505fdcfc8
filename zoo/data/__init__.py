"""Data sets: train, dev and test pipelines of images, and what is known of them.

>>> from kerasmith.zoo import data
>>> [name for name, _ in data.names()][:3]
['digits', 'digits_seven', 'digits_unseen']
"""

from .boundary_weights import boundary_weights, with_boundary_weights
from .canvas import Canvas, digits_canvas
from .checks import check
from .class_batches import class_batches, pairs
from .dataset import Data
from .description import Description
from .images import read_image
from .loading import load, names
from .preprocessing import preprocessing
from .reading import reading_lines
from .scenes import Scene
from .turned_classes import turned_classes

__all__ = [
    "Canvas",
    "Data",
    "Description",
    "Scene",
    "boundary_weights",
    "check",
    "class_batches",
    "digits_canvas",
    "load",
    "names",
    "pairs",
    "preprocessing",
    "read_image",
    "reading_lines",
    "turned_classes",
    "with_boundary_weights",
]
