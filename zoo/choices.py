"""Names that people type, and what to say when they are wrong."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any


def choose(kind: str, name: Any, choices: Mapping[str, Any] | Sequence[str]) -> Any:
    """Give `choices[name]`, or say which name was probably meant.

    Args:
        kind: What is chosen, for the message: `"recipe"`, `"data set"`.
        name: The name received.
        choices: The names that exist: a mapping, or a list where only the check
            is wanted.

    Returns:
        The value under that name; the name itself for a list.

    Raises:
        ValueError: If the name is not there; it tells the nearest one and all.

    Example:

    >>> choose("norm", "grup", {"group": 1, "batch": 2})
    Traceback (most recent call last):
    ValueError: there is no norm 'grup'; did you mean 'group'? Choose one of group, ...
    """
    if name in choices:
        return choices[name] if isinstance(choices, Mapping) else name
    near = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Choose" if near else "choose"
    raise ValueError(
        f"there is no {kind} {name!r}; {hint} one of {', '.join(choices)}."
    )
