"""What decoding asks of PyTorch."""

from ..heads import Heads as Heads


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
        queries: Tensor of shape `(..., queries, size)`.
        keys: Tensor of shape `(..., keys, size)`.

    Returns:
        Tensor of shape `(..., queries, keys)`.

    Example:

    >>> import torch
    >>> products(torch.ones(1, 1, 2, 4), torch.ones(1, 1, 3, 4)).shape
    torch.Size([1, 1, 2, 3])
    """
    return queries @ keys.transpose(-1, -2)
