"""The shortcut without parameters of residual networks."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class PaddedShortcut(keras.layers.Layer):
    """Take every so many positions, and append channels of zeros.

    The identity where a residual block has fewer positions and more channels than
    what it starts from: option A of the paper.

    Args:
        filters: Number of channels of the result, not below those of the inputs.
        stride: Step between the positions taken.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, ceil(height / stride), ceil(width / stride),
        filters)`.

    Raises:
        ValueError: If the inputs have more channels than `filters`, or a number is
            below 1.

    Example:

    >>> import numpy as np
    >>> image = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)
    >>> np.asarray(PaddedShortcut(2, 2)(image)).tolist()
    [[[[0.0, 0.0], [2.0, 0.0]]]]

    Reference:
        He et al., 2016, https://arxiv.org/abs/1512.03385, section 3.3
    """

    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        if filters < 1 or stride < 1:
            raise ValueError(
                "PaddedShortcut needs filters and a stride of at least 1, received "
                f"filters={filters} and stride={stride}."
            )
        self.filters = filters
        self.stride = stride
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        if input_shape[-1] is None or input_shape[-1] > self.filters:
            raise ValueError(
                f"PaddedShortcut appends channels up to filters={self.filters}, "
                f"received inputs of shape {tuple(input_shape)}: give at least as many "
                "filters as there are channels."
            )

    def call(self, inputs):
        taken = inputs[:, :: self.stride, :: self.stride]
        return ops.pad(taken, ((0, 0),) * 3 + ((0, self.filters - taken.shape[-1]),))

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing: positions are taken, not computed."""
        return 0

    def compute_output_shape(self, input_shape):
        sizes = (
            None if size is None else -(-size // self.stride)
            for size in input_shape[1:3]
        )
        return (input_shape[0], *sizes, self.filters)

    def get_config(self):
        config = {"filters": self.filters, "stride": self.stride}
        return {**super().get_config(), **config}
