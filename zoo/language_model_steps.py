"""One position after the other of a decoder alone, which writes on from a prompt."""

from keras import ops

from .. import layers
from .attention_steps import AttentionSteps, BlockSteps, bias_of


class LanguageModelSteps(AttentionSteps):
    """Steps of a network that was trained to find the next token of a text.

    The keys and values of a prompt are computed at once, and its beams share them.
    The search begins with the prompt's last token.

    Args:
        model: A network of `transformer` without an encoder.

    Example:

    >>> from .transformer import transformer
    >>> sizes = {"depth": 1, "width": 8, "heads": 2, "feed_forward": 8}
    >>> model = transformer("gpt", vocabulary=30, **sizes)
    >>> prompts = ops.convert_to_tensor([[5, 6, 7], [8, 9, 4]])
    >>> step, state = LanguageModelSteps(model)(prompts, length=4, width=2)
    >>> options = {"end": 3, "length": 4, "width": 2}
    >>> layers.beam_search(step, state, prompts[:, -1], **options).tokens.shape == (
    ...     (2, 1, 4)
    ... )
    True
    """

    def __init__(self, model):
        super().__init__(model, "source", layers.TransformerEncoderBlock)

    def __call__(self, source, length, width):
        source = ops.cast(ops.convert_to_tensor(source), "int32")
        self._check_length(source, length)
        blocks = [_Block(block) for block in self.blocks]
        x, known = self.positions(self.embedding(source)), []
        for block in blocks:
            known.append(block.known(x))
            x = block.block(x, use_causal_mask=True, training=False)
        there = ops.sum(ops.cast(ops.not_equal(source, 0), "int32"), axis=1)
        last = ops.maximum(there - 1, 0)
        before = ops.arange(ops.shape(source)[1], dtype="int32") < last[:, None]
        seen, table = bias_of(before[:, None]), self.table()

        def embed(tokens, state, index):
            x = ops.take(table, ops.reshape(tokens, (-1, 1)), axis=0)
            places = ops.repeat(state.stays[2] + index, ops.shape(tokens)[1])
            return self.positions(x, offset=places)[:, 0]

        empty = [block.empty(source) for block in blocks for _ in range(2)]
        return self.through(blocks, embed), layers.DecodingState(
            (), (known, seen, last), empty
        )

    def _check_length(self, source, length):
        there, most = source.shape[1], self.positions.max_length
        if self.positions.kind == "learned" and there and there + length - 1 > most:
            raise ValueError(
                f"the network knows {most} positions, received prompts of {there} "
                f"tokens to be continued by {length}: cut the prompts, or ask for a "
                f"length of {max(most - there + 1, 0)} or less."
            )


class _Block(BlockSteps):
    """A block that looks at the prompt and at what was written, as one text."""

    def known(self, x):
        """Give the keys and values of the prompt."""
        x = self.before(self.block.attention_norm, x)
        known = ops.transpose(self.block.attention.project_memory(x), (1, 0, 3, 2, 4))
        return known[0], known[1]

    def step(self, x, kept, known, at):
        """Give the outputs of all beams' rows at a position, and the new cache."""
        query, keys, values = self.look_up(x, kept, at)
        there = self.scores(query, known[0], at.seen)
        own = self.scores(query, keys, at.own)
        weights = self.weights(ops.concatenate([there, own], axis=-1))
        prompt = ops.shape(there)[-1]
        found = ops.matmul(weights[..., :prompt], known[1])
        found = found + ops.matmul(weights[..., prompt:], values)
        rows = self.join(at.order.together(found))
        x = self.after(self.block.attention_norm, x, rows)
        return self.feed_forward(x), [keys, values]
