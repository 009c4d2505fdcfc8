"""Maps continued beyond their borders by their mirror images."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class MirrorPadding(keras.layers.Layer):
    """Continue maps by their mirror images until every size is a multiple of a number.

    What is added stands at the end of each axis. The border itself is repeated
    (`d c b a | a b c d`), and a map smaller than what it lacks is mirrored again and
    again, so that any size from 1 up can be continued. A network that halves its maps
    five times takes any size behind `MirrorPadding(32)`; `MatchSize` takes away again
    what was added.

    Args:
        multiple: What every size shall be a multiple of, at least 1.
        minimum: What every size shall be at least, a multiple of that, too.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., channels)`, with one to three axes of
            positions, whose sizes need not be known beforehand.

    Returns:
        Tensor of the same dtype, of shape `(batch, ..., channels)`, each size rounded
        up.

    Raises:
        ValueError: If `multiple` is no whole number of at least 1, or `minimum` none
            of its multiples.

    Example:

    >>> import numpy as np
    >>> row = np.arange(5, dtype="float32").reshape(1, 5, 1)
    >>> np.asarray(MirrorPadding(8)(row)).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0]

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, figure 2
    """

    def __init__(self, multiple, *, minimum=0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(multiple, int) or multiple < 1:
            raise ValueError(
                "MirrorPadding needs a multiple of at least 1, a whole number, "
                f"received {multiple!r}."
            )
        if not isinstance(minimum, int) or minimum < 0 or minimum % multiple:
            raise ValueError(
                f"MirrorPadding needs a minimum that is a multiple of {multiple}, "
                f"received {minimum!r}."
            )
        self.multiple = multiple
        self.minimum = minimum
        self.input_spec = keras.layers.InputSpec(min_ndim=3, max_ndim=5)

    def call(self, inputs):
        for axis in range(1, len(inputs.shape) - 1):
            size = ops.shape(inputs)[axis]
            # of a size that is known, nothing need be looked up at run time
            if isinstance(size, int):
                after = self._lacking(size, max)
            else:
                after = self._lacking(size, ops.maximum)
            if not isinstance(after, int) or after:
                inputs = mirror(inputs, 0, after, axis)
        return inputs

    def _lacking(self, size, maximum):
        # remainders of positive numbers are the same in every runtime
        after = self.multiple - 1 - (size - 1) % self.multiple
        return maximum(after, self.minimum - size)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing: positions are taken, not computed."""
        return 0

    def compute_output_shape(self, input_shape):
        sizes = (
            None if size is None else size + self._lacking(size, max)
            for size in input_shape[1:-1]
        )
        return (input_shape[0], *sizes, input_shape[-1])

    def get_config(self):
        config = {"multiple": self.multiple, "minimum": self.minimum}
        return {**super().get_config(), **config}


def mirror(inputs, before, after, axis):
    """Continue a tensor along an axis by its mirror images.

    Args:
        inputs: Tensor.
        before: Number of positions to add at the beginning, may be a tensor.
        after: Number of positions to add at the end, may be a tensor.
        axis: Which axis.

    Returns:
        Tensor that is longer along that axis.

    Example:

    >>> import numpy as np
    >>> np.asarray(mirror(np.array([1, 2, 3]), 2, 4, 0)).tolist()
    [2, 1, 1, 2, 3, 3, 2, 1, 1]
    """
    size = ops.shape(inputs)[axis]
    # positions of a row and its image, which repeat for ever
    period = 2 * size
    start = 0 if isinstance(before, int) and not before else period - before % period
    places = (ops.arange(size + before + after) + start) % period
    return ops.take(inputs, ops.minimum(places, period - 1 - places), axis=axis)
