"""Convolutions that compute what Keras' do, by the road that is fastest."""

import math

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class Conv2D(keras.layers.Conv2D):
    """Convolve maps: Keras' layer, with its arguments, weights and results, but faster.

    On the CPU TensorFlow gives kernels another order at each call. Where a kernel
    meets only few positions that is most of the work, and this layer multiplies
    matrices instead. In bfloat16 it computes the gradient of a kernel of one position
    as a product, too. Everywhere else, and on the other backends, it is
    `keras.layers.Conv2D`.

    Args:
        filters: Number of filters.
        kernel_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both.
        padding: `"valid"` or `"same"`.
        **kwargs: The other arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with `data_format="channels_first"`.

    Returns:
        Tensor of shape `(batch, new height, new width, filters)`, or with the filters
        first.

    Example:

    >>> import numpy as np
    >>> Conv2D(4, 3, 2, padding="same")(np.ones((2, 7, 5, 3), "float32")).shape == (
    ...     2, 4, 3, 4)
    True

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document Recognition.
    """

    def convolution_op(self, inputs, kernel):
        """Convolve, without bias and activation.

        Args:
            inputs: Tensor of shape `(batch, height, width, channels)`.
            kernel: Tensor of shape `(rows, columns, channels, filters)`.

        Returns:
            Tensor of shape `(batch, new height, new width, filters)`.

        Example:

        >>> layer = Conv2D(2, 1)
        >>> maps, kernel = ops.ones((1, 3, 3, 4)), ops.ones((1, 1, 4, 2))
        >>> float(layer.convolution_op(maps, kernel)[0, 0, 0, 0])
        4.0
        """
        ungrouped = self.groups == 1 and self.data_format == "channels_last"
        if not ungrouped or max(self.dilation_rate) > 1:
            return super().convolution_op(inputs, kernel)
        return native.of("convolution").convolve(
            inputs, kernel, strides=self.strides, padding=self.padding
        )


@keras.saving.register_keras_serializable("kerasmith")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Convolve each channel by itself: Keras' layer, with faster gradients.

    On the CPU TensorFlow has no fast gradient for kernels wider than 3, nor in
    bfloat16 for strides: this layer makes them of ones that are fast. Everywhere else,
    and on the other backends, it is `keras.layers.DepthwiseConv2D`, whose arguments,
    weights and results it has.

    Args:
        kernel_size: Height and width of the window, or one number for both.
        strides: Steps of the window, equal.
        padding: `"valid"` or `"same"`.
        **kwargs: The other arguments of `keras.layers.DepthwiseConv2D`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`, or
            `(batch, channels, height, width)` with `data_format="channels_first"`.

    Returns:
        Tensor of shape `(batch, new height, new width, channels * depth_multiplier)`,
        or with the channels first.

    Example:

    >>> import numpy as np
    >>> DepthwiseConv2D(5)(np.ones((2, 7, 9, 3), "float32")).shape == (2, 3, 5, 3)
    True

    Reference:
        Howard et al., 2017, https://arxiv.org/abs/1704.04861
    """

    def call(self, inputs):
        if self.data_format != "channels_last" or max(self.dilation_rate) > 1:
            return super().call(inputs)
        outputs = native.of("convolution").convolve_depthwise(
            inputs, self.kernel, strides=self.strides, padding=self.padding
        )
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count the window at each position of each resulting channel."""
        return math.prod(self.kernel_size) * math.prod(output_shape[1:])
