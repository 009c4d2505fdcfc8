"""Decoding with a cache, step by step, against the whole sequence at once."""

import keras
import numpy as np
import pytest
from keras import ops
from transformer_blocks import (
    DEPTH,
    MEMORY,
    SOURCE,
    drawn,
    every_order,
    make_decoder,
    make_encoder,
    numbers,
    tensor,
)

from kerasmith import layers

KEYWORDS = [
    {},
    {"num_key_value_heads": 1},
    {"rotary": True, "key_dim": 4},
    {"attention_bias": True},
]
every_kind_of_attention = pytest.mark.parametrize("keywords", KEYWORDS, ids=str)


def step_by_step(block, x, cache, widths=(1, 1, 1, 1, 1)):
    """Call a block on a few positions at a time."""
    outputs, at = [], 0
    for width in widths:
        y, cache = block(x[:, at : at + width], cache=cache, cache_index=at)
        outputs.append(numbers(y))
        at += width
    return np.concatenate(outputs, 1)


@pytest.mark.parametrize("widths", [(1,) * 5, (3, 1, 1), (5,)], ids=str)
@every_kind_of_attention
@every_order
def test_an_encoder_block_decodes_like_the_whole(norm_first, keywords, widths):
    x = drawn(3, 5, DEPTH)
    block = make_encoder(norm_first=norm_first, **keywords)
    found = step_by_step(block, x, block.make_cache(3, 8), widths)
    expected = numbers(block(x, use_causal_mask=True))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("widths", [(1,) * 5, (2, 2, 1)], ids=str)
@pytest.mark.parametrize("mask", [None, SOURCE], ids=["all", "padded"])
@every_kind_of_attention
@every_order
def test_a_decoder_block_decodes_like_the_whole(norm_first, keywords, mask, widths):
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1)
    mask = None if mask is None else tensor(mask)
    block = make_decoder(norm_first=norm_first, **keywords)
    cache = block.make_cache(memory, 6, memory_mask=mask)
    found = step_by_step(block, x, cache, widths)
    expected = numbers(block(x, memory, memory_mask=mask))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def test_a_cache_is_a_structure_of_tensors_with_the_batch_first():
    memory = drawn(3, 7, MEMORY)
    for heads in (1, 2):
        block = make_decoder(num_key_value_heads=heads, key_dim=5)
        cache = block.make_cache(memory, 6)
        shapes = {name: tuple(part.shape) for name, part in cache.items()}
        assert shapes == {
            "attention": (3, 2, 6, heads, 5),
            "memory": (3, 2, 7, heads, 5),
            "memory_mask": (3, 7),
        }


def test_a_cache_reordered_decodes_the_reordered_sequences():
    """What beam search does: sequence 2 goes on in two ways, sequence 1 is given up."""
    x, memory, order = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1), [2, 0, 2]
    block = make_decoder()
    cache = block.make_cache(memory, 5, memory_mask=tensor(SOURCE))
    _, cache = block(x[:, :3], cache=cache, cache_index=0)
    cache = keras.tree.map_structure(lambda part: ops.take(part, order, axis=0), cache)
    found, _ = block(x[order][:, 3:], cache=cache, cache_index=3)
    whole = numbers(block(x, memory, memory_mask=tensor(SOURCE)))
    np.testing.assert_allclose(numbers(found), whole[order][:, 3:], 1e-5, 1e-5)


class Decode(keras.layers.Layer):
    """Steps through a sequence in a compiled loop, with a cache."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def call(self, inputs, memory):
        def step(i, state):
            outputs, cache = state
            x = ops.slice(inputs, (0, i, 0), (batch, 1, DEPTH))
            y, cache = self.block(x, cache=cache, cache_index=i)
            return ops.slice_update(outputs, (0, i, 0), y), cache

        batch, cache = ops.shape(inputs)[0], self.block.make_cache(memory, 5)
        state = (ops.zeros_like(inputs), cache)
        return ops.fori_loop(0, 5, step, state)[0]

    def compute_output_shape(self, inputs_shape, memory_shape):
        return inputs_shape


@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "jit"])
def test_a_cache_goes_through_a_compiled_loop(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch.compile translates for minutes what XLA does in seconds")
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1)
    block = make_decoder()
    inputs = [keras.Input(array.shape[1:]) for array in (x, memory)]
    model = keras.Model(inputs, Decode(block)(*inputs))
    model.compile(jit_compile=jit_compile)
    found = model.predict([x, memory], verbose=0)
    np.testing.assert_allclose(found, numbers(block(x, memory)), 1e-5, 1e-5)


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_a_step_is_a_functional_model(kind):
    x, memory = drawn(3, 1, DEPTH), drawn(3, 7, MEMORY, seed=1)
    block = make_encoder() if kind == "encoder" else make_decoder()
    cache = block.make_cache(*((3, 5) if kind == "encoder" else (memory, 5)))
    held = keras.tree.map_structure(
        lambda part: keras.Input(part.shape[1:], dtype=part.dtype), cache
    )
    token = keras.Input((1, DEPTH))
    model = keras.Model([token, held], block(token, cache=held, cache_index=0))
    found, written = model([tensor(x), cache])
    expected, cache = block(x, cache=cache, cache_index=0)
    np.testing.assert_allclose(numbers(found), numbers(expected), 1e-6, 1e-6)
    for one, other in zip(*map(keras.tree.flatten, (written, cache)), strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), 1e-6, 1e-6)


def test_padding_before_the_beginning_is_hidden_in_every_step():
    """Prompts of two lengths end at the same place; nothing looks at what is before."""
    x, start = drawn(2, 6, DEPTH), 2
    block = make_encoder()
    shown = np.ones((2, 6), bool)
    shown[0, :start] = False
    cache, found = block.make_cache(2, 6), []
    for at, width in ((0, 4), (4, 1), (5, 1)):
        y, cache = block(
            x[:, at : at + width], cache=cache, cache_index=at, mask=tensor(shown)
        )
        found.append(numbers(y))
    found = np.concatenate(found, 1)
    short = numbers(block(x[:1, start:], use_causal_mask=True))
    np.testing.assert_allclose(found[:1, start:], short, 1e-5, 1e-5)
    whole = numbers(block(x[1:], use_causal_mask=True))
    np.testing.assert_allclose(found[1:], whole, 1e-5, 1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_cache_has_the_compute_dtype(policy):
    memory = drawn(3, 7, MEMORY)
    block = make_decoder(dtype=policy)
    cache = block.make_cache(memory, 5)
    half = policy.removeprefix("mixed_")
    y, cache = block(drawn(3, 1, DEPTH), cache=cache, cache_index=0)
    dtypes = [
        keras.backend.standardize_dtype(part.dtype) for part in (y, *cache.values())
    ]
    assert dtypes == [half, half, half, "bool"]


def test_a_cache_and_its_index_go_together():
    x, block = drawn(3, 1, DEPTH), make_encoder()
    with pytest.raises(ValueError, match="both or neither of cache and cache_index"):
        block(x, cache=block.make_cache(3, 5))
    with pytest.raises(ValueError, match="both or neither.*cache_index=2"):
        block(x, cache_index=2)


def test_a_block_without_weights_makes_no_cache():
    with pytest.raises(ValueError, match="call it, or build it, first"):
        layers.TransformerEncoderBlock(2, 8).make_cache(3, 5)
    with pytest.raises(ValueError, match="call it, or build it, first"):
        layers.TransformerDecoderBlock(2, 8).make_cache(drawn(3, 7, 4), 5)
