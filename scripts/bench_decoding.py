"""What `kerasmith bench` measures of decoding, against what a Keras user has."""

import functools

from kerasmith.scripts.bench import Pair

# tokens to be written for so many sentences: the peer takes the square of their number
LENGTHS = {1: 64, 8: 64, 32: 16}
SOURCE, BEAMS = 32, 4
START, END = 2, 3


def decoding(batch):
    """Time the beam search of a Transformer, for all tokens of `LENGTHS`.

    `transformer_base` with random weights, 4 beams, sources of 32 tokens; the end is
    forbidden, so that each sentence has all its tokens. Tokens a second are those of
    the label over the seconds. The peer has the same network predict, which Keras
    compiles, what follows all that was written so far, once a token, and chooses the
    beams in NumPy: what a network that was trained with a teacher can do as it is.

    Args:
        batch: Number of sentences.

    Returns:
        List of `Pair`.

    Example:

    >>> decoding(8)[0].label
    '4 beams of transformer_base, 512 tokens, 8 sentences, against whole prefixes'
    """
    label = f"{BEAMS} beams of transformer_base, {batch * LENGTHS[batch]:,} tokens"
    sentences = f"{batch} sentence{'s' * (batch > 1)}"
    return [
        Pair(
            f"{label}, {sentences}, against whole prefixes",
            functools.partial(_ours, batch),
            functools.partial(_peer, batch),
        )
    ]


@functools.cache
def _model():
    import keras

    from kerasmith.zoo.transformer import transformer

    keras.utils.set_random_seed(0)
    return transformer("transformer_base")


@functools.cache
def _sources(batch):
    import numpy as np

    rows = np.random.default_rng(batch).integers(4, 37_000, (batch, SOURCE))
    return rows.astype("int32")


@functools.cache
def _search(batch):
    import keras

    from kerasmith import layers
    from kerasmith.zoo.steps import steps_of
    from kerasmith.zoo.tools.forward_step import forward_step

    length = LENGTHS[batch]
    begin = steps_of(_model())

    def search(source):
        step, state = begin(source, length, BEAMS)
        first = keras.ops.full((batch,), START, "int32")
        options = {"end": END, "length": length, "width": BEAMS, "forbidden": (END,)}
        return layers.beam_search(step, state, first, **options).tokens

    return forward_step(search, keras.ops.convert_to_tensor(_sources(batch)))


def _ours(batch):
    """Compile at the first call, so that a list of pairs costs nothing."""
    import keras

    return keras.ops.convert_to_numpy(_search(batch)())[:, 0]


@functools.cache
def _last_position():
    """Build a model that gives probabilities of the last position alone."""
    import keras

    model = _model()
    last = keras.layers.Lambda(lambda x: x[:, -1:], output_shape=(1, None))
    x = last(model.get_layer("features").output)
    logits = model.get_layer("source_embedding")(x, reverse=True)
    return keras.Model(model.input, keras.ops.log_softmax(logits[:, 0]))


def _peer(batch):
    import numpy as np

    source = np.repeat(_sources(batch), BEAMS, axis=0)
    target = np.full((batch * BEAMS, 1), START, "int32")
    totals = np.where(np.arange(BEAMS) > 0, -np.inf, np.zeros((batch, 1)))
    sentence = np.arange(batch)[:, None]
    for _ in range(LENGTHS[batch]):
        likely = _last_position().predict_on_batch({"source": source, "target": target})
        likely[:, END] = -np.inf
        words = np.argpartition(-likely, BEAMS, axis=1)[:, :BEAMS]
        scores = np.take_along_axis(likely, words, axis=1).reshape(batch, BEAMS, BEAMS)
        scores = (totals[..., None] + scores).reshape(batch, -1)
        chosen = np.argsort(-scores, axis=1)[:, :BEAMS]
        totals = np.take_along_axis(scores, chosen, axis=1)
        words = np.take_along_axis(words.reshape(batch, -1), chosen, axis=1)
        rows = (sentence * BEAMS + chosen // BEAMS).ravel()
        target = np.concatenate([target[rows], words.reshape(-1, 1)], axis=1)
    return target[::BEAMS, 1:]


ROWS = {f"decoding_{batch}": functools.partial(decoding, batch) for batch in LENGTHS}
