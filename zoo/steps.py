"""Step functions of the zoo's networks that write: what decoding asks, again and again.

A network that was trained with a teacher computes all positions at once. Here its
layers compute one position after the other, from what they remember.
"""

import keras
from keras import ops

from .. import layers
from .language_model_steps import LanguageModelSteps
from .steps_base import Steps
from .transformer_steps import TransformerSteps


def steps_of(model):
    """Give what decodes with a network of `seq2seq` or `transformer`.

    A decoder alone, such as `gpt`, writes on: its source are prompts, the padding
    behind them. All of a prompt but its last token is in the state; by this one the
    search begins.

    Args:
        model: Its `keras.Model`, freshly built or loaded, with the inputs `source` and
            `target`; or a decoder alone.

    Returns:
        Function of source tokens `(batch, time)`, the `length` that a sequence has at
        most and the `width`, the number of beams, a number or what else the search
        takes; it gives the step function, and the state that it begins with: what
        `layers.beam_search`, `greedy_search` (a width of 1) and `sample_sequences`
        take. It raises a `ValueError` where a table of positions is too short.

    Raises:
        ValueError: If the model is none of these.

    Example:

    >>> from .transformer import transformer
    >>> model = transformer("transformer_tiny", vocabulary=30)
    >>> begin = steps_of(model)
    >>> step, state = begin([[5, 6, 7]], length=4, width=2)
    >>> found = layers.beam_search(step, state, [2], end=3, length=4, width=2)
    >>> found.tokens.shape == (1, 1, 4)
    True
    """
    names = {layer.name for layer in model.layers}
    if {"source_positions", "features"} <= names and not {"target", "memory"} & names:
        return LanguageModelSteps(model)
    if not {"source", "target", "memory", "features"} <= names:
        raise ValueError(
            f"{model.name!r} is no network that reads a source and writes a target, "
            "or writes on: build one by kerasmith.zoo.seq2seq or "
            "kerasmith.zoo.transformer."
        )
    if "decoder" in names:
        return _RecurrentSteps(model)
    return TransformerSteps(model)


class _RecurrentSteps(Steps):
    """Steps of a cell that looks at a memory, which the beams of a sentence share."""

    def __init__(self, model):
        super().__init__(model)
        self.cell = self.layers["decoder"].cell
        self.projection = self.layers.get("projection")
        names = self.layers
        places = sorted(
            tuple(map(int, name.removeprefix("bridge").split("_")))
            for name in names
            if name.startswith("bridge")
        )
        ends = [f"bridge{level}_{number}" for level, number in places]
        self.encoder = keras.Model(
            model.get_layer("source").output,
            [model.get_layer(name).output for name in ("memory", *ends)],
        )

    def __call__(self, source, length, width):
        source = ops.cast(ops.convert_to_tensor(source), "int32")
        memory, *ends = self.encoder(source, training=False)
        there, to_logits = ops.not_equal(source, 0), self.logits()
        table = ops.convert_to_tensor(self.embedding.embeddings)
        table = ops.cast(table, self.embedding.compute_dtype)
        ((*follows, _, memory, mask, keys),) = self.cell.initial_state(
            memory, there, ends
        )

        def step(tokens, state, index, ancestors):
            batch, width = ops.shape(tokens)
            rows = [ops.reshape(x, (batch * width, x.shape[-1])) for x in state.follows]
            x = ops.take(table, ops.reshape(tokens, (batch * width,)), axis=0)
            # the weights of the step before are not looked at
            states = [[*rows, state.stays[1], *state.stays]]
            x, ((*rows, _, _, _, _),) = self.cell(x, states, training=False)
            x = x if self.projection is None else self.projection(x)
            logits = to_logits(x)
            logits = ops.reshape(logits, (batch, width, logits.shape[-1]))
            rows = [ops.reshape(x, (batch, width, x.shape[-1])) for x in rows]
            return logits, layers.DecodingState(rows, state.stays)

        stays = [memory, mask, keys]
        return step, layers.DecodingState(follows, stays)
