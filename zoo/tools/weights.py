"""The one loader of weights that all architectures share."""

from . import imagenet, saved_weights
from .adapting import normalize


def preprocess(name, image, weights):
    """Put the preprocessing that weights need behind the input.

    Args:
        name: Name of the variant.
        image: The input.
        weights: `"imagenet"`, or the path of a file.

    Returns:
        Symbolic tensor, the input itself where the weights need none.

    Raises:
        ValueError: If there are no such weights.
        OSError: If the file cannot be read.

    Example:

    >>> import keras
    >>> preprocess("resnet50", keras.Input((9, 7, 3)), "imagenet").shape
    (None, 9, 7, 3)
    """
    if weights == "imagenet":
        return normalize(image, *imagenet.hosted(name).constants)
    constants = saved_weights.constants(name, weights)
    return image if constants is None else normalize(image, *constants)


def load(model, weights):
    """Give a model its weights.

    Args:
        model: The model, with the preprocessing that the weights need.
        weights: `"imagenet"`, or the path of a file.

    Raises:
        ValueError: If the weights do not fit.
        OSError: If they cannot be read, or downloaded.

    Example:

    >>> from kerasmith import zoo
    >>> load(zoo.resnet("resnet20"), "nowhere.keras")
    Traceback (most recent call last):
    FileNotFoundError: there is no file nowhere.keras: weights are 'imagenet', or ...
    """
    if weights == "imagenet":
        imagenet.load(model)
    else:
        saved_weights.load(model, weights)
