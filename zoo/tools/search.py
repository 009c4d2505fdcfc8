"""Architectures and recipes as spaces that keras-tuner searches.

    values = space(hp, "resnet")           # a family: its variants, parts, training
    values = recipe_space(hp, recipe)      # what may vary in a recipe
    trial = with_values(recipe, values)    # the recipe that was chosen

`Parts.from_hyperparameters(hp)` chooses the parts of a model of one's own.
"""

import dataclasses
import importlib

from .. import registry
from ..choices import choose
from ..recipes.recipe import NOAM
from ..space import declare
from ..space_rows import LABEL_SMOOTHING, TRAINING, OneOf

SMOOTHED = "kerasmith>LabelSmoothingCrossEntropy"
CROSS_ENTROPIES = ("SparseCategoricalCrossentropy", SMOOTHED)
OF_THE_OPTIMIZER = ("momentum", "nesterov", "weight_decay")
FIELDS = ("batch_size", "schedule", "clipping", "stopping", "learning_rate")


def space(hp, family, *, fixed=None, vary=None):
    """Declare a family of architectures, and their training, as a search space.

    Args:
        hp: `keras_tuner.HyperParameters`.
        family: Name of a family, such as `"resnet"`, whose variants are searched too,
            or of one architecture, such as `"resnet20"`.
        fixed: Mapping of settings that do not vary to their values: `{"norm":
            "group:8", "batch_size": 32}`.
        vary: Names of the settings that vary, all if `None`; or a mapping of them to
            the values left to them, `None` for all.

    Returns:
        Mapping of settings to values: the variant, its parts as text, the optimizer,
        its learning rate, ... Those that a choice leaves out are missing.

    Raises:
        ValueError: If the family or a setting is unknown, or a value is outside its
            range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> chosen = space(hp, "resnet", vary=["norm", "variant"])
    >>> chosen
    {'variant': 'resnet18', 'norm': 'batch:0.9'}
    >>> parts = {name: value for name, value in chosen.items() if name != "variant"}
    >>> registry.build(chosen["variant"], classes=10, **parts).output_shape
    (None, 10)
    """
    return declare(hp, table_of(family), fixed=fixed, vary=vary)


def table_of(family):
    """Give the table of all that may vary in a family and in its training.

    Args:
        family: Name of a family, or of one architecture.

    Returns:
        Mapping of names to rows, see `kerasmith.zoo.space_rows`.

    Raises:
        ValueError: If there is none of that name.

    Example:

    >>> list(table_of("lenet"))[:2]
    ['variant', 'norm']
    """
    names = registry.names()
    choose("family or architecture", family, [*registry.FAMILIES, *names])
    if family in registry.FAMILIES:
        module = importlib.import_module(f"..{family}", __package__)
        variants = {"variant": OneOf(tuple(module.VARIANTS))}
    else:
        module = importlib.import_module(f"..{registry.family(family)}", __package__)
        variants = {}
    return {**variants, **module.SPACE, **TRAINING, **LABEL_SMOOTHING}


def recipe_table(recipe):
    """Give the table of all that may vary in a recipe.

    Args:
        recipe: `Recipe`.

    Returns:
        Mapping of names to rows; the variants of its family among them.

    Example:

    >>> from .. import recipes
    >>> recipe_table(recipes.get("resnet20_digits"))["variant"].values[0]
    'resnet18'
    """
    table = table_of(registry.family(recipe.model))
    if not _smooths(recipe):
        table.pop("label_smoothing")
    if recipe.schedule == NOAM:  # its warm-up is steps, and the rate falls by them
        table.pop("schedule")
        table["warmup"] = OneOf((1000, 2000, 4000, 8000))
    return table


def recipe_space(hp, recipe, *, fixed=None, vary=None):
    """Declare what may vary in a recipe as a search space.

    Args:
        hp: `keras_tuner.HyperParameters`.
        recipe: `Recipe`; its own settings are the defaults, and hold where nothing
            varies.
        fixed: As for `space`.
        vary: As for `space`; all but the variant if `None`.

    Returns:
        Mapping of settings to values, for `with_values`.

    Raises:
        ValueError: If a setting is unknown, or a value is outside its range.

    Example:

    >>> import keras_tuner
    >>> from .. import recipes
    >>> hp = keras_tuner.HyperParameters()
    >>> recipe_space(hp, recipes.get("resnet20_digits"), vary=["learning_rate"])
    {'learning_rate': 0.05, 'optimizer': 'sgd'}
    """
    table, fixed = recipe_table(recipe), dict(fixed or {})
    if vary is None and "variant" not in fixed:
        table.pop("variant")
    return declare(hp, table, fixed=fixed, vary=vary, base=settings_of(recipe))


def settings_of(recipe):
    """Give the settings that a recipe has, as far as text and numbers can say them.

    Args:
        recipe: `Recipe`.

    Returns:
        Mapping of settings to values.

    Example:

    >>> from .. import recipes
    >>> settings_of(recipes.get("resnet20_digits"))["momentum"]
    0.9
    """
    found = {"variant": recipe.model, "optimizer": recipe.optimizer}
    found |= {name: getattr(recipe, name) for name in (*FIELDS, "warmup")}
    found |= recipe.optimizer_options
    found |= {"clipping": recipe.clipping or "none"}
    patience = f"patience:{recipe.patience}" if recipe.patience else "none"
    found |= {"stopping": recipe.stopping or patience}
    if _smooths(recipe):
        found["label_smoothing"] = _smoothing(recipe.loss)
    return _told({**_built_in(recipe.model), **found, **recipe.options})


def with_values(recipe, values):
    """Give the recipe that a search chose.

    Args:
        recipe: The recipe to start from.
        values: Mapping of settings to values, as `recipe_space` gives it.

    Returns:
        `Recipe` that `kerasmith train` takes.

    Raises:
        ValueError: If a value cannot be right.

    Example:

    >>> from .. import recipes
    >>> recipe = recipes.get("resnet20_digits")
    >>> with_values(recipe, {"optimizer": "adam", "norm": "group:8"}).optimizer_options
    {}
    """
    values = dict(values)
    fields = {name: values.pop(name) for name in FIELDS if name in values}
    fields["model"] = values.pop("variant", recipe.model)
    if "warmup" in values:
        warmup = values.pop("warmup")
        fields["warmup"] = warmup or 0  # a share of no steps is no share
    if "stopping" in fields:
        fields["patience"] = None  # which is a criterion, too
    for name in ("clipping", "stopping"):
        if fields.get(name) == "none":
            fields[name] = None
    if "label_smoothing" in values:
        fields["loss"] = _smoothed(recipe.loss, values.pop("label_smoothing"))
    fields["optimizer"] = values.pop("optimizer", recipe.optimizer)
    same = fields["optimizer"] == recipe.optimizer
    options = dict(recipe.optimizer_options) if same else {}
    options |= {name: values.pop(name) for name in OF_THE_OPTIMIZER if name in values}
    fields["optimizer_options"] = options
    return dataclasses.replace(recipe, options={**recipe.options, **values}, **fields)


def _built_in(model):
    """Give what an architecture is built with, as far as text and numbers say it."""
    row, searched = registry.variant(model), table_of(model)
    found = {}
    for source in (getattr(row, "parts", None), row):
        fields = dataclasses.fields(source) if source else ()
        named = {field.name: getattr(source, field.name) for field in fields}
        found |= {name: value for name, value in named.items() if name in searched}
    return found


def _told(settings):
    """Keep of settings what text and numbers say; no part is `"none"`."""
    told = {k: getattr(value, "text", value) for k, value in settings.items()}
    told = {k: "none" if value is None else value for k, value in told.items()}
    return {k: v for k, v in told.items() if isinstance(v, str | int | float)}


def _smooths(recipe):
    """Tell whether a recipe's loss is one whose labels can be smoothed."""
    loss = recipe.loss
    return isinstance(loss, dict) and loss.get("class_name") in CROSS_ENTROPIES


def _smoothing(loss):
    if loss["class_name"] != SMOOTHED:
        return 0.0
    return loss.get("config", {}).get("label_smoothing", 0.1)


def _smoothed(loss, share):
    config = {k: v for k, v in loss["config"].items() if k != "label_smoothing"}
    return {"class_name": SMOOTHED, "config": {**config, "label_smoothing": share}}
