"""Decoding against every sequence there is, written out in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import layers

END = 0
numbers = keras.ops.convert_to_numpy


class Network:
    """A random recurrent network, in Keras operations and in NumPy."""

    def __init__(self, vocabulary, batch, seed, units=4):
        draw = np.random.default_rng(seed)
        self.vocabulary, self.batch = vocabulary, batch
        shapes = (vocabulary, units), (units, units), (units, vocabulary)
        self.table, self.inner, self.outer = (
            1.5 * draw.normal(size=shape).astype("float32") for shape in shapes
        )
        self.state = draw.normal(size=(batch, units)).astype("float32")
        self.first = draw.integers(0, vocabulary, size=(batch,))

    def step(self, tokens, state, index, ancestors):
        hidden = ops.matmul(state.follows, self.inner)
        hidden = ops.tanh(hidden + ops.take(self.table, tokens, axis=0))
        state = layers.DecodingState(hidden, state.stays)
        return ops.matmul(hidden, self.outer), state

    def log_probability(self, sentence, words):
        hidden, total = self.state[sentence].astype("float64"), 0.0
        for before, word in zip([self.first[sentence], *words], words, strict=False):
            hidden = np.tanh(hidden @ self.inner + self.table[before])
            logits = hidden @ self.outer
            total += logits[word] - np.log(np.sum(np.exp(logits)))
        return total

    def every(self, sentence, length, penalty):
        """List all sequences with their scores, the best first."""
        found = []
        for size in range(1, length + 1):
            for words in itertools.product(range(self.vocabulary), repeat=size):
                ended = words[-1] == END or size == length
                if ended and END not in words[:-1]:
                    score = self.log_probability(sentence, words) / size**penalty
                    found.append((score, words))
        return sorted(found, key=lambda pair: -pair[0])


def padded(words, length, pad=0):
    return [*words, *[pad] * (length - len(words))]


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.3])
@pytest.mark.parametrize("vocabulary, length", [(2, 5), (3, 4), (6, 3), (5, 1)])
def test_wide_beams_find_what_an_exhaustive_search_finds(vocabulary, length, penalty):
    network = Network(vocabulary, 3, seed=vocabulary + length)
    width = len(network.every(0, length, penalty))
    best = min(5, width)
    found = layers.beam_search(
        network.step,
        network.state,
        network.first,
        end=END,
        length=length,
        width=width,
        best=best,
        length_penalty=penalty,
    )
    for sentence in range(3):
        wanted = network.every(sentence, length, penalty)[:best]
        scores = [score for score, _ in wanted]
        np.testing.assert_allclose(numbers(found.scores)[sentence], scores, 1e-4, 1e-5)
        words = [padded(words, length) for _, words in wanted]
        np.testing.assert_array_equal(numbers(found.tokens)[sentence], words)
        sizes = [len(words) for _, words in wanted]
        np.testing.assert_array_equal(numbers(found.lengths)[sentence], sizes)


def test_six_tokens_and_five_steps():
    network = Network(6, 1, seed=8)
    found = layers.beam_search(
        network.step, network.state, network.first, end=END, length=5, width=3750
    )
    score, words = network.every(0, 5, 0.7)[0]
    assert float(numbers(found.scores)[0, 0]) == pytest.approx(score, rel=1e-4)
    assert tuple(numbers(found.tokens)[0, 0])[: len(words)] == words


@pytest.mark.parametrize("seed", range(4))
def test_one_beam_is_greedy(seed):
    network = Network(7, 5, seed)
    options = {"end": END, "length": 9, "pad": 3}
    arguments = (network.step, network.state, network.first)
    beam = layers.beam_search(*arguments, width=1, **options)
    greedy = layers.greedy_search(*arguments, **options)
    for one, other in zip(beam, greedy, strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), 1e-5)


def test_greedy_takes_the_most_likely_each_time():
    network = Network(5, 4, seed=1)
    found = layers.greedy_search(
        network.step, network.state, network.first, end=END, length=6, pad=4
    )
    for sentence in range(4):
        words = []
        while len(words) < 6 and END not in words:
            each = [network.log_probability(sentence, [*words, w]) for w in range(5)]
            words.append(int(np.argmax(each)))
        assert numbers(found.tokens)[sentence, 0].tolist() == padded(words, 6, 4)
        assert int(numbers(found.lengths)[sentence, 0]) == len(words)
        score = network.log_probability(sentence, words) / len(words) ** 0.7
        assert float(numbers(found.scores)[sentence, 0]) == pytest.approx(score, 1e-4)


def test_the_ancestors_of_a_beam_hold_its_sequence():
    """A step that looks its sequence up in a table that nobody moves."""
    network, length, width = Network(5, 3, seed=3), 6, 4
    follows = layers.beam_search(
        network.step, network.state, network.first, end=END, length=length, width=width
    )

    def step(tokens, state, index, ancestors):
        table, first = state.stays
        written = ops.slice_update(table, (0, 0, index), tokens[..., None])
        # (batch, beams, length): of each step the token in the ancestor's place
        own = ops.take_along_axis(written, ancestors, axis=1)
        hidden = ops.repeat(first[:, None], width, 1)
        for time in range(length):
            word = ops.take(network.table, own[..., time], axis=0)
            after = ops.tanh(ops.matmul(hidden, network.inner) + word)
            hidden = ops.where(time <= index, after, hidden)
        state = layers.DecodingState(state.follows, (written, first))
        return ops.matmul(hidden, network.outer), state

    table = np.zeros((3, width, length), "int32")
    stays = layers.beam_search(
        step,
        layers.DecodingState((), (table, network.state)),
        network.first,
        end=END,
        length=length,
        width=width,
    )
    np.testing.assert_array_equal(numbers(stays.tokens), numbers(follows.tokens))
    np.testing.assert_allclose(numbers(stays.scores), numbers(follows.scores), 1e-4)


def test_samples_are_as_frequent_as_likely():
    network = Network(3, 2, seed=5)
    found = layers.sample_sequences(
        network.step,
        network.state,
        network.first,
        end=END,
        length=2,
        samples=4000,
        seed=1,
    )
    for sentence in range(2):
        drawn = [tuple(row) for row in numbers(found.tokens)[sentence].tolist()]
        for score, words in network.every(sentence, 2, 0.0):
            share = drawn.count(tuple(padded(words, 2))) / 4000
            spread = np.sqrt(np.exp(score) * (1 - np.exp(score)) / 4000)
            assert abs(share - np.exp(score)) < 5 * spread + 1e-3


@pytest.mark.parametrize(
    "options, kept",
    [
        ({"top_k": 2}, {1, 3}),
        ({"top_p": 0.45}, {3}),
        ({"top_p": 0.55}, {1, 3}),
        ({"top_p": 0.85}, {1, 3, 2}),
        ({"top_k": 3, "top_p": 0.99}, {1, 3, 2}),
        ({"temperature": 0.01}, {3}),
        ({}, {0, 1, 2, 3}),
    ],
)
def test_only_the_most_likely_are_drawn(options, kept):
    shares = np.array([0.1, 0.25, 0.15, 0.5], "float32")

    def step(tokens, state, index, ancestors):
        return ops.broadcast_to(ops.log(shares), (*ops.shape(tokens), 4)), state

    found = layers.sample_sequences(
        step, (), [0, 0], end=0, length=1, samples=500, seed=2, **options
    )
    drawn = numbers(found.tokens).ravel()
    assert set(drawn.tolist()) == kept
    wanted = np.log(shares)[drawn]
    np.testing.assert_allclose(numbers(found.scores).ravel(), wanted, 1e-4, 1e-5)


def test_the_loop_ends_as_soon_as_all_have_ended():
    steps = []

    def step(tokens, state, index, ancestors):
        logits = ops.where(ops.arange(4) == 3, 40.0, 0.0)
        count = state.follows + 1
        steps.append(count)
        shape = (*ops.shape(tokens), 4)
        return ops.broadcast_to(logits, shape), layers.DecodingState(count, ())

    found = layers.greedy_search(
        step, np.zeros(2, "int32"), [0, 1], end=3, length=50_000
    )
    assert numbers(found.lengths).ravel().tolist() == [1, 1]
    assert len(steps) < 4  # those of the translation counted


@pytest.mark.parametrize(
    "options, message",
    [
        ({"length": 0}, "length=0"),
        ({"width": 0}, "width=0"),
        ({"best": 3, "width": 2}, "2 beams at the most, received best=3"),
        ({"end": 5}, "0 to 4, and not the end token 5"),
        ({"end": -1}, "end=-1"),
        ({"length_penalty": -0.5}, "length_penalty=-0.5"),
        ({"width": 2.0}, "width=2.0"),
        ({"best": True}, "best=True"),
        ({"forbidden": (-1,)}, "forbidden=.-1,."),
        ({"forbidden": range(5)}, "all tokens of the vocabulary are forbidden"),
        ({"forbidden": (1, 2, 3), "width": 3, "length": 1}, "of 1 tokens of 2"),
        ({"width": 6, "length": 1}, "fewer than 6 sequences"),
        ({"tokens": np.zeros((0,), "int32")}, "one sequence or more"),
        ({"tokens": [[1]]}, r"received \(1, 1\)"),
    ],
)
def test_what_cannot_be_searched_is_told(options, message):
    network = Network(5, 2, seed=0)
    arguments = {"tokens": network.first, "end": END, "length": 4, **options}
    with pytest.raises(ValueError, match=message):
        layers.beam_search(network.step, network.state, **arguments)


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"top_k": 0}, {"top_p": 1.5}, {"samples": 0}]
)
def test_what_cannot_be_drawn_is_told(options):
    network = Network(5, 2, seed=0)
    with pytest.raises(ValueError, match="decoding cannot work with"):
        layers.sample_sequences(
            network.step, network.state, network.first, end=END, length=4, **options
        )


def test_logits_of_another_shape_are_told():
    def step(tokens, state, index, ancestors):
        return ops.zeros((2, 5)), state

    with pytest.raises(ValueError, match=r"\(batch, beams, vocabulary\).*\(2, 5\)"):
        layers.beam_search(step, (), [0, 0], end=END, length=4)


# JAX has no graph but that of XLA
WAYS = ["xla"] + ["graph"] * (keras.backend.backend() == "tensorflow")


@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="torch.compile translates for minutes what XLA does in seconds",
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("search", ["beam_search", "greedy_search"])
def test_one_compiled_loop_takes_batches_of_any_size(search, way):
    network = Network(7, 5, seed=2)
    options = {"width": 3, "best": 2} if search == "beam_search" else {}
    find = getattr(layers, search)

    def found(state, first):
        return find(network.step, state, first, end=END, length=6, **options)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec((None, 4)), tf.TensorSpec((None,), "int32")]
        if way == "xla":  # which compiles for each size
            signature = None
        compiled = tf.function(found, signature, jit_compile=way == "xla")
    else:
        import jax

        compiled = jax.jit(found)
    for batch in (5, 2):
        some = network.state[:batch], network.first[:batch].astype("int32")
        for one, other in zip(compiled(*some), found(*some), strict=True):
            np.testing.assert_allclose(numbers(one), numbers(other), 1e-4, 1e-5)
