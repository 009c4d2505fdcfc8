"""Group normalisation on PyTorch, with a gradient written by hand.

Everything large is one multiplication and one addition a channel of a sample; what
the formulas say of groups happens on sums that are as small as the weights. torch's
own group norm takes E[x^2] - E[x]^2 where channels come last, which cancels.
"""

import math

import torch


def group_norm(x, gamma, beta, *, groups, epsilon, training):
    """Normalise each group of channels of each sample.

    Args:
        x: Tensor, channels last.
        gamma: Scales, one a channel.
        beta: Offsets.
        groups: Number of groups.
        epsilon: Added to the variance.
        training: Makes no difference here.

    Returns:
        The result.
    """
    return _GroupNorm.apply(x, gamma, beta, groups, epsilon)[0]


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(x, gamma, beta, groups, epsilon):  # pyright: ignore
        return _forward(x, gamma, beta, groups, epsilon)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, gamma, beta, ctx.groups, ctx.epsilon = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, gamma, beta, *output[1:])

    @staticmethod
    def backward(ctx, dy, *_):  # pyright: ignore
        x, gamma, beta, *kept = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return *_backward(dy, x, gamma, *kept), None, None
        # a gradient of this gradient is wanted: leave both to torch
        y = _forward(x, gamma, beta, ctx.groups, ctx.epsilon)[0]
        inputs = [t for t in (x, gamma, beta) if t.requires_grad]
        found = iter(torch.autograd.grad(y, inputs, dy, create_graph=True))
        given = [next(found) if t.requires_grad else None for t in (x, gamma, beta)]
        return *given, None, None


def _forward(x, gamma, beta, groups, epsilon):
    z = _shifted(x, groups)
    samples, positions, channels = z.shape
    parts = (samples, groups, channels // groups)
    count = positions * parts[-1]
    mean = z.sum(1).view(parts).sum(2, keepdim=True) / count
    square = (z * z).sum(1).view(parts).sum(2, keepdim=True) / count
    inverse = torch.rsqrt((square - mean * mean).clamp_min(0) + epsilon)
    scale = gamma.view(parts[1:]) * inverse
    offset = beta.view(parts[1:]) - scale * mean
    y = torch.addcmul(
        offset.view(samples, 1, channels), z, scale.view(samples, 1, channels)
    )
    return y.to(x.dtype).view(x.shape), mean, inverse


def _backward(dy, x, gamma, mean, inverse):
    groups = mean.shape[1]
    z = _shifted(x, groups)
    samples, positions, channels = z.shape
    parts = (samples, groups, channels // groups)
    count = positions * parts[-1]
    slopes, scales = dy.reshape(z.shape).to(z.dtype), gamma.view(parts[1:])
    d_beta = slopes.sum(1).view(parts)
    d_gamma = ((slopes * z).sum(1).view(parts) - mean * d_beta) * inverse
    along = (scales * d_gamma).sum(2, keepdim=True) * (-inverse * inverse / count)
    level = (scales * d_beta).sum(2, keepdim=True) * (-inverse / count) - along * mean

    def per_channel(values):
        return values.expand(parts).reshape(samples, 1, channels)

    # z is needed no more
    dx = z.mul_(per_channel(along)).add_(per_channel(level))
    dx = dx.addcmul_(slopes, per_channel(scales * inverse))
    d_gamma, d_beta = d_gamma.sum(0).view(-1), d_beta.sum(0).view(-1)
    return dx.to(x.dtype).view(x.shape), d_gamma, d_beta


def _shifted(x, groups):
    """Subtract one value of each group, so that sums of squares do not cancel.

    The variance is at least the square of what is left of the mean, over the number
    of values: E[z^2] - E[z]^2 is safe.
    """
    samples, channels = len(x), x.shape[-1]
    each = channels // groups
    # an operation on two dtypes is slower than a cast before it
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    # spelled out: -1 is ambiguous for no samples
    flat = wide.reshape(samples, math.prod(x.shape[1:-1]), channels)
    return flat - flat[:, :1, ::each].detach().repeat_interleave(each, -1)
