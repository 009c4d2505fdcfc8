"""Maps of twice the size between whose positions values are interpolated."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class BilinearDoubling(keras.layers.UpSampling2D):
    """Double the height and the width of maps, which need not be known beforehand.

    What `keras.layers.UpSampling2D(2, interpolation="bilinear")` computes. That one
    asks for sizes as Python numbers, and cannot be exported for images of any size.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, 2 * height, 2 * width, channels)`.

    Example:

    >>> import numpy as np
    >>> row = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> ops.convert_to_numpy(BilinearDoubling()(row))[0, 0, :, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(self, **kwargs):
        for name in ("size", "data_format", "interpolation"):
            kwargs.pop(name, None)  # from the configuration: they are always these
        super().__init__(2, "channels_last", "bilinear", **kwargs)

    def call(self, inputs):
        return _doubled(_doubled(inputs, 1), 2)


def _doubled(x, axis):
    """Put a quarter of the way to each neighbour in the place of each position."""

    def part(begin, end):
        cut = [slice(None)] * 4
        cut[axis] = slice(begin, end)
        return x[tuple(cut)]

    before = ops.concatenate([part(None, 1), part(None, -1)], axis=axis)
    after = ops.concatenate([part(1, None), part(-1, None)], axis=axis)
    pairs = ops.stack([0.75 * x + 0.25 * y for y in (before, after)], axis=axis + 1)
    shape = list(ops.shape(x))
    shape[axis] = 2 * shape[axis]
    return ops.reshape(pairs, shape)
