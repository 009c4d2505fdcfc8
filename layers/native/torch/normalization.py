"""Normalisation on PyTorch: its batch norm, and gradients with fewer passes."""

import math

import torch

from .group_norm import group_norm

__all__ = ["batch_norm", "ghost_sums", "group_norm", "normalize"]


def batch_norm(x, gamma, beta, mean, variance, *, axis, momentum, epsilon):
    """Normalise by the statistics of the batch, and move the running ones.

    Args:
        x: Tensor.
        gamma: Scales, one a channel.
        beta: Offsets.
        mean: Running mean.
        variance: Running variance.
        axis: Axis of the channels.
        momentum: Share of the running statistics that stays.
        epsilon: Added to the variance.

    Returns:
        The result, the new running mean, and the new running variance: moved towards
        the unbiased variance of the batch.
    """
    if x.numel() == 0:
        return x, mean, variance
    kept = variance * momentum
    # torch moves them in place
    mean, variance = mean.detach().clone(), variance.detach().clone()
    y = _of_torch(x, gamma, beta, mean, variance, axis, epsilon, 1 - momentum)
    # the unbiased variance of one value is 0 / 0
    return y, mean, kept if x.numel() == x.shape[axis] else variance


def normalize(x, gamma, beta, mean, variance, *, axis, epsilon):
    """Normalise by given statistics.

    Args:
        x: Tensor.
        gamma: Scales, one a channel.
        beta: Offsets.
        mean: Means.
        variance: Variances.
        axis: Axis of the channels.
        epsilon: Added to the variance.

    Returns:
        The result.
    """
    return _of_torch(x, gamma, beta, mean, variance, axis, epsilon)


def ghost_sums(values, size):
    """Add up the rows of each ghost batch, and give every row its own batch's sum.

    A rest smaller than a ghost batch joins the last one.

    Args:
        values: Tensor with one row a sample.
        size: Samples of a ghost batch.

    Returns:
        Tensor of the same shape.
    """
    samples, size = len(values), max(size, 1)
    count = max(samples // size, 1)
    ghosts = torch.arange(samples, device=values.device) // size
    ghosts = ghosts.clamp(max=count - 1)
    sums = values.new_zeros((count, *values.shape[1:]))
    return sums.index_add(0, ghosts, values)[ghosts]


def _of_torch(x, gamma, beta, mean, variance, axis, epsilon, factor=None):
    """Run torch's batch norm; in training where a factor is given."""
    shape = x.shape
    last = axis % x.ndim == x.ndim - 1
    if last and x.ndim > 2:
        # four axes whose channels come last in memory, seen as torch wants them
        x = (
            x.reshape(shape[0], math.prod(shape[1:-1]), 1, shape[-1])
            if x.ndim != 4
            else x
        )
        x = x.permute(0, 3, 1, 2)
    elif not last:
        x = x.movedim(axis, 1)
    training = factor is not None
    # torch.nn.functional refuses a batch of one value, which fit may end on
    y = torch.batch_norm(
        x, gamma, beta, mean, variance, training, factor or 0.0, epsilon, True
    )
    if last and len(shape) > 2:
        return y.permute(0, 2, 3, 1).reshape(shape)
    return y if last else y.movedim(1, axis)
