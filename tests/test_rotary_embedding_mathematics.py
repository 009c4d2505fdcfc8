"""Rotary positions against products of complex numbers, and what they promise."""

import keras
import numpy as np
import pytest
from attention_models import drawn, numbers, tensor
from keras import ops

from kerasmith import layers


def turned(x, positions, base=10000.0):
    """Multiply pairs, as complex numbers, by unit numbers: the paper's equation 15."""
    pairs = x[..., ::2].astype("complex128") + 1j * x[..., 1::2]
    dim = x.shape[-1]
    speeds = base ** (-2 * np.arange(dim // 2) / dim)
    angles = np.multiply.outer(np.asarray(positions, "float64"), speeds)
    result = pairs * np.exp(1j * angles)
    return np.stack([result.real, result.imag], -1).reshape(x.shape)


@pytest.mark.parametrize("offset", [0, 3])
@pytest.mark.parametrize("base", [10000.0, 50.0])
def test_pairs_turn_as_complex_numbers(base, offset):
    x = drawn(2, 5, 8)
    found = numbers(layers.RotaryEmbedding(base)(x, offset=offset))
    expected = turned(x, np.arange(5) + offset, base)
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def test_heads_turn_alike():
    x = drawn(2, 5, 3, 8)
    found = numbers(layers.RotaryEmbedding()(x))
    for head in range(3):
        expected = turned(x[:, :, head], np.arange(5))
        np.testing.assert_allclose(found[:, :, head], expected, 1e-5, 1e-5)


def test_halves_are_pairs_in_another_order():
    x = drawn(2, 5, 8)
    order = np.arange(8).reshape(2, 4).T.reshape(-1)  # 0 4 1 5 2 6 3 7
    found = numbers(layers.RotaryEmbedding(interleaved=False)(x))
    expected = numbers(layers.RotaryEmbedding()(x[..., order]))
    np.testing.assert_allclose(found[..., order], expected, 1e-6, 1e-6)


def test_products_depend_on_the_distance_alone():
    layer = layers.RotaryEmbedding()
    query, key = drawn(1, 1, 16), drawn(1, 1, 16, seed=1)

    def product(i, j):
        one, two = layer(query, offset=i), layer(key, offset=j)
        return float(numbers(ops.sum(one * two)))

    for distance in (0, 1, 7):
        found = [product(i + distance, i) for i in (0, 3, 50, 200)]
        np.testing.assert_allclose(found, found[0], 1e-4, 1e-4)
    assert abs(product(7, 0) - product(0, 0)) > 1e-2


def test_lengths_stay_and_position_0_is_left_alone():
    x = drawn(2, 30, 6)
    found = numbers(layers.RotaryEmbedding()(x))
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=-1), np.linalg.norm(x, axis=-1), 1e-5
    )
    np.testing.assert_array_equal(found[:, 0], x[:, 0])


def test_scaling_divides_positions():
    x = drawn(1, 4, 6)
    found = numbers(layers.RotaryEmbedding(scaling=4.0)(x, offset=8))
    expected = turned(x, np.arange(2, 3, 0.25))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def test_examples_may_start_at_positions_of_their_own():
    layer, x = layers.RotaryEmbedding(), drawn(3, 4, 2, 6)
    found = numbers(layer(x, offset=np.array([0, 5, 2])))
    for example, offset in enumerate((0, 5, 2)):
        alone = numbers(layer(x[example : example + 1], offset=offset))
        np.testing.assert_allclose(found[example], alone[0], 1e-5, 1e-6)
    as_tensor = numbers(layer(x, offset=tensor(np.int32(5))))
    np.testing.assert_allclose(as_tensor[1], found[1], 1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_far_positions_are_exact_in_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    layer = layers.RotaryEmbedding()
    x = np.ones((1, 1, 4), "float32")
    for position in (2049, 70001):  # neither has such integers
        found = layer(x, offset=position)
        assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
        np.testing.assert_allclose(numbers(found), turned(x, [position]), atol=2**-6)


def test_attention_turns_queries_and_keys_but_not_values():
    x = drawn(2, 5, 6)
    options = {"num_heads": 2, "key_dim": 4, "use_bias": False}
    rotary = layers.MultiHeadAttention(**options, rotary=layers.RotaryEmbedding(30.0))
    rotary.build(x.shape, x.shape)
    _, found = rotary(x, x, return_attention_scores=True)
    project = [numbers(d(x)) for d in (rotary.query_dense, rotary.key_dense)]
    query, key = (turned(p.swapaxes(1, 2), np.arange(5), 30.0) for p in project)
    scores = np.exp(query @ key.swapaxes(2, 3) / 2)
    expected = scores / scores.sum(-1, keepdims=True)
    np.testing.assert_allclose(numbers(found), expected, 1e-4, 1e-5)
    plain = layers.MultiHeadAttention(**options)
    plain.build(x.shape, x.shape)
    plain.set_weights(rotary.get_weights())
    one = x[:, :1]  # one key alone: its value is the result, turned or not
    np.testing.assert_allclose(numbers(rotary(x, one)), numbers(plain(x, one)), 1e-5)


@pytest.mark.parametrize(
    "build, told",
    [
        (lambda: layers.RotaryEmbedding(1.0), "base above 1.*1.0"),
        (lambda: layers.RotaryEmbedding(scaling=0), "positive scaling.*0"),
        (
            lambda: layers.RotaryEmbedding()(drawn(1, 3, 5)),
            r"even last axis.*\(1, 3, 5",
        ),
        (lambda: layers.RotaryEmbedding()(drawn(3, 4)), r"\(batch, time, dim\).*3, 4"),
    ],
)
def test_what_cannot_be_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()
