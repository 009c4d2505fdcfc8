"""Attention written out in NumPy, for the tests of its mathematics."""

import keras
import numpy as np
from conformance.gradients import gradients
from keras import ops


def drawn(*shape, seed=0):
    """Draw an array."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numbers(tensor):
    """Give a tensor's numbers in float32."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def tensor(array):
    """Give a tensor of an array."""
    return ops.convert_to_tensor(array)


def randomized(layer, query, value):
    """Build a layer and draw all weights, biases too."""
    layer.build(tuple(query.shape), tuple(value.shape))
    for i, weight in enumerate(layer.trainable_weights):
        weight.assign(0.5 * drawn(*weight.shape, seed=100 + i))
    return layer


def allowed_pairs(shape, masks, window=None):
    """Tell for each example, head, query and key whether the query may see the key."""
    allowed = np.zeros(shape, bool)
    table = masks.get("attention_mask", np.True_)
    if table.ndim == 3:
        table = table[:, None]
    table = np.broadcast_to(table, shape)
    for b, h, i, j in np.ndindex(*shape):
        allowed[b, h, i, j] = (
            table[b, h, i, j]
            and not (masks.get("use_causal_mask") and j > i)
            and not (window is not None and abs(i - j) >= window)
            and not ("value_mask" in masks and not masks["value_mask"][b, j])
            and not ("query_mask" in masks and not masks["query_mask"][b, i])
        )
    return allowed


def reference(layer, query, value, masks, key=None):
    """Give the result and the weights of attention with a layer's weights."""
    held = {"/".join(w.path.split("/")[-2:]): numbers(w) for w in layer.weights}

    def project(name, x, axes=1):
        kernel = held[f"{name}/kernel"].astype("float64")
        return np.tensordot(x, kernel, axes) + held.get(f"{name}/bias", 0)

    queries = project("query", query)
    keys = project("key", value if key is None else key)
    values = project("value", value)
    groups = layer.num_heads // keys.shape[2]
    # head h of the queries sees head h // groups of the keys
    keys, values = (np.repeat(x, groups, axis=2) for x in (keys, values))
    scores = np.einsum("bqhd,bkhd->bhqk", queries, keys) / np.sqrt(layer.key_dim)
    allowed = allowed_pairs(scores.shape, masks, layer.sliding_window)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    seen = np.where(allowed, scores, 0)
    blind = ~allowed.any(-1, keepdims=True)
    weights = np.where(blind, 1, seen)
    weights = weights / weights.sum(-1, keepdims=True)
    result = np.einsum("bhqk,bkhd->bqhd", weights, values)
    if layer.use_gate:
        result = result / (1 + np.exp(-project("gate", query)))
    return project("attention_output", result, axes=2), weights


def layer_step(layer, query, value, mix, call):
    """Give a layer's result, and the gradients of weights, query and value."""

    def function(arrays):
        held = zip(layer.trainable_variables, arrays[:-2], strict=True)
        with keras.StatelessScope(state_mapping=held):
            result = layer(*arrays[-2:], **call)
        return ops.sum(result * tensor(mix))

    arrays = [numbers(weight) for weight in layer.trainable_variables]
    result = numbers(layer(query, value, **call))
    return [result, *gradients(function, [*arrays, query, value])]
