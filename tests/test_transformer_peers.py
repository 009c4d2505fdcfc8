"""The Transformer's blocks against those of PyTorch, with the same weights."""

import numpy as np
import pytest
from transformer_blocks import (
    DEPTH,
    HEADS,
    PADDING,
    SOURCE,
    WIDTH,
    drawn,
    every_order,
    numbers,
    randomized,
    tensor,
)

from kerasmith import layers

torch = pytest.importorskip("torch")


def rows(dense):
    """Give the matrix of a projection as PyTorch keeps it: a row a unit."""
    kernel = numbers(dense.kernel)
    if dense.name == "attention_output":
        return kernel.reshape(-1, kernel.shape[-1]).T
    return kernel.reshape(len(kernel), -1).T


def fill(module, weight, bias):
    module.load_state_dict(
        {"weight": torch.from_numpy(weight.copy()), "bias": torch.from_numpy(bias)}
    )


def fill_attention(module, attention):
    parts = (attention.query_dense, attention.key_dense, attention.value_dense)
    fill(
        module.out_proj,
        rows(attention.output_dense),
        numbers(attention.output_dense.bias),
    )
    joined = np.concatenate([rows(part) for part in parts])
    biases = np.concatenate([numbers(part.bias).reshape(-1) for part in parts])
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.from_numpy(joined))
        module.in_proj_bias.copy_(torch.from_numpy(biases))


def peer(kind, block):
    """Build PyTorch's layer with the weights of a block."""
    module = kind(
        DEPTH,
        HEADS,
        WIDTH,
        dropout=0.0,
        activation="gelu",
        layer_norm_eps=block.epsilon,
        batch_first=True,
        norm_first=block.norm_first,
    )
    norms = [block.attention_norm]
    fill_attention(module.self_attn, block.attention)
    if kind is torch.nn.TransformerDecoderLayer:
        fill_attention(module.multihead_attn, block.memory_attention)
        norms.append(block.memory_norm)
    for i, norm in enumerate([*norms, block.feed_forward_norm]):
        fill(getattr(module, f"norm{i + 1}"), numbers(norm.gamma), numbers(norm.beta))
    for module_part, dense in (
        (module.linear1, block.feed_forward_hidden),
        (module.linear2, block.feed_forward_output),
    ):
        fill(module_part, rows(dense), numbers(dense.bias))
    return module


def made(kind, norm_first, shapes):
    block = kind(
        HEADS,
        WIDTH,
        norm_first=norm_first,
        activation="gelu",
        attention_bias=True,
        epsilon=1e-5,
    )
    block.build(*shapes)
    return randomized(block)


def hidden(allowed):
    """PyTorch's masks tell what is hidden."""
    return torch.from_numpy(~allowed)


@every_order
def test_an_encoder_block_is_like_that_of_pytorch(norm_first):
    x = drawn(3, 5, DEPTH)
    block = made(layers.TransformerEncoderBlock, norm_first, [(None, None, DEPTH)])
    module = peer(torch.nn.TransformerEncoderLayer, block)
    expected = module(torch.from_numpy(x), src_key_padding_mask=hidden(PADDING))
    found = numbers(block(x, mask=tensor(PADDING)))
    expected = expected.detach().numpy()
    np.testing.assert_allclose(found[PADDING], expected[PADDING], 1e-4, 1e-5)


@every_order
def test_a_decoder_block_is_like_that_of_pytorch(norm_first):
    x, memory = drawn(3, 5, DEPTH), drawn(3, 7, DEPTH, seed=1)
    block = made(layers.TransformerDecoderBlock, norm_first, [(None, None, DEPTH)] * 2)
    module = peer(torch.nn.TransformerDecoderLayer, block)
    expected = module(
        torch.from_numpy(x),
        torch.from_numpy(memory),
        tgt_mask=hidden(np.tril(np.ones((5, 5), bool))),
        tgt_key_padding_mask=hidden(PADDING),
        memory_key_padding_mask=hidden(SOURCE),
    )
    found = block(x, memory, inputs_mask=tensor(PADDING), memory_mask=tensor(SOURCE))
    expected = expected.detach().numpy()
    np.testing.assert_allclose(numbers(found)[PADDING], expected[PADDING], 1e-4, 1e-5)
