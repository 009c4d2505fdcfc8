"""Attention against NumPy, against Keras' own layer, and in blocks against whole."""

import keras
import numpy as np
import pytest
from attention_models import (
    drawn,
    layer_step,
    numbers,
    randomized,
    reference,
    tensor,
)
from conformance.gradients import gradients
from draws import check_mean
from keras import ops

from kerasmith import layers
from kerasmith.layers import native
from kerasmith.layers.attention_pairs import Pairs

BATCH, QUERIES, KEYS = 3, 7, 5
QUERY_MASK = np.arange(QUERIES) < np.array([[7], [5], [1]])
KEY_MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
PAIRS = np.random.default_rng(5).random((BATCH, QUERIES, KEYS)) < 0.7
MASKS = {
    "none": {},
    "causal": {"use_causal_mask": True},
    "padding": {"value_mask": KEY_MASK},
    "queries": {"query_mask": QUERY_MASK},
    "pairs": {"attention_mask": PAIRS},
    "one table": {"attention_mask": PAIRS[0]},
    "all": {
        "use_causal_mask": True,
        "value_mask": KEY_MASK,
        "query_mask": QUERY_MASK,
        "attention_mask": PAIRS,
    },
}
every_mask = pytest.mark.parametrize("masks", MASKS.values(), ids=list(MASKS))


@pytest.fixture
def small_blocks(monkeypatch):
    """Let each backend go by blocks however short the sequences are."""
    module = native.of("attention")
    monkeypatch.setattr(module, "TABLE", 0)
    monkeypatch.setattr(module, "BLOCK", 50_000)


# The formula


KINDS = {
    "plain": {},
    "values of another size": {"value_dim": 3},
    "grouped": {"num_key_value_heads": 2},
    "one key head": {"num_key_value_heads": 1, "use_bias": False},
    "window": {"sliding_window": 2},
    "two axes out": {"output_shape": (2, 3)},
    "gate": {"use_gate": True, "num_key_value_heads": 2},
}


# every kind with no mask and with all, and every mask with the plain and one other
ASKED = [
    (kind, mask)
    for kind in KINDS
    for mask in MASKS
    if mask in ("none", "all") or kind in ("plain", "grouped")
]


@pytest.mark.parametrize("blocks", [False, True], ids=["table", "blocks"])
@pytest.mark.parametrize("kind, mask", ASKED)
def test_it_is_the_formula(kind, mask, blocks, request):
    keywords, masks = KINDS[kind], MASKS[mask]
    if blocks:
        request.getfixturevalue("small_blocks")
    query, value = drawn(BATCH, QUERIES, 6), drawn(BATCH, KEYS, 8, seed=1)
    layer = randomized(layers.MultiHeadAttention(4, 6, **keywords), query, value)
    expected, scores = reference(layer, query, value, masks)
    np.testing.assert_allclose(
        numbers(layer(query, value, **masks)), expected, 1e-4, 2e-5
    )
    if not blocks:
        found = layer(query, value, **masks, return_attention_scores=True)
        np.testing.assert_allclose(numbers(found[0]), expected, 1e-4, 2e-5)
        np.testing.assert_allclose(numbers(found[1]), scores, 1e-4, 1e-6)


def test_keys_may_differ_from_values():
    query, value, key = (drawn(2, n, 6, seed=n) for n in (3, 5, 5))
    layer = randomized(layers.MultiHeadAttention(2, 4), query, value)
    found = numbers(layer(query, value, key * 2))
    expected, _ = reference(layer, query, value, {}, key=key * 2)
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


def test_a_mask_may_differ_from_head_to_head(small_blocks):
    query = drawn(2, 5, 6)
    table = np.random.default_rng(1).random((2, 4, 5, 5)) < 0.6
    table |= np.eye(5, dtype=bool)
    layer = randomized(
        layers.MultiHeadAttention(4, 6, num_key_value_heads=2), query, query
    )
    found = numbers(layer(query, query, attention_mask=table))
    expected, _ = reference(layer, query, query, {"attention_mask": table})
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


def test_a_query_that_may_attend_to_nothing_has_the_mean_of_all_values(small_blocks):
    query = drawn(1, 300, 6)
    padding = np.arange(300)[None] >= 20  # in front, so that causal queries see nothing
    layer = randomized(layers.MultiHeadAttention(2, 4), query, query)
    found = numbers(layer(query, query, value_mask=padding, use_causal_mask=True))
    values = numbers(layer.value_dense(query)).mean(1, keepdims=True)
    expected = numbers(layer.output_dense(tensor(values)))[0, 0]
    np.testing.assert_allclose(found[0, :20], np.tile(expected, (20, 1)), 1e-4, 1e-5)
    assert np.all(np.abs(found[0, 20:] - expected).max(-1) > 1e-3)


# Keras' own layer


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize(
    "queries, keys, shown", [(512, 512, 512), (509, 331, 300)], ids=str
)
def test_results_and_gradients_are_those_of_keras(
    queries, keys, shown, causal, small_blocks
):
    query, value = drawn(1, queries, 32), drawn(1, keys, 32, seed=1)
    call = {"use_causal_mask": causal}
    if shown < keys:
        call["value_mask"] = np.arange(keys)[None] < shown
    ours = layers.MultiHeadAttention(2, 16)
    ours.build(query.shape, value.shape)
    peer = keras.layers.MultiHeadAttention(2, 16)
    peer.build(query.shape, value.shape)
    peer.set_weights(ours.get_weights())
    mix = drawn(*query.shape, seed=2) / 512  # gradients of about 1 at most
    found, expected = (
        layer_step(layer, query, value, mix, call) for layer in (ours, peer)
    )
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, 1e-5, 1e-5)


FULL = {
    "value_dim": 3,
    "dropout": 0.1,
    "use_bias": False,
    "output_shape": 5,
    "attention_axes": None,
    "sliding_window": 4,
    "flash_attention": None,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "non_neg",
    "bias_constraint": "max_norm",
    "use_gate": True,
    "seed": 3,
    "name": "heads",
    "dtype": "mixed_bfloat16",
}


@pytest.mark.parametrize("keywords", [{}, FULL], ids=["plain", "full"])
def test_weights_arguments_and_losses_are_those_of_keras(keywords):
    query, value = drawn(2, 5, 6), drawn(2, 7, 4)
    ours = layers.MultiHeadAttention(2, 4, **keywords)
    peer = keras.layers.MultiHeadAttention(2, 4, **keywords)
    for layer in (ours, peer):
        layer.build(query.shape, value.shape)
    ours.set_weights([drawn(*weight.shape) for weight in ours.weights])
    peer.set_weights(ours.get_weights())
    paths = [[w.path.split("/", 1)[1] for w in layer.weights] for layer in (ours, peer)]
    assert paths[0] == paths[1]
    for one, two in zip(ours.get_weights(), peer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    config = ours.get_config()
    for argument, value_of_peer in peer.get_config().items():
        if argument not in ("name", "attention_axes"):  # Keras' changes at build
            assert config[argument] == value_of_peer
    found, expected = (numbers(layer(query, value)) for layer in (ours, peer))
    tolerance = 0.05 if "dtype" in keywords else 1e-5
    np.testing.assert_allclose(found, expected, tolerance, tolerance)
    losses = [float(ops.sum(ops.stack(la.losses or [0.0]))) for la in (ours, peer)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@pytest.mark.parametrize("ours_writes", [True, False], ids=["ours", "theirs"])
def test_files_of_weights_are_exchangeable(ours_writes, tmp_path):
    def model(kind):
        steps = keras.Input((5, 6))
        return keras.Model(steps, kind(2, 4, dropout=0.1)(steps, steps))

    kinds = [layers.MultiHeadAttention, keras.layers.MultiHeadAttention]
    writer, reader = (model(kind) for kind in kinds[:: 1 if ours_writes else -1])
    writer.save_weights(tmp_path / "it.weights.h5")
    reader.load_weights(tmp_path / "it.weights.h5")
    for one, two in zip(writer.get_weights(), reader.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    steps = drawn(2, 5, 6)
    np.testing.assert_allclose(numbers(writer(steps)), numbers(reader(steps)), 1e-5)


@pytest.mark.parametrize(
    "shape, axes", [((2, 3, 4, 6), (2,)), ((2, 3, 4, 6), None), ((2, 5, 6), (-2,))]
)
def test_other_axes_are_attended_to_as_keras_does(shape, axes):
    x = drawn(*shape)
    ours, peer = (
        kind(2, 4, attention_axes=axes)
        for kind in (layers.MultiHeadAttention, keras.layers.MultiHeadAttention)
    )
    before = ours.get_config()
    for layer in (ours, peer):
        layer.build(shape, shape)
    peer.set_weights(ours.get_weights())
    np.testing.assert_allclose(numbers(ours(x, x)), numbers(peer(x, x)), 1e-4, 1e-5)
    assert ours.get_config() == before


def test_masks_are_found_and_passed_on_as_keras_does():
    words = np.array([[3, 1, 2, 0, 0], [4, 4, 0, 0, 0], [1, 2, 3, 4, 5]])
    masked = keras.layers.Embedding(6, 8, mask_zero=True)(words)
    ours = randomized(layers.MultiHeadAttention(2, 4), masked, masked)
    expected, _ = reference(
        ours,
        numbers(masked),
        numbers(masked),
        {"value_mask": words > 0, "query_mask": words > 0},
    )
    pooled = keras.layers.GlobalAveragePooling1D()(ours(masked, masked))
    seen = (words > 0)[..., None]
    expected = (expected * seen).sum(1) / seen.sum(1)
    np.testing.assert_allclose(numbers(pooled), expected, 1e-4, 1e-5)


# Blocks


def attend(tensors, pairs, block, **keywords):
    return native.of("attention").attend(
        *tensors, pairs, scale=0.5, block=block, **keywords
    )


@pytest.mark.parametrize("block", [40, 700, 10**6])
@pytest.mark.parametrize("start", [0, 4])
def test_the_size_of_blocks_changes_nothing(block, start):
    arrays = [drawn(2, 23, 4, 6), drawn(2, 29, 2, 6, seed=1), drawn(2, 29, 2, 3)]
    mix = drawn(2, 23, 4, 3, seed=2)
    shown = tensor(np.arange(29)[None] < np.array([[29], [11]]))
    pairs = Pairs(start=start, causal=True, key_mask=shown)

    def results(size):
        def function(tensors):
            return ops.sum(attend(tensors, pairs, size) * tensor(mix))

        found = numbers(attend([tensor(a) for a in arrays], pairs, size))
        return [found, *gradients(function, arrays)]

    for one, two in zip(results(block), results(None), strict=True):
        np.testing.assert_allclose(one, two, 1e-4, 1e-5)


def test_blocks_drop_the_right_share_and_repeat_it_in_the_gradient():
    query, key = 0 * drawn(2, 40, 2, 4), drawn(2, 50, 2, 4)
    value = np.ones((2, 50, 2, 1), "float32")
    weights = []
    for block in (None, 300):
        seed = keras.random.SeedGenerator(3)
        tensors = [tensor(a) for a in (query, key, value)]
        for _ in range(3):
            kept = attend(tensors, Pairs(), block, dropout=0.3, seed=seed)
            weights.append(numbers(kept).ravel())
        check_mean(np.concatenate(weights[-3:]), 1)
        # a result is the mean of 50 weights that are 0 or 1 / 0.7
        assert np.std(weights[-1]) == pytest.approx(np.sqrt(0.3 / 0.7 / 50), rel=0.2)
    assert len({tuple(draw) for draw in weights}) == 6

    mix = drawn(2, 40, 2, 1, seed=4)

    def function(tensors):
        # linear in the values: what is drawn must be the same for the gradient
        seed = keras.random.SeedGenerator(3)
        kept = attend([query, key, *tensors], Pairs(), 300, dropout=0.3, seed=seed)
        return ops.sum(kept * tensor(mix))

    query, key = tensor(query), tensor(key)
    (slope,) = gradients(function, [value])
    total = float(numbers(function([tensor(value)])))
    assert float(np.sum(slope * value)) == pytest.approx(total, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("block", [None, 300])
def test_large_scores_overflow_in_no_dtype(dtype, block):
    arrays = [
        300 * np.sign(drawn(1, 20, 2, 8)),
        300 * np.sign(drawn(1, 20, 2, 8)[:, ::-1]),
    ]
    value = np.tile(np.arange(20, dtype="float32")[:, None, None], (1, 1, 2, 1))
    tensors = [ops.cast(tensor(a), dtype) for a in (*arrays, value)]
    found = attend(tensors, Pairs(), block)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    best = np.einsum("bqhd,bkhd->bhqk", *arrays)
    expected = [
        [np.mean(np.flatnonzero(row == row.max())) for row in best[0, head]]
        for head in range(2)
    ]
    np.testing.assert_allclose(numbers(found)[0, ..., 0].T, expected, 0.01, 0.01)


# Counts


def test_work_is_counted_as_that_of_keras():
    from kerasmith.zoo.tools.card import card

    def count(kind):
        query, value = keras.Input((7, 6)), keras.Input((5, 8))
        layer = kind(2, 4, output_shape=9, use_gate=True)
        return card(
            keras.Model([query, value], layer(query, value))
        ).multiply_accumulates

    assert count(layers.MultiHeadAttention) == count(keras.layers.MultiHeadAttention)


def test_grouped_queries_spare_projections():
    layer = layers.MultiHeadAttention(4, 3, num_key_value_heads=2)
    layer.build((1, 7, 6), (1, 5, 8))
    projections = 7 * 6 * 12 + 2 * 5 * 8 * 6 + 7 * 12 * 6
    found = layer.multiply_accumulates([(1, 7, 6), (1, 5, 8)], (1, 7, 6))
    assert found == projections + 7 * 5 * 4 * (3 + 3)
    cached = layer.multiply_accumulates([(1, 1, 6), (1, 1, 6), (1, 2, 9, 2, 3)], ())
    assert cached == 6 * 12 + 2 * 8 * 6 + 12 * 6 + 9 * 4 * (3 + 3)
