"""Recipes: data, model, loss, optimizer and callbacks with a promised result."""

import importlib
import pathlib

from ..choices import choose
from .recipe import (
    Promise,
    Recipe,
    from_config,
    read_config,
    to_config,
    with_settings,
)
from .text_recipe import TextRecipe

__all__ = [
    "Promise",
    "Recipe",
    "TextRecipe",
    "from_config",
    "get",
    "names",
    "read_config",
    "to_config",
    "with_settings",
]

# one recipe a file, which calls it RECIPE
_NAMES = (
    "lenet5_digits",
    "alexnet_one_weird_trick_digits",
    "vgg11_bn_digits",
    "nin_cifar10_digits",
    "googlenet_bn_digits",
    "resnet20_digits",
    "mobilenet_v2_035_digits",
    "efficientnet_b0_digits",
    "resnet20_cifar10",
    "nin_cifar10",
    "mobilenet_v2_cifar10",
    "vgg16_imagefolder",
    "resnet50_imagenet",
    "efficientnet_b0_imagenet",
    "unet_digits_canvas",
    "siamese_digits",
    "transformer_tiny_dates",
    "seq2seq_dates",
    "seq2seq_arithmetic",
    "transformer_help_topics",
    "bilstm_help_topics",
    "transformer_imdb",
    "unet_oxford_iiit_pet",
    "siamese_omniglot",
    "transformer_base_ted",
    "transformer_base_wmt",
    "resnet20_digits_seven",
    "resnet20_digits_few",
    "resnet50_finetune",
)


def names():
    """Name every recipe.

    Returns:
        List of names.

    Example:

    >>> names()[0]
    'lenet5_digits'
    """
    return list(_NAMES)


def get(name):
    """Get a recipe by its name, or from the configuration of a run.

    Args:
        name: One of `names()`, or the path of a run's `config.json`.

    Returns:
        `Recipe`.

    Raises:
        ValueError: If there is no such recipe, or the file is none.
        OSError: If the file cannot be read.

    Example:

    >>> get("lenet5_digits").model
    'lenet5'
    """
    if str(name).endswith(".json"):
        config = read_config(pathlib.Path(name))["recipe"]
        return from_config(config, get(config["name"]))
    choose("recipe", name, _NAMES)
    return importlib.import_module(f".{name}", __name__).RECIPE
