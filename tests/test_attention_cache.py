"""Decoding with a cache of keys and values, against the whole sequence at once."""

import keras
import numpy as np
import pytest
from attention_models import drawn, numbers, randomized, tensor
from keras import ops

from kerasmith import layers
from kerasmith.layers import native

BATCH, STEPS, WIDTH = 3, 9, 6
KINDS = {
    "plain": {},
    "grouped": {"num_key_value_heads": 2},
    "rotary": {"num_key_value_heads": 1, "rotary": True, "use_gate": True},
    "window": {"sliding_window": 3, "rotary": layers.RotaryEmbedding(100.0)},
}
every_kind = pytest.mark.parametrize("keywords", KINDS.values(), ids=list(KINDS))


def made(keywords=None, key_dim=4):
    x = drawn(BATCH, STEPS, WIDTH)
    layer = layers.MultiHeadAttention(4, key_dim, **(keywords or {}))
    return randomized(layer, x, x), x


@every_kind
@pytest.mark.parametrize("widths", [(1,) * STEPS, (4, 1, 3, 1), (STEPS,)], ids=str)
def test_step_by_step_is_all_at_once(keywords, widths):
    layer, x = made(keywords)
    cache, at, found = layer.make_cache(BATCH, STEPS + 2), 0, []
    for width in widths:
        new = x[:, at : at + width]
        result, cache = layer(
            new, new, cache=cache, cache_index=at, use_causal_mask=True
        )
        found.append(numbers(result))
        at += width
    expected = numbers(layer(x, x, use_causal_mask=True))
    np.testing.assert_allclose(np.concatenate(found, 1), expected, 1e-5, 1e-5)
    assert not numbers(cache)[:, :, STEPS:].any()


def test_a_long_beginning_is_attended_to_in_blocks(monkeypatch):
    layer, x = made({"num_key_value_heads": 2, "rotary": True})
    expected = numbers(layer(x, x, use_causal_mask=True))
    monkeypatch.setattr(native.of("attention"), "TABLE", 0)
    monkeypatch.setattr(native.of("attention"), "BLOCK", 30)
    _, cache = layer(
        x[:, :2], x[:, :2], cache=layer.make_cache(BATCH, 11), cache_index=0
    )
    rest = x[:, 2:]
    for index in (2, tensor(np.int32(2))):
        found, _ = layer(
            rest, rest, cache=cache, cache_index=index, use_causal_mask=True
        )
        np.testing.assert_allclose(numbers(found), expected[:, 2:], 1e-5, 1e-5)


def test_without_causal_mask_new_steps_see_each_other_but_nothing_unwritten():
    layer, x = made()
    cache = layer.make_cache(BATCH, STEPS) + 7.0  # what is not written must not count
    found, cache = layer(x[:, :4], x[:, :4], cache=cache, cache_index=0)
    np.testing.assert_allclose(
        numbers(found), numbers(layer(x[:, :4], x[:, :4])), 1e-5, 1e-5
    )
    new = x[:, 4:6]
    found, _ = layer(new, new, cache=cache, cache_index=4)
    np.testing.assert_allclose(
        numbers(found), numbers(layer(new, x[:, :6])), 1e-5, 1e-5
    )


@pytest.mark.parametrize("causal", [True, False])
def test_padding_stays_hidden_whatever_the_mask_covers(causal):
    layer, x = made()
    padding = np.arange(STEPS)[None] < np.array([[9], [4], [2]])
    expected = numbers(layer(x, x, value_mask=padding, use_causal_mask=causal))
    whole = np.pad(padding, ((0, 0), (0, 2)))
    for mask in ({"value_mask": padding}, {"value_mask": whole}):
        found, cache = layer(
            x,
            x,
            cache=layer.make_cache(BATCH, STEPS + 2),
            cache_index=0,
            use_causal_mask=causal,
            **mask,
        )
        np.testing.assert_allclose(numbers(found), expected, 1e-5, 1e-5)
    table = np.repeat(whole[:, None], STEPS, axis=1)
    options = {"cache_index": 0, "use_causal_mask": causal}
    found, weights, _ = layer(
        x,
        x,
        cache=layer.make_cache(BATCH, STEPS + 2),
        attention_mask=table,
        return_attention_scores=True,
        **options,
    )
    np.testing.assert_allclose(numbers(found), expected, 1e-5, 1e-5)
    assert tuple(weights.shape) == (BATCH, 4, STEPS, STEPS + 2)
    assert not numbers(weights)[1, :, :, 4:].any()


@pytest.mark.parametrize("heads", [None, 2])
def test_a_memory_is_projected_once(heads):
    layer = layers.MultiHeadAttention(4, 3, num_key_value_heads=heads)
    query, memory = drawn(BATCH, 5, WIDTH), drawn(BATCH, 7, 8, seed=1)
    randomized(layer, query, memory)
    cache = layer.project_memory(tensor(memory))
    shown = np.arange(7)[None] < np.array([[7], [3], [5]])
    expected = numbers(layer(query, memory, value_mask=shown))
    for step in range(5):
        found, same = layer(query[:, step : step + 1], cache=cache, value_mask=shown)
        np.testing.assert_allclose(numbers(found)[:, 0], expected[:, step], 1e-5, 1e-5)
    np.testing.assert_array_equal(numbers(same), numbers(cache))


def test_a_compiled_loop_decodes():
    layer, x = made({"num_key_value_heads": 2, "rotary": True})
    expected = numbers(layer(x, x, use_causal_mask=True))

    class Decode(keras.layers.Layer):
        def __init__(self, attention):
            super().__init__()
            self.attention = attention
            self.built = True

        def call(self, inputs):
            def step(i, state):
                cache, results = state
                new = ops.slice(inputs, (0, i, 0), (BATCH, 1, WIDTH))
                result, cache = self.attention(
                    new, new, cache=cache, cache_index=i, use_causal_mask=True
                )
                return cache, ops.slice_update(results, (0, i, 0), result)

            state = self.attention.make_cache(BATCH, STEPS), ops.zeros_like(inputs)
            return ops.fori_loop(0, STEPS, step, state)[1]

    steps = keras.Input(batch_shape=x.shape)
    model = keras.Model(steps, Decode(layer)(steps))
    for jit in (False, keras.backend.backend() != "torch"):
        model.compile(jit_compile=jit)
        found = model.predict(x, batch_size=BATCH, verbose=0)
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


def test_a_functional_model_carries_a_cache():
    layer, x = made({"num_key_value_heads": 2})
    new = keras.Input((1, WIDTH))
    cache = keras.Input((2, STEPS, 2, 4))
    index = keras.Input(batch_shape=(), dtype="int32")
    options = {"cache": cache, "cache_index": index, "use_causal_mask": True}
    outputs = layer(new, new, **options)
    assert outputs[1].shape == cache.shape
    model = keras.Model([new, cache, index], outputs)
    held, found = layer.make_cache(BATCH, STEPS), []
    for i in range(STEPS):
        result, held = model([tensor(x[:, i : i + 1]), held, tensor(np.int32(i))])
        found.append(numbers(result))
    expected = numbers(layer(x, x, use_causal_mask=True))
    np.testing.assert_allclose(np.concatenate(found, 1), expected, 1e-5, 1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_cache_has_the_compute_dtype(policy):
    keras.config.set_dtype_policy(policy)
    layer, x = made({"rotary": True})
    cache = layer.make_cache(BATCH, STEPS)
    found, cache = layer(x, x, cache=cache, cache_index=0, use_causal_mask=True)
    for result in (found, cache):
        assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
    expected = numbers(layer(x, x, use_causal_mask=True))
    np.testing.assert_allclose(numbers(found), expected, 0.03, 0.03)


# What cannot be


def attention(*args, **keywords):
    return lambda: layers.MultiHeadAttention(*args, **keywords)


@pytest.mark.parametrize(
    "build, told",
    [
        (attention(4, 6, num_key_value_heads=3), "multiple.*num_heads=4.*heads=3"),
        (attention(4, 6, num_key_value_heads=0), "multiple.*num_key_value_heads=0"),
        (attention(4, 5, rotary=True), "even key_dim.*key_dim=5"),
        (attention(4, 6, rotary="yes"), "RotaryEmbedding.*'yes'"),
        (attention(4, 6, dropout=1.0), r"dropout in \[0, 1\).*1\.0"),
        (attention(0, 6), "positive integer.*num_heads=0"),
        (lambda: attention(4, 6, value_dim=3)().make_cache(1, 5), "value_dim=3"),
        (lambda: attention(4, 6)().project_memory(np.zeros((1, 2, 3))), "no weights"),
    ],
)
def test_what_cannot_be_built_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()


@pytest.mark.parametrize(
    "call, told",
    [
        ({"cache": (1, 2, 5, 3, 4), "cache_index": 0}, r"length, 4, 4\).*5, 3, 4"),
        ({"cache": (1, 2, 5, 4), "cache_index": 0}, r"length, 4, 4\).*2, 5, 4"),
        ({"cache": (1, 2, 5, 4, 4), "cache_index": 3}, "3 new steps.*index=3.*of 5"),
        ({"cache": (1, 2, 5, 4, 4), "cache_index": -1}, "index=-1"),
        ({"attention_mask": (3,)}, r"\(batch, queries, keys\).*\(3,\)"),
    ],
)
def test_calls_that_do_not_fit_are_told(call, told):
    layer, x = layers.MultiHeadAttention(4, 4), drawn(1, 3, WIDTH)
    call = {
        name: np.zeros(value, "float32") if isinstance(value, tuple) else value
        for name, value in call.items()
    }
    layer.build(x.shape, x.shape)
    with pytest.raises(ValueError, match=told):
        layer(x, x, **call)


def test_what_keras_way_cannot_is_told():
    x = np.zeros((2, 3, 4, 6), "float32")
    with pytest.raises(ValueError, match="attention_axes.*rotary"):
        layers.MultiHeadAttention(2, 4, rotary=True)(x, x)
    layer = layers.MultiHeadAttention(2, 4, attention_axes=(1, 2))
    with pytest.raises(ValueError, match="attention_axes.*cache"):
        layer(x, x, cache=np.zeros((2, 2, 3, 2, 4), "float32"))


def test_rotary_queries_of_a_memory_have_no_position():
    layer, x = made({"rotary": True})
    with pytest.raises(ValueError, match="needs a cache_index"):
        layer(x, cache=layer.project_memory(tensor(x)))


def test_more_keys_than_values_are_told():
    layer = layers.MultiHeadAttention(2, 4)
    with pytest.raises(ValueError, match="as many keys as values"):
        layer.build((1, 3, 6), (1, 3, 6), (1, 4, 6))
