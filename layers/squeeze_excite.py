"""Squeeze and excitation: channels weighed by what the whole map holds."""

import numbers

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class SqueezeExcite(keras.layers.Layer):
    """Weigh each channel by a gate computed from the means of all channels.

        s = mean of x over all positions, for each channel
        gate = sigmoid(W2 relu(W1 s + b1) + b2)
        y = gate * x

    `W1` leads to a narrow layer of `units`, `channels // ratio` if they are not given,
    `W2` back to the channels. The paper counts `2 channels^2 / ratio` parameters: it
    leaves the biases out of the count.

    Args:
        ratio: The number of channels over that of the narrow layer, at least 1.
        units: Width of the narrow layer, instead of `ratio`. EfficientNet gives here
            a quarter of the channels that its block begins with.
        activation: Activation of the narrow layer; EfficientNet has `"silu"`.
        gate_activation: Activation of the gate; MobileNetV3 has `"hard_sigmoid"`.
        use_bias: Whether both layers have biases.
        kernel_initializer: Initialiser of both kernels.
        bias_initializer: Initialiser of both biases.
        kernel_regularizer: Regulariser of both kernels.
        kernel_constraint: Constraint on both kernels.
        data_format: `"channels_last"` or `"channels_first"`, that of Keras'
            configuration if `None`.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., channels)`, or
            `(batch, channels, ...)`, with one to three axes of positions.
        mask: Boolean tensor of shape `(batch, ...)`, over all or the first axes of
            positions: where it is false, a position does not count in the means.

    Returns:
        Tensor of the same shape as `inputs`, in the compute dtype. A mask is passed
        on.

    Raises:
        ValueError: If `ratio` or `units` are below 1, the data format is unknown, or
            the number of channels is unknown.

    Example:

    >>> import numpy as np
    >>> layer = SqueezeExcite(4)
    >>> layer(np.ones((2, 5, 3, 8), "float32")).shape == (2, 5, 3, 8)
    True
    >>> layer.reduce.units, layer.expand.units
    (2, 8)

    Reference:
        Hu et al., 2018, https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        ratio=16,
        *,
        units=None,
        activation="relu",
        gate_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        kernel_constraint=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(ratio, numbers.Real) or ratio < 1:
            raise ValueError(
                "SqueezeExcite needs a ratio of at least 1, received "
                f"ratio={ratio!r}; the paper's is 16. For a layer wider than the "
                "channels give units."
            )
        if units is not None and (not isinstance(units, int) or units < 1):
            raise ValueError(
                "SqueezeExcite needs units of at least 1, a whole number, received "
                f"units={units!r}. Leave it out to have channels // ratio."
            )
        self.ratio = ratio
        self.units = units
        self.activation = keras.activations.get(activation)
        self.gate_activation = keras.activations.get(gate_activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "SqueezeExcite needs the data_format 'channels_last' or "
                f"'channels_first', received {data_format!r}."
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=3, max_ndim=5)
        self.supports_masking = True

    def build(self, input_shape):
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(
                "SqueezeExcite needs to know the number of channels, received inputs "
                f"of shape {tuple(input_shape)} and data_format={self.data_format!r}."
            )
        units = self.units or max(1, int(channels // self.ratio))
        self.reduce = self._dense(units, self.activation, "reduce")
        self.reduce.build((None, channels))
        self.expand = self._dense(channels, self.gate_activation, "expand")
        self.expand.build((None, units))

    def _dense(self, units, activation, name):
        return keras.layers.Dense(
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=_again(self.kernel_initializer),
            bias_initializer=_again(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            kernel_constraint=self.kernel_constraint,
            dtype=self.dtype_policy,
            name=name,
        )

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def call(self, inputs, mask=None):
        gate = self.expand(self.reduce(self._squeeze(inputs, mask)))
        positions = (1,) * (len(inputs.shape) - 2)
        last = self.data_format == "channels_last"
        shape = (*positions, gate.shape[-1]) if last else (gate.shape[-1], *positions)
        return inputs * ops.reshape(gate, (-1, *shape))

    def _squeeze(self, inputs, mask):
        """Give the mean of each channel over the positions that count."""
        rank = len(inputs.shape)
        last = self.data_format == "channels_last"
        # a symbolic call is followed operation by operation, to count what it takes
        if mask is None and last and not keras.utils.is_keras_tensor(inputs):
            return native.of("squeeze").mean_of_positions(inputs)
        axes = tuple(range(1, rank - 1) if last else range(2, rank))
        if mask is None:
            # a sum in half precision could overflow
            return ops.mean(ops.cast(inputs, "float32"), axis=axes)
        missing = (1,) * (rank - 1 - len(mask.shape))
        weights = ops.reshape(mask, (*ops.shape(mask), *missing))
        weights = ops.cast(ops.expand_dims(weights, self._channel_axis), "float32")
        weights = ops.broadcast_to(weights, self._shape_of_weights(inputs))
        total = ops.sum(ops.cast(inputs, "float32") * weights, axis=axes)
        # an example that is all padding has means of 0
        return total / ops.maximum(ops.sum(weights, axis=axes), 1.0)

    def _shape_of_weights(self, inputs):
        shape = list(ops.shape(inputs))
        shape[self._channel_axis] = 1
        return shape

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "ratio": self.ratio,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "gate_activation": keras.activations.serialize(self.gate_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "data_format": self.data_format,
        }


def _again(initializer):
    """Copy an initialiser: one without a seed would draw the same numbers twice."""
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
