"""Positions against the formula of section 3.5, in NumPy and with all its digits."""

import keras
import numpy as np
import pytest

from kerasmith import layers


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def sinusoids(positions, depth, max_wavelength=10_000.0):
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(likewise)."""
    table = np.zeros((len(positions), depth))
    for row, position in enumerate(positions):
        for i in range(depth // 2):
            angle = float(position) / max_wavelength ** (2 * i / depth)
            table[row, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    return table


@pytest.mark.parametrize("depth", [2, 6, 64])
@pytest.mark.parametrize("length", [1, 7, 200])
def test_it_adds_the_sinusoids_of_the_paper(length, depth):
    x = drawn(3, length, depth)
    found = numbers(layers.PositionalEncoding()(x))
    np.testing.assert_allclose(
        found - x, [sinusoids(range(length), depth)] * 3, 0, 1e-5
    )


@pytest.mark.parametrize("first", [1_000, 65_500, 1_000_003, 2**24 - 9])
def test_far_positions_are_as_exact_as_near_ones(first):
    """In float32 the product of position and frequency is 0.7 off at the last."""
    x = np.zeros((1, 8, 512), "float32")
    found = numbers(layers.PositionalEncoding()(x, offset=first))
    expected = sinusoids(range(first, first + 8), 512)
    np.testing.assert_allclose(found[0], expected, 0, 5e-5)


def test_the_longest_wavelength_can_be_chosen():
    x = np.zeros((1, 9, 8), "float32")
    found = numbers(layers.PositionalEncoding(max_wavelength=500)(x))
    np.testing.assert_allclose(found[0], sinusoids(range(9), 8, 500.0), 0, 1e-5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_inputs_are_scaled_like_the_embeddings_of_the_paper(kind):
    x = drawn(2, 5, 6)
    layer = layers.PositionalEncoding(kind, 5, scale=True)
    added = numbers(layer(np.zeros_like(x)))
    np.testing.assert_allclose(numbers(layer(x)), x * np.sqrt(6) + added, 1e-5, 1e-5)


def test_a_learned_table_gives_each_position_its_vector():
    x, table = drawn(3, 4, 5), drawn(7, 5, seed=1)
    layer = layers.PositionalEncoding("learned", max_length=7)
    layer.build(x.shape)
    layer.embeddings.assign(table)
    np.testing.assert_allclose(numbers(layer(x)), x + table[:4], 1e-6, 1e-6)
    found = numbers(layer(x, offset=3))
    np.testing.assert_allclose(found, x + table[3:], 1e-6, 1e-6)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_one_step_after_the_other_is_like_all_at_once(kind):
    x = drawn(3, 6, 4)
    layer = layers.PositionalEncoding(kind, max_length=6)
    whole = numbers(layer(x))
    for i in range(6):
        for offset in (i, keras.ops.convert_to_tensor(i)):
            step = numbers(layer(x[:, i : i + 1], offset=offset))
            np.testing.assert_allclose(step, whole[:, i : i + 1], 1e-6, 1e-6)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_each_example_may_begin_elsewhere(kind):
    x = drawn(3, 2, 4)
    layer = layers.PositionalEncoding(kind, max_length=9)
    found = numbers(layer(x, offset=keras.ops.convert_to_tensor([5, 0, 7])))
    for i, offset in enumerate((5, 0, 7)):
        alone = numbers(layer(x[i : i + 1], offset=offset))
        np.testing.assert_allclose(found[i : i + 1], alone, 1e-6, 1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_positions_do_not_suffer_from_half_precision(policy):
    """bfloat16 holds no odd number above 256, float16 none above 2048."""
    x = np.zeros((1, 5000, 4), "float32")
    found = numbers(layers.PositionalEncoding(dtype=policy)(x))
    np.testing.assert_allclose(found[0], sinusoids(range(5000), 4), 0, 4e-3)


def test_a_compiled_model_takes_any_length():
    tokens = keras.Input((None, 4))
    model = keras.Model(tokens, layers.PositionalEncoding()(tokens))
    for length in (3, 11):
        found = model.predict(np.zeros((2, length, 4), "float32"), verbose=0)
        np.testing.assert_allclose(found[1], sinusoids(range(length), 4), 0, 1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kind": "sine"}, "'sinusoidal' and 'learned', received kind='sine'"),
        ({"kind": "learned"}, "needs max_length, the number of positions"),
        ({"kind": "learned", "max_length": 0}, "at least 1, received max_length=0"),
        ({"kind": "learned", "max_length": 2.5}, "received max_length=2.5"),
        ({"max_wavelength": 1}, "above 1, received max_wavelength=1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.PositionalEncoding(**arguments)


def test_an_odd_depth_is_refused_for_sinusoids_only():
    with pytest.raises(ValueError, match="depth must be even, received inputs of dept"):
        layers.PositionalEncoding().build((None, None, 5))
    layers.PositionalEncoding("learned", 3).build((None, None, 5))


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match="needs to know the depth"):
        layers.PositionalEncoding().build((None, None, None))


def test_a_sequence_longer_than_the_table_is_refused():
    layer = layers.PositionalEncoding("learned", max_length=4)
    with pytest.raises(ValueError, match="has 4 positions.*from 0 to 4.*max_length=5"):
        layer.build((None, 5, 2))
    layer(np.zeros((1, 4, 2), "float32"))
    with pytest.raises(ValueError, match="from 0 to 5"):
        layer(np.zeros((1, 6, 2), "float32"))
    with pytest.raises(ValueError, match="from 3 to 4"):
        layer(np.zeros((1, 2, 2), "float32"), offset=3)
    with pytest.raises(ValueError, match="from -1 to 0"):
        layer(np.zeros((1, 2, 2), "float32"), offset=-1)
