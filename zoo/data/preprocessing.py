"""From raw images of any size to what a model takes."""

import keras
import numpy as np


def preprocessing(input_shape, scale=1 / 255, offset=0.0):
    """Scale raw pixels and resize images to what a model takes.

    The layer runs inside `tf.data` on every backend, on batches outside, and inside
    an exported model, with the same results: it scales first, because resizing
    `uint8` images would round to whole grey levels in some of these places and not
    in others. It computes in float32 under every dtype policy. Shrinking smooths
    (antialiasing), so that fine patterns do not turn into false ones.

    Args:
        input_shape: Height, width and channels that the model takes.
        scale: Multiplies pixel values of 0 to 255.
        offset: Is added to them then.

    Returns:
        `keras.layers.Pipeline` from `(batch, any height, any width, channels)` to
        float32 images of `(batch, height, width, channels)`.

    Raises:
        ValueError: If the shape is not three positive integers.

    Example:

    >>> layer = preprocessing((4, 6, 1))
    >>> white = layer(np.full((1, 9, 9, 1), 255, "uint8"))
    >>> round(float(keras.ops.max(white)), 4)
    1.0
    """
    height, width, _ = check_shape(input_shape)
    return keras.layers.Pipeline(
        [
            keras.layers.Rescaling(scale, offset, dtype="float32"),
            keras.layers.Resizing(
                height,
                width,
                antialias=True,
                data_format="channels_last",
                dtype="float32",
            ),
        ],
        name="preprocess",
    )


def check_shape(input_shape):
    """Refuse what is no image shape.

    Args:
        input_shape: What was received.

    Returns:
        Height, width and channels as a tuple of integers.

    Raises:
        ValueError: If it is not three positive integers, the last 1 or 3.

    Example:

    >>> check_shape([28, 28, 1])
    (28, 28, 1)
    """
    try:
        shape = tuple(int(length) for length in input_shape)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 3 or min(shape) < 1 or shape[2] not in (1, 3):
        raise ValueError(
            "input_shape needs height, width and 1 or 3 channels, such as "
            f"(32, 32, 1), received {input_shape!r}."
        )
    return shape


def value_range(preprocess, channels):
    """Find what black and white pixels become.

    Args:
        preprocess: Layer on raw images.
        channels: Number of channels of the raw images.

    Returns:
        The lowest and the highest value as floats.

    Example:

    >>> value_range(preprocessing((8, 8, 1), 2 / 255, -1.0), 1)
    (-1.0, 1.0)
    """
    raw = np.stack([np.full((8, 8, channels), level, "uint8") for level in (0, 255)])
    values = np.asarray(keras.ops.convert_to_numpy(preprocess(raw)))
    return float(values.min()), float(values.max())


def to_channels(image, channels):
    """Turn grey into colour or colour into grey, inside `tf.data`.

    Args:
        image: `uint8` tensor whose last axis holds 1 channel (grey), 3 (colour) or
            4 (colour with an opacity, which is dropped).
        channels: 1 or 3.

    Returns:
        Tensor with that many channels. Grey is the luma of ITU-R 601.

    Raises:
        ValueError: If the image has another number of channels.

    Example:

    >>> to_channels(np.zeros((2, 2, 1), "uint8"), 3).shape.as_list()
    [2, 2, 3]
    """
    import tensorflow as tf

    image = tf.convert_to_tensor(image)
    found = image.shape[-1]
    if found not in (1, 3, 4):
        raise ValueError(
            f"images need 1, 3 or 4 channels, received the shape {image.shape}."
        )
    if found == channels:
        return image
    if found == 1:
        return tf.image.grayscale_to_rgb(image)
    if found == 4:
        image = tf.gather(image, (0, 1, 2), axis=-1)
    return image if channels == 3 else tf.image.rgb_to_grayscale(image)
