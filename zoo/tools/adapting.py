"""Weights made for other images: their preprocessing, and their first kernel."""

import keras
import numpy as np

from ... import layers

PREPROCESSING = "preprocessing"
TO_COLOURS = "grey_to_colours"
# layers that do nothing once a network is trained
DROPS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    layers.DropBlock,
    layers.DropPath,
    layers.LockedDropout,
)


def normalize(image, mean, deviation):
    """Put the preprocessing of weights behind the input, in float32.

    One channel is repeated for weights that expect colours of different means, which
    no single kernel could take apart at the borders. More channels than the weights
    know have the constants of the first again, and so on around.

    Args:
        image: Symbolic tensor of shape `(batch, height, width, channels)`, its pixels
            as they were in the images that the weights were trained on.
        mean: Mean of each channel of those.
        deviation: What each channel is divided by.

    Returns:
        Symbolic tensor.

    Example:

    >>> normalize(keras.Input((9, 7, 1)), (124.0, 117.0, 104.0), (1.0, 1.0, 1.0)).shape
    (None, 9, 7, 3)
    """
    count = image.shape[-1]
    if count == 1 and len(set(zip(mean, deviation, strict=True))) > 1:
        count = len(mean)
        image = keras.layers.Concatenate(name=TO_COLOURS)([image] * count)
    around = [number % len(mean) for number in range(count)]
    layer = keras.layers.Normalization(
        mean=[float(mean[number]) for number in around],
        variance=[float(deviation[number]) ** 2 for number in around],
        name=PREPROCESSING,
        dtype="float32",
    )
    return layer(image)


def first_convolution(model):
    """Find the layer that sees the channels of the image.

    Args:
        model: Functional model.

    Returns:
        The convolution, or `None`.

    Example:

    >>> from kerasmith import zoo
    >>> first_convolution(zoo.resnet("resnet20")).name
    'stem_conv'
    """
    convolutions = (x for x in model.layers if isinstance(x, keras.layers.Conv2D))
    return next(convolutions, None)


def adapt_channels(kernel, count):
    """Make a kernel for another number of channels.

    For one channel its channels are summed, so that a grey image gives what the same
    image gave in colours. For more they are repeated, and scaled so that images with
    the same number in all channels give what they gave.

    Args:
        kernel: Array of shape `(height, width, channels, filters)`.
        count: Channels that are needed.

    Returns:
        Array of shape `(height, width, count, filters)`.

    Example:

    >>> adapt_channels(np.ones((3, 3, 3, 8)), 1)[0, 0, :, 0].tolist()
    [3.0]
    >>> adapt_channels(np.ones((3, 3, 3, 8)), 6)[0, 0, :, 0].tolist()
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    """
    there = kernel.shape[2]
    if count == there:
        return kernel
    if count == 1:
        return kernel.sum(axis=2, keepdims=True)
    # two channels of three do not weigh the same: both are scaled by what there is
    return kernel[:, :, np.arange(count) % there] * (there / count)


def refuse(name, problems):
    """Raise where weights do not fit.

    Args:
        name: Name of the model.
        problems: What does not fit, in words; nothing where all does.

    Raises:
        ValueError: If there is a problem; it tells the first eight.

    Example:

    >>> refuse("tiny", ["stem_conv has no counterpart"])
    Traceback (most recent call last):
    ValueError: these weights do not fit tiny: stem_conv has no counterpart.
    """
    problems = list(problems)
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise ValueError(
            f"these weights do not fit {name}: {'; '.join(problems[:8])}{more}."
        )
