"""What recipes share: the digits offline, and how training images are moved."""

import keras

from ..data.masks import IGNORED
from .recipe import CROSS_ENTROPY, Recipe

# pixels that the mask marks so take no part
PIXEL_CROSS_ENTROPY = {
    "class_name": CROSS_ENTROPY["class_name"],
    "config": {**CROSS_ENTROPY["config"], "ignore_class": IGNORED},
}
# and the classes' overlaps, so that small objects count beside the background
PIXEL_LOSS = {
    "class_name": "kerasmith>SumOfLosses",
    "config": {
        "losses": [
            PIXEL_CROSS_ENTROPY,
            {
                "class_name": "kerasmith>SoftDice",
                "config": {
                    "from_logits": True,
                    "over": "batch",
                    "ignore_class": IGNORED,
                },
            },
        ]
    },
}


def shift_and_turn():
    """Turn, shift and stretch digits a little; the background is at -1.

    Returns:
        List of Keras layers.

    Example:

    >>> len(shift_and_turn())
    3
    """
    empty = {"fill_mode": "constant", "fill_value": -1.0}
    return [
        keras.layers.RandomRotation(0.04, **empty),
        keras.layers.RandomTranslation(0.1, 0.1, **empty),
        keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1), **empty),
    ]


def turn_and_zoom():
    """Turn and stretch scenes a little; their borders are mirrored.

    Returns:
        List of Keras layers, which masks can follow.

    Example:

    >>> len(turn_and_zoom())
    2
    """
    return [
        keras.layers.RandomRotation(0.04),
        keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1)),
    ]


def pad_crop_and_mirror():
    """Move 32 x 32 images by up to 4 pixels and mirror half of them, as for CIFAR.

    Returns:
        List of Keras layers.

    Example:

    >>> len(pad_crop_and_mirror())
    2
    """
    return [
        keras.layers.RandomTranslation(
            4 / 32, 4 / 32, fill_mode="constant", interpolation="nearest"
        ),
        keras.layers.RandomFlip("horizontal"),
    ]


def zoom_and_mirror():
    """Look at two thirds to all of a photograph, and mirror half of them.

    Returns:
        List of Keras layers.

    Example:

    >>> len(zoom_and_mirror())
    3
    """
    return [
        keras.layers.RandomZoom((-0.33, 0.0), (-0.33, 0.0)),
        keras.layers.RandomTranslation(0.1, 0.1),
        keras.layers.RandomFlip("horizontal"),
    ]


def on_digits(model, promise, **settings):
    """Make the recipe of an architecture on scikit-learn's handwritten digits, offline.

    Args:
        model: Name of the architecture.
        promise: Its `Promise`.
        **settings: Fields of `Recipe` that differ.

    Returns:
        `Recipe` with the name of the architecture and `_digits`.

    Example:

    >>> from .recipe import Promise
    >>> on_digits("resnet20", Promise({}, 1, "mean of no seeds")).name
    'resnet20_digits'
    """
    common = {
        "name": f"{model}_digits",
        "summary": f"{model} on scikit-learn's handwritten digits, offline",
        "data": "digits",
        "input_shape": (32, 32, 1),
        "scale": 2 / 255,
        "offset": -1.0,
        "augment": shift_and_turn,
        "schedule": "cosine",
        "warmup": 0.05,
        "epochs": 20,
    }
    return Recipe(model=model, promise=promise, **{**common, **settings})
