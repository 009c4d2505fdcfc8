"""The Transformer's blocks against the equations of its paper, written out in NumPy."""

import keras
import numpy as np
import pytest
from transformer_blocks import (
    DEPTH,
    HEADS,
    MEMORY,
    PADDING,
    SOURCE,
    WIDTH,
    drawn,
    every_order,
    make_decoder,
    make_encoder,
    numbers,
    tensor,
)

from kerasmith import layers
from kerasmith.zoo.tools import calls

# The paper's equations


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def attend(layer, queries, keys, allowed):
    """Section 3.2: a head a turn, `softmax(Q K^T / sqrt(d_k)) V`, all joined by W^O."""

    def projected(dense, x, head):
        bias = numbers(dense.bias)[head] if layer.use_bias else 0
        return x @ numbers(dense.kernel)[:, head] + bias

    result = 0
    share = HEADS // (layer.num_key_value_heads or HEADS)
    for head in range(HEADS):
        q = projected(layer.query_dense, queries, head)
        k = projected(layer.key_dense, keys, head // share)
        v = projected(layer.value_dense, keys, head // share)
        scores = q @ k.swapaxes(1, 2) / np.sqrt(layer.key_dim)
        weights = softmax(np.where(allowed, scores, -np.inf))
        result = result + weights @ v @ numbers(layer.output_dense.kernel)[head]
    return result + (numbers(layer.output_dense.bias) if layer.use_bias else 0)


def normalize(norm, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + 1e-6)
    return scaled * numbers(norm.gamma) + numbers(norm.beta)


def feed_forward(block, x):
    """Equation 2: `max(0, x W_1 + b_1) W_2 + b_2`."""
    hidden, output = block.feed_forward_hidden, block.feed_forward_output
    inner = np.maximum(x @ numbers(hidden.kernel) + numbers(hidden.bias), 0)
    return inner @ numbers(output.kernel) + numbers(output.bias)


def stacked(block, x, parts):
    """Section 3.1: `LayerNorm(x + Sublayer(x))`; or before, as Xiong et al. have it."""
    for norm, part in parts:
        if block.norm_first:
            x = x + part(normalize(norm, x))
        else:
            x = normalize(norm, x + part(x))
    return x


def encoded(block, x, allowed):
    parts = [
        (block.attention_norm, lambda x: attend(block.attention, x, x, allowed)),
        (block.feed_forward_norm, lambda x: feed_forward(block, x)),
    ]
    return stacked(block, x, parts)


def decoded(block, x, memory, allowed, shown):
    look = lambda x: attend(block.memory_attention, x, memory, shown)  # noqa: E731
    parts = [
        (block.attention_norm, lambda x: attend(block.attention, x, x, allowed)),
        (block.memory_norm, look),
        (block.feed_forward_norm, lambda x: feed_forward(block, x)),
    ]
    return stacked(block, x, parts)


OPTIONS = [{}, {"attention_bias": True, "key_dim": 5}, {"num_key_value_heads": 1}]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=str)
CAUSAL = np.tril(np.ones((5, 5), bool))


@every_option
@every_order
def test_an_encoder_block_computes_the_equations(norm_first, options):
    x = drawn(3, 5, DEPTH)
    block = make_encoder(norm_first=norm_first, **options)
    found = numbers(block(x))
    np.testing.assert_allclose(found, encoded(block, x, True), 1e-4, 1e-5)


@every_order
def test_an_encoder_block_takes_all_masks_together(norm_first):
    x, allowed = drawn(3, 5, DEPTH), drawn(3, 5, 5, seed=9) > -0.5
    allowed |= np.eye(5, dtype=bool)
    block = make_encoder(norm_first=norm_first)
    found = numbers(
        block(
            x,
            attention_mask=tensor(allowed),
            use_causal_mask=True,
            mask=tensor(PADDING),
        )
    )
    pairs = allowed & CAUSAL & PADDING[:, None]
    expected = encoded(block, x, pairs)
    np.testing.assert_allclose(found[PADDING], expected[PADDING], 1e-4, 1e-5)


@pytest.mark.parametrize("beside", ["nothing", "attention_mask"])
def test_the_mask_that_inputs_carry_hides_padding(beside):
    x = np.where(PADDING[..., None], drawn(3, 5, DEPTH), 0)
    block = make_encoder()
    more = {} if beside == "nothing" else {"attention_mask": tensor(CAUSAL[None])}
    outputs = block(keras.layers.Masking()(x), **more)
    pairs = PADDING[:, None] & (CAUSAL if more else True)
    expected = encoded(block, x, pairs)
    np.testing.assert_allclose(numbers(outputs)[PADDING], expected[PADDING], 1e-4, 1e-5)
    # and goes on to the next block
    twice = numbers(block(outputs))[PADDING]
    np.testing.assert_allclose(
        twice, encoded(block, expected, PADDING[:, None])[PADDING], 1e-4, 1e-4
    )


@every_option
@every_order
def test_a_decoder_block_computes_the_equations(norm_first, options):
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1)
    block = make_decoder(norm_first=norm_first, **options)
    expected = decoded(block, x, memory, CAUSAL, True)
    np.testing.assert_allclose(numbers(block(x, memory)), expected, 1e-4, 1e-5)


def test_a_decoder_block_need_not_be_causal():
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1)
    block = make_decoder()
    found = numbers(block(x, memory, use_causal_mask=False))
    np.testing.assert_allclose(found, decoded(block, x, memory, True, True), 1e-4, 1e-5)


@pytest.mark.parametrize("carried", [True, False], ids=["carried", "given"])
@every_order
def test_a_decoder_block_sees_no_padding(norm_first, carried):
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY, seed=1)
    x, memory = x * PADDING[..., None], memory * SOURCE[..., None]
    block = make_decoder(norm_first=norm_first)
    masking = keras.layers.Masking()
    if carried:
        found = block(masking(x), masking(memory))
    else:
        masks = {"inputs_mask": tensor(PADDING), "memory_mask": tensor(SOURCE)}
        found = block(x, memory, **masks)
    pairs = CAUSAL & PADDING[:, None]
    expected = decoded(block, x, memory, pairs, SOURCE[:, None])
    np.testing.assert_allclose(numbers(found)[PADDING], expected[PADDING], 1e-4, 1e-5)


def test_the_blocks_of_the_base_model_have_its_parameters():
    """63,045,632 without biases in the attention, of which 37,000 x 512 embed."""
    for bias, total in ((False, 63_045_632), (True, 63_082_496)):
        count = 0
        for kind in (layers.TransformerEncoderBlock, layers.TransformerDecoderBlock):
            block = kind(8, 2048, attention_bias=bias)
            shapes = [(None, None, 512)] * (
                1 + (kind is layers.TransformerDecoderBlock)
            )
            block.build(*shapes)
            count += sum(int(np.prod(w.shape)) for w in block.trainable_weights)
        assert 6 * count + 37_000 * 512 == total


def test_a_card_counts_what_the_blocks_multiply():
    """Projections, scores, weighted sums and the feed-forward part, a position each."""
    depth, width, time, source = 8, 16, 5, 7
    projected, attended = 4 * time * depth**2, 2 * time * time * depth
    one = projected + attended + 2 * time * depth * width
    looking = (2 * time + 2 * source) * depth**2 + 2 * time * source * depth
    inputs, memory = (1, time, depth), (1, source, depth)
    for kind, shapes, count in (
        (layers.TransformerEncoderBlock, [inputs], one),
        (layers.TransformerDecoderBlock, [inputs, memory], one + looking),
    ):
        block = kind(2, width)
        block.build(*shapes)
        heard, _ = calls.record(block, *(keras.KerasTensor(s) for s in shapes))
        assert sum(call.count for call in heard) == count


# What is dropped


def test_dropout_drops_its_rate_and_keeps_the_mean():
    block, ones = make_encoder(dropout=0.3, seed=1), np.ones((50, 40, 10), "float32")
    kept = numbers(block.dropout(ones, training=True))
    assert set(np.unique(kept)) == {0, np.float32(1 / np.float32(0.7))}
    # 20,000 coins: five standard errors are 0.016
    assert np.mean(kept == 0) == pytest.approx(0.3, abs=0.016)
    np.testing.assert_array_equal(numbers(block.dropout(ones)), ones)


def test_branches_are_dropped_each_by_itself():
    """With both sub-layers dropped nearly always, pre-norm leaves the inputs."""
    x = drawn(64, 5, DEPTH)
    block = make_encoder(norm_first=True, dropout=0, drop_path=0.5, seed=1)
    attended, both = (
        np.abs(numbers(y) - x).max((1, 2))
        for y in (block(x, training=True), block(x, training=True))
    )
    assert 0 < np.mean(attended == 0) < 0.5
    assert np.any((attended == 0) != (both == 0))


@pytest.mark.parametrize("rate", ["dropout", "drop_path"])
def test_a_rate_acts_inside_a_compiled_fit(rate):
    block = layers.TransformerEncoderBlock(HEADS, WIDTH, dropout=0, seed=1)
    model = keras.Sequential([keras.Input((5, DEPTH)), block])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = drawn(16, 5, DEPTH), drawn(16, 5, DEPTH, seed=1)

    def loss():
        fit = model.fit(x, y, epochs=1, batch_size=16, verbose=0)
        return fit.history["loss"][0]

    still = loss()
    assert loss() == pytest.approx(still, rel=1e-6)
    getattr(block, rate).rate.assign(0.5)
    assert abs(loss() - still) > 1e-4
    getattr(block, rate).rate.assign(0.0)
    assert loss() == pytest.approx(still, rel=1e-6)
    assert block.get_config()[rate] == 0


def test_the_same_seed_drops_the_same():
    x = drawn(3, 5, DEPTH)
    one, two, other = (
        numbers(make_encoder(dropout=0.5, seed=seed)(x, training=True))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


# Bad input


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_heads": 0}, "num_heads to be a whole number.*received num_heads=0"),
        ({"feed_forward_dim": 2.5}, "received feed_forward_dim=2.5"),
        ({"key_dim": -1}, "received key_dim=-1"),
        ({"dropout": 1}, r"a dropout in \[0, 1\), received dropout=1"),
        ({"attention_dropout": -0.1}, r"an? attention_dropout in \[0, 1\)"),
        ({"drop_path": 1.5}, r"a drop_path in \[0, 1\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "kind", [layers.TransformerEncoderBlock, layers.TransformerDecoderBlock]
)
def test_bad_arguments_are_refused(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"num_heads": 2, "feed_forward_dim": 8, **arguments})


def test_heads_must_divide_the_depth_unless_their_size_is_given():
    with pytest.raises(ValueError, match="num_heads=4.*depth 6.*key_dim"):
        layers.TransformerEncoderBlock(4, 8).build((None, None, 6))
    layers.TransformerEncoderBlock(4, 8, key_dim=3).build((None, None, 6))


def test_heads_must_be_shared_evenly():
    block = layers.TransformerEncoderBlock(4, 8, num_key_value_heads=3)
    with pytest.raises(ValueError, match="num_key_value_heads=3"):
        block.build((None, None, 8))


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match="needs to know the depth"):
        layers.TransformerEncoderBlock(2, 8).build((None, None, None))


def test_a_decoder_block_needs_a_memory_or_a_cache():
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, MEMORY)
    with pytest.raises(ValueError, match="needs to see inputs and a memory"):
        layers.TransformerDecoderBlock(2, 8)(x)
    block = make_decoder()
    with pytest.raises(ValueError, match="received neither"):
        block(x)
    with pytest.raises(ValueError, match="received both"):
        block(x, memory, cache=block.make_cache(memory, 5), cache_index=0)
