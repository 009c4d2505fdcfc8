"""Hyperparameters on the unit interval, each on its own scale.

The functions take keras-tuner's hyperparameters as they are and import nothing of it.
"""

import math
import struct


def identity(parameter):
    """Name a hyperparameter apart from those of the same name elsewhere.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.

    Returns:
        Text with its name and its conditions.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("kind", ["a", "b"])
    >>> _ = space.Int("units", 1, 9, parent_name="kind", parent_values=["b"])
    >>> [identity(parameter) for parameter in space.space]
    ['kind', "units if kind in ['b']"]
    """
    terms = [f"{c.name} in {c.values}" for c in parameter.conditions]
    return " if ".join([parameter.name, *([" and ".join(terms)] if terms else [])])


def is_active(parameter, values):
    """Tell whether a hyperparameter has a value at all beside others.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.
        values: Map from name to value.

    Returns:
        Whether all its conditions hold.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("deep")
    >>> _ = space.Int("units", 1, 9, parent_name="deep", parent_values=[True])
    >>> is_active(space.space[1], {"deep": True}), is_active(space.space[1], {})
    (True, False)
    """
    return all(condition.is_active(values) for condition in parameter.conditions)


def is_ordered(parameter):
    """Tell whether neighbours of a value are worth trying.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.

    Returns:
        `True` for numbers and for ordered choices, `False` for the others.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("size", [1, 2]), space.Choice("kind", ["a", "b"])
    >>> [is_ordered(parameter) for parameter in space.space]
    [True, False]
    """
    return getattr(parameter, "ordered", False) or hasattr(parameter, "sampling")


def count(parameter):
    """Count the values that a hyperparameter can have.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.

    Returns:
        A number, infinite for a `Float` without steps.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("units", 4, 64, sampling="log"), space.Float("rate", 0, 1)
    >>> _ = space.Int("depth", 2, 16, step=2, sampling="log")
    >>> [count(parameter) for parameter in space.space]
    [61, inf, 4]
    """
    if not hasattr(parameter, "sampling") or parameter.step is not None:
        return len(tuple(parameter.values))
    if parameter.min_value == parameter.max_value:
        return 1
    whole = isinstance(parameter.min_value, int)
    return parameter.max_value - parameter.min_value + 1 if whole else math.inf


def single(number):
    """Round to what 32 bits hold.

    keras-tuner sends values and scores between processes in 32 bits. What is rounded
    at once is the same on both sides.

    Args:
        number: Any number.

    Returns:
        The nearest number in single precision.

    Example:

    >>> single(0.5), single(0.1)
    (0.5, 0.10000000149011612)
    """
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)


def value_at(parameter, unit):
    """Give the value at a place of the unit interval.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.
        unit: Number in [0, 1].

    Returns:
        The value, never outside the range; of a `Float` without steps in single
        precision.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> round(value_at(space.space[0], 0.5), 6), value_at(space.space[0], 1.0)
    (0.01, 1.0)
    """
    value = parameter.prob_to_value(unit)
    if not hasattr(parameter, "sampling"):
        return value
    if parameter.step is None and isinstance(value, float):
        value = single(value)
    return min(max(value, parameter.min_value), parameter.max_value)


def position(parameter, value):
    """Find the place of a value on the unit interval.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`, an ordered one.
        value: One of its values.

    Returns:
        Number in [0, 1]; the middle of its share where the values are counted.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> _ = space.Choice("size", [16, 32])
    >>> [position(space.space[0], 0.01), position(space.space[1], 32)]
    [0.5, 0.75]
    """
    # keras-tuner rounds steps that are no integers down, at times to the step below
    if not hasattr(parameter, "sampling") or parameter.step is not None:
        steps = tuple(parameter.values)
        return (steps.index(nearest(steps, value)) + 0.5) / len(steps)
    return min(max(parameter.value_to_prob(value), 0.0), 1.0)


def nearest(choices, value):
    """Find a value again that may have lost digits on its way.

    Args:
        choices: Tuple of values.
        value: One of them, or a number near one.

    Returns:
        The nearest of them; what is no number as it came.

    Example:

    >>> nearest((0.1, 0.3), single(0.3)), nearest(("a", "b"), "b")
    (0.3, 'b')
    """
    if isinstance(value, float) and value not in choices:
        return min(choices, key=lambda choice: abs(choice - value))
    return value


def interval(parameter, value, width):
    """Lay an interval round a value, moved inside at an edge.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`, an ordered one.
        value: One of its values.
        width: Share of the range, at most 1. Where the values are counted, the
            interval is at least so wide that it reaches a step to either side.

    Returns:
        Its two ends on the unit interval.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> _ = space.Choice("size", [16, 32, 64, 128])
    >>> interval(space.space[0], 0.01, 0.5), interval(space.space[0], 1.0, 0.5)
    ((0.25, 0.75), (0.5, 1.0))
    >>> interval(space.space[1], 32, 0.1)
    (0.125, 0.625)
    """
    centre = position(parameter, value)
    width = min(1.0, max(width, 2 * _step(parameter, value, centre)))
    low = min(max(centre - width / 2, 0.0), 1.0 - width)
    return low, low + width


def _step(parameter, value, centre):
    """Measure how far the farther neighbour is, 0 where none is next."""
    number = count(parameter)
    if math.isinf(number) or number == 1:
        return 0.0
    if not hasattr(parameter, "sampling") or parameter.step is not None:
        return 1 / number
    beside = [value - 1, value + 1]
    inside = [v for v in beside if parameter.min_value <= v <= parameter.max_value]
    return max(abs(position(parameter, v) - centre) for v in inside)


def configurations(space, values=None):
    """Walk through all that a finite space holds.

    Args:
        space: List of `keras_tuner.engine.hyperparameters.HyperParameter`. Of a
            `Float` without steps only some values come.
        values: Map from name to value of what is settled.

    Yields:
        Maps from name to value, of the hyperparameters that are active together.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("deep")
    >>> _ = space.Int("units", 8, 9, parent_name="deep", parent_values=[True])
    >>> list(configurations(space.space))
    [{'deep': True, 'units': 8}, {'deep': True, 'units': 9}, {'deep': False}]
    """
    values = values or {}
    active = next((p for p in space if is_active(p, values)), None)
    if active is None:
        yield values
        return
    rest = [parameter for parameter in space if parameter is not active]
    if count(active) == math.inf or getattr(active, "step", 1) is not None:
        choices = active.values
    else:
        choices = range(active.min_value, active.max_value + 1)
    for choice in choices:
        yield from configurations(rest, {**values, active.name: choice})
