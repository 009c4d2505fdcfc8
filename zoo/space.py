"""Declaring to keras-tuner what may vary, and reading what it chose."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from .choices import choose
from .space_rows import Between, Kinds, OneOf


def declare(hp, table, *, fixed=None, vary=None, base=None):
    """Declare a table of rows to a search, and give the settings it chose.

    Where a choice opens others, these are conditional: they have a value only where
    they matter.

    Args:
        hp: `keras_tuner.HyperParameters`.
        table: Mapping of names to `OneOf`, `Between` or `Kinds`.
        fixed: Mapping of settings that do not vary to their values. Text such as
            `"group"` leaves its numbers open, `"group:8"` fixes them, too.
        vary: The names that vary, all if `None`; or a mapping of names to the values
            left to them, `None` for all: `{"norm": ("batch", "group"),
            "learning_rate": (1e-3, 1e-2)}`.
        base: Settings to start from: the defaults of what varies, and the kinds of
            what does not.

    Returns:
        Mapping of settings to their values, in the language of recipes: `"group:8"`.

    Raises:
        ValueError: If a name is unknown, or a value is outside its range.

    Example:

    >>> import keras_tuner
    >>> from .space_rows import NORM
    >>> hp = keras_tuner.HyperParameters()
    >>> declare(hp, {"norm": NORM}, fixed={"norm": "group"})
    {'norm': 'group:2'}
    >>> [row.name for row in hp.space]
    ['groups']
    """
    vary = (
        {name: None for name in vary or ()} if not isinstance(vary, Mapping) else vary
    )
    known = list(names_of(table))
    for name in [*(fixed or ()), *vary]:
        choose("setting to search", name, known)
    clash = sorted({*(fixed or ())} & {*vary})
    if clash:
        raise ValueError(f"{clash[0]} is both fixed and to vary: choose one of them.")
    declaring = _Declaring(hp, dict(fixed or {}), vary, dict(base or {}))
    for name, row in table.items():
        declaring.row(name, row, inherited=not vary)
    return declaring.settings


def names_of(table):
    """Name everything in a table that can be fixed or varied.

    Args:
        table: Mapping of names to rows.

    Returns:
        Dictionary of names to rows, the opened ones included; a row that is a setting
        of another name stands under both.

    Example:

    >>> from .space_rows import NORM
    >>> list(names_of({"norm": NORM}))
    ['norm', 'batch_momentum', 'groups']
    """
    found = {}
    for name, row in table.items():
        found[name] = row
        if getattr(row, "sets", None):
            found.setdefault(row.sets, row)
        for _, rows in getattr(row, "opens", ()):
            found |= names_of(rows)
    return found


def narrowed(name, row, values) -> Any:
    """Leave a row only some of its values.

    Args:
        name: Its name, for messages.
        row: The row.
        values: Values to choose from, or the least and greatest number of a range;
            `None` for all.

    Returns:
        The row.

    Raises:
        ValueError: If something of it is outside the row.

    Example:

    >>> narrowed("learning_rate", Between(1e-5, 1.0, log=True), (1e-3, 1e-1)).high
    0.1
    """
    if values is None:
        return row
    values = list(values)
    if isinstance(row, Between):
        if len(values) != 2 or not all(map(_is_number, values)):
            raise ValueError(
                f"{name} is a range: give its least and greatest number, such as "
                f"{row.low:g}:{row.high:g}; received {values}."
            )
        ends = [checked(name, row, value) for value in values]
        ends = sorted(1 - end if row.complement else end for end in ends)
        return dataclasses.replace(row, low=ends[0], high=ends[1])
    if isinstance(row, Kinds):
        for kind in values:
            choose(f"kind of {name}", kind, row.kinds)
        return dataclasses.replace(row, kinds=tuple(values))
    return dataclasses.replace(row, values=[checked(name, row, v) for v in values])


def checked(name, row, value):
    """Give a value that stands in a row, or say why it does not.

    Args:
        name: Name of the row, for the message.
        row: `OneOf` or `Between`.
        value: The value.

    Returns:
        The value.

    Raises:
        ValueError: If it is outside the row.

    Example:

    >>> checked("learning_rate", Between(1e-5, 1.0, log=True), 3)
    Traceback (most recent call last):
    ValueError: learning_rate=3 is outside its range of 1e-05 to 1.
    """
    if isinstance(row, OneOf):
        if value not in row.values:
            told = ", ".join(map(str, row.values))
            raise ValueError(f"{name}={value!r} is none of its values: {told}.")
        return row.values[list(row.values).index(value)]
    low, high = (1 - row.high, 1 - row.low) if row.complement else (row.low, row.high)
    slack = 1e-9 * max(abs(low), abs(high))
    if not _is_number(value) or not low - slack <= value <= high + slack:
        raise ValueError(
            f"{name}={value!r} is outside its range of {low:g} to {high:g}."
        )
    return value


class _Declaring:
    """One pass over a table."""

    def __init__(self, hp, fixed, vary, base):
        self.hp, self.fixed, self.vary, self.base = hp, fixed, vary, base
        self.settings = {}

    def row(self, name, row, inherited, given=None):
        """Declare a row; `given` is what text said of it.

        Returns the value where the row is active and has one.
        """
        if isinstance(row, Kinds):
            return self._kinds(name, row, inherited)
        setting = row.sets or name
        if given is None and setting in self.fixed:
            given = self.fixed[setting]
        if given is not None:
            value = checked(setting, row, given)
        elif inherited or self._asked(name, setting):
            asked = name if name in self.vary else setting
            left, own = self.vary.get(asked), self.base.get(setting)
            if left is None and isinstance(row, OneOf):
                row = dataclasses.replace(row, values=_with_own(row.values, own))
            value = self._choose(name, narrowed(setting, row, left), own)
            if value is not None and getattr(row, "complement", False):
                value = 1 - value
        else:
            return None
        if value is not None:
            self.settings[setting] = value
        return value

    def _asked(self, *names):
        return any(name in self.vary for name in names)

    def _choose(self, name, row, default):
        if isinstance(row, OneOf):
            default = default if default in row.values else row.values[0]
            if set(row.values) == {False, True}:
                return self.hp.Boolean(name, default=default)
            return self.hp.Choice(name, list(row.values), default=default)
        if row.complement and _is_number(default):
            default = 1 - default
        if not (_is_number(default) and row.low <= default <= row.high):
            default = _middle(row)
        sampling = "log" if row.log else "linear"
        return self.hp.Float(
            name, row.low, row.high, step=row.step, sampling=sampling, default=default
        )

    def _kinds(self, name, row, inherited):
        """Declare a choice of kinds, then what it opens."""
        given = self.fixed.get(name)
        free = given is None and (inherited or self._asked(name))
        if not free and given is None:
            given = self._kept(name, row)
            if given is None:
                return None
        elif free:
            row = narrowed(name, row, self.vary.get(name))
        kind, _, numbers = str(given or "").partition(":")
        if free:
            start = str(self.base.get(name)).partition(":")[0]
            start = start if start in row.kinds else row.kinds[0]
            kind = self.hp.Choice(name, list(row.kinds), default=start)
        else:
            choose(f"kind of {name}", kind, row.kinds)
        self._tell_numbers(name, row)
        if free:
            values = self._open(name, row, kind, inherited)
        else:
            fixed = name in self.fixed
            values = self._of_kind(name, row, kind, inherited, numbers, fixed)
        self.settings[name] = kind
        if row.text:
            for opened in values:
                self.settings.pop(opened)
            self.settings[name] = ":".join([kind, ",".join(map(str, values.values()))])
            self.settings[name] = self.settings[name].rstrip(":")
        return kind

    def _kept(self, name, row):
        """Give the kind to start from where only what it opens varies."""
        opened = {each for _, rows in row.opens for each in names_of(rows)}
        if not self._asked(*opened) and not opened & set(self.fixed):
            return None
        kind = self.base.get(name)
        if not isinstance(kind, str) or kind.partition(":")[0] not in row.kinds:
            raise ValueError(
                f"{', '.join(sorted(opened & {*self.vary, *self.fixed}))} goes with "
                f"{name}: fix {name}, too, to one of {', '.join(row.kinds)}."
            )
        return kind

    def _tell_numbers(self, name, row):
        """Let the numbers of the kind to start from be defaults."""
        base, _, numbers = str(self.base.get(name) or "").partition(":")
        opened = [each for kinds, rows in row.opens if base in kinds for each in rows]
        told = (float(text) for text in numbers.split(",") if text)
        for each, number in zip(opened, told, strict=False):
            self.base.setdefault(each, number)

    def _open(self, name, row, kind, inherited):
        """Declare what the kinds of a choice open, each where it was chosen."""
        values = {}
        for kinds, rows in row.opens:
            kinds = [each for each in kinds if each in row.kinds]
            if not kinds:
                continue
            with self.hp.conditional_scope(name, kinds):
                for each, opened in rows.items():
                    value = self.row(each, opened, inherited or name in self.vary)
                    if kind in kinds and value is not None:
                        values[each] = value
        return values

    def _of_kind(self, name, row, kind, inherited, numbers, fixed):
        """Declare what one kind opens, as far as its numbers are not told."""
        told = [float(text) for text in numbers.split(",") if text]
        rows = {
            n: r for kinds, rows in row.opens if kind in kinds for n, r in rows.items()
        }
        if len(told) > len(rows):
            raise ValueError(
                f"{name}={kind}:{numbers} has more numbers than {kind} takes."
            )
        values = {}
        for each, opened in rows.items():
            given = told.pop(0) if told else None
            if not fixed and self._asked(each, opened.sets or each):
                given = None
            value = self.row(each, opened, inherited, given)
            if value is not None:
                values[each] = value
        return values


def _with_own(values, own):
    """Let what a recipe has already be one of the values, where it is of their kind."""
    values = list(values)
    if own in values or isinstance(values[0], bool):
        return values
    if isinstance(values[0], str):
        return [own, *values] if isinstance(own, str) else values
    return sorted([own, *values]) if _is_number(own) else values


def _middle(row):
    if row.step is not None or row.low == 0:
        return row.low
    return math.sqrt(row.low * row.high) if row.log else (row.low + row.high) / 2


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
