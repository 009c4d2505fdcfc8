"""One position after the other of a Transformer's decoder."""

import math

import keras
from keras import ops

from .. import layers
from .attention_steps import AttentionSteps, BlockSteps, bias_of, projection


class TransformerSteps(AttentionSteps):
    """Steps of blocks that keep keys and values of what they have seen.

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
        super().__init__(model, "target", layers.TransformerDecoderBlock)
        self.encoder = keras.Model(
            model.get_layer("source").output, model.get_layer("memory").output
        )

    def __call__(self, source, length, width):
        source = ops.cast(ops.convert_to_tensor(source), "int32")
        memory = self.encoder(source, training=False)
        blocks = [_Block(block) for block in self.blocks]
        known = [block.known(memory) for block in blocks]
        seen = bias_of(ops.not_equal(source, 0)[:, None])
        step = self.through(blocks, self._embed(length))
        empty = [block.empty(memory) for block in blocks for _ in range(2)]
        return step, layers.DecodingState((), (known, seen), empty)

    def _embed(self, length):
        """Give a function of tokens that all stand at one position, a row each."""
        table = self.table()
        zeros = ops.zeros((1, length, table.shape[1]), table.dtype)
        positions = self.positions(zeros)[0]
        scale = math.sqrt(table.shape[1]) if self.positions.scale else 1

        def embed(tokens, state, index):
            rows = ops.take(table, ops.reshape(tokens, (-1,)), axis=0)
            return scale * rows + positions[index]

        return embed


class _Block(BlockSteps):
    """A block of the decoder, at one position after the other."""

    def __init__(self, block):
        super().__init__(block)
        other = block.memory_attention
        self.look = projection(
            self.dtype, self.depth, other.query_dense, scale=self.scale
        )
        self.join_found = projection(self.dtype, self.inside, other.output_dense)

    def known(self, memory):
        """Give the keys and values of the memory."""
        known = self.block.memory_attention.project_memory(memory)
        known = ops.transpose(known, (1, 0, 3, 2, 4))
        return known[0], known[1]

    def step(self, x, kept, known, at):
        """Give the outputs of all beams' rows at a position, and the new cache."""
        block = self.block
        query, keys, values = self.look_up(x, kept, at)
        seen = self.join(self._attend(query, keys, values, at.own, at.order))
        x = self.after(block.attention_norm, x, seen)
        rows = self.look(self.before(block.memory_norm, x))
        (query,) = at.order.apart(rows, 1)
        found = self._attend(query, known[0], known[1], at.seen, at.order)
        x = self.after(block.memory_norm, x, self.join_found(found))
        return self.feed_forward(x), [keys, values]

    def _attend(self, query, keys, values, bias, order):
        """Attend with few queries; give rows."""
        weights = self.weights(self.scores(query, keys, bias))
        return order.together(ops.matmul(weights, values))
