"""What decoding asks of JAX."""

import jax

from ..heads import Heads as Heads


def shapes_may_change():
    """Tell whether the tensors of a loop may change their shapes from step to step.

    Returns:
        Boolean: false, since JAX compiles each loop.

    Example:

    >>> shapes_may_change()
    False
    """
    return False


def loose(tensor, axes):
    """Give a tensor as it is: JAX knows all sizes.

    Args:
        tensor: Array.
        axes: Axes whose sizes another backend forgets.

    Returns:
        The same array.

    Example:

    >>> loose(jax.numpy.zeros(3), (0,)).shape
    (3,)
    """
    return tensor


def known(number):
    """Give a number, which has to be known before anything is compiled.

    Args:
        number: Integer scalar.

    Returns:
        An integer.

    Raises:
        ValueError: If it is an argument of a function that is being compiled.

    Example:

    >>> known(jax.numpy.asarray(3))
    3
    """
    try:
        return int(number)
    except jax.errors.ConcretizationTypeError as error:
        raise ValueError(
            "JAX compiles a search for a number of beams that it knows, received an "
            "argument of the compiled function: give an integer (static_argnums)."
        ) from error


def products(queries, keys):
    """Multiply each query by each key.

    Args:
        queries: Array of shape `(..., queries, size)`.
        keys: Array of shape `(..., keys, size)`.

    Returns:
        Array of shape `(..., queries, keys)`.

    Example:

    >>> products(jax.numpy.ones((1, 1, 2, 4)), jax.numpy.ones((1, 1, 3, 4))).shape
    (1, 1, 2, 3)
    """
    return queries @ keys.swapaxes(-1, -2)
