"""Networks that write: their counts, their masks, and their steps one by one."""

import functools
import math

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import layers
from kerasmith.zoo.seq2seq import seq2seq
from kerasmith.zoo.steps import steps_of
from kerasmith.zoo.tools.symbolic import without_numbers
from kerasmith.zoo.transformer import transformer

START, END, LENGTH = 2, 3, 6
SOURCE = np.random.default_rng(0).integers(4, 30, (3, 9))
SOURCE[0, 3:] = 0

SMALL = {"width": 32, "heads": 4, "feed_forward": 64, "depth": 2, "vocabulary": 30}
RECURRENT = {"width": 16, "embedding": 8, "vocabulary": 30}
NETWORKS = {
    "transformer_pre_norm": lambda: transformer("transformer_tiny", vocabulary=30),
    "transformer_post_norm": lambda: transformer(**SMALL, target_vocabulary=17),
    "transformer_learned": lambda: transformer(
        **SMALL, positions="learned", length=(9, LENGTH)
    ),
    "seq2seq_additive": lambda: seq2seq(**RECURRENT, target_vocabulary=17),
    "seq2seq_multiplicative": lambda: seq2seq(
        "seq2seq_luong", **RECURRENT, depth=2, zoneout=0.1, tie_embeddings=True
    ),
    "seq2seq_simple": lambda: seq2seq(
        **{**RECURRENT, "width": 7}, cell="simple", score="multiplicative"
    ),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def numbers(tensor):
    return np.array(ops.convert_to_numpy(tensor), "float64")


@functools.cache
def shaken(name):
    model = NETWORKS[name]()
    for weight in model.trainable_weights:
        value = numbers(weight + 0.3 * keras.random.normal(weight.shape))
        if weight.name == "embeddings":
            value[0] = 0  # a teacher takes 0 for padding: let it seldom be said
        elif weight.name == "reverse_embeddings":
            value[:, 0] = 0
        weight.assign(value)
    return model


def learned(model):
    """Count parameters; rates of dropout are variables, too."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    "name, published",
    [
        ("transformer_base", 63_045_632),
        ("transformer_big", 214_171_648),
        ("gpt", 116_534_784),
    ],
)
def test_a_transformer_has_the_parameters_of_its_paper(name, published):
    assert learned(without_numbers(lambda: transformer(name))) == published


def test_rnnsearch_has_the_parameters_of_its_layers():
    """Counted by the equations of its appendix, Keras' GRU having two biases."""
    model = without_numbers(lambda: seq2seq(target_vocabulary=30_000))
    n, m, k = 1000, 620, 30_000

    def gru(inputs):
        return 3 * (inputs * n + n * n + 2 * n)

    count = 2 * k * m + 2 * gru(m)  # embeddings, reading in both directions
    count += 2 * n * n + n  # the state that writing begins with
    count += gru(m + 2 * n) + n * n + 2 * n * n + n  # writing, looking
    count += (3 * n) * m + m + m * k  # the last projections
    assert learned(model) == count


@every_network
def test_steps_are_as_likely_as_a_teacher_finds_them(name):
    model = shaken(name)
    begin, asked = steps_of(model), 0
    for width in (1, 3):
        step, state = begin(SOURCE, LENGTH, width)
        options = {"end": END, "length": LENGTH, "width": width, "best": width}
        found = layers.beam_search(step, state, [START] * 3, **options)
        tokens, lengths = (
            np.asarray(ops.convert_to_numpy(part))
            for part in (found.tokens, found.lengths)
        )
        for beam in range(width):
            seen = np.concatenate([np.full((3, 1), START), tokens[:, beam, :-1]], 1)
            logits = model({"source": SOURCE, "target": seen}, training=False)
            surprise = numbers(ops.log_softmax(logits))
            for row, length in enumerate(lengths[:, beam]):
                own = tokens[row, beam, :length]
                if 0 in own[:-1]:
                    continue  # which a teacher takes for padding
                asked += 1
                expected = surprise[row, np.arange(length), own].sum() / length**0.7
                score = numbers(found.scores)[row, beam]
                assert score == pytest.approx(expected, abs=1e-5)
    assert asked >= 6


@every_network
def test_padding_changes_nothing(name):
    """Neither in the source nor behind the target."""
    model = shaken(name)
    target = np.array([[START, 5, 6, 7]])
    short = numbers(model({"source": SOURCE[:1, :3], "target": target}))
    padded = np.pad(target, ((0, 0), (0, 2)))
    long = numbers(model({"source": SOURCE[:1], "target": padded}))
    np.testing.assert_allclose(long[:, :4], short, rtol=1e-4, atol=1e-5)


@every_network
def test_no_position_sees_what_comes_behind_it(name):
    model = shaken(name)
    target = np.array([[START, 5, 6, 7, 8]] * 3)
    other = target.copy()
    other[:, 3:] = 9
    found = [numbers(model({"source": SOURCE, "target": y})) for y in (target, other)]
    np.testing.assert_allclose(found[0][:, :3], found[1][:, :3], rtol=1e-4, atol=1e-5)
    assert np.abs(found[0][:, 3:] - found[1][:, 3:]).max() > 1e-3


@pytest.mark.parametrize("build", [transformer, seq2seq])
def test_it_learns_to_turn_sequences_round_and_is_saved(build, tmp_path):
    """With a loss that leaves padding out; another process is asked elsewhere."""
    options = {**SMALL, "depth": 1, "dropout": 0.0} if build is transformer else {}
    options = options or {"width": 32, "embedding": 16, "vocabulary": 30}
    keras.utils.set_random_seed(3)
    model = build(**options, scheduled_sampling=0.1)
    draw = np.random.default_rng(5)
    source = draw.integers(4, 12, (256, 4))
    answer = np.concatenate([source[:, ::-1], np.full((256, 1), END)], axis=1)
    seen = np.concatenate([np.full((256, 1), START), answer[:, :-1]], axis=1)
    data = {"source": source, "target": seen}
    loss = layers.LabelSmoothingCrossEntropy(0.0, from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    losses = model.fit(data, answer, epochs=6, batch_size=64, verbose=0)
    losses = losses.history["loss"]
    assert losses[-1] < 0.75 * losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    few = {name: values[:3] for name, values in data.items()}
    expected = numbers(model(few, training=False))
    np.testing.assert_allclose(numbers(again(few, training=False)), expected, atol=1e-6)
    step, state = steps_of(again)(source[:3], 5, 1)
    found = layers.greedy_search(step, state, [START] * 3, end=END, length=5)
    first = expected[:, 0].argmax(-1)
    assert np.asarray(ops.convert_to_numpy(found.tokens))[:, 0, 0].tolist() == [*first]


def test_an_encoder_tells_a_class_and_a_decoder_writes_on():
    model = transformer("transformer_classifier", vocabulary=50, classes=5)
    short, long = SOURCE[:1, :3], SOURCE[:1]
    np.testing.assert_allclose(
        numbers(model(short)), numbers(model(long)), rtol=1e-4, atol=1e-5
    )
    small = {**SMALL, "vocabulary": 50}
    model = transformer("gpt", **small)
    found = numbers(model(SOURCE[1:]))
    assert found.shape == (2, 9, 50)
    other = SOURCE[1:].copy()
    other[:, 5:] = 7
    again = numbers(model(other))
    np.testing.assert_allclose(again[:, :5], found[:, :5], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "build, told",
    [
        (lambda: transformer("transformer_bass"), "did you mean|choose one of"),
        (lambda: transformer(width=30, heads=4), "width=30 and heads=4"),
        (lambda: transformer(depth=0), "depth to be 1, 2, ..., received 0"),
        (lambda: transformer(positions="learned"), "give length"),
        (lambda: transformer(length=(1, 2, 3)), "a pair of those"),
        (lambda: transformer(classes=3), "transformer_classifier"),
        (lambda: transformer("gpt", target_vocabulary=9), "an encoder and a decoder"),
        (lambda: seq2seq(cell="lstn"), "lstm"),
        (lambda: seq2seq(score="dott"), "dot"),
        (lambda: seq2seq(width=2.5), "width to be 1, 2, ..., received 2.5"),
        (lambda: seq2seq(zoneout=1), r"zoneout in \[0, 1\)"),
        (lambda: steps_of(keras.Sequential([keras.Input((3,))])), "no network that"),
    ],
)
def test_what_cannot_be_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()
