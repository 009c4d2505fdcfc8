"""Normalisation on JAX: formulas that XLA fuses."""

import functools
import math

import jax
import jax.numpy as jnp


def batch_norm(x, gamma, beta, mean, variance, *, axis, momentum, epsilon):
    """Normalise by the statistics of the batch, and move the running ones.

    Args:
        x: Array.
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
    if x.size == 0:
        return x, mean, variance
    axes = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    place = _place(x, axis)
    wide = x.astype(_wide(x))
    batch_mean = jnp.mean(wide, axes)
    # centred before it is squared: E[x^2] - E[x]^2 would cancel
    centred = wide - batch_mean.reshape(place)
    batch_variance = jnp.mean(centred * centred, axes)
    scale = gamma * jax.lax.rsqrt(batch_variance + epsilon)
    y = centred * scale.reshape(place) + beta.reshape(place)
    count = x.size // x.shape[axis]
    unbiased = batch_variance * (count / max(count - 1, 1))
    return (
        y.astype(x.dtype),
        mean + (batch_mean - mean) * (1 - momentum),
        variance + (unbiased - variance) * (1 - momentum),
    )


def normalize(x, gamma, beta, mean, variance, *, axis, epsilon):
    """Normalise by given statistics.

    Args:
        x: Array.
        gamma: Scales, one a channel.
        beta: Offsets.
        mean: Means.
        variance: Variances.
        axis: Axis of the channels.
        epsilon: Added to the variance.

    Returns:
        The result.
    """
    place = _place(x, axis)
    scale = (gamma * jax.lax.rsqrt(variance + epsilon)).reshape(place)
    y = (x.astype(_wide(x)) - mean.reshape(place)) * scale + beta.reshape(place)
    return y.astype(x.dtype)


def group_norm(x, gamma, beta, *, groups, epsilon, training):
    """Normalise each group of channels of each sample.

    Args:
        x: Array, channels last.
        gamma: Scales, one a channel.
        beta: Offsets.
        groups: Number of groups.
        epsilon: Added to the variance.
        training: Makes no difference here.

    Returns:
        The result.
    """
    return _group_norm(x, gamma, beta, groups, epsilon)


def ghost_sums(values, size):
    """Add up the rows of each ghost batch, and give every row its own batch's sum.

    A rest smaller than a ghost batch joins the last one.

    Args:
        values: Array with one row a sample.
        size: Samples of a ghost batch.

    Returns:
        Array of the same shape.
    """
    size = max(size, 1)
    count = max(len(values) // size, 1)
    ghosts = jnp.minimum(jnp.arange(len(values)) // size, count - 1)
    return jax.ops.segment_sum(values, ghosts, count)[ghosts]


def _wide(x):
    return jnp.promote_types(x.dtype, "float32")


def _place(x, axis):
    """Give the shape in which one value a channel fits to x."""
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return shape


def _shifted(x, groups):
    """Subtract one value of each group, so that sums of squares do not cancel.

    The variance is at least the square of what is left of the mean, over the number
    of values: E[z^2] - E[z]^2 is safe.
    """
    channels = x.shape[-1]
    # spelled out: -1 is ambiguous for no samples
    flat = x.reshape(x.shape[0], math.prod(x.shape[1:-1]), channels).astype(_wide(x))
    first = jax.lax.stop_gradient(flat[:, :1, :: channels // groups])
    return flat - jnp.repeat(first, channels // groups, -1)


def _parts(z, groups):
    """Give a function that sums over positions, and the number of a group's values."""
    each = z.shape[-1] // groups
    shape = (z.shape[0], groups, each)
    return lambda values: values.sum(1).reshape(shape), z.shape[1] * each


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _group_norm(x, gamma, beta, groups, epsilon):
    z = _shifted(x, groups)
    scale, offset, *_ = _coefficients(z, gamma, beta, groups, epsilon)
    return (z * scale + offset).astype(x.dtype).reshape(x.shape)


def _coefficients(z, gamma, beta, groups, epsilon):
    parts, count = _parts(z, groups)
    mean = parts(z).sum(2, keepdims=True) / count
    square = parts(z * z).sum(2, keepdims=True) / count
    inverse = jax.lax.rsqrt(jnp.maximum(square - mean * mean, 0) + epsilon)
    scale = gamma.reshape(groups, -1) * inverse
    offset = beta.reshape(groups, -1) - scale * mean
    flat = (z.shape[0], 1, z.shape[-1])
    return scale.reshape(flat), offset.reshape(flat), mean, inverse


@_group_norm.defjvp
def _group_norm_jvp(groups, epsilon, primals, tangents):
    x, gamma, beta = primals
    dx, d_gamma, d_beta = tangents
    z = _shifted(x, groups)
    scale, offset, mean, inverse = _coefficients(z, gamma, beta, groups, epsilon)
    y = (z * scale + offset).astype(x.dtype).reshape(x.shape)
    parts, count = _parts(z, groups)
    flat = (z.shape[0], 1, z.shape[-1])
    each = z.shape[-1] // groups

    def spread(v):
        return jnp.broadcast_to(v, (z.shape[0], groups, each)).reshape(flat)

    t = dx.reshape(z.shape).astype(z.dtype)
    t_mean = parts(t).sum(2, keepdims=True) / count
    t_along = parts(t * z).sum(2, keepdims=True) / count - mean * t_mean
    # d inverse = -inverse^3 * t_along
    d_inverse = -(inverse**3) * t_along
    gammas = gamma.reshape(groups, -1)
    d_scale = gammas * d_inverse + d_gamma.reshape(groups, -1) * inverse
    d_offset = d_beta.reshape(groups, -1) - d_scale * mean - gammas * inverse * t_mean
    dy = t * scale + (z * d_scale.reshape(flat) + d_offset.reshape(flat))
    return y, dy.astype(x.dtype).reshape(x.shape)
