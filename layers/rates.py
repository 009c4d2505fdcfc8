"""What every layer with a rate that may be scheduled shares."""

import keras
import numpy as np
from keras import ops


def check_rate(layer_name, rate, argument="rate"):
    """Refuse what is no rate of a layer that drops something.

    Args:
        layer_name: Name of the layer's class, for the message.
        rate: What was given as a rate: it must be a number in [0, 1).
        argument: Name of the argument, for the message.

    Returns:
        The rate as a float.

    Raises:
        ValueError: If it is not a number in [0, 1).

    Example:

    >>> check_rate("LockedDropout", 0.5)
    0.5
    >>> check_rate("LockedDropout", 50)
    Traceback (most recent call last):
    ValueError: LockedDropout needs a rate in [0, 1), received rate=50. A rate ...
    """
    if not isinstance(rate, float | int | np.number) or not 0 <= rate < 1:
        raise ValueError(
            f"{layer_name} needs a {argument} in [0, 1), received {argument}={rate!r}. "
            "A rate is the probability to drop: 0 drops nothing, 0.5 about half. What "
            "is to be dropped always is better left out of the model."
        )
    return float(rate)


def add_rate(layer, rate, name="rate"):
    """Give a layer a variable that holds a rate and is not trained.

    A variable, and not a number, because a compiled step reads it anew each time:
    `layer.rate.assign(0.1)` acts inside an already compiled `fit`. Call it in the
    constructor of the layer, after `super().__init__`.

    Args:
        layer: The layer.
        rate: The value to begin with.
        name: Name of the variable.

    Returns:
        The variable, a scalar in float32.

    Example:

    >>> layer = keras.layers.Layer()
    >>> layer.rate = add_rate(layer, 0.25)
    >>> _ = layer.rate.assign(0.125)
    >>> rate_of(layer.rate)
    0.125
    """
    return layer.add_weight(
        shape=(),
        initializer=keras.initializers.Constant(rate),
        dtype="float32",
        autocast=False,
        trainable=False,
        name=name,
    )


def rate_of(variable):
    """Read the number that a variable holds, as it was written.

    Args:
        variable: A scalar variable in float32.

    Returns:
        Float, the shortest that the variable's value stands for: 0.1, not
        0.10000000149011612.

    Example:

    >>> rate_of(add_rate(keras.layers.Layer(), 0.1))
    0.1
    """
    return float(str(np.float32(ops.convert_to_numpy(variable))))
