"""A decoder alone, continued token by token, against the whole text at once."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import layers
from kerasmith.zoo import build, steps_of, transformer

VOCABULARY, END = 23, 3
SIZES = {"depth": 2, "width": 12, "heads": 3, "feed_forward": 16}
# prompts of all lengths from one token on, the padding behind them
PROMPTS = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [10, 0, 0, 0], [4, 4, 4, 0]], "int32")
KINDS = {
    "learned": {"length": 30},
    "sinusoidal": {"positions": "sinusoidal"},
    "norms first": {"length": 30, "norm_first": True},
}


def network(**options):
    keras.utils.set_random_seed(3)
    model = transformer("gpt", vocabulary=VOCABULARY, **SIZES, **options)
    draw = np.random.default_rng(1)
    for weight in model.trainable_weights:  # which takes a stand
        weight.assign(weight + 0.4 * draw.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return network(**KINDS[request.param])


def likely(model, tokens):
    """Give the logarithms of the probabilities of what follows a text, in NumPy."""
    logits = ops.convert_to_numpy(model(np.array([tokens], "int32")))[0, -1]
    logits = logits.astype("float64") - logits.max()
    return logits - np.log(np.exp(logits).sum())


def last_of(prompts):
    return [row[row > 0][-1] for row in prompts]


def score(model, prompt, tokens, penalty):
    """Give the score of a continuation, from the whole text again and again."""
    total, text = 0.0, list(prompt[prompt > 0])
    for token in tokens:
        total += likely(model, text)[token]
        text.append(token)
    return total / len(tokens) ** penalty


def test_greedy_takes_what_the_whole_text_makes_likely(model):
    step, state = steps_of(model)(PROMPTS, 6, 1)
    found = layers.greedy_search(step, state, last_of(PROMPTS), end=END, length=6)
    for prompt, tokens, length in zip(
        PROMPTS, found.tokens, found.lengths, strict=True
    ):
        text, tokens = list(prompt[prompt > 0]), ops.convert_to_numpy(tokens)[0]
        for token in tokens[: int(length[0])]:
            assert token == likely(model, text).argmax()
            text.append(token)
        assert token == END or int(length[0]) == 6


def test_scores_of_beams_are_those_of_the_whole_text(model):
    step, state = steps_of(model)(PROMPTS, 5, 3)
    options = {"end": END, "length": 5, "width": 3, "best": 3, "length_penalty": 0.6}
    found = layers.beam_search(step, state, last_of(PROMPTS), **options)
    tokens, scores, lengths = map(ops.convert_to_numpy, found)
    for place, prompt in enumerate(PROMPTS):
        for beam in range(3):
            written = tokens[place, beam, : lengths[place, beam]]
            expected = score(model, prompt, written, 0.6)
            np.testing.assert_allclose(scores[place, beam], expected, 1e-4, 1e-4)
    best = layers.greedy_search(
        *steps_of(model)(PROMPTS, 5, 1), last_of(PROMPTS), end=END, length=5
    )
    # a beam search never finds less than the greedy one by more than rounding
    greedy = ops.convert_to_numpy(best.tokens)[:, 0]
    for place, prompt in enumerate(PROMPTS):
        length = int(ops.convert_to_numpy(best.lengths)[place, 0])
        assert scores[place, 0] >= score(model, prompt, greedy[place, :length], 0.6) - (
            1e-4
        )


def test_prompts_do_not_depend_on_each_other():
    model = network(length=30)
    options = {"end": END, "length": 5, "width": 2, "best": 2}
    step, state = steps_of(model)(PROMPTS, 5, 2)
    together = layers.beam_search(step, state, last_of(PROMPTS), **options)
    for place, prompt in enumerate(PROMPTS):
        alone = prompt[prompt > 0][None]
        step, state = steps_of(model)(alone, 5, 2)
        found = layers.beam_search(step, state, alone[:, -1], **options)
        for one, all_ in zip(found, together, strict=True):
            one, all_ = ops.convert_to_numpy(one)[0], ops.convert_to_numpy(all_)[place]
            np.testing.assert_allclose(one, all_, 1e-4, 1e-4)


def test_what_is_drawn_is_as_frequent_as_it_is_likely():
    model = network(length=30)
    prompts, length = np.array([[7, 5]], "int32"), 1
    step, state = steps_of(model)(prompts, length, 3000)
    options = {"end": END, "length": length, "samples": 3000, "seed": 2}
    found = layers.sample_sequences(step, state, prompts[:, -1], **options)
    drawn = np.bincount(
        ops.convert_to_numpy(found.tokens).ravel(), minlength=VOCABULARY
    )
    expected = np.exp(likely(model, [7, 5]))
    sigma = np.sqrt(3000 * expected * (1 - expected)) + 1
    assert (np.abs(drawn - 3000 * expected) < 5 * sigma).all()


def test_it_goes_on_as_far_as_it_knows_positions():
    model = network(length=30)
    prompts = np.full((1, 8), 5, "int32")
    step, state = steps_of(model)(prompts, 23, 1)  # the last needs no position itself
    found = layers.greedy_search(step, state, [5], end=END, length=23, forbidden=(END,))
    assert int(found.lengths[0, 0]) == 23
    message = "knows 30 positions, received prompts of 8 tokens .* length of 23 or less"
    with pytest.raises(ValueError, match=message):
        steps_of(model)(prompts, 24, 1)


@pytest.mark.parametrize("name", ["transformer_classifier", "bilstm_classifier"])
def test_what_writes_nothing_is_refused(name):
    with pytest.raises(ValueError, match="no network that reads a source"):
        steps_of(build(name, vocabulary=20, classes=2))
