"""Normalisation by given statistics, folded into the convolution before it."""

import math

import tensorflow as tf

from .xla import is_compiling

OPTIONS = ("strides", "padding", "explicit_paddings", "data_format", "dilations")


def fold(x, scale, offset):
    """Scale the kernel of the convolution that made some maps, and add offsets.

    What follows, a sum or an activation, TensorFlow fuses with the convolution then.
    The convolution that made the maps is pruned where nothing else reads them.

    Args:
        x: Tensor, channels last.
        scale: Factors, one a channel.
        offset: Offsets, likewise.

    Returns:
        The result; `None` where no convolution made `x`, where TensorFlow fuses it with
        a norm by itself, or where its kernel is larger than what it makes.
    """
    if tf.executing_eagerly() or is_compiling() or x.shape.rank != 4:
        return None
    if x.op.type == "IdentityN":  # what a gradient of one's own leaves behind
        x = x.op.inputs[x.value_index]
    depthwise = x.op.type == "DepthwiseConv2dNative"
    # the rule of TensorFlow's own optimizer holds for these in float32 alone
    in_bfloat16 = x.op.type == "Conv2D" and x.dtype == tf.bfloat16
    if not depthwise and not in_bfloat16:
        return None
    maps, kernel = x.op.inputs
    if kernel.op.type == "Cast" and kernel.op.inputs[0].dtype == scale.dtype:
        kernel = kernel.op.inputs[0]  # rounded once, when it has been scaled
    size = x.shape.num_elements() or math.inf
    if x.op.get_attr("data_format") != b"NHWC" or size < kernel.shape.num_elements():
        return None
    options = {name: _option(x.op, name) for name in OPTIONS}
    across = tuple(kernel.shape[2:]) if depthwise else (-1,)
    kernel = tf.cast(kernel, scale.dtype) * tf.reshape(scale, across)
    kernel = tf.cast(kernel, x.dtype)
    if depthwise:
        y = tf.raw_ops.DepthwiseConv2dNative(input=maps, filter=kernel, **options)
    else:
        y = tf.raw_ops.Conv2D(input=maps, filter=kernel, **options)
    return tf.nn.bias_add(y, tf.cast(offset, y.dtype))


def _option(operation, name):
    value = operation.get_attr(name)
    return value.decode() if isinstance(value, bytes) else value
