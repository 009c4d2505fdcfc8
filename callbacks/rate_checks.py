"""What is asked of a learning rate before the first step."""

import math
import pathlib

import keras

from . import rates
from .fit_under_way import companions
from .plateau import Plateau

KERAS_OWNERS = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)


def check(base, peak, warmup, epochs, plateau, by):
    """Refuse arguments of `LearningRate` that mean nothing.

    Args:
        base, peak, warmup, epochs, plateau, by: See `LearningRate`.

    Raises:
        ValueError: If a value is out of its range.
        TypeError: If the base is of no known kind, or the plateau no `Plateau`.

    Example:

    >>> check(0.1, None, -1, None, None, "step")
    Traceback (most recent call last):
    ValueError: LearningRate needs warmup >= 0, or a share in (0, 1), received -1.
    """
    _check_base(base, peak)
    share = isinstance(warmup, float) and 0 < warmup < 1
    if not share and not (isinstance(warmup, int) and warmup >= 0):
        raise ValueError(
            "LearningRate needs warmup >= 0, or a share in (0, 1), received "
            f"{warmup!r}."
        )
    if epochs is not None and not epochs > 0:
        raise ValueError(f"LearningRate needs epochs > 0, received {epochs!r}.")
    if plateau is not None and not isinstance(plateau, Plateau):
        raise TypeError(
            f"LearningRate takes plateau=Plateau(...), received {plateau!r}."
        )
    if by not in ("step", "epoch"):
        raise ValueError(f"LearningRate goes by 'step' or 'epoch', received {by!r}.")


def _check_base(base, peak):
    if isinstance(base, str):
        if base not in rates.DECAYS:
            rates.decay(base, 1.0, 1)
    elif isinstance(base, (int, float)) and not isinstance(base, bool):
        if not 0 <= base < math.inf:
            raise ValueError(f"LearningRate needs a rate >= 0, received {base!r}.")
    elif base is not None and not callable(base):
        raise TypeError(
            "LearningRate takes as its base a number, the name of a decay, a schedule "
            f"or a function, received {base!r}."
        )
    if peak is None:
        return
    if not isinstance(base, str):
        raise ValueError(
            "LearningRate takes a peak only for a decay given by its name, received "
            f"base={base!r}, peak={peak!r}: put the number into the base."
        )
    if not 0 < peak < math.inf:
        raise ValueError(f"LearningRate needs peak > 0, received {peak!r}.")


def refuse_other_owners(kind):
    """Refuse a training in which two callbacks set the learning rate.

    Args:
        kind: The class that asks, of which there may be one.

    Raises:
        ValueError: If there is another, or one of Keras' own.

    Example:

    >>> refuse_other_owners(keras.callbacks.Callback)
    """
    owners = [c for c in companions() if isinstance(c, (kind, *KERAS_OWNERS))]
    if len(owners) > 1:
        names = " and ".join(type(owner).__name__ for owner in owners)
        raise ValueError(
            f"{names} would both set the learning rate: keep one LearningRate, which "
            "takes a schedule as its base and a Plateau."
        )


def refuse_python(function):
    """Refuse a function of the step that a compiled step cannot hold.

    Args:
        function: A function of a scalar tensor; other things are let through.

    Raises:
        TypeError: If it asks a tensor for its value.

    Example:

    >>> refuse_python(lambda step: 0.1 / (1 + step))
    """
    schedule = keras.optimizers.schedules.LearningRateSchedule
    if not callable(function) or isinstance(function, schedule):
        return
    try:
        keras.layers.Lambda(function, dtype="float32").compute_output_shape(())
    except Exception as problem:
        raise TypeError(
            "LearningRate(by='step') computes its base inside the compiled step, which "
            "this function does not bear: write it with keras.ops and without `if`, or "
            "take by='epoch'."
        ) from problem


def read_rate(path):
    """Read the rate that a person has written into a file.

    Args:
        path: The file; it need not be there.

    Returns:
        The number, or `None` where there is none.

    Raises:
        ValueError: If it says anything but a finite number that is not negative.

    Example:

    >>> read_rate("nowhere.txt") is None
    True
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as problem:
        raise ValueError(
            f"no learning rate can be read from {path}: {problem}"
        ) from None
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ValueError(
            f"no learning rate can be read from {path}, which says {text[:40]!r}: "
            "write one number, or nothing. Training goes on as before."
        )
    return rate
