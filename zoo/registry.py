"""Every architecture by name."""

import importlib
from typing import Any

from .choices import choose

# one family a file; the file's VARIANTS table names its architectures
FAMILIES = (
    "lenet",
    "alexnet",
    "vgg",
    "nin",
    "inception",
    "resnet",
    "mobilenet",
    "efficientnet",
    "vit",
    "unet",
    "siamese",
    "transformer",
    "seq2seq",
    "recurrent_classifier",
)


def names():
    """Name every architecture that `build` knows.

    Returns:
        List of names.

    Example:

    >>> names()[:2]
    ['lenet5', 'lenet5_modern']
    """
    return list(_variants())


def build(name, **options):
    """Build an architecture by name.

    Args:
        name: One of `names()`.
        **options: Options of its family: `classes`, `input_shape`, its parts.

    Returns:
        `keras.Model`.

    Raises:
        ValueError: If the name or an option is unknown.

    Example:

    >>> build("lenet5_modern", classes=4).output_shape
    (None, 4)
    """
    builder, _ = choose("architecture", name, _variants())
    return builder(name, **options)


def summary(name):
    """Describe an architecture in one line.

    Args:
        name: One of `names()`.

    Returns:
        The line.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> summary("lenet5_modern")
    'LeNet-5 as built today: full C3, max-pooling, ReLU, softmax'
    """
    return variant(name).summary


def variant(name):
    """Give the row that an architecture has in its family's table.

    Args:
        name: One of `names()`.

    Returns:
        `classifier.Variant`.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> variant("resnet50").paper
    'He et al., 2016, https://arxiv.org/abs/1512.03385'
    """
    _, row = choose("architecture", name, _variants())
    return row


def family(name):
    """Tell the family of an architecture.

    Args:
        name: One of `names()`.

    Returns:
        Name of the family, which is that of its file.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> family("resnet50")
    'resnet'
    """
    builder, _ = choose("architecture", name, _variants())
    return builder.__module__.rpartition(".")[2]


def _variants():
    """Map each name to its family's builder and its row in the family's table."""
    found: dict[str, Any] = {}
    for family in FAMILIES:
        module = importlib.import_module(f".{family}", __package__)
        rows = module.VARIANTS.items()
        # a family whose first argument is another names its own way in
        builder = getattr(module, "build", getattr(module, family))
        found |= {name: (builder, row) for name, row in rows}
    return found
