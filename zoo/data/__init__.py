"""Data sets: train, dev and test pipelines of images, and what is known of them.

>>> from kerasmith.zoo import data
>>> [name for name, _ in data.names()]
['digits', 'tfds:NAME', 'folder:PATH']
"""

from .checks import check
from .dataset import Data
from .description import Description
from .images import read_image
from .loading import load, names
from .preprocessing import preprocessing

__all__ = [
    "Data",
    "Description",
    "check",
    "load",
    "names",
    "preprocessing",
    "read_image",
]
