"""The largest of a sequence's vectors, value by value, padding left out."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class MaskedMaximum(keras.layers.Layer):
    """Take the largest of each feature over time, that of padding left out.

        y = max over t with m_t of x_t

    Keras' `GlobalMaxPooling1D` knows no mask: what stands in the place of padding
    would win. A sequence that is all padding, as an empty text is, gives zeros.

    Call arguments:
        inputs: Tensor of shape `(batch, time, features)`.
        mask: Boolean tensor of shape `(batch, time)`, false at padding. The mask that
            the inputs carry if `None`.

    Returns:
        Tensor of shape `(batch, features)`, in the compute dtype.

    Example:

    >>> x = ops.convert_to_tensor([[[2.0, -4.0], [6.0, 0.0]], [[8.0, 8.0], [8.0, 8.0]]])
    >>> mask = ops.convert_to_tensor([[True, False], [False, False]])
    >>> ops.convert_to_numpy(MaskedMaximum()(x, mask=mask)).tolist()
    [[2.0, -4.0], [0.0, 0.0]]

    Reference:
        Of the states of a bidirectional LSTM: Conneau et al., 2017,
        https://arxiv.org/abs/1705.02364
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return ops.max(inputs, axis=1)
        there = ops.cast(mask, "bool")[:, :, None]
        nothing = ops.cast(-math.inf, inputs.dtype)
        largest = ops.max(ops.where(there, inputs, nothing), axis=1)
        return ops.where(ops.any(there, axis=1), largest, ops.zeros_like(largest))

    def compute_mask(self, inputs, mask=None):
        """Give none: there is no time any more."""
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])
