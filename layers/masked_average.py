"""The average of a sequence's vectors, padding left out."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class MaskedAverage(keras.layers.Layer):
    """Average vectors over time, those of padding left out.

        y = sum over t of m_t x_t / max(1, sum over t of m_t)

    Keras' `GlobalAveragePooling1D` divides by 0 where all of a sequence is padding,
    as an empty text is: it gives NaN, which one step of training spreads to all
    weights. Here such a sequence gives zeros.

    Call arguments:
        inputs: Tensor of shape `(batch, time, features)`.
        mask: Boolean tensor of shape `(batch, time)`, false at padding. The mask that
            the inputs carry if `None`.

    Returns:
        Tensor of shape `(batch, features)`, in the compute dtype.

    Example:

    >>> x = ops.convert_to_tensor([[[2.0, 4.0], [6.0, 0.0]], [[8.0, 8.0], [8.0, 8.0]]])
    >>> mask = ops.convert_to_tensor([[True, False], [False, False]])
    >>> ops.convert_to_numpy(MaskedAverage()(x, mask=mask)).tolist()
    [[2.0, 4.0], [0.0, 0.0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        x = ops.cast(inputs, "float32")  # a long sum of half the bits would be coarse
        if mask is None:
            return ops.cast(ops.mean(x, axis=1), inputs.dtype)
        there = ops.cast(mask, "float32")[:, :, None]
        count = ops.maximum(ops.sum(there, axis=1), 1.0)
        return ops.cast(ops.sum(there * x, axis=1) / count, inputs.dtype)

    def compute_mask(self, inputs, mask=None):
        """Give none: there is no time any more."""
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])
