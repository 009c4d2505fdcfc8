"""Writing to a cache of keys or values."""

import torch


def write(cache, new, index):
    """Write new steps to a cache, in place where no gradient is wanted.

    Args:
        cache: Tensor of shape `(batch, heads, length, size)`.
        new: Tensor of shape `(batch, heads, steps, size)`.
        index: Position of the first of them, an integer or an integer scalar.

    Returns:
        The cache with the new steps in it.

    Example:

    >>> write(torch.zeros(1, 1, 3, 1), torch.ones(1, 1, 1, 1), 1).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    if torch.is_grad_enabled() and (cache.requires_grad or new.requires_grad):
        cache = cache.clone()
    index = int(index)
    cache[:, :, index : index + new.shape[2]] = new
    return cache


def lengthened(cache, length):
    """Give a cache more room.

    Args:
        cache: Tensor of shape `(batch, heads, less, ...)`.
        length: Length that it has at least.

    Returns:
        Tensor of shape `(batch, heads, length, ...)`, with zeros behind what was there.

    Example:

    >>> lengthened(torch.ones(1, 1, 1, 1), 3).ravel().tolist()
    [1.0, 0.0, 0.0]
    """
    more = int(length) - cache.shape[2]
    if more <= 0:
        return cache
    behind = cache.new_zeros((*cache.shape[:2], more, *cache.shape[3:]))
    return torch.cat([cache, behind], dim=2)
