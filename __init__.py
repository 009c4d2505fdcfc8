"""Kerasmith: layers, callbacks and ready architectures for Keras 3.

Importing this package costs nothing: each of its three rooms is imported when
it is first touched.

>>> import kerasmith
>>> kerasmith.__version__
'0.1.0'
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import callbacks, layers, zoo

__version__ = "0.1.0"
__all__ = ["callbacks", "layers", "zoo"]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"kerasmith.{name}")
    raise AttributeError(
        f"kerasmith has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__():
    return [*globals(), *__all__]
