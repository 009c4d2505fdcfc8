"""An attention of a Transformer's block, one position after the other."""

import dataclasses
from typing import Any, NamedTuple

from keras import ops

from ..layers import native
from .steps_base import Steps


def bias_of(allowed):
    """Tell scores which keys may be looked at.

    Args:
        allowed: Boolean tensor of shape `(batch, queries, keys)`.

    Returns:
        What is added to scores, `(batch, 1, queries, keys)`.

    Example:

    >>> ops.convert_to_numpy(bias_of([[[True, False]]])).tolist()[0][0][0][0]
    0.0
    """
    return ops.where(allowed, 0.0, -1e30)[:, None]


def own_bias(ancestors, index, width, room):
    """Tell scores which entries of a cache of all beams are a beam's own.

    Args:
        ancestors: int32 tensor of shape `(batch, width, length)`, see
            `layers.beam_search`.
        index: The step.
        width: Number of beams.
        room: Number of steps that the cache has room for.

    Returns:
        What is added to scores, `(batch, 1, width, room * width)`.

    Example:

    >>> own = own_bias(ops.convert_to_tensor([[[1], [0]]]), 0, 2, 1)
    >>> (ops.convert_to_numpy(own) == 0).tolist()
    [[[[False, True], [True, False]]]]
    """
    batch = ops.shape(ancestors)[0]
    ancestors = ancestors[:, :, :room, None]
    own = ops.equal(ancestors, ops.arange(width, dtype="int32"))
    own = own & (ops.arange(room, dtype="int32") <= index)[:, None]
    return bias_of(ops.reshape(own, (batch, width, room * width)))


class Place(NamedTuple):
    """Where a step stands, and what its beams may look at.

    Args:
        order: The order of rows by beams, and by heads.
        index: Place in the cache of what the step writes.
        own: What is added to scores of what the beams wrote.
        seen: What is added to scores of what they share.

    Example:

    >>> Place(None, 3, 0.0, 0.0).index
    3
    """

    order: Any
    index: Any
    own: Any
    seen: Any


@dataclasses.dataclass(frozen=True)
class _Projection:
    """Kernels side by side, laid out once for all steps."""

    kernel: Any
    bias: Any

    def __call__(self, x):
        x = ops.matmul(x, self.kernel)
        return x if self.bias is None else x + self.bias


def projection(dtype, depth, *parts, scale=1):
    """Join projections of an attention to one.

    Args:
        dtype: Data type of the kernels.
        depth: Length of the rows that are projected.
        *parts: Layers with a kernel of any shape, and a bias or none.
        scale: Factor of the first of them.

    Returns:
        Function of rows.

    Example:

    >>> import keras
    >>> dense = keras.layers.Dense(3)
    >>> dense.build((None, 2))
    >>> projection("float32", 2, dense, dense)(ops.ones((4, 2))).shape == (4, 6)
    True
    """
    kernels = [ops.reshape(part.kernel, (depth, -1)) for part in parts]
    biases = [ops.reshape(x.bias, (-1,)) for x in parts if x.bias is not None]
    joined = []
    for numbers in (kernels, biases):
        numbers = [ops.cast(x, dtype) for x in numbers]
        numbers[:1] = [x if scale == 1 else x * scale for x in numbers[:1]]
        joined.append(ops.concatenate(numbers, axis=-1) if numbers else None)
    return _Projection(*joined)


class BlockSteps:
    """What the blocks of all Transformers do with what they wrote themselves.

    Args:
        block: `TransformerEncoderBlock` or `TransformerDecoderBlock`, built.

    Example:

    >>> from .. import layers
    >>> block = layers.TransformerEncoderBlock(num_heads=2, feed_forward_dim=4)
    >>> block.build((None, None, 6))
    >>> BlockSteps(block).empty(ops.ones((5, 7))).shape == (5, 2, 0, 3)
    True
    """

    def __init__(self, block):
        self.block, own = block, block.attention
        self.heads, self.size = own.num_heads, own.key_dim
        self.dtype = block.compute_dtype
        self.depth = own.query_dense.kernel.shape[0]
        self.inside = self.heads * self.size
        self.scale = self.size**-0.5  # of the scores
        parts = own.query_dense, own.key_dense, own.value_dense
        self.project = projection(self.dtype, self.depth, *parts, scale=self.scale)
        self.join = projection(self.dtype, self.inside, own.output_dense)
        self.products = native.of("decoding").products

    def empty(self, memory):
        """Give keys or values of no step."""
        shape = (ops.shape(memory)[0], self.heads, 0, self.size)
        return ops.zeros(shape, self.dtype)

    def look_up(self, x, kept, at):
        """Give the queries of a position, and all keys and values up to it."""
        write = native.of("cache").write
        rows = self.project(self.before(self.block.attention_norm, x))
        query, keys, values = at.order.apart(rows, 3)
        keys = write(kept[0], keys, at.index)
        return query, keys, write(kept[1], values, at.index)

    def feed_forward(self, x):
        """Give what the block's last part makes of the rows."""
        block = self.block
        hidden = block.feed_forward_hidden(self.before(block.feed_forward_norm, x))
        return self.after(block.feed_forward_norm, x, block.feed_forward_output(hidden))

    def before(self, norm, x):
        """Give what a part sees of rows."""
        return norm(x) if self.block.norm_first else x

    def after(self, norm, x, branch):
        """Join what a part gave with rows."""
        return x + branch if self.block.norm_first else norm(x + branch)

    def weights(self, scores):
        """Give the weights of scores."""
        return ops.cast(ops.softmax(scores), self.dtype)

    def scores(self, query, keys, bias):
        """Give the scores of few queries."""
        return ops.cast(self.products(query, keys), "float32") + bias


class AttentionSteps(Steps):
    """Steps of blocks that keep keys and values of what they have seen.

    All beams' keys and values stand in one cache, one step's behind the other's, and
    stay where they were written: which of them are a beam's own, its ancestors tell.

    Args:
        model: A network of `transformer`.
        side: `"source"` or `"target"`, what it writes.
        kind: Class of its blocks that write.

    Example:

    >>> from .. import layers
    >>> from .transformer import transformer
    >>> kind = layers.TransformerDecoderBlock
    >>> model = transformer("transformer_tiny", vocabulary=30)
    >>> len(AttentionSteps(model, "target", kind).blocks)
    2
    """

    def __init__(self, model, side, kind):
        super().__init__(model)
        self.positions = self.layers[f"{side}_positions"]
        self.norm = self.layers.get(f"{side}_norm")
        self.blocks = [layer for layer in model.layers if isinstance(layer, kind)]

    def through(self, blocks, embed):
        """Give a step function that goes through all blocks.

        The state has first among what `stays` what each block knows of what the beams
        share, and what is added to the scores of it.

        Args:
            blocks: List of `BlockSteps` with a `step`.
            embed: Function of the tokens `(batch, beams)`, the state and the index;
                gives a row for each beam.
        """
        to_logits = self.logits()

        def step(tokens, state, index, ancestors):
            batch, width = ops.shape(tokens)
            known, seen = state.stays[:2]
            order = native.of("decoding").Heads(batch, width, blocks[0].heads)
            room = ops.shape(state.grows[0])[2] // width
            own = own_bias(ancestors, index, width, room)
            at = Place(order, index * width, own, seen)
            x, grows = embed(tokens, state, index), []
            for number, block in enumerate(blocks):
                kept = state.grows[2 * number : 2 * number + 2]
                x, kept = block.step(x, kept, known[number], at)
                grows += kept
            x = x if self.norm is None else self.norm(x)
            logits = to_logits(x)
            logits = ops.reshape(logits, (batch, width, logits.shape[-1]))
            return logits, state._replace(grows=grows)

        return step

    def table(self):
        """Give the rows of all tokens, in the dtype that the network computes in."""
        rows = ops.convert_to_tensor(self.embedding.embeddings)
        return ops.cast(rows, self.positions.compute_dtype)
