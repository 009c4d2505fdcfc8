import keras

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class Conv2D(keras.layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        ungrouped = self.groups == 1 and self.data_format == "channels_last"
        if not ungrouped or max(self.dilation_rate) > 1:
            return super().convolution_op(inputs, kernel)
        return native.of("convolution").convolve(
            inputs, kernel, strides=self.strides, padding=self.padding
        )


@keras.saving.register_keras_serializable("kerasmith")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    def call(self, inputs):
        if self.data_format != "channels_last" or max(self.dilation_rate) > 1:
            return super().call(inputs)
        outputs = native.of("convolution").convolve_depthwise(
            inputs, self.kernel, strides=self.strides, padding=self.padding
        )
        if self.use_bias:
            outputs = keras.ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)
