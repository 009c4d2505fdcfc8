"""Normalisation on TensorFlow: the fused kernel, and gradients with fewer passes."""

import tensorflow as tf

from .folding import fold
from .group_norm import group_norm
from .xla import is_compiling

__all__ = ["batch_norm", "ghost_sums", "group_norm", "normalize"]

# what FusedBatchNormV3 takes; its statistics are float32 for all of them
FUSED = (tf.float32, tf.float16, tf.bfloat16)


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
    arguments = (gamma, beta, mean, variance)
    # compiled by XLA the kernel takes E[x^2] - E[x]^2, which cancels
    if is_compiling() or x.dtype not in FUSED:
        y, *moved = _written_out(x, *arguments, axis, momentum, epsilon)
    else:
        y, *moved = _fused(x, *arguments, axis, epsilon, factor=1 - momentum)
    # the mean of nothing is no number, and would stay one for good
    some = tf.size(x) > 0
    return y, tf.where(some, moved[0], mean), tf.where(some, moved[1], variance)


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
    if x.dtype not in FUSED:
        return _affine(x, gamma, beta, mean, variance, axis, epsilon)
    if axis % x.shape.rank == x.shape.rank - 1:
        scale = gamma * tf.math.rsqrt(variance + epsilon)
        folded = fold(x, scale, beta - mean * scale)
        if folded is not None:
            return folded
    return _fused(x, gamma, beta, mean, variance, axis, epsilon)[0]


def ghost_sums(values, size):
    """Add up the rows of each ghost batch, and give every row its own batch's sum.

    A rest smaller than a ghost batch joins the last one.

    Args:
        values: Tensor with one row a sample.
        size: Samples of a ghost batch.

    Returns:
        Tensor of the same shape.
    """
    samples, size = tf.shape(values)[0], tf.maximum(size, 1)
    count = tf.maximum(samples // size, 1)
    ghosts = tf.minimum(tf.range(samples) // size, count - 1)
    return tf.gather(tf.math.unsorted_segment_sum(values, ghosts, count), ghosts)


def _affine(x, gamma, beta, mean, variance, axis, epsilon):
    place = [1] * x.shape.rank
    place[axis] = x.shape[axis]
    scale = tf.reshape(gamma * tf.math.rsqrt(variance + epsilon), place)
    return (x - tf.reshape(mean, place)) * scale + tf.reshape(beta, place)


def _written_out(x, gamma, beta, mean, variance, axis, momentum, epsilon):
    wide = tf.cast(x, tf.float64 if x.dtype == tf.float64 else tf.float32)
    axes = [i for i in range(x.shape.rank) if i != axis % x.shape.rank]
    # tf.nn.moments centres before it squares; the fused kernel would take what it is
    # given for constants, and give no gradient through them
    of_batch = tf.nn.moments(wide, axes)
    y = _affine(wide, gamma, beta, *of_batch, axis, epsilon)
    count = tf.cast(tf.size(x) // x.shape[axis], wide.dtype)
    unbiased = of_batch[1] * count / tf.maximum(count - 1, 1)
    return (
        tf.cast(y, x.dtype),
        mean + (of_batch[0] - mean) * (1 - momentum),
        variance + (unbiased - variance) * (1 - momentum),
    )


def _fused(x, gamma, beta, mean, variance, axis, epsilon, factor=None):
    """Run the kernel for four axes on any; in training where a factor is given."""
    rank, shape = x.shape.rank, x.shape
    last = axis % rank == rank - 1
    order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
    if not last:
        x = tf.transpose(x, order)
    moved = tf.shape(x)
    if rank != 4:
        x = tf.reshape(x, (moved[0], -1, 1, x.shape[-1]))
    y, new_mean, new_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        exponential_avg_factor=1 if factor is None else factor,
        is_training=factor is not None,
    )
    if rank != 4:
        y = tf.reshape(y, moved)
    if not last:
        y = tf.transpose(y, [order.index(i) for i in range(rank)])
    y.set_shape(shape)
    return y, new_mean, new_variance
