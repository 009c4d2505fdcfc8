"""How a learning rate moves with the steps, and the decays that have a name.

A curve gives the rate of an update from its number, counted from 0, in operations
that a compiled step understands. Any `keras.optimizers.schedules` is one; here stand
those that Keras lacks.
"""

import math
from typing import Any

import keras
from keras import ops

from . import schedules

keras_schedules = keras.optimizers.schedules


def constant(peak, length=None):
    """Give a curve that stays where it is.

    Args:
        peak: The rate.
        length: Not heeded.

    Returns:
        Function of the step.

    Example:

    >>> constant(0.1)(7)
    0.1
    """
    return lambda step: peak


# name: curve that starts at the peak and is over after `length` steps
DECAYS = {
    "constant": constant,
    "cosine": lambda peak, length: keras_schedules.CosineDecay(peak, length),
    "cosine_restarts": lambda peak, length: keras_schedules.CosineDecayRestarts(
        peak, math.ceil(length / 7)
    ),
    "exponential": lambda peak, length: keras_schedules.ExponentialDecay(
        peak, length, 0.01
    ),
    "inverse_time": lambda peak, length: keras_schedules.InverseTimeDecay(
        peak, length, 99.0
    ),
    "linear": lambda peak, length: keras_schedules.PolynomialDecay(peak, length, 0.0),
    "one_cycle": lambda peak, length: schedules.OneCycle(peak, length),
    "polynomial": lambda peak, length: keras_schedules.PolynomialDecay(
        peak, length, 0.0, 2.0
    ),
    "step": lambda peak, length: schedules.StepDecay(peak, math.ceil(length / 3)),
}


def decay(name, peak, length):
    """Build a decay by its name.

    | name | at step s of a length L, with the peak P |
    |---|---|
    | `constant` | `P` |
    | `linear` | `P (1 - s/L)` |
    | `polynomial` | `P (1 - s/L)^2` |
    | `cosine` | `P (1 + cos(pi s/L)) / 2` |
    | `cosine_restarts` | cosines of length l = L/7, rounded up, then 2 l and 4 l |
    | `exponential` | `P 0.01^(s/L)` |
    | `inverse_time` | `P / (1 + 99 s/L)`: at the end a hundredth, too |
    | `step` | a tenth after each third (rounded up) |
    | `one_cycle` | up from P/25 over 0.3 L, then down to nearly nothing |

    Args:
        name: One of these names.
        peak: The highest rate.
        length: Number of steps (or epochs).

    Returns:
        Function of the step.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> float(decay("linear", 0.5, 10)(5))
    0.25
    """
    if name not in DECAYS:
        raise ValueError(
            f"there is no decay {name!r}; choose one of {', '.join(sorted(DECAYS))}."
        )
    return DECAYS[name](peak, length)


def warmed_up(curve, warmup, position):
    """Give the rate at a position: a straight rise, then the curve from its start.

    `min(1, (position + 1) / warmup) * curve(max(0, position - warmup))`

    Args:
        curve: Function of the step.
        warmup: Length of the rise, 0 for none.
        position: Number of the step, counted from 0; a Python number or a tensor.

    Returns:
        The rate; a tensor where the position or the curve is one.

    Example:

    >>> [warmed_up(constant(0.5), 2, step) for step in range(4)]
    [0.25, 0.5, 0.5, 0.5]
    """
    if not warmup:
        return curve(position)
    if isinstance(position, int):
        return min(1.0, (position + 1) / warmup) * curve(max(0, position - warmup))
    rise = ops.minimum(1.0, (position + 1.0) / float(warmup))
    return rise * curve(ops.maximum(0.0, position - float(warmup)))


def training_length(by, epochs, params, micro_steps):
    """Tell how many updates (or epochs) a training has.

    Args:
        by: `"step"` or `"epoch"`.
        epochs: Number of epochs; that of `fit` if `None`.
        params: What Keras tells callbacks: `epochs` and `steps`.
        micro_steps: Batches to an update.

    Returns:
        A number, or `None` where the data does not tell.

    Example:

    >>> training_length("step", None, {"epochs": 3, "steps": 5}, 2)
    7
    """
    epochs = epochs or (params or {}).get("epochs")
    if by == "epoch":
        return epochs
    return updates_before(epochs, params, micro_steps, None)


def updates_before(epoch, params, micro_steps, unknown: Any = 0):
    """Tell how many updates come before an epoch.

    Args:
        epoch: The epoch, counted from 0.
        params: What Keras tells callbacks: `steps` is the batches of an epoch.
        micro_steps: Batches to an update.
        unknown: What to return where the data does not tell.

    Returns:
        A number.

    Example:

    >>> updates_before(2, {"steps": 5}, 1)
    10
    """
    steps = (params or {}).get("steps")
    if not steps or not epoch:
        return unknown
    return int(epoch * steps // micro_steps)


def decay_length(length, warmup):
    """Tell how long a decay is that follows a warm-up.

    Args:
        length: Steps (or epochs) of both.
        warmup: Of the warm-up.

    Returns:
        A number.

    Raises:
        ValueError: If nothing is left.

    Example:

    >>> decay_length(100, 10)
    90
    """
    if warmup >= length:
        raise ValueError(
            f"a warm-up of {warmup} leaves no room for the decay: there are {length}."
        )
    return length - warmup
