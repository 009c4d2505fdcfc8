"""The page that lists every architecture: what it counts, and what it reached."""

import importlib

import keras

from .. import recipes, registry
from .card import card
from .symbolic import without_numbers

TOKENS = 32  # of a text, where the paper tells no length

HEADER = """| variant | what | input | parameters | multiply-adds | paper | here |
|---|---|---|---|---|---|---|
"""
TITLE = """# Architectures

Made by `kerasmith list --page docs/zoo.md` from the cards of the networks. Parameters
are those that are trained, multiply-adds those of one image of the paper's size, or of
a text of as many tokens as the input tells, source and target where there are two.
Accuracies are the papers', on ImageNet (top-1 / top-5) where nothing else is said; the
last column tells what a recipe of ours promises, for images on scikit-learn's digits,
measured as the mean of three seeds or more.
"""


def symbolic_card(name):
    """Count an architecture as its paper has it, without allocating its weights.

    A text has the paper's number of tokens, or 32 where it tells none.

    Args:
        name: Its name.

    Returns:
        `Card`.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> symbolic_card("resnet20").trainable_parameters
    269722
    """
    variant = registry.variant(name)

    def count():
        model = registry.build(name)
        return card(model, _lengths(model, variant))

    return without_numbers(count)


def _lengths(model, variant):
    """Give the shapes of texts, `None` where the input has a size."""
    if not hasattr(variant, "vocabulary"):
        return None
    length = getattr(variant, "length", None) or TOKENS
    return keras.tree.map_structure(lambda _: (length,), model.input)


def row(name, counted):
    """Write the row of an architecture.

    Args:
        name: Its name.
        counted: Its `Card`.

    Returns:
        Line of a Markdown table.

    Example:

    >>> row("resnet20", symbolic_card("resnet20")).split(" | ")[2:5]
    ['32 x 32 x 3', '269,722', '40.55 M']
    """
    variant = registry.variant(name)
    cells = (
        f"`{name}`",
        variant.summary,
        _input(variant, counted),
        f"{counted.trainable_parameters:,}",
        _short(counted.multiply_accumulates),
        variant.accuracy,
        _promised(name),
    )
    return "| " + " | ".join(cells) + " |"


def zoo_page(rows=None):
    """Write the whole page.

    Args:
        rows: Mapping of names to their rows; all are made if `None`, which takes
            a minute.

    Returns:
        Text in Markdown.

    Example:

    >>> page = zoo_page(dict.fromkeys(registry.names(), "| row |"))
    >>> page.splitlines()[0]
    '# Architectures'
    """
    rows = rows or {name: row(name, symbolic_card(name)) for name in registry.names()}
    page = TITLE
    for family in registry.FAMILIES:
        module = importlib.import_module(f"..{family}", __package__)
        lines = [rows[name] for name in module.VARIANTS]
        papers = dict.fromkeys(variant.paper for variant in module.VARIANTS.values())
        sources = "".join(f"- {paper}\n" for paper in papers)
        page += f"\n## zoo.{family}\n\n{HEADER}" + "\n".join(lines) + f"\n\n{sources}"
    return page


def _input(variant, counted):
    """Write the size of an image, or how many tokens of how many there are."""
    if not hasattr(variant, "vocabulary"):
        return " x ".join(map(str, variant.input_shape))
    shapes = counted.input_shape
    shapes = list(shapes.values()) if isinstance(shapes, dict) else [shapes]
    lengths = " + ".join(str(length) for _, length in shapes)
    return f"{lengths} tokens of {variant.vocabulary:,}"


def _short(number):
    unit, name = (10**9, "G") if number >= 10**9 else (10**6, "M")
    return f"{number / unit:.4g} {name}"


def _promised(name):
    told = []
    for recipe in map(recipes.get, recipes.names()):
        promise = recipe.promise
        if recipe.model == name and promise.minutes is not None:
            aim = ", ".join(f"{100 * least:.1f} %" for least in promise.scores.values())
            told.append(f"`{recipe.name}`: {aim}, measured {promise.measured}")
    return "; ".join(told)
