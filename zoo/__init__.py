"""Ready things: architectures, data sets, recipes, and the tools around them.

>>> from kerasmith import zoo
>>> zoo.names()[:4]
['lenet5', 'lenet5_modern', 'resnet18', 'resnet34']
"""

import importlib
from typing import TYPE_CHECKING

from .lenet import lenet
from .parts import Parts
from .registry import build, names, summary
from .resnet import resnet

__all__ = [
    "Parts",
    "build",
    "card",
    "data",
    "export",
    "finetune",
    "lenet",
    "names",
    "recipes",
    "resnet",
    "stage_rates",
    "stages",
    "summary",
    "tools",
    "train",
]

if TYPE_CHECKING:
    from . import data, recipes, tools
    from .tools import card, export, finetune, stage_rates, stages, train

_ROOMS = ("data", "recipes", "tools")
_TOOLS = ("card", "export", "finetune", "stage_rates", "stages", "train")


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __package__)
    if name in _TOOLS:
        return getattr(importlib.import_module(".tools", __package__), name)
    raise AttributeError(
        f"kerasmith.zoo has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__():
    return [*globals(), *_ROOMS, *_TOOLS]
