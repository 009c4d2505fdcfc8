"""Convolution whose filters each see only some of the input channels."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class ConnectionTableConv2D(keras.layers.Layer):
    """2-D convolution over chosen input channels, one choice a filter.

    Only the connections in the table have weights: the kernel is stored as
    `(height, width, connections)`, in the order in which the table names them.
    Initialisers see the true number of inputs of each filter. Images are
    channels-last.

    Args:
        table: For each filter, the input channels that it sees, as a sequence
            of sequences of integers.
        kernel_size: Height and width of the window, an integer or a pair.
        padding: `"valid"` or `"same"`.
        activation: Name or callable applied to the result.
        use_bias: Whether each filter adds a bias.
        kernel_initializer: Initialiser of the kernel.
        bias_initializer: Initialiser of the bias.
        kernel_regularizer: Regulariser of the kernel.
        kernel_constraint: Constraint of the kernel.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, new_height, new_width, len(table))`.

    Raises:
        ValueError: If the table is empty, names a channel twice for one filter,
            or names one that the inputs do not have.

    Example:

    >>> import numpy as np
    >>> layer = ConnectionTableConv2D([(0, 1), (1, 2), (0, 2)], 3)
    >>> layer(np.ones((2, 7, 5, 3), "float32")).shape == (2, 5, 3, 3)
    True
    >>> layer.count_params()  # six connections of 3 x 3 weights, three biases
    57

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, table I.
    """

    def __init__(
        self,
        table,
        kernel_size,
        *,
        padding="valid",
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.table = [[int(channel) for channel in row] for row in table]
        _check_table(self.table)
        pair = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
        self.kernel_size = tuple(int(size) for size in pair)
        if padding not in ("valid", "same"):
            raise ValueError(
                f"ConnectionTableConv2D takes padding 'valid' or 'same', "
                f"received {padding!r}."
            )
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        channels = input_shape[-1]
        highest = max(max(row) for row in self.table)
        if channels is None or highest >= channels:
            raise ValueError(
                f"ConnectionTableConv2D's table names input channel {highest}, but "
                f"the inputs of shape {tuple(input_shape)} have {channels} channels; "
                "the first is 0."
            )
        connections = sum(len(row) for row in self.table)
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, connections),
            initializer=self._initialize,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(len(self.table),),
                initializer=self.bias_initializer,
                name="bias",
            )
        # slot of each (channel, filter); the last slot holds the zero of no connection
        self._slots = np.full((channels, len(self.table)), connections)
        for slot, (channel, filter_) in enumerate(self._connections()):
            self._slots[channel, filter_] = slot

    def _connections(self):
        return [(c, f) for f, row in enumerate(self.table) for c in row]

    def _initialize(self, shape, dtype=None):
        """Draw each filter with its own fan-in.

        An initialiser gives the same stream of numbers at every call. It is asked for
        all filters each time, so that filter `f` of n has every n-th number from `f`
        on, whatever the fan-in, and none repeats what another has.
        """
        filters = len(self.table)
        drawn = {
            fan_in: self.kernel_initializer(
                (*self.kernel_size, fan_in, filters), dtype=dtype
            )
            for fan_in in {len(row) for row in self.table}
        }
        kernels = [drawn[len(row)][..., f] for f, row in enumerate(self.table)]
        return ops.concatenate(kernels, axis=-1)

    def call(self, inputs):
        kernel = ops.convert_to_tensor(self.kernel)
        kernel = ops.take(ops.pad(kernel, ((0, 0), (0, 0), (0, 1))), self._slots, -1)
        outputs = ops.conv(inputs, kernel, padding=self.padding)
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count the multiply-accumulates of one example."""
        positions = output_shape[1] * output_shape[2]
        return positions * int(np.prod(self.kernel_size)) * len(self._connections())

    def compute_output_shape(self, input_shape):
        size = input_shape[1:3]
        if self.padding == "valid":
            size = tuple(
                None if length is None else length - window + 1
                for length, window in zip(size, self.kernel_size, strict=True)
            )
        return (input_shape[0], *size, len(self.table))

    def get_config(self):
        return {
            **super().get_config(),
            "table": self.table,
            "kernel_size": self.kernel_size,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


def _check_table(table):
    if not table or not all(table):
        raise ValueError(
            "ConnectionTableConv2D needs a table with at least one filter and at "
            f"least one input channel for each filter, received {table}."
        )
    for filter_, row in enumerate(table):
        if min(row) < 0 or len(set(row)) < len(row):
            raise ValueError(
                f"ConnectionTableConv2D's filter {filter_} lists the input channels "
                f"{row}; each must be there once and not be negative."
            )
