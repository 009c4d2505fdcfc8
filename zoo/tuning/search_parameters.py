"""The searched hyperparameters, each on a scale of its own from 0 to 1."""

import dataclasses
import math
import re
from typing import Any

import numpy as np

EXPONENT = re.compile(r"e\+?(-?)0*")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One searched hyperparameter, whichever its condition.

    Args:
        name: Its name.
        choices: What it is chosen from; empty for a range of numbers.
        low: The lower end of its range.
        high: The upper end of its range.
        sampling: "linear", "log" or "reverse_log".
        ordered: Whether its values have an order.
        conditional: Whether some configurations are without it.

    Example:

    >>> rate = Parameter("rate", low=1e-4, high=1.0, sampling="log")
    >>> rate.place(0.01), rate.word(0.01)
    (0.5, '0.01')
    """

    name: str
    choices: tuple = ()
    low: float = 0.0
    high: float = 1.0
    sampling: str = "linear"
    ordered: bool = True
    conditional: bool = False

    def place(self, value):
        """Find a value's place from 0 to 1, NaN where it has none.

        Numbers lie on the scale that they are drawn from. It is that of keras-tuner's
        `value_to_prob` without its steps, whose division misses values such as 0.3.
        """
        if self.choices:
            known = value in self.choices
            index = self.choices.index(value) if known else math.nan
            return (index + 0.5) / len(self.choices)
        if not isinstance(value, int | float | np.number):
            return math.nan
        low, high = self.low, self.high
        value = min(max(float(value), low), high)
        if self.sampling == "linear":
            return (value - low) / (high - low)
        if self.sampling == "log":
            return math.log(value / low) / math.log(high / low)
        return 1 - math.log((high + low - value) / low) / math.log(high / low)

    def places(self, trials):
        """Find the places of all trials' values."""
        return np.array([self.place(t.values.get(self.name)) for t in trials], float)

    def word(self, value):
        """Word a value in a few characters."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        whole = isinstance(value, int) and abs(value) < 1_000_000
        return f"{value:,}" if whole else EXPONENT.sub(r"e\1", f"{value:.3g}")

    @property
    def range(self):
        """What it is chosen from, in words."""
        if self.choices:
            words = [*map(str, self.choices[:8])]
            more = [f"… {len(self.choices)} in all"] * (len(self.choices) > 8)
            return ", ".join(words + more)
        scale = {"linear": ""}.get(self.sampling, f", {self.sampling}")
        return f"{self.word(self.low)} to {self.word(self.high)}" + scale.replace(
            "_", " "
        )

    def ticks(self, most=6):
        """Choose values to write beside its scale, the lowest first."""
        if self.choices:
            every = -(-len(self.choices) // most)
            return list(self.choices[::every])
        if self.sampling == "log":
            ticks = _powers(self.low, self.high, most)
        else:
            ticks = _steps(self.low, self.high, most)
        return [tick for tick in ticks if self.low <= tick <= self.high]


def parameters(space):
    """List the searched hyperparameters of a space, in their order.

    What is fixed is left out. Those of one name with different conditions are one.

    Args:
        space: `keras_tuner.HyperParameters`.

    Returns:
        List of `Parameter`.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Fixed("epochs", 3), space.Int("units", 4, 16), space.Boolean("bias")
    >>> [parameter.name for parameter in parameters(space)]
    ['units', 'bias']
    """
    groups: dict[str, list[Any]] = {}
    for one in space.space:
        groups.setdefault(one.name, []).append(one)
    found = [_together(name, group) for name, group in groups.items()]
    return [p for p in found if len(p.choices) > 1 or not p.choices and p.low < p.high]


def starting(space):
    """Give the configuration that a search started from, active ones only.

    Args:
        space: `keras_tuner.HyperParameters`.

    Returns:
        Mapping of names to values.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> kind, epochs = space.Choice("kind", ["a", "b"]), space.Fixed("epochs", 3)
    >>> with space.conditional_scope("kind", ["b"]):
    ...     units = space.Int("units", 4, 16)
    >>> starting(space)
    {'kind': 'a', 'epochs': 3}
    """
    values = {}
    for one in space.space:  # parents come before their children
        if all(condition.is_active(values) for condition in one.conditions):
            values[one.name] = space.values.get(one.name, one.default)
    return values


def _together(name, group):
    """Lay together what has one name."""
    about = {"name": name, "conditional": all(one.conditions for one in group)}
    numbers = [one for one in group if hasattr(one, "sampling")]
    if len(numbers) == len(group):
        kinds = {one.sampling for one in numbers}
        return Parameter(
            low=min(one.min_value for one in numbers),
            high=max(one.max_value for one in numbers),
            sampling=kinds.pop() if len(kinds) == 1 else "linear",
            **about,
        )
    choices = {
        (type(value), value): value
        for one in group
        for value in ((False, True) if {*one.values} == {False, True} else one.values)
    }
    ordered = all(getattr(one, "ordered", len(choices) == 2) for one in group)
    return Parameter(choices=tuple(choices.values()), ordered=ordered, **about)


def _powers(low, high, most):
    """Give the ends of a logarithmic scale and powers of ten between them."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    every = max(1, -(-(last - first + 1) // most))
    inner = [10.0**power for power in range(first, last + 1, every)]
    if len(inner) >= 3:
        return inner
    near = math.log10(high / low) / 5  # what would overlap an end
    inner = [
        tick
        for tick in inner
        if math.log10(tick / low) > near and math.log10(high / tick) > near
    ]
    return [low, *inner, high]


def _steps(low, high, most):
    from matplotlib.ticker import MaxNLocator

    whole = isinstance(low, int) and isinstance(high, int)
    ticks = MaxNLocator(most - 1, integer=whole).tick_values(low, high)
    return [int(tick) if whole else float(tick) for tick in ticks]
