"""One position after the other of a Transformer's decoder."""

import dataclasses
from typing import Any

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
    >>> ancestors = ops.zeros((2, 2, 4), "int32")
    >>> logits, state = step(ops.full((2, 2), 2, "int32"), state, 0, ancestors)
    >>> logits.shape == (2, 2, 30)
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
        to_logits = self.logits()
        blocks = [_Block(block, width) for block in self.blocks]
        kept = [block.begin(memory, length * width) for block in blocks]
        seen = _bias(ops.not_equal(source, 0)[:, None])

        def step(tokens, state, index, ancestors):
            own = _bias(_own(ancestors, index, width))
            x, caches = self._embed(tokens, index), []
            for block, cache in zip(blocks, state.stays, strict=True):
                x, cache = block.step(x, cache, index * width, own, seen)
                caches.append(cache)
            x = x if self.norm is None else self.norm(x)
            logits = to_logits(x)
            logits = ops.reshape(logits, (*ops.shape(tokens), logits.shape[-1]))
            return logits, layers.DecodingState((), caches)

        return step, layers.DecodingState((), kept)

    def _embed(self, tokens, index):
        """Give vectors of tokens that all stand at one position, a row each."""
        rows = ops.reshape(tokens, (-1, 1))
        x = self.positions(self.embedding(rows), offset=index)
        return x[:, 0]


def _bias(allowed):
    """Give what is added to scores: `(batch, 1, queries, keys)`."""
    return ops.where(allowed, 0.0, -1e30)[:, None]


def _own(ancestors, index, width):
    """Tell which entries of the cache each beam may look at."""
    batch, _, length = ops.shape(ancestors)
    own = ops.equal(ancestors[..., None], ops.arange(width, dtype="int32"))
    own = own & (ops.arange(length, dtype="int32") <= index)[:, None]
    return ops.reshape(own, (batch, width, length * width))


@dataclasses.dataclass(frozen=True)
class _Projection:
    """Kernels side by side, laid out once for all steps."""

    kernel: Any
    bias: Any

    def __call__(self, x):
        x = ops.matmul(x, self.kernel)
        return x if self.bias is None else x + self.bias


def _projection(dtype, *parts):
    """Join the projections of an attention to one."""
    depth = parts[0].kernel.shape[0]
    kernels = [ops.reshape(part.kernel, (depth, -1)) for part in parts]
    biases = [part.bias for part in parts if part.bias is not None]
    biases = [ops.reshape(bias, (-1,)) for bias in biases]
    return _Projection(
        ops.cast(ops.concatenate(kernels, axis=1), dtype),
        ops.cast(ops.concatenate(biases), dtype) if biases else None,
    )


class _Block:
    """A block of the decoder, at one position after the other."""

    def __init__(self, block, width):
        self.block, self.width = block, width
        own, other = block.attention, block.memory_attention
        self.heads, self.size = own.num_heads, own.key_dim
        dtype = self.dtype = block.compute_dtype
        self.project = _projection(
            dtype, own.query_dense, own.key_dense, own.value_dense
        )
        self.look = _projection(dtype, other.query_dense)

    def begin(self, memory, length):
        """Give an empty cache, and the keys and values of the memory."""
        shape = (ops.shape(memory)[0], self.heads, length, self.size)
        known = self.block.memory_attention.project_memory(memory)
        known = ops.transpose(known, (1, 0, 3, 2, 4))
        return {
            "keys": ops.zeros(shape, self.dtype),
            "values": ops.zeros(shape, self.dtype),
            "memory_keys": known[0],
            "memory_values": known[1],
        }

    def step(self, x, cache, index, own, seen):
        """Give the outputs of all beams' rows at a position, and the new cache."""
        block, write = self.block, native.of("cache").write
        parts = self._with_heads(self.project(self._before(block.attention_norm, x)), 3)
        query, keys, values = parts[0], parts[1], parts[2]
        keys = write(cache["keys"], keys, index)
        values = write(cache["values"], values, index)
        seen_own = self._attend(query, keys, values, own, block.attention)
        x = self._after(block.attention_norm, x, seen_own)
        query = self.look(self._before(block.memory_norm, x))
        known = cache["memory_keys"], cache["memory_values"]
        query = self._with_heads(query, 1)[0]
        found = self._attend(query, *known, seen, block.memory_attention)
        x = self._after(block.memory_norm, x, found)
        hidden = block.feed_forward_hidden(self._before(block.feed_forward_norm, x))
        x = self._after(block.feed_forward_norm, x, block.feed_forward_output(hidden))
        return x, {**cache, "keys": keys, "values": values}

    def _before(self, norm, x):
        return norm(x) if self.block.norm_first else x

    def _after(self, norm, x, branch):
        return x + branch if self.block.norm_first else norm(x + branch)

    def _with_heads(self, rows, parts):
        """Give rows as `(parts, batch, heads, beams, size)`."""
        shape = (-1, self.width, parts, self.heads, self.size)
        return ops.transpose(ops.reshape(rows, shape), (2, 0, 3, 1, 4))

    def _attend(self, query, keys, values, bias, attention):
        """Attend with few queries; give rows."""
        query = query * ops.cast(self.size**-0.5, query.dtype)
        scores = ops.cast(ops.einsum("bhqd,bhkd->bhqk", query, keys), "float32")
        weights = ops.cast(ops.softmax(scores + bias), values.dtype)
        found = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
        dense = attention.output_dense
        rows = ops.reshape(found, (-1, self.heads * self.size))
        rows = ops.matmul(rows, ops.reshape(dense.kernel, (self.heads * self.size, -1)))
        return rows if dense.bias is None else rows + dense.bias
