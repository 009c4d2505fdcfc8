"""What every image network has: a row in a table, an input, a head, weights."""

import dataclasses
import importlib

import keras

from .choices import choose
from .parts import Parts

STEMS = ("paper", "small")
SIZES = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of a family's table; each family adds what its variants differ in.

    Args:
        summary: One line that tells it from the others.
        paper: Authors, year and address.
        accuracy: What the paper states, in words, `""` where it states nothing.
        classes: Classes of the paper's data.
        input_shape: Height, width and channels of its images.
        parts: Its paper's parts.
        task: What it answers: `"classification"`, or `"segmentation"`.

    Example:

    >>> row = Variant(summary="seven layers", paper="Doe, 2014, https://arxiv.org")
    >>> row.input_shape
    (224, 224, 3)
    """

    summary: str
    paper: str
    accuracy: str = ""
    classes: int = 1000
    input_shape: tuple[int, int, int] = (224, 224, 3)
    parts: Parts = Parts()
    task: str = "classification"


def begin(
    name,
    chosen,
    *,
    classes,
    input_shape,
    stem,
    weights,
    smallest,
    open_sizes=True,
    axes=(2,),
):
    """Check what was asked for, and make the input.

    Args:
        name: Name of the variant, for messages and weights.
        chosen: Its `Variant`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`.
        stem: `"paper"` or `"small"`.
        weights: `None`, `"imagenet"`, or the path of a file.
        smallest: Height and width of the smallest image that works.
        open_sizes: Whether height and width may be `None`.
        axes: How many axes of positions there may be.

    Returns:
        The input, the same with the preprocessing of the weights, and the number of
        classes.

    Raises:
        ValueError: If something cannot be.

    Example:

    >>> row = Variant(summary="seven layers", paper="Doe, 2014, https://arxiv.org")
    >>> options = {"stem": "paper", "weights": None, "smallest": 33}
    >>> begin("seven", row, classes=None, input_shape=(32, 40, 3), **options)
    Traceback (most recent call last):
    ValueError: seven needs images of at least 33 x 33, received input_shape (32, ...
    """
    choose(f"stem of {name}", stem, STEMS)
    classes = chosen.classes if classes is None else classes
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"{name} needs at least one class, received {classes!r}.")
    shape = chosen.input_shape if input_shape is None else tuple(input_shape)
    if len(shape) - 1 not in axes or shape[-1] is None:
        kinds = " or ".join(f"({', '.join(SIZES[n])}, channels)" for n in axes)
        raise ValueError(f"{name} needs an input_shape of {kinds}, received {shape}.")
    if None in shape and not open_sizes:
        raise ValueError(
            f"{name} needs to know height and width, received input_shape {shape}: its "
            "dense layers are as large as its maps. Give them, or build it with "
            "top=False."
        )
    if any(size is not None and size < smallest for size in shape[:-1]):
        hint = "" if stem == "small" else ", or build it with stem='small'"
        least = " x ".join([str(smallest)] * (len(shape) - 1))
        raise ValueError(
            f"{name} needs images of at least {least}, received input_shape {shape}: "
            f"resize them{hint}."
        )
    image = x = keras.Input(shape, name="image")
    if weights is not None:
        x = _loader().preprocess(name, image, weights)
    return image, x, classes


def classify(name, part, image, x, *, classes, top, weights):
    """Average the last maps over their positions, and end in logits.

    Args:
        name: Name of the model.
        part: Its `Parts`.
        image: Its input.
        x: The last maps, of shape `(batch, height, width, channels)`.
        classes: Number of classes.
        top: Whether there are logits; it ends in the averages otherwise.
        weights: `None`, `"imagenet"`, or the path of a file.

    Returns:
        Functional `keras.Model`.

    Raises:
        ValueError: If the weights do not fit.
        OSError: If they cannot be read, or downloaded.

    Example:

    >>> image = keras.Input((9, 7, 3))
    >>> options = {"classes": 5, "top": True, "weights": None}
    >>> classify("tiny", Parts(), image, image, **options).output_shape
    (None, 5)
    """
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    if top:
        x = part.dense(x, classes, dtype="float32", name="logits")
    return finish(name, image, x, weights)


def classify_densely(name, part, image, x, *, classes, top, weights):
    """End in two dense layers of 4,096 units and logits, or average the last maps.

    Args:
        name: Name of the model.
        part: Its `Parts`.
        image: Its input.
        x: The last maps, of shape `(batch, height, width, channels)`, of known size
            where there are logits.
        classes: Number of classes.
        top: Whether there are logits; it ends in averages over positions otherwise.
        weights: `None`, `"imagenet"`, or the path of a file.

    Returns:
        Functional `keras.Model`.

    Raises:
        ValueError: If the weights do not fit.
        OSError: If they cannot be read, or downloaded.

    Example:

    >>> image = keras.Input((2, 1, 3))
    >>> options = {"classes": 5, "top": True, "weights": None}
    >>> model = classify_densely("tiny", Parts(), image, image, **options)
    >>> model.get_layer("features").output.shape
    (None, 4096)
    """
    if not top:
        options = {"classes": classes, "top": False, "weights": weights}
        return classify(name, part, image, x, **options)
    x = keras.layers.Flatten(name="fc6_flatten")(x)
    # dropout is that of the units of a dense layer, not of the maps before the first
    bare = dataclasses.replace(part, dropout=None)
    x = part.activate(bare.dense(x, 4096, name="fc6"), "fc6_activation")
    x = part.activate(part.dense(x, 4096, name="fc7"), "features")
    x = part.dense(x, classes, dtype="float32", name="logits")
    return finish(name, image, x, weights)


def finish(name, image, outputs, weights):
    """Make the model, and load its weights.

    Args:
        name: Name of the model.
        image: Its input.
        outputs: Its output, or a dictionary of them.
        weights: `None`, `"imagenet"`, or the path of a file.

    Returns:
        Functional `keras.Model`.

    Raises:
        ValueError: If the weights do not fit.
        OSError: If they cannot be read, or downloaded.

    Example:

    >>> image = keras.Input((9,))
    >>> finish("tiny", image, keras.layers.Dense(2)(image), None).name
    'tiny'
    """
    model = keras.Model(image, outputs, name=name)
    if weights is not None:
        _loader().load(model, weights)
    return model


def _loader():
    """Give the one loader, which brings in files and the network."""
    return importlib.import_module(".tools.weights", __package__)
