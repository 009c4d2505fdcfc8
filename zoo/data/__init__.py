"""Data sets: train, dev and test pipelines of images, and what is known of them.

>>> from kerasmith.zoo import data
>>> [name for name, _ in data.names()]
['digits', 'digits_seven', 'digits_few', 'tfds:NAME', 'folder:PATH']
"""

from .canvas import Canvas, digits_canvas
from .checks import check
from .dataset import Data
from .description import Description
from .images import read_image
from .loading import load, names
from .preprocessing import preprocessing
from .reading import reading_lines
from .scenes import Scene

__all__ = [
    "Canvas",
    "Data",
    "Description",
    "Scene",
    "check",
    "digits_canvas",
    "load",
    "names",
    "preprocessing",
    "read_image",
    "reading_lines",
]
