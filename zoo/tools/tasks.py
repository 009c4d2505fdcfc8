"""What networks are for: how each kind is fed, judged, exported and shown.

A task is a module with these functions, which a training run calls in this order:

    load(recipe)                   the data
    options(recipe, data)          what `kerasmith.zoo.build` is told beside the recipe
    feed(recipe, data)             batches: `train`, `dev`, `steps` and `seek`
    metrics(data)                  of `compile`
    example_shape(recipe)          the shape of one example, for `card`
    check(data, model)             refuse data that the model cannot learn from
    judge(recipe, model, data)     a verdict on the test examples, with its `scores`
    samples(data)                  what exported files are compared by
    export(model, recipe, ...)     files that run without Keras
    show(...)                      pictures and the report
"""

import importlib

from .. import registry
from ..recipes.text_recipe import TextRecipe

TASKS = (
    "classification",
    "segmentation",
    "similarity",
    "text_classification",
    "translation",
)
OF_TEXTS = ("text_classification", "translation")


def task_of(recipe):
    """Give the task of a recipe's network.

    Args:
        recipe: `Recipe`.

    Returns:
        Module.

    Raises:
        ValueError: If there is no such network, nobody trains it by recipes, or it
            reads images and the recipe is one of texts, or the other way round.

    Example:

    >>> from .. import recipes
    >>> task_of(recipes.get("lenet5_digits")).__name__.rpartition(".")[2]
    'classification'
    """
    name = registry.variant(recipe.model).task
    if name not in TASKS:
        raise ValueError(
            f"{recipe.model} has no recipes: build it by kerasmith.zoo.build and train "
            "it by fit."
        )
    of_texts = isinstance(recipe, TextRecipe)
    if of_texts != (name in OF_TEXTS):
        reads, kind = ("images", "texts") if of_texts else ("texts", "images")
        other = "lenet5_digits" if of_texts else "transformer_help_topics"
        raise ValueError(
            f"{recipe.model} reads {reads}, and {recipe.name} is a recipe of {kind}: "
            f"start from a recipe of {reads}, such as {other}."
        )
    return importlib.import_module(f".{name}", __package__)
