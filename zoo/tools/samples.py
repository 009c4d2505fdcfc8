"""Raw images of a data set, to compare exported models by."""

import keras
import numpy as np


def real_images(data, count=64):
    """Take raw test images to compare an exported model with.

    Args:
        data: `Data`.
        count: How many at the most.

    Returns:
        `uint8` array of shape `(images, height, width, channels)`; images of
        several sizes are resized to the model's.

    Example:

    >>> from .. import data
    >>> real_images(data.load("digits")).shape
    (64, 8, 8, 1)
    """
    images = [np.asarray(image) for image, _ in data.raw("test").take(count)]
    if len({image.shape for image in images}) > 1:
        height, width, _ = data.description.input_shape
        resize = keras.layers.Resizing(height, width, antialias=True)
        images = [np.asarray(resize(image)).round().astype("uint8") for image in images]
    return np.stack(images)
