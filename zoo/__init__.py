"""Ready things: architectures, data sets, recipes, and the tools around them.

>>> from kerasmith import zoo
>>> zoo.names()[:2]
['lenet5', 'lenet5_modern']
"""

import importlib
from typing import TYPE_CHECKING

from .alexnet import alexnet
from .auxiliary import (
    compile_with_auxiliary,
    repeat_targets,
    without_auxiliary,
)
from .efficientnet import efficientnet
from .inception import inception
from .lenet import lenet
from .mobilenet import mobilenet
from .nin import nin
from .parts import Parts
from .registry import build, names, summary
from .resnet import resnet
from .siamese import siamese
from .unet import unet
from .vgg import vgg
from .vit import vit

__all__ = [
    "Gallery",
    "Parts",
    "alexnet",
    "build",
    "card",
    "compile_with_auxiliary",
    "data",
    "efficientnet",
    "export",
    "finetune",
    "inception",
    "lenet",
    "mobilenet",
    "names",
    "nin",
    "recipes",
    "repeat_targets",
    "resnet",
    "siamese",
    "stage_rates",
    "stages",
    "summary",
    "tools",
    "train",
    "unet",
    "vgg",
    "vit",
    "without_auxiliary",
]

if TYPE_CHECKING:
    from . import data, recipes, tools
    from .tools import Gallery, card, export, finetune, stage_rates, stages, train

_ROOMS = ("data", "recipes", "tools")
_TOOLS = ("Gallery", "card", "export", "finetune", "stage_rates", "stages", "train")


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
