"""What decoding asks of PyTorch."""


def shapes_may_change():
    """Tell whether the tensors of a loop may change their shapes from step to step.

    Returns:
        Boolean: true, since loops are Python's.

    Example:

    >>> shapes_may_change()
    True
    """
    return True


def loose(tensor, axes):
    """Give a tensor as it is: nothing is expected of its sizes.

    Args:
        tensor: Tensor.
        axes: Axes whose sizes another backend forgets.

    Returns:
        The same tensor.

    Example:

    >>> import torch
    >>> loose(torch.zeros(3), (0,)).shape
    torch.Size([3])
    """
    return tensor


def known(number):
    """Give a number.

    Args:
        number: Integer scalar.

    Returns:
        An integer.

    Example:

    >>> import torch
    >>> known(torch.tensor(3))
    3
    """
    return int(number)


def products(queries, keys):
    """Multiply each query by each key.

    Args:
        queries: Tensor of shape `(batch, heads, queries, size)`.
        keys: Tensor of shape `(batch, heads, keys, size)`.

    Returns:
        Tensor of shape `(batch, heads, queries, keys)`.

    Example:

    >>> import torch
    >>> products(torch.ones(1, 1, 2, 4), torch.ones(1, 1, 3, 4)).shape
    torch.Size([1, 1, 2, 3])
    """
    return queries @ keys.transpose(-1, -2)


class Heads:
    """Order of rows of numbers: by beams, as projections give them, or by heads.

    Args:
        batch: Number of sentences.
        width: Beams of each.
        heads: Heads of the attention.

    Example:

    >>> import torch
    >>> order = Heads(2, 3, 4)
    >>> query, key = order.apart(torch.ones((6, 40)), 2)
    >>> tuple(query.shape), tuple(order.together(query).shape)
    ((2, 4, 3, 5), (6, 20))
    """

    def __init__(self, batch, width, heads):
        self.batch, self.width, self.heads = batch, width, heads

    def apart(self, rows, parts):
        """Give rows of all beams as so many parts of `(batch, heads, beams, size)`."""
        rows = rows.reshape(self.batch, self.width, parts, self.heads, -1)
        rows = rows.permute(2, 0, 3, 1, 4)
        return [rows[number] for number in range(parts)]

    def together(self, found):
        """Give what was found for heads as rows of all beams."""
        found = found.swapaxes(1, 2)
        return found.reshape(self.batch * self.width, -1)
