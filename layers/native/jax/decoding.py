"""What decoding asks of JAX."""

import jax


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
        queries: Array of shape `(batch, heads, queries, size)`.
        keys: Array of shape `(batch, heads, keys, size)`.

    Returns:
        Array of shape `(batch, heads, queries, keys)`.

    Example:

    >>> products(jax.numpy.ones((1, 1, 2, 4)), jax.numpy.ones((1, 1, 3, 4))).shape
    (1, 1, 2, 3)
    """
    return jax.numpy.einsum("bhqd,bhkd->bhqk", queries, keys)


class Heads:
    """Order of rows of numbers: by beams, as projections give them, or by heads.

    Args:
        batch: Number of sentences.
        width: Beams of each.
        heads: Heads of the attention.

    Example:

    >>> order = Heads(2, 3, 4)
    >>> query, key = order.apart(jax.numpy.ones((6, 40)), 2)
    >>> tuple(query.shape), tuple(order.together(query).shape)
    ((2, 4, 3, 5), (6, 20))
    """

    def __init__(self, batch, width, heads):
        self.batch, self.width, self.heads = batch, width, heads

    def apart(self, rows, parts):
        """Give rows of all beams as so many parts of `(batch, heads, beams, size)`."""
        rows = rows.reshape(self.batch, self.width, parts, self.heads, -1)
        rows = rows.transpose(2, 0, 3, 1, 4)
        return [rows[number] for number in range(parts)]

    def together(self, found):
        """Give what was found for heads as rows of all beams."""
        found = found.swapaxes(1, 2)
        return found.reshape(self.batch * self.width, -1)
