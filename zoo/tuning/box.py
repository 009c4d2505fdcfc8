"""Boxes in a space of hyperparameters: round the best trial, and draws from them.

Every ordered hyperparameter is seen on the unit interval of its own scale, linear or
logarithmic, as keras-tuner samples it; a box holds an interval of it. Of an unordered
one a box holds the choices that are left. Nothing here remembers anything: the same
trials give the same box, and the same box and numbers the same draw.
"""

import dataclasses

from .scales import identity, interval, is_active, is_ordered, nearest, value_at


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


def kept_choices(parameter, finished, significance):
    """Drop the choices that did clearly worse than the best trial's.

    A choice is dropped when the losses of its trials lie above those of the best
    trial's choice by a one-sided Mann-Whitney test. The best trial's choice always
    stays, and so does one with too few trials to tell.

    Args:
        parameter: `keras_tuner.engine.hyperparameters.HyperParameter`, an unordered
            one.
        finished: List of `Finished`.
        significance: Chance at which a choice as good as the best is dropped by luck,
            each time it is asked; 0 drops none.

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
    for trial in _where_active(parameter, finished):
        choice = nearest(choices, trial.values[parameter.name])
        if choice in losses:
            losses[choice].append(trial.loss)
    tried = [choice for choice in choices if losses[choice]]
    if not tried or significance == 0:
        return choices
    best = min(tried, key=lambda choice: min(losses[choice]))
    return tuple(
        choice
        for choice in choices
        if choice == best or not _is_worse(losses[choice], losses[best], significance)
    )


def _where_active(parameter, finished):
    return [
        trial
        for trial in finished
        if parameter.name in trial.values and is_active(parameter, trial.values)
    ]


def _is_worse(losses, others, significance):
    if not losses:
        return False
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(losses, others, alternative="greater")
    return bool(test.pvalue <= significance)


def box(space, finished, width, significance):
    """Lay a box round the best trial.

    A hyperparameter that was not active in the best trial is laid round the best of
    those in which it was, and keeps its whole range where there was none.

    Args:
        space: List of `keras_tuner.engine.hyperparameters.HyperParameter`.
        finished: List of `Finished`. Of equals the first counts as the best.
        width: Share of each range that stays, at most 1. At 1 everything stays.
        significance: See `kept_choices`.

    Returns:
        Map from `identity` to the two ends of an interval, or to the choices left.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log"), space.Boolean("deep")
    >>> tried = [Finished({"rate": 0.01, "deep": True}, 0.5)]
    >>> box(space.space, tried, 0.25, 0.05)
    {'rate': (0.375, 0.625), 'deep': (True, False)}
    """
    laid = {}
    for parameter in space:
        known = _where_active(parameter, finished)
        if not is_ordered(parameter):
            level = significance if width < 1 else 0
            laid[identity(parameter)] = kept_choices(parameter, known, level)
        elif known and width < 1:
            best = min(known, key=lambda trial: trial.loss)
            value = best.values[parameter.name]
            laid[identity(parameter)] = interval(parameter, value, width)
        else:
            laid[identity(parameter)] = (0.0, 1.0)
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
    while active := next((p for p in waiting if is_active(p, values)), None):
        name = identity(active)
        chance, held = uniform(name), laid[name]
        if is_ordered(active):
            low, high = held
            values[active.name] = value_at(active, low + chance * (high - low))
        else:
            values[active.name] = held[int(chance * len(held))]
        waiting.remove(active)
    return values
