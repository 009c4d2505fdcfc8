"""Batches that shrink, caches that grow, beams chosen in the call, forbidden tokens."""

import keras
import numpy as np
import pytest
from keras import ops
from test_decoding_mathematics import END, Network, numbers, padded
from test_sequence_networks import RECURRENT, SMALL, START

from kerasmith import layers
from kerasmith.layers.likeliest import likeliest
from kerasmith.zoo.seq2seq import seq2seq
from kerasmith.zoo.steps import steps_of
from kerasmith.zoo.transformer import transformer

BACKEND = keras.backend.backend()
GOALS = np.array([2, 9, 5, 21, 3, 21, 1, 4], "int32")
LENGTH = 24
PENALTY = 1.3  # long sentences are liked
SEED = 5  # of which nine sentences have 4 to 37 tokens
only_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow",
    reason="it is about graphs of TensorFlow, which leave shapes open",
)


def equal(one, other, tolerance=1e-5):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), tolerance, tolerance)


def counting(asked):
    """Make a step that ends each sentence at its goal, and tells what was asked."""

    def step(tokens, state, index, ancestors):
        asked(ops.shape(tokens)[0])
        at_goal = ops.equal(state.stays, index + 1)[:, None, None]
        noise = ops.sin(ops.cast(tokens + index, "float32"))[..., None]
        logits = noise * ops.convert_to_tensor([0.0, 1.0, -0.7, 0.4])
        ends = ops.equal(ops.arange(4), END)
        return logits + ops.where(ends, ops.where(at_goal, 60.0, -60.0), 0.0), state

    return step


SEARCHES = {
    "beam": lambda *a, **k: layers.beam_search(*a, width=3, best=2, **k),
    "greedy": layers.greedy_search,
    "drawn": lambda *a, **k: layers.sample_sequences(*a, samples=2, seed=4, **k),
}
every_search = pytest.mark.parametrize("name", SEARCHES)


def decode(name, asked=lambda rows: None, goals=GOALS, **options):
    first = ops.cast(goals * 0 + 1, "int32")
    options = {"end": END, "length": LENGTH, **options}
    state = layers.DecodingState((), goals)
    return SEARCHES[name](counting(asked), state, first, **options)


@pytest.mark.skipif(BACKEND == "jax", reason="compiled shapes do not change")
@every_search
def test_finished_sentences_leave_the_batch(name):
    with_all, with_some = [], []
    everyone = decode(name, with_all.append, leave=False)
    equal(decode(name, with_some.append), everyone)
    assert {int(rows) for rows in with_all} == {8}
    with_some = [int(rows) for rows in with_some]
    assert with_some == sorted(with_some, reverse=True)
    assert len(with_some) == len(with_all) and with_some[-1] <= 2
    assert sum(with_some) < 0.65 * sum(with_all)
    if name != "beam":  # whose other beams may go on
        np.testing.assert_array_equal(numbers(everyone.lengths)[:, 0], GOALS)


@only_tensorflow
@every_search
def test_they_leave_a_graph_too(name):
    import tensorflow as tf

    rows = []

    def asked(count):
        tf.numpy_function(lambda count: rows.append(int(count)), [count], [])

    @tf.function(input_signature=[tf.TensorSpec((None,), "int32")])
    def found(goals):
        return decode(name, asked, goals)

    for goals in (GOALS, GOALS[:1]):
        rows.clear()
        equal(found(goals), decode(name, goals=goals, leave=False))
        assert rows[0] == len(goals) and rows[-1] <= 2


@pytest.mark.skipif(BACKEND == "jax", reason="with JAX no sentence leaves")
def test_what_belongs_to_a_sentence_must_be_in_the_state():
    def step(tokens, state, index, ancestors):
        logits = ops.where(ops.equal(GOALS, index + 1)[:, None], [9.0, 0], [0.0, 9])
        return logits[:, None], state

    arguments = (step, (), np.ones(8, "int32"))
    layers.greedy_search(*arguments, end=END, length=LENGTH, leave=False)
    with pytest.raises(ValueError, match="6 sentences.* 8. .*leave=False"):
        layers.greedy_search(*arguments, end=END, length=LENGTH)


def teacher_scores(model, source, found):
    """Sum what a teacher finds likely of sequences: `(batch, beams)`."""
    tokens, lengths = np.array(numbers(found.tokens), int), numbers(found.lengths)
    scores = np.zeros(lengths.shape)
    for beam in range(tokens.shape[1]):
        seen = np.concatenate(
            [np.full((len(source), 1), START), tokens[:, beam, :-1]], axis=1
        )
        logits = numbers(model({"source": source, "target": seen}, training=False))
        logits = logits - logits.max(-1, keepdims=True)
        surprise = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        for row, length in enumerate(lengths[:, beam]):
            at = np.arange(int(length))
            own = surprise[row, at, tokens[row, beam, at]]
            scores[row, beam] = own.sum() / length**PENALTY
    return scores


def test_a_cache_grows_as_sentences_do():
    """Past its first and second rooms, while shorter sentences leave the batch."""
    model = transformer(**{**SMALL, "heads": 2, "vocabulary": 11})
    draw = np.random.default_rng(SEED)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            scale = 2 * 32**-0.5 if weight.name == "embeddings" else 32**-0.5
            weight.assign(scale * draw.normal(size=weight.shape))
    source = draw.integers(4, 11, (9, 7))
    begin, end, length, width = steps_of(model), 3, 37, 3

    def found(source):
        step, state = begin(source, length, width)
        first = ops.full((ops.shape(source)[0],), START, "int32")
        options = {"width": width, "best": 2, "forbidden": (0,), "end": end}
        options |= {"length": length, "length_penalty": PENALTY}
        return layers.beam_search(step, state, first, **options)

    ways = [found]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec((None, None), "int32")]
        ways = [tf.function(found, input_signature=signature)]
    elif BACKEND == "jax":
        import jax

        ways = [jax.jit(found)]
    for way in ways:
        # JAX compiles for each size
        for rows in (source, source[2:3])[: 1 if BACKEND == "jax" else 2]:
            result = way(rows.astype("int32"))
            if len(rows) > 1:
                assert len({*numbers(result.lengths)[:, 0]}) > 2
                assert numbers(result.lengths).max() > 33
            scores = teacher_scores(model, rows, result)
            np.testing.assert_allclose(numbers(result.scores), scores, 1e-4, 1e-5)
            assert not np.any(numbers(result.tokens)[:, :, 0] == 0)


@pytest.mark.parametrize("forbidden", [(2,), (4, 1, 4, 99), (END,)])
def test_what_is_forbidden_is_not_found(forbidden):
    network, length = Network(5, 3, seed=7), 4
    left = [
        [
            pair
            for pair in network.every(row, length, 0.7)
            if not {*pair[1]} & {*forbidden}
        ]
        for row in range(3)
    ]
    width = len(left[0])
    arguments = (network.step, network.state, network.first)
    options = {"end": END, "length": length, "forbidden": forbidden}
    found = layers.beam_search(*arguments, width=width, best=3, **options)
    greedy = layers.greedy_search(*arguments, **options)
    drawn = layers.sample_sequences(*arguments, samples=60, seed=1, **options)
    for row in range(3):
        wanted = left[row][:3]
        words = [padded(words, length) for _, words in wanted]
        np.testing.assert_array_equal(numbers(found.tokens)[row], words)
        scores = [score for score, _ in wanted]
        np.testing.assert_allclose(numbers(found.scores)[row], scores, 1e-4, 1e-5)
        best = []
        while len(best) < length and END not in best:
            each = [network.log_probability(row, [*best, word]) for word in range(5)]
            each = [-np.inf if w in forbidden else x for w, x in enumerate(each)]
            best.append(int(np.argmax(each)))
        assert numbers(greedy.tokens)[row, 0].tolist() == padded(best, length)
        allowed = {tuple(padded(words, length)) for _, words in left[row]}
        assert {tuple(each) for each in numbers(drawn.tokens)[row].tolist()} <= allowed


def test_beams_may_be_chosen_in_the_call():
    network = Network(7, 4, seed=2)

    def found(first, width, best):
        state = ops.convert_to_tensor(network.state)[: ops.shape(first)[0]]
        options = {"end": END, "length": 6, "width": width, "best": best}
        return layers.beam_search(network.step, state, first, **options)

    first, chosen = network.first.astype("int32"), found
    if BACKEND == "tensorflow":
        import tensorflow as tf

        scalar = tf.TensorSpec((), "int32")
        signature = [tf.TensorSpec((None,), "int32"), scalar, scalar]
        chosen = tf.function(found, input_signature=signature)
    for width, best in ((1, 1), (2, 1), (4, 3)):
        pair = [ops.convert_to_tensor(value, "int32") for value in (width, best)]
        equal(chosen(first, *pair), found(first, width, best))
    if BACKEND == "jax":
        import jax

        with pytest.raises(ValueError, match="a number of beams that it knows"):
            jax.jit(found)(first, 2, 1)


@only_tensorflow
@pytest.mark.parametrize("kind", ["transformer", "seq2seq"])
def test_networks_take_beams_that_are_chosen_in_the_call(kind):
    import tensorflow as tf

    model = seq2seq(**RECURRENT) if kind == "seq2seq" else transformer(**SMALL)
    begin = steps_of(model)

    def found(source, width):
        step, state = begin(source, 5, width)
        first = tf.fill(tf.shape(source)[:1], START)
        return layers.beam_search(step, state, first, end=3, length=5, width=width)

    signature = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((), "int32")]
    chosen = tf.function(found, input_signature=signature)
    source = tf.constant([[4, 5, 6], [7, 8, 0]])
    for width in (1, 3):
        equal(chosen(source, width), found(source, width))


@pytest.mark.parametrize("vocabulary", [9, 2053, 5000, 37_000])
@pytest.mark.parametrize("forbidden", [(), (3, 1)])
def test_the_likeliest_of_many_are_those_of_a_sort(vocabulary, forbidden):
    draw = np.random.default_rng(vocabulary)
    logits = draw.normal(size=(2, 3, vocabulary)).astype("float32")
    logits[0] = np.round(logits[0])  # many are equal: the first are taken
    logits[1, 1, 3] = 200.0
    values, words, sums = likeliest(ops.convert_to_tensor(logits), 7, forbidden)
    kept = logits.astype("float64")
    highest = kept.max(-1, keepdims=True)
    total = highest + np.log(np.exp(kept - highest).sum(-1, keepdims=True))
    np.testing.assert_allclose(numbers(sums), total, 1e-6)
    kept[..., list(forbidden)] = -np.inf
    order = np.argsort(-kept, axis=-1, kind="stable")[..., :7]
    wanted = np.take_along_axis(kept, order, -1)
    np.testing.assert_array_equal(numbers(values), wanted.astype("float32"))
    words = np.array(numbers(words), int)
    np.testing.assert_array_equal(np.take_along_axis(kept, words, -1), wanted)
    if BACKEND == "tensorflow":  # top_k of the others takes any of equals
        np.testing.assert_array_equal(words, order)


def test_half_precision_decodes_like_its_teacher():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = transformer("transformer_tiny", vocabulary=30)
    finally:
        keras.config.set_dtype_policy(before)
    source = np.array([[4, 5, 6], [7, 8, 0]])
    step, state = steps_of(model)(source, 3, 2)
    options = {"end": END, "length": 3, "width": 2, "best": 2, "forbidden": (0,)}
    options["length_penalty"] = PENALTY
    found = layers.beam_search(step, state, [START] * 2, **options)
    scores = teacher_scores(model, source, found)
    np.testing.assert_allclose(numbers(found.scores), scores, 0.02)
