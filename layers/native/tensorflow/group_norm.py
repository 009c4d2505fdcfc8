"""Group normalisation on TensorFlow, with a gradient written by hand.

Everything large is one multiplication and one addition a channel of a sample; what
the formulas say of groups happens on sums that are as small as the weights.
"""

import tensorflow as tf


def group_norm(x, gamma, beta, *, groups, epsilon):
    """Normalise each group of channels of each sample.

    Args:
        x: Tensor, channels last.
        gamma: Scales, one a channel.
        beta: Offsets.
        groups: Number of groups.
        epsilon: Added to the variance.

    Returns:
        The result.
    """
    wide = tf.float64 if x.dtype == tf.float64 else tf.float32
    channels = x.shape[-1]
    each = channels // groups

    def in_groups(values):
        return tf.reshape(values, (-1, groups, each))

    def per_channel(values):
        shape = (tf.shape(values)[0], groups, each)
        return tf.reshape(tf.broadcast_to(values, shape), (-1, 1, channels))

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        shape = tf.shape(x)
        flat = tf.cast(tf.reshape(x, (shape[0], -1, channels)), wide)
        count = tf.cast(tf.shape(flat)[1] * each, wide)
        total = _sum_over_positions(flat)
        # one value of each group is subtracted before squares are summed: then
        # the variance is at least shift^2 / count, and E[z^2] - E[z]^2 is safe
        z = flat - per_channel(in_groups(flat[:, :1])[:, :, :1])
        mean = _group_sum(in_groups(total(z))) / count
        square = _group_sum(in_groups(total(z * z))) / count
        inverse = tf.math.rsqrt(tf.maximum(square - mean * mean, 0) + epsilon)
        scales = tf.reshape(gamma, (groups, each))
        scale = scales * inverse
        offset = tf.reshape(beta, (groups, each)) - scale * mean
        scale = tf.reshape(scale, (-1, 1, channels))
        y = z * scale + tf.reshape(offset, (-1, 1, channels))

        def gradient(dy):
            slopes = tf.cast(tf.reshape(dy, (shape[0], -1, channels)), wide)
            d_beta = in_groups(total(slopes))
            d_gamma = (in_groups(total(slopes * z)) - mean * d_beta) * inverse
            along = _group_sum(scales * d_gamma) * (-inverse * inverse / count)
            level = _group_sum(scales * d_beta) * (-inverse / count) - along * mean
            dx = slopes * scale + (z * per_channel(along) + per_channel(level))
            return (
                tf.reshape(tf.cast(dx, dy.dtype), shape),
                tf.reshape(tf.reduce_sum(d_gamma, 0), (channels,)),
                tf.reshape(tf.reduce_sum(d_beta, 0), (channels,)),
            )

        y = tf.reshape(tf.cast(y, x.dtype), shape)
        y.set_shape(x.shape)
        return y, gradient

    return normalize(x, tf.cast(gamma, wide), tf.cast(beta, wide))


def _group_sum(values):
    return tf.reduce_sum(values, -1, keepdims=True)


def _sum_over_positions(like):
    """Give a function that adds up tensors of (samples, positions, channels)."""
    compiled = tf.__internal__.get_enclosing_xla_context() is not None
    if compiled or tf.config.list_logical_devices("GPU"):
        return lambda values: tf.reduce_sum(values, 1, keepdims=True)
    # on the CPU a product with ones adds up faster than a reduction
    ones = tf.ones((tf.shape(like)[0], 1, tf.shape(like)[1]), like.dtype)
    return lambda values: tf.matmul(ones, values)
