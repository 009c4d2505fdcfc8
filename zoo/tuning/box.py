"""Boxes in a space of hyperparameters: round good trials, and draws from them.

Every ordered hyperparameter is seen on the unit interval of its own scale, linear or
logarithmic, as keras-tuner samples it; a box holds an interval of it. Of an unordered
one a box holds the choices that are left. Nothing here remembers anything: the same
trials give the same box, and the same box and numbers the same draw.

The functions take keras-tuner's hyperparameters as they are and import nothing of it.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a trial that completed has tried, and how it went.

    Args:
        values: Map from name to value, of the hyperparameters that were active.
        loss: Its score, turned so that less is better.

    Example:

    >>> Finished({"rate": 0.1}, 0.5).loss
    0.5
    """

    values: dict
    loss: float


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


def value_at(parameter, unit):
    """Give the value at a place of the unit interval.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`.
        unit: Number in [0, 1].

    Returns:
        The value, never outside the range.

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
    return min(max(value, parameter.min_value), parameter.max_value)


def position(parameter, value):
    """Find the place of a value on the unit interval.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`, an ordered one.
        value: One of its values.

    Returns:
        Number in [0, 1]; the middle of its share where the values are steps.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> _ = space.Choice("size", [16, 32])
    >>> [position(space.space[0], 0.01), position(space.space[1], 32)]
    [0.5, 0.75]
    """
    # keras-tuner rounds steps that are no integers down, at times to the step below
    if not hasattr(parameter, "sampling") or (
        parameter.step is not None and isinstance(parameter.min_value, float)
    ):
        steps = [float(step) for step in parameter.values]
        nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - value))
        return (nearest + 0.5) / len(steps)
    return min(max(parameter.value_to_prob(value), 0.0), 1.0)


def interval(centre, width):
    """Lay an interval round a place of the unit interval, moved inside at an edge.

    Args:
        centre: Number in [0, 1].
        width: Its width, at most 1.

    Returns:
        Its two ends.

    Example:

    >>> interval(0.5, 0.5), interval(0.9, 0.5)
    ((0.25, 0.75), (0.5, 1.0))
    """
    low = min(max(centre - width / 2, 0.0), 1.0 - width)
    return low, low + width


def kept_choices(parameter, finished, level):
    """Drop the choices that did clearly worse than the best trial's.

    A choice is dropped when the losses of its trials lie above those of the best
    trial's choice by a one-sided Mann-Whitney test at `level`. The best trial's choice
    always stays, and so does one with too few trials to tell.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`, an unordered
            one.
        finished: List of `Finished`.
        level: Chance at which a choice as good as the best is dropped by luck, each
            time it is asked; 0 drops none.

    Returns:
        The choices that stay, a tuple.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("kind", ["a", "b", "c"])
    >>> tried = [Finished({"kind": "a"}, loss) for loss in (1.0, 2.0, 3.0)]
    >>> tried += [Finished({"kind": "b"}, loss) for loss in (1.5, 2.5, 3.5)]
    >>> tried += [Finished({"kind": "c"}, loss) for loss in (7.0, 8.0, 9.0)]
    >>> kept_choices(space.space[0], tried, 0.05)
    ('a', 'b')
    """
    choices = tuple(parameter.values)
    losses = {choice: [] for choice in choices}
    for trial in finished:
        if is_active(parameter, trial.values):
            if trial.values.get(parameter.name) in losses:
                losses[trial.values[parameter.name]].append(trial.loss)
    tried = [choice for choice in choices if losses[choice]]
    if not tried or level == 0:
        return choices
    best = min(tried, key=lambda choice: min(losses[choice]))
    return tuple(
        choice
        for choice in choices
        if choice == best or not _is_worse(losses[choice], losses[best], level)
    )


def _is_worse(losses, others, level):
    if not losses:
        return False
    from scipy.stats import mannwhitneyu

    return mannwhitneyu(losses, others, alternative="greater").pvalue <= level


def box(space, finished, widths, level):
    """Lay a box round a trial.

    Args:
        space: List of `keras_tuner.engine.hyperparameters.HyperParameter`.
        finished: List of `Finished`. The first in which a hyperparameter was active
            is the one that its interval lies round.
        widths: Map from `identity` to the width of the interval, at most 1. A
            hyperparameter that is not in it keeps its whole range.
        level: See `kept_choices`.

    Returns:
        Map from `identity` to the two ends of an interval, or to the choices left.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log"), space.Boolean("deep")
    >>> tried = [Finished({"rate": 0.01, "deep": True}, 0.5)]
    >>> box(space.space, tried, {"rate": 0.25, "deep": 0.25}, 0.05)
    {'rate': (0.375, 0.625), 'deep': (True, False)}
    """
    laid = {}
    for parameter in space:
        name = identity(parameter)
        width = widths.get(name, 1.0)
        if not is_ordered(parameter):
            kept = kept_choices(parameter, finished, level if width < 1 else 0)
            laid[name] = kept
            continue
        # a step to either side can always be taken
        width = min(1.0, max(width, 2 / count(parameter)))
        values = [t.values for t in finished if is_active(parameter, t.values)]
        known = [v[parameter.name] for v in values if parameter.name in v]
        laid[name] = interval(position(parameter, known[0]), width) if known else (0, 1)
    return laid


def draw(space, laid, uniform):
    """Draw values for all hyperparameters that are active together.

    Args:
        space: List of `keras_tuner.engine.hyperparameters.HyperParameter`.
        laid: What `box` gives.
        uniform: Called with a name, gives a number in [0, 1).

    Returns:
        Map from name to value.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("kind", ["a", "b"]), space.Float("rate", 0.0, 1.0)
    >>> laid = {"kind": ("a", "b"), "rate": (0.5, 1.0)}
    >>> draw(space.space, laid, lambda name: 0.5)
    {'kind': 'b', 'rate': 0.75}
    """
    values, waiting = {}, list(space)
    while active := [p for p in waiting if is_active(p, values)]:
        for parameter in active:
            name = identity(parameter)
            chance, held = uniform(name), laid[name]
            if is_ordered(parameter):
                low, high = held
                chance = value_at(parameter, low + chance * (high - low))
            else:
                chance = held[int(chance * len(held))]
            values[parameter.name] = chance
        waiting = [p for p in waiting if p not in active]
    return values
