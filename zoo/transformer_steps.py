"""One position after the other of a Transformer's decoder."""

import dataclasses
import math
from typing import Any, NamedTuple

from keras import ops

from .. import layers
from ..layers import native
from .steps_base import Steps


class TransformerSteps(Steps):
    """Steps of blocks that keep keys and values of what they have seen.

    All beams' keys and values stand in one cache, one step's behind the other's, and
    stay where they were written: which of them are a beam's own, its ancestors tell.
    The beams of a sentence share the keys and values of its source.

    Args:
        model: A network of `transformer` with both halves.

    Example:

    >>> from .transformer import transformer
    >>> begin = TransformerSteps(transformer("transformer_tiny", vocabulary=30))
    >>> step, state = begin([[5, 6, 7], [8, 9, 0]], length=4, width=2)
    >>> tokens = ops.full((2,), 2, "int32")
    >>> found = layers.beam_search(step, state, tokens, end=3, length=4, width=2)
    >>> found.tokens.shape == (2, 1, 4)
    True
    """

    def __init__(self, model):
        super().__init__(model)
        self.positions = self.layers["target_positions"]
        self.norm = self.layers.get("target_norm")
        kind = layers.TransformerDecoderBlock
        self.blocks = [layer for layer in model.layers if isinstance(layer, kind)]

    def __call__(self, source, length, width):
        source = ops.cast(ops.convert_to_tensor(source), "int32")
        memory = self.encoder(source, training=False)
        blocks = [_Block(block) for block in self.blocks]
        known = [block.known(memory) for block in blocks]
        seen = _bias(ops.not_equal(source, 0)[:, None])
        to_logits, embed = self.logits(), self._embed(length)

        def step(tokens, state, index, ancestors):
            batch, width = ops.shape(tokens)
            known, seen = state.stays
            order = native.of("decoding").Heads(batch, width, blocks[0].heads)
            own = _own(ancestors, index, width, ops.shape(state.grows[0])[2] // width)
            x, grows = embed(ops.reshape(tokens, (-1,)), index), []
            for number, block in enumerate(blocks):
                kept = state.grows[2 * number : 2 * number + 2]
                at = _Place(order, index * width, own, seen)
                x, kept = block.step(x, kept, known[number], at)
                grows += kept
            x = x if self.norm is None else self.norm(x)
            logits = to_logits(x)
            logits = ops.reshape(logits, (batch, width, logits.shape[-1]))
            return logits, state._replace(grows=grows)

        empty = [block.empty(memory) for block in blocks for _ in range(2)]
        return step, layers.DecodingState((), (known, seen), empty)

    def _embed(self, length):
        """Give a function of tokens that all stand at one position, a row each."""
        dtype = self.positions.compute_dtype
        table = ops.cast(ops.convert_to_tensor(self.embedding.embeddings), dtype)
        depth = table.shape[1]
        positions = self.positions(ops.zeros((1, length, depth), dtype))[0]
        scale = math.sqrt(depth) if self.positions.scale else 1

        def embed(tokens, index):
            return scale * ops.take(table, tokens, axis=0) + positions[index]

        return embed


def _bias(allowed):
    """Give what is added to scores: `(batch, 1, queries, keys)`."""
    return ops.where(allowed, 0.0, -1e30)[:, None]


def _own(ancestors, index, width, room):
    """Tell how far each beam may look at which entries of the cache."""
    batch = ops.shape(ancestors)[0]
    ancestors = ancestors[:, :, :room, None]
    own = ops.equal(ancestors, ops.arange(width, dtype="int32"))
    own = own & (ops.arange(room, dtype="int32") <= index)[:, None]
    return _bias(ops.reshape(own, (batch, width, room * width)))


class _Place(NamedTuple):
    """Where a step stands, and what its beams may look at."""

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


def _projection(dtype, depth, *parts, scale=1):
    """Join projections of an attention to one; scale the first of them."""
    kernels = [ops.reshape(part.kernel, (depth, -1)) for part in parts]
    biases = [ops.reshape(x.bias, (-1,)) for x in parts if x.bias is not None]
    joined = []
    for numbers in (kernels, biases):
        numbers = [ops.cast(x, dtype) for x in numbers]
        numbers[:1] = [x if scale == 1 else x * scale for x in numbers[:1]]
        joined.append(ops.concatenate(numbers, axis=-1) if numbers else None)
    return _Projection(*joined)


class _Block:
    """A block of the decoder, at one position after the other."""

    def __init__(self, block):
        self.block = block
        own, other = block.attention, block.memory_attention
        self.heads, self.size = own.num_heads, own.key_dim
        dtype = self.dtype = block.compute_dtype
        depth, inside = own.query_dense.kernel.shape[0], self.heads * self.size
        scale = self.size**-0.5  # of the scores
        parts = own.query_dense, own.key_dense, own.value_dense
        self.project = _projection(dtype, depth, *parts, scale=scale)
        self.look = _projection(dtype, depth, other.query_dense, scale=scale)
        self.join = _projection(dtype, inside, own.output_dense)
        self.join_found = _projection(dtype, inside, other.output_dense)
        self.write = native.of("cache").write
        self.products = native.of("decoding").products

    def known(self, memory):
        """Give the keys and values of the memory."""
        known = self.block.memory_attention.project_memory(memory)
        known = ops.transpose(known, (1, 0, 3, 2, 4))
        return known[0], known[1]

    def empty(self, memory):
        """Give keys or values of no step."""
        shape = (ops.shape(memory)[0], self.heads, 0, self.size)
        return ops.zeros(shape, self.dtype)

    def step(self, x, kept, known, at):
        """Give the outputs of all beams' rows at a position, and the new cache."""
        block = self.block
        rows = self.project(self._before(block.attention_norm, x))
        query, keys, values = at.order.apart(rows, 3)
        keys = self.write(kept[0], keys, at.index)
        values = self.write(kept[1], values, at.index)
        seen = self.join(self._attend(query, keys, values, at.own, at.order))
        x = self._after(block.attention_norm, x, seen)
        rows = self.look(self._before(block.memory_norm, x))
        (query,) = at.order.apart(rows, 1)
        found = self._attend(query, known[0], known[1], at.seen, at.order)
        found = self.join_found(found)
        x = self._after(block.memory_norm, x, found)
        hidden = block.feed_forward_hidden(self._before(block.feed_forward_norm, x))
        x = self._after(block.feed_forward_norm, x, block.feed_forward_output(hidden))
        return x, [keys, values]

    def _before(self, norm, x):
        return norm(x) if self.block.norm_first else x

    def _after(self, norm, x, branch):
        return x + branch if self.block.norm_first else norm(x + branch)

    def _attend(self, query, keys, values, bias, order):
        """Attend with few queries; give rows."""
        scores = ops.cast(self.products(query, keys), "float32")
        weights = ops.cast(ops.softmax(scores + bias), values.dtype)
        return order.together(ops.matmul(weights, values))
