"""Maps brought to the size of others."""

import keras
from keras import ops

from .mirror_padding import mirror

ALIGNMENTS = ("center", "start")


@keras.saving.register_keras_serializable("kerasmith")
class MatchSize(keras.layers.Layer):
    """Give maps the positions of others: cut off what is too much.

    Where they are too small they are continued by their mirror images, as
    `MirrorPadding` does. Sizes may be known only when the model runs.

    Args:
        align: Which positions stay. `"center"`: those in the middle, the odd one cut
            off the end; the way of a U-Net without padding. `"start"`: those at the
            beginning; what `MirrorPadding` added goes.

    Call arguments:
        inputs: List of the maps, of shape `(batch, ..., channels)`, and of others with
            as many axes, of which only the sizes matter.

    Returns:
        Tensor of shape `(batch, ..., channels)` with the channels and the dtype of the
        first and the positions of the second.

    Raises:
        ValueError: If `align` is unknown, or there are not two tensors with equally
            many axes.

    Example:

    >>> import numpy as np
    >>> row, shorter = np.arange(7.0).reshape(1, 7, 1), np.zeros((1, 4, 2))
    >>> np.asarray(MatchSize()([row, shorter])).ravel().tolist()
    [1.0, 2.0, 3.0, 4.0]

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, section 2
    """

    def __init__(self, align="center", **kwargs):
        super().__init__(**kwargs)
        if align not in ALIGNMENTS:
            raise ValueError(
                f"MatchSize needs align to be one of {', '.join(ALIGNMENTS)}, received "
                f"{align!r}."
            )
        self.align = align

    def build(self, input_shape):
        ranks = [len(shape) for shape in input_shape if isinstance(shape, list | tuple)]
        if len(ranks) != 2 or ranks[0] != ranks[1] or not 3 <= ranks[0] <= 5:
            raise ValueError(
                "MatchSize needs a list of two tensors of shape (batch, ..., channels) "
                f"with equally many axes, received shapes {input_shape}."
            )

    def call(self, inputs):
        maps, others = inputs
        for axis in range(1, len(maps.shape) - 1):
            maps = self._match(maps, ops.shape(others)[axis], axis)
        return maps

    def _match(self, maps, wanted, axis):
        known, size = maps.shape[axis], ops.shape(maps)[axis]
        if known is not None and isinstance(wanted, int):
            lacking = max(wanted - known, 0)
            surplus = max(known - wanted, 0)
        else:
            lacking = ops.maximum(wanted - size, 0)
            surplus = ops.maximum(size - wanted, 0)
        centered = self.align == "center"
        if not isinstance(lacking, int) or lacking:
            before = lacking // 2 if centered else 0
            maps = mirror(maps, before, lacking - before, axis)
        if not isinstance(surplus, int) or surplus:
            begin = surplus // 2 if centered else 0
            cut = [slice(None)] * len(maps.shape)
            cut[axis] = slice(begin, begin + wanted)
            maps = maps[tuple(cut)]
        return maps

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing: positions are taken, not computed."""
        return 0

    def compute_output_shape(self, input_shape):
        maps, others = input_shape
        return (maps[0], *others[1:-1], maps[-1])

    def get_config(self):
        return {**super().get_config(), "align": self.align}
