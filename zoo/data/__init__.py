"""Data sets: train, dev and test pipelines of images, and what is known of them.

>>> from kerasmith.zoo import data
>>> [name for name, _ in data.names()][:3]
['digits', 'digits_seven', 'digits_unseen']
"""

from .arithmetic import arithmetic
from .boundary_weights import boundary_weights, with_boundary_weights
from .canvas import Canvas, digits_canvas
from .checks import check
from .class_batches import class_batches, pairs
from .dataset import Data
from .dates import dates
from .description import Description
from .help_topics import help_topics
from .images import read_image
from .loading import load, names
from .preprocessing import preprocessing
from .reading import reading_lines
from .scenes import Scene
from .text_pairs import TextPairs
from .texts import TextDescription, Texts, load_texts, text_names
from .turned_classes import turned_classes
from .vocabulary import Vocabulary

__all__ = [
    "Canvas",
    "Data",
    "Description",
    "Scene",
    "TextDescription",
    "TextPairs",
    "Texts",
    "Vocabulary",
    "arithmetic",
    "boundary_weights",
    "check",
    "class_batches",
    "dates",
    "digits_canvas",
    "help_topics",
    "load",
    "load_texts",
    "names",
    "pairs",
    "preprocessing",
    "read_image",
    "reading_lines",
    "text_names",
    "turned_classes",
    "with_boundary_weights",
]
