"""Dropping blocks of a feature map."""

import functools
import math

import keras
import numpy as np
from keras import ops

from . import native
from .rates import add_rate, check_rate, rate_of

NEWTON_STEPS = 8


@keras.saving.register_keras_serializable("kerasmith")
class DropBlock(keras.layers.Layer):
    """Drop blocks of neighbouring elements of feature maps during training.

    What stands side by side in a feature map says nearly the same, so that single
    elements that plain dropout takes away are known from their neighbours. This layer
    draws seeds where a whole block fits, and drops the block at each seed. What is
    kept is multiplied by the number of elements over the number of those kept,
    counted over the whole batch, as in the paper.

    The paper draws a seed with a probability of
    `rate / block^2 * (H W) / ((H - block + 1) (W - block + 1))`, which is the first
    order of what is right, for it does not count that blocks overlap: at high rates
    less is dropped than the rate says. Here the probability of a seed solves the
    equation exactly, so that an element is dropped with a probability of `rate`,
    on average over the map.

    Args:
        rate: Part of the elements to drop, in [0, 1). It is held in the variable
            `layer.rate`: `layer.rate.assign(0.1)` acts inside an already compiled
            `fit`. The paper raises it from 0 linearly over the training.
        block_size: Length of a block along each spatial axis, an integer or one for
            each axis, 1 or more and no longer than the map.
        share_channels: Whether all channels of a sample drop the same blocks. By
            default each draws its own, which the paper found better.
        data_format: `"channels_last"` or `"channels_first"`,
            `keras.config.image_data_format()` if `None`.
        seed: Integer seed of the draws.

    Call arguments:
        inputs: Tensor of shape `(batch, length, channels)`, `(batch, height, width,
            channels)` or `(batch, depth, height, width, channels)`, or the same with
            the channels behind the batch.
        training: Whether to drop. Inputs pass unchanged otherwise.

    Returns:
        Tensor of the same shape and dtype as `inputs`.

    Raises:
        ValueError: If `rate` is not in [0, 1), a block is shorter than 1 or longer
            than the map, or there is not one length for each spatial axis.

    Example:

    >>> import numpy as np
    >>> maps = np.ones((2, 9, 7, 4), "float32")
    >>> DropBlock(0.2, block_size=(3, 2))(maps, training=True).shape == (2, 9, 7, 4)
    True

    Reference:
        Ghiasi et al., 2018, https://arxiv.org/abs/1810.12890
    """

    def __init__(
        self,
        rate,
        block_size=7,
        *,
        share_channels=False,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        rate = check_rate("DropBlock", rate)
        self.block_size = _checked_block_size(block_size)
        self.share_channels = share_channels
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "DropBlock needs a data_format of 'channels_last' or 'channels_first', "
                f"received {data_format!r}."
            )
        self.seed = seed
        self.rate = add_rate(self, rate)
        self.draws = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape):
        self._blocks_in(input_shape)
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        blocks = self._blocks_in(inputs.shape)
        shape = list(ops.shape(inputs))
        sizes = [shape[axis] for axis in blocks]
        kernels = native.of("dropout")
        probability = seed_probability(
            ops.convert_to_tensor(self.rate), sizes, blocks.values()
        )
        for axis, block in blocks.items():
            shape[axis] = shape[axis] - block + 1
        if self.share_channels:
            shape[self._channel_axis] = 1
        # the draws count in steps of 2^-16: a random part of a step makes up for that
        dither = keras.random.uniform((), seed=self.draws) / 65536
        kept = kernels.survivors(shape, probability + dither, self.draws.next())
        kept = _erode(kept, blocks)
        scale = 1 / ops.maximum(kernels.fraction(kept), 1e-9)
        return kernels.keep(inputs, kept, scale)

    @property
    def _channel_axis(self):
        return 1 if self.data_format == "channels_first" else -1

    def _blocks_in(self, shape):
        """Map each spatial axis to the length of a block, or say what is wrong."""
        if not 3 <= len(shape) <= 5:
            raise ValueError(
                "DropBlock needs inputs with a batch axis, a channel axis, and one to "
                f"three spatial axes between, received the shape {tuple(shape)}."
            )
        first = 2 if self.data_format == "channels_first" else 1
        axes = range(first, first + len(shape) - 2)
        blocks = self.block_size
        blocks = (blocks,) * len(axes) if isinstance(blocks, int) else blocks
        if len(blocks) != len(axes):
            raise ValueError(
                f"DropBlock needs one block length for each of the {len(axes)} spatial "
                f"axes of {tuple(shape)}, received block_size={self.block_size}."
            )
        for axis, block in zip(axes, blocks, strict=True):
            if shape[axis] is not None and shape[axis] < block:
                raise ValueError(
                    f"DropBlock cannot fit blocks of {tuple(blocks)} into maps of "
                    f"{tuple(shape[i] for i in axes)}: choose a block_size of at most "
                    f"{shape[axis]} along axis {axis} of {tuple(shape)}."
                )
        return dict(zip(axes, blocks, strict=True))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "rate": rate_of(self.rate),
            "block_size": self.block_size,
            "share_channels": self.share_channels,
            "data_format": self.data_format,
            "seed": self.seed,
        }


def seed_probability(rate, sizes, blocks):
    """Find the probability of a seed at which `rate` of a map is dropped.

    An element is kept if none of the seeds whose blocks cover it is drawn. With the
    probability g of a seed and n seeds covering an element, n being smaller near the
    border, that has the probability (1 - g)^n; its mean over the map must be 1 - rate.
    Newton's method solves that for log(1 - g); the mean is convex in it, so that it
    goes down to the solution from one side.

    Args:
        rate: Scalar tensor in [0, 1).
        sizes: Length of the map along each axis, integers or scalar tensors.
        blocks: Length of a block along each axis.

    Returns:
        Scalar tensor.

    Example:

    >>> rate = ops.convert_to_tensor(0.36)
    >>> round(float(seed_probability(rate, [8], [1])), 4)  # no block, no overlap
    0.36
    >>> round(float(seed_probability(rate, [2, 2], [2, 2])), 4)  # one place for a block
    0.36
    """
    covers, weights = _coverage(sizes, list(blocks))
    log_keep = ops.log1p(-rate)
    log_miss = log_keep / ops.sum(weights * covers)
    for _ in range(NEWTON_STEPS):
        missing = weights * ops.expm1(log_miss * covers)
        surplus = ops.log1p(ops.sum(missing)) - log_keep
        kept = missing + weights
        slope = ops.sum(kept * covers) / ops.sum(kept)
        log_miss = log_miss - surplus / slope
    return -ops.expm1(log_miss)


def _coverage(sizes, blocks):
    """Tell by how many seeds elements are covered, and which part of them by so many.

    Where sizes are known, equal counts are put together.
    """
    if all(isinstance(size, int) for size in sizes):
        along = [
            _counts(np.arange(size), size, block, np)
            for size, block in zip(sizes, blocks, strict=True)
        ]
        table = functools.reduce(np.multiply.outer, along)
        covers, times = np.unique(table, return_counts=True)
        weights = times / times.sum()
        return (ops.convert_to_tensor(x, "float32") for x in (covers, weights))
    table = ops.ones((1,), "float32")
    for size, block in zip(sizes, blocks, strict=True):
        along = ops.cast(_counts(ops.arange(size), size, block, ops), "float32")
        table = ops.reshape(table[:, None] * along, (-1,))
    return table, ops.ones_like(table) / ops.cast(ops.size(table), "float32")


def _counts(position, size, block, numeric):
    """Count the seeds whose blocks cover positions along one axis."""
    last = numeric.minimum(position, size - block)
    first = numeric.maximum(position - block + 1, 0)
    return last - first + 1


def _erode(kept, blocks):
    """Drop a block where a seed is not kept: each element needs all seeds around."""
    around = [(0, 0)] * len(kept.shape)
    for axis, block in blocks.items():
        around[axis] = (block - 1, block - 1)
    kept = (
        ops.pad(kept, around, constant_values=True)
        if math.prod(blocks.values()) > 1
        else kept
    )
    for axis, block in blocks.items():
        before = (slice(None),) * axis
        width = 1
        while width < block:  # windows of twice the width from two of the one before
            step = min(width, block - width)
            kept = ops.logical_and(
                kept[(*before, slice(None, -step))], kept[(*before, slice(step, None))]
            )
            width += step
    return kept


def _checked_block_size(block_size):
    """Give an integer or a tuple of integers, all of them 1 or more."""
    alone = not isinstance(block_size, list | tuple)
    sizes = (block_size,) if alone else tuple(block_size)
    if not sizes or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(
            "DropBlock needs a block_size of 1 or more, an integer or one for each "
            f"spatial axis, received {block_size!r}."
        )
    return block_size if alone else sizes
