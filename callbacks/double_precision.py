"""Computing in float64 for a while, on a backend that would not by itself."""

import contextlib

import keras

from ..layers import native
from .training_state import random_states, set_random_states


@contextlib.contextmanager
def double_precision():
    """Let new layers compute in float64 within a `with`, on every backend.

    JAX allows float64 for the time, and Keras, which otherwise takes it for float32 in
    most operations on JAX and PyTorch, leaves it as it is. All is put back at the end,
    the random generators of Python and NumPy too.

    Yields:
        Whether float64 is kept in sums and products; `False` if this version of Keras
        does not let it.

    Example:

    >>> with double_precision() as kept:
    ...     kept, keras.backend.result_type("float64", "float32")
    (True, 'float64')
    >>> keras.config.floatx()
    'float32'
    """
    policy = keras.config.dtype_policy()
    table = _narrowing()
    narrowed = table.get("float64", "float64")
    try:
        keras.config.set_dtype_policy("float64")
        table["float64"] = "float64"
        native_precision = native.of("derivatives").double_precision()
        with undisturbed(), default_float("float64"), native_precision:
            yield keras.backend.result_type("float64", "float64") == "float64"
    finally:
        table["float64"] = narrowed
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def undisturbed():
    """Leave the random generators of Python, NumPy and PyTorch as they were.

    Layers that are built without a seed draw theirs from them, and on PyTorch Keras
    draws the order of examples.

    Example:

    >>> import random
    >>> random.seed(1)
    >>> with undisturbed():
    ...     drawn = random.random()
    >>> random.random() == drawn
    True
    """
    states = random_states()
    try:
        yield
    finally:
        set_random_states(states)


@contextlib.contextmanager
def default_float(name):
    """Change Keras' default float within a `with`.

    Args:
        name: The dtype.

    Example:

    >>> with default_float("float64"):
    ...     keras.config.floatx()
    'float64'
    """
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(name)
        yield
    finally:
        keras.config.set_floatx(before)


def _narrowing():
    """Give the table by which Keras narrows results, which it offers no switch for.

    Where a version has no such table, an empty one is changed in its stead.
    """
    names = getattr(keras.backend.result_type, "__globals__", {})
    return names.get("BIT64_TO_BIT32_DTYPE", {})
