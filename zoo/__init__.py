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
from .recurrent_classifier import recurrent_classifier
from .registry import build, names, summary
from .resnet import resnet
from .seq2seq import seq2seq
from .siamese import siamese
from .steps import steps_of
from .transformer import transformer
from .unet import unet
from .vgg import vgg
from .vit import vit

__all__ = [
    "Gallery",
    "Parts",
    "Translator",
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
    "recurrent_classifier",
    "repeat_targets",
    "resnet",
    "seq2seq",
    "siamese",
    "stage_rates",
    "stages",
    "steps_of",
    "summary",
    "tools",
    "train",
    "transformer",
    "tune",
    "tuning",
    "unet",
    "vgg",
    "vit",
    "without_auxiliary",
]

if TYPE_CHECKING:
    from . import data, recipes, tools, tuning
    from .tools import (
        Gallery,
        Translator,
        card,
        export,
        finetune,
        stage_rates,
        stages,
        train,
    )
    from .tuning import tune

_ROOMS = ("data", "recipes", "tools", "tuning")
_TOOLS = ("Gallery", "Translator", "card", "export", "finetune")
_TOOLS += ("stage_rates", "stages", "train")


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __package__)
    if name == "tune":
        return importlib.import_module(".tuning", __package__).tune
    if name in _TOOLS:
        return getattr(importlib.import_module(".tools", __package__), name)
    raise AttributeError(
        f"kerasmith.zoo has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__():
    return [*globals(), *_ROOMS, *_TOOLS, "tune"]
