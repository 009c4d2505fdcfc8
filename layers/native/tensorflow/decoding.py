"""What decoding asks of TensorFlow."""

import tensorflow as tf

from .. import heads
from .xla import is_compiling


def shapes_may_change():
    """Tell whether the tensors of a loop may change their shapes from step to step.

    Returns:
        Boolean: true but where XLA compiles.

    Example:

    >>> shapes_may_change()
    True
    """
    return not is_compiling()


def loose(tensor, axes):
    """Let a graph forget sizes, so that a loop may change them.

    Args:
        tensor: Tensor.
        axes: Axes whose sizes are forgotten.

    Returns:
        The same tensor.

    Example:

    >>> graph = tf.function(lambda x: tf.zeros(loose(x, (0,)).shape.rank))
    >>> graph(tf.zeros((2, 3))).shape
    TensorShape([2])
    """
    if tf.executing_eagerly():
        return tensor
    tensor = tf.convert_to_tensor(tensor)
    shape = [None if i in axes else size for i, size in enumerate(tensor.shape)]
    return tf.compat.v1.placeholder_with_default(tensor, shape)


def known(number):
    """Give a number if it is known before the graph runs.

    Args:
        number: Integer scalar.

    Returns:
        An integer, or the tensor.

    Example:

    >>> known(tf.constant(3))
    3
    """
    value = tf.get_static_value(number)
    return number if value is None else int(value)


def products(queries, keys):
    """Multiply each query by each key.

    Args:
        queries: Tensor of shape `(..., queries, size)`.
        keys: Tensor of shape `(..., keys, size)`.

    Returns:
        Tensor of shape `(..., queries, keys)`.

    Example:

    >>> products(tf.ones((1, 1, 2, 4)), tf.ones((1, 1, 3, 4))).shape
    TensorShape([1, 1, 2, 3])
    """
    # no copy of the keys; of three axes or more, oneDNN takes its faster kernel
    return tf.matmul(queries, keys, transpose_b=True)


class Heads(heads.Heads):
    """Order of rows of numbers, without transpositions but where XLA compiles them.

    oneDNN prepares a transposition for longer than it takes with few beams.

    Args:
        batch: Number of sentences.
        width: Beams of each.
        heads: Heads of the attention.

    Example:

    >>> order = Heads(2, 3, 4)
    >>> query, key = order.apart(tf.ones((6, 40)), 2)
    >>> tuple(query.shape), tuple(order.together(query).shape)
    ((2, 4, 3, 5), (6, 20))
    """

    def __init__(self, batch, width, heads):
        super().__init__(batch, width, heads)
        beams = tf.range(batch * width)
        head = tf.range(heads)
        self._beams = tf.reshape(beams, (batch, 1, width))
        self._head = head[None, :, None]
        self._rows = (beams // width * heads)[:, None] + head
        self._rows = self._rows * width + (beams % width)[:, None]

    def apart(self, rows, parts):
        """Give rows of all beams as so many parts of `(batch, heads, beams, size)`."""
        if is_compiling():
            return super().apart(rows, parts)
        rows = tf.reshape(rows, (-1, rows.shape[-1] // (parts * self.heads)))
        places = self._beams * (parts * self.heads) + self._head
        return [tf.gather(rows, places + part * self.heads) for part in range(parts)]

    def together(self, found):
        """Give what was found for heads as rows of all beams."""
        if is_compiling():
            return super().together(found)
        size = found.shape[-1]
        rows = tf.gather(tf.reshape(found, (-1, size)), self._rows)
        return tf.reshape(rows, (-1, self.heads * size))
