"""Layers and a loss around tokens: what they compute, and in `fit`."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import layers

TOKENS = np.array([[2, 5, 6, 0, 0], [2, 4, 1, 6, 3]])


def numbers(tensor):
    return np.array(ops.convert_to_numpy(tensor), "float64")


# ---- TokenEmbedding ------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_products_with_the_vectors_of_tokens(tied):
    layer = layers.TokenEmbedding(7, 4, tie_weights=tied)
    vectors = numbers(layer(TOKENS))
    first, *others = (numbers(weight) for weight in layer.weights)
    np.testing.assert_allclose(vectors, first[TOKENS])
    kernel = first.T if tied else others[0]
    found = layer(ops.convert_to_tensor(vectors, "float32"), reverse=True)
    np.testing.assert_allclose(numbers(found), vectors @ kernel, rtol=1e-5, atol=1e-6)


def test_its_gradient_is_that_of_both_uses():
    """Against slopes of the sum of squared logits, by differences."""
    layer = layers.TokenEmbedding(7, 4)
    model = keras.Sequential([keras.Input((5,), dtype="int32"), Round(layer)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before = numbers(layer.embeddings)
    target = np.zeros((2, 5, 7))

    def loss(table):
        return np.mean((table[TOKENS] @ table.T) ** 2)

    slopes = np.zeros_like(before)
    for place in np.ndindex(*before.shape):
        step = np.zeros_like(before)
        step[place] = 1e-5
        slopes[place] = (loss(before + step) - loss(before - step)) / 2e-5
    model.train_on_batch(TOKENS, target)
    found = before - numbers(layer.embeddings)
    np.testing.assert_allclose(found, slopes, rtol=1e-3, atol=1e-6)


class Round(keras.layers.Layer):
    """Embed, and give logits."""

    def __init__(self, embedding, **keywords):
        super().__init__(**keywords)
        self.embedding = embedding

    def build(self, input_shape):
        self.embedding.build(input_shape)

    def call(self, inputs):
        return self.embedding(self.embedding(inputs), reverse=True)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_logits_keep_their_precision_under_half_the_bits(policy):
    keras.config.set_dtype_policy(policy)
    layer = layers.TokenEmbedding(7, 4, reverse_dtype="float32")
    tokens = keras.Input((None,), dtype="int32")
    logits = layer(layer(tokens), reverse=True)
    assert logits.dtype == "float32" and logits.shape == (None, None, 7)
    found = keras.Model(tokens, logits)(TOKENS)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


def masked_model(**options):
    tokens = keras.Input((None,), dtype="int32")
    embedding = layers.TokenEmbedding(7, 4, mask_zero=True, **options)
    x = embedding(tokens)
    x = keras.layers.Dense(4, activation="tanh")(x)
    return keras.Model(tokens, embedding(x, reverse=True))


def test_fit_leaves_padding_out_from_tokens_to_logits():
    model = masked_model()
    loss = layers.LabelSmoothingCrossEntropy(0.1, from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    truth = np.array([[5, 6, 3, 1, 1], [4, 1, 6, 3, 2]])
    logits = numbers(model(TOKENS))
    surprise = -logits + np.log(np.exp(logits).sum(-1, keepdims=True))
    own = np.take_along_axis(surprise, truth[..., None], -1)[..., 0]
    each = 0.9 * own + 0.1 * surprise.mean(-1)
    counted = TOKENS != 0
    found = model.evaluate(TOKENS, truth, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(each[counted].mean(), rel=1e-5)
    right = logits.argmax(-1) == truth
    assert found["accuracy"] == pytest.approx(right[counted].mean(), rel=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_loaded_it_gives_the_same_logits(tmp_path, tied):
    model = masked_model(tie_weights=tied)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(again(TOKENS)), numbers(model(TOKENS)))


# ---- LabelSmoothingCrossEntropy ------------------------------------------------------


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_the_loss_is_that_of_keras_for_one_hot_rows(share, from_logits):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, (3, 7))
    logits = draw.normal(size=(3, 7, 5)).astype("float32")
    predictions = logits if from_logits else numbers(ops.softmax(logits))
    keywords = {"from_logits": from_logits, "reduction": None}
    rows = np.eye(5, dtype="float32")[labels]
    peer = keras.losses.CategoricalCrossentropy(label_smoothing=share, **keywords)
    expected = numbers(peer(rows, predictions))
    loss = layers.LabelSmoothingCrossEntropy(share, **keywords)
    for truth in (labels, rows):
        np.testing.assert_allclose(numbers(loss(truth, predictions)), expected, 2e-5)


@pytest.mark.parametrize("share", [-0.1, 1.0, "much", None])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"label_smoothing in \[0, 1\), received"):
        layers.LabelSmoothingCrossEntropy(share)


def test_a_single_channel_is_refused():
    loss = layers.LabelSmoothingCrossEntropy(0.1)
    with pytest.raises(ValueError, match="two classes or more"):
        loss(np.zeros((2, 3), "int32"), np.ones((2, 3, 1), "float32"))


# ---- ScheduledSampling ---------------------------------------------------------------


def test_it_replaces_the_share_of_its_rate_by_what_was_said_before():
    draw = np.random.default_rng(1)
    tokens = draw.integers(1, 50, (64, 41))
    tokens[:, 35:] = 0
    logits = draw.normal(size=(64, 41, 50)).astype("float32")
    layer = layers.ScheduledSampling(0.3, seed=1)
    found = numbers(layer([tokens, logits], training=True))
    said = np.concatenate([tokens[:, :1], logits[:, :-1].argmax(-1)], axis=1)
    assert np.all((found == tokens) | (found == said))
    assert np.all(found[:, 0] == tokens[:, 0]) and np.all(found[:, 35:] == 0)
    other = (tokens != said)[:, :35]
    share = (found != tokens)[:, :35][other].mean()
    # four standard deviations of as many coins
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / other.sum())
    np.testing.assert_array_equal(numbers(layer([tokens, logits])), tokens)


def test_its_rate_may_change_inside_of_a_compiled_fit():
    tokens = keras.Input((None,), dtype="int32")
    logits = keras.Input((None, 7))
    layer = layers.ScheduledSampling(0.0, name="sampling")
    changed = keras.layers.Embedding(7, 1)
    model = keras.Model([tokens, logits], changed(layer([tokens, logits])))
    model.compile(keras.optimizers.SGD(0.0), "mae", jit_compile=False)
    changed.set_weights([np.arange(7.0)[:, None]])
    said = np.eye(7, dtype="float32")[[[5, 5, 5, 5, 5]] * 2]
    truth = TOKENS[..., None].astype("float32")

    def loss():
        return model.fit([TOKENS, said], truth, verbose=0).history["loss"][0]

    assert loss() == 0
    layer.rate.assign(1.0)
    expected = np.abs(np.where(TOKENS == 0, 0, 5) - TOKENS)[:, 1:].sum() / 10
    assert loss() == pytest.approx(expected, rel=1e-6)


def test_its_configuration_and_its_refusals():
    layer = layers.ScheduledSampling(0.25, seed=3)
    again = layers.ScheduledSampling.from_config(layer.get_config())
    assert (float(numbers(again.rate)), again.seed) == (0.25, 3)
    with pytest.raises(ValueError, match=r"rate in \[0, 1\)"):
        layers.ScheduledSampling(1.5)
    with pytest.raises(ValueError, match="logits of shape"):
        layers.ScheduledSampling(0.1)([TOKENS, TOKENS])
