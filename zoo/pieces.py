"""Pieces of architectures that have no choice of parts: padding, pooling, endpoints."""

import keras

from .. import layers

# by the number of axes of positions
CONVOLUTIONS = {1: keras.layers.Conv1D, 2: layers.Conv2D, 3: keras.layers.Conv3D}


def of_positions(kind, x):
    """Choose among Keras' layers of one kind that which fits a tensor.

    Args:
        kind: Name of the layer with braces for the number of axes of positions.
        x: Symbolic tensor of shape `(batch, ..., channels)`.

    Returns:
        Layer class.

    Example:

    >>> of_positions("MaxPooling{}D", keras.Input((9, 7, 3))).__name__
    'MaxPooling2D'
    """
    return getattr(keras.layers, kind.format(len(x.shape) - 2))


def pad(x, size, stride, padding, name):
    """Put the zeros of a symmetric padding around maps.

    Args:
        x: Symbolic tensor of shape `(batch, height, width, channels)`.
        size: Width of the window that comes next.
        stride: Its step.
        padding: `"same"`, `"valid"` or `"symmetric"`.
        name: Name of the layer that comes next.

    Returns:
        The tensor, and the padding that is left for that layer.

    Example:

    >>> x, padding = pad(keras.Input((9, 8, 3)), 3, 2, "symmetric", "pool")
    >>> x.shape, padding
    ((None, 11, 10, 3), 'valid')
    """
    if padding != "symmetric":
        return x, padding
    if stride == 1:
        return x, "same"  # the same for odd windows
    zeros = of_positions("ZeroPadding{}D", x)
    return zeros(size // 2, name=f"{name}_pad")(x), "valid"


def mark(x, endpoint):
    """Name an endpoint, where other code cuts the network.

    Args:
        x: Symbolic tensor.
        endpoint: `"stem"`, `"stage1"` and so on.

    Returns:
        The same tensor, as the output of a layer of that name.

    Example:

    >>> mark(keras.Input((9, 7, 3)), "stage1").shape
    (None, 9, 7, 3)
    """
    return keras.layers.Identity(name=endpoint)(x)


def max_pool(x, size, stride, *, name, padding="same"):
    """Take the largest value of each window.

    Args:
        x: Symbolic tensor of shape `(batch, ..., channels)`.
        size: Width of the square window.
        stride: Its step.
        name: Name of the layer.
        padding: `"same"`, `"valid"` or `"symmetric"`, the last with zeros: right
            behind an activation that gives nothing below them.

    Returns:
        Symbolic tensor.

    Example:

    >>> max_pool(keras.Input((9, 8, 3)), 3, 2, name="p", padding="symmetric").shape
    (None, 5, 4, 3)
    """
    x, padding = pad(x, size, stride, padding, name)
    pooling = of_positions("MaxPooling{}D", x)
    return pooling(size, stride, padding=padding, name=name)(x)


def whole_eights(filters):
    """Round a number of filters to a multiple of 8, as networks of many widths do.

    Args:
        filters: Number of filters, not rounded yet.

    Returns:
        The nearest multiple of 8, at least 8; the next one where the nearest is more
        than 10 % below the number.

    Example:

    >>> [whole_eights(filters) for filters in (3.0, 11.2, 33.6, 35.2)]
    [8, 16, 32, 32]
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def apply_new(factory, x, name):
    """Apply a new layer; its name is ours, so that it is the same in every process.

    Args:
        factory: Callable without arguments that makes a layer, or `None` for none.
        x: Symbolic tensor.
        name: Name of the layer.

    Returns:
        Symbolic tensor.

    Raises:
        TypeError: If it makes something else.

    Example:

    >>> apply_new(keras.layers.ReLU, keras.Input((9,)), "relu").shape
    (None, 9)
    """
    if factory is None:
        return x
    layer = factory()
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"the part for {name} made {layer!r}, which is no Keras layer.")
    layer.name = name
    return layer(x)
