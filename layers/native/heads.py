"""Rows of beams and heads of an attention, where transposing costs nothing."""

from keras import ops


class Heads:
    """Order of rows of numbers: by beams, as projections give them, or by heads.

    Args:
        batch: Number of sentences.
        width: Beams of each.
        heads: Heads of the attention.

    Example:

    >>> order = Heads(2, 3, 4)
    >>> query, key = order.apart(ops.ones((6, 40)), 2)
    >>> tuple(query.shape), tuple(order.together(query).shape)
    ((2, 4, 3, 5), (6, 20))
    """

    def __init__(self, batch, width, heads):
        self.batch, self.width, self.heads = batch, width, heads

    def apart(self, rows, parts):
        """Give rows of all beams as so many parts of `(batch, heads, beams, size)`."""
        rows = ops.reshape(rows, (self.batch, self.width, parts, self.heads, -1))
        rows = ops.transpose(rows, (2, 0, 3, 1, 4))
        return [rows[number] for number in range(parts)]

    def together(self, found):
        """Give what was found for heads as rows of all beams."""
        found = ops.transpose(found, (0, 2, 1, 3))
        return ops.reshape(found, (self.batch * self.width, -1))
