"""Vectors scaled to length 1, with finite gradients even for a vector of zeros."""

import keras
from keras import ops

from .pair_distances import floating


@keras.saving.register_keras_serializable("kerasmith")
class L2Normalization(keras.layers.Layer):
    """Scale vectors to length 1.

        y = x / sqrt(sum(x^2))

    A vector of zeros stays one, with a slope of 0. It is computed in float32 at least.
    `keras.layers.UnitNormalization` gives NaN as the gradient at a vector of zeros on
    JAX and PyTorch, and in float16 as the result: a ReLU before it that gives nothing
    for one image ends the training.

    Args:
        axis: The axis of the values of a vector.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., values)`.

    Returns:
        Tensor of the same shape, in the compute dtype. A mask is passed on.

    Raises:
        ValueError: If `axis` is no whole number, or that of the batch.

    Example:

    >>> import numpy as np
    >>> rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    >>> keras.ops.convert_to_numpy(L2Normalization()(rows)).round(4).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]

    Reference:
        Schroff et al., 2015, https://arxiv.org/abs/1503.03832, section 3
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        if type(axis) is not int or axis == 0:
            raise ValueError(
                "L2Normalization needs a whole number other than 0, the batch's, as "
                f"axis, received axis={axis!r}."
            )
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape):
        rank = len(input_shape)
        if not -rank < self.axis < rank:
            raise ValueError(
                f"L2Normalization(axis={self.axis}) needs inputs that have this axis "
                f"beside the batch, received shape {tuple(input_shape)}."
            )

    def call(self, inputs):
        units, _ = scale_to_length_one(floating(inputs), self.axis)
        return ops.cast(units, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def scale_to_length_one(x, axis=-1):
    """Scale vectors to length 1, except those of zeros.

    Args:
        x: Tensor in float32 at least.
        axis: The axis of the values of a vector.

    Returns:
        Tensor of the same shape, and where there was no length as 1, elsewhere 0, with
        a single value along the axis.
    """
    # by the largest number first: no square overflows. The result knows no scale
    largest = ops.stop_gradient(ops.max(ops.abs(x), axis=axis, keepdims=True))
    is_zero = ops.equal(largest, 0)
    x = ops.where(is_zero, 0, x / ops.where(is_zero, 1, largest))
    squares = ops.sum(x * x, axis=axis, keepdims=True)
    length = ops.sqrt(ops.where(is_zero, 1, squares))
    return x / length, ops.cast(is_zero, x.dtype)
