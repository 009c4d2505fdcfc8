"""Every combination of a space's values, by number."""

from keras_tuner.engine.hyperparameters import HyperParameters


def grid_values(space, number):
    """Give one combination of a space's values.

    A parameter without steps has ten values, spread evenly on its scale. A parameter
    that a choice leaves out multiplies nothing.

    Args:
        space: `keras_tuner.HyperParameters`.
        number: Which combination, from 0; the last parameter changes fastest.

    Returns:
        Mapping of the active parameters to their values, `None` behind the last.

    Example:

    >>> space = HyperParameters()
    >>> norm = space.Choice("norm", ["batch", "group"])
    >>> with space.conditional_scope("norm", ["group"]):
    ...     groups = space.Choice("groups", [2, 4])
    >>> [grid_values(space, number) for number in range(4)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [{'norm': 'batch'}, {'norm': 'group', 'groups': 2},
     {'norm': 'group', 'groups': 4}, None]
    """
    return _walk(space.space, 0, HyperParameters(), [number])


def _walk(rows, place, chosen, left):
    """Find the combination of which `left[0]` lie before it, depth first."""
    if place == len(rows):
        left[0] -= 1
        return dict(chosen.values) if left[0] < 0 else None
    row = rows[place]
    chosen.merge([row])
    if not chosen.is_active(row):
        return _walk(rows, place + 1, chosen, left)
    for value in values_of(row):
        chosen.values[row.name] = value
        found = _walk(rows, place + 1, chosen, left)
        if found is not None:
            return found
    chosen.values.pop(row.name)
    return None


def values_of(row):
    """Give the values that a parameter has on a grid.

    Args:
        row: A parameter of a space.

    Returns:
        List.

    Example:

    >>> space = HyperParameters()
    >>> rate = space.Float("rate", 1e-3, 1.0, sampling="log")
    >>> len(values_of(space.space[0])), min(values_of(space.space[0]))
    (10, 0.0014125375446227544)
    """
    found = dict.fromkeys(row.values)  # in order, each once
    return sorted(found) if all(map(_is_number, found)) else list(found)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
