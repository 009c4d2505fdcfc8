"""Group normalisation on TensorFlow, with a gradient written by hand.

Everything large is one multiplication and one addition a channel of a sample; what
the formulas say of groups happens on sums that are as small as the weights.
"""

import tensorflow as tf

from .xla import is_compiling


def group_norm(x, gamma, beta, *, groups, epsilon, training):
    """Normalise each group of channels of each sample.

    Args:
        x: Tensor, channels last.
        gamma: Scales, one a channel.
        beta: Offsets.
        groups: Number of groups.
        epsilon: Added to the variance.
        training: Whether an operation may be used that exports do not know.

    Returns:
        The result.
    """
    wide = tf.float64 if x.dtype == tf.float64 else tf.float32

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        shape = tf.shape(x)
        flat = tf.cast(tf.reshape(x, (shape[0], -1, x.shape[-1])), wide)
        total, total_of_squares = _sums(flat, shape, training)
        y, gradient = _normalized(
            flat, gamma, beta, groups, epsilon, total, total_of_squares
        )

        def reshaped(dy):
            slopes = tf.cast(tf.reshape(dy, tf.shape(flat)), wide)
            dx, *others = gradient(slopes)
            return tf.reshape(tf.cast(dx, dy.dtype), shape), *others

        y = tf.reshape(tf.cast(y, x.dtype), shape)
        y.set_shape(x.shape)
        return y, reshaped

    return normalize(x, tf.cast(gamma, wide), tf.cast(beta, wide))


def _normalized(x, gamma, beta, groups, epsilon, total, total_of_squares):
    """Normalise (samples, positions, channels); give the result and its gradient."""
    channels = x.shape[-1]
    each = channels // groups
    count = tf.cast(tf.shape(x)[1] * each, x.dtype)

    def in_groups(values):
        return tf.reshape(values, (-1, groups, each))

    def per_channel(values):
        shape = (tf.shape(values)[0], groups, each)
        return tf.reshape(tf.broadcast_to(values, shape), (-1, 1, channels))

    # one value of each group is subtracted before squares are summed: then the
    # variance is at least shift^2 / count, and E[z^2] - E[z]^2 is safe
    z = x - per_channel(in_groups(x[:, :1])[:, :, :1])
    mean = _group_sum(in_groups(total(z))) / count
    square = _group_sum(in_groups(total_of_squares(z))) / count
    inverse = tf.math.rsqrt(tf.maximum(square - mean * mean, 0) + epsilon)
    scales = tf.reshape(gamma, (groups, each))
    scale = scales * inverse
    offset = tf.reshape(beta, (groups, each)) - scale * mean
    scale = tf.reshape(scale, (-1, 1, channels))

    def gradient(slopes):
        d_beta = in_groups(total(slopes))
        d_gamma = (in_groups(total(slopes * z)) - mean * d_beta) * inverse
        along = _group_sum(scales * d_gamma) * (-inverse * inverse / count)
        level = _group_sum(scales * d_beta) * (-inverse / count) - along * mean
        dx = slopes * scale + (z * per_channel(along) + per_channel(level))
        d_gamma, d_beta = (tf.reduce_sum(slope, 0) for slope in (d_gamma, d_beta))
        return dx, tf.reshape(d_gamma, (channels,)), tf.reshape(d_beta, (channels,))

    return z * scale + tf.reshape(offset, (-1, 1, channels)), gradient


def _group_sum(values):
    return tf.reduce_sum(values, -1, keepdims=True)


def _sums(like, shape, training):
    """Choose how to add up (samples, positions, channels), and their squares."""
    if is_compiling() or tf.config.list_logical_devices("GPU"):
        return _sum, lambda values: _sum(values * values)
    # on the CPU a product with ones adds up faster than a reduction
    ones = tf.ones((tf.shape(like)[0], 1, tf.shape(like)[1]), like.dtype)

    def product(values):
        return tf.matmul(ones, values)

    if not training or shape.shape[0] < 4:
        return product, lambda values: product(values * values)
    rows = tf.stack([shape[0], tf.reduce_prod(shape[1:-2]), shape[-2], shape[-1]])

    def of_squares(values):
        # squares and adds up in one pass, if not for the longest axis at once
        norms = tf.raw_ops.EuclideanNorm(input=tf.reshape(values, rows), axis=[2])
        return _sum(norms * norms)

    return product, of_squares


def _sum(values):
    return tf.reduce_sum(values, 1, keepdims=True)
