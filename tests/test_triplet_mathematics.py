"""Triplet loss against loops over all triplets, written from the papers' formulas."""

import itertools
import json
import re

import keras
import numpy as np
import pytest
from conformance.gradients import gradients

from kerasmith import layers

MINING = ("semi_hard", "batch_hard", "all")
# margin, distance
COSTS = [(0.5, "squared"), (0.5, "euclidean"), ("soft", "euclidean")]
every_mining = pytest.mark.parametrize("mining", MINING)
every_cost = pytest.mark.parametrize("margin, distance", COSTS)


def drawn(size, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(size, dim)).astype("float32")


def classes(size, count, seed=1):
    return np.random.default_rng(seed).integers(0, count, size)


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def mined(distances, labels, mining):
    """List the triplets that count, by looking at all of them."""
    for a, own in enumerate(labels):
        positives = [p for p in np.flatnonzero(labels == own) if p != a]
        negatives = list(np.flatnonzero(labels != own))
        if not positives or not negatives:
            continue
        d = distances[a]
        if mining == "all":
            yield from ((a, p, n) for p in positives for n in negatives)
        elif mining == "batch_hard":
            yield a, max(positives, key=d.take), min(negatives, key=d.take)
        else:
            for p in positives:
                farther = [n for n in negatives if d[n] > d[p]]
                nearest = min(farther, key=d.take) if farther else None
                yield a, p, max(negatives, key=d.take) if nearest is None else nearest


def expected(labels, x, mining, margin, distance, mean_over="valid", weights=None):
    """Give the value of each anchor in float64, times the weights if there are any."""
    x = x.astype("float64")
    distances = ((x[:, None] - x[None]) ** 2).sum(-1)
    if distance == "euclidean":
        distances = np.sqrt(distances)
    values, count = np.zeros(len(x)), 0
    for a, p, n in mined(distances, labels, mining):
        gap = distances[a, p] - distances[a, n]
        cost = np.logaddexp(0, gap) if margin == "soft" else max(gap + margin, 0)
        values[a] += cost
        count += mean_over == "valid" or cost > 0
    return values * len(x) / max(count, 1) * (1 if weights is None else weights)


@every_cost
@every_mining
def test_each_anchor_has_the_value_of_its_triplets(mining, margin, distance):
    x, labels = drawn(13, 3), classes(13, 4)
    loss = layers.Triplet(mining, margin, distance=distance, reduction=None)
    wanted = expected(labels, x, mining, margin, distance)
    assert np.any(wanted == 0) or margin == "soft" or mining == "all"
    np.testing.assert_allclose(numbers(loss(labels, x)), wanted, 1e-4, 1e-5)


@every_mining
def test_the_mean_over_what_costs_anything(mining):
    labels = classes(14, 3)
    x = drawn(14, 3) + labels[:, None]
    loss = layers.Triplet(mining, 0.5, mean_over="positive", reduction=None)
    wanted = expected(labels, x, mining, 0.5, "squared", "positive")
    other = expected(labels, x, mining, 0.5, "squared", "valid")
    assert wanted.sum() > 1.05 * other.sum() > 0
    np.testing.assert_allclose(numbers(loss(labels, x)), wanted, 1e-4, 1e-5)


def test_the_reductions_and_weights_of_anchors():
    x, labels = drawn(13, 3), classes(13, 4)
    weights = np.random.default_rng(3).uniform(size=13).astype("float32")
    wanted = expected(labels, x, "semi_hard", 0.2, "squared")
    mean = layers.Triplet()(labels[:, None], x)
    total = layers.Triplet(reduction="sum")(labels, x, sample_weight=weights)
    assert float(mean) == pytest.approx(wanted.mean(), rel=1e-4)
    assert float(total) == pytest.approx((wanted * weights).sum(), rel=1e-4)


def slopes(function, x, step=1e-6):
    """Differentiate by central differences in float64."""
    found = np.zeros_like(x, "float64")
    for place in np.ndindex(*x.shape):
        moved = [x.astype("float64") for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        found[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return found


@every_cost
@every_mining
def test_the_gradient_is_the_slope_of_the_loops(mining, margin, distance):
    x, labels = drawn(9, 3, seed=4), classes(9, 3, seed=5)
    weights = np.random.default_rng(3).uniform(size=9).astype("float32")
    loss = layers.Triplet(mining, margin, distance=distance)

    (found,) = gradients(
        lambda arrays: loss(labels, arrays[0], sample_weight=weights), [x]
    )
    wanted = slopes(
        lambda x: expected(labels, x, mining, margin, distance, weights=weights).mean(),
        x,
    )
    assert np.abs(wanted).max() > 0.02
    np.testing.assert_allclose(found, wanted, 1e-3, 1e-5)


@every_mining
@pytest.mark.parametrize("size, labels", [(1, [3]), (5, [2] * 5), (5, range(5))])
def test_a_batch_without_a_triplet_costs_nothing(mining, size, labels):
    x, labels = drawn(size, 2), np.array(labels)
    loss = layers.Triplet(mining, distance="euclidean")
    assert float(loss(labels, x)) == 0
    (found,) = gradients(lambda arrays: loss(labels, arrays[0]), [x])
    np.testing.assert_array_equal(found, 0)


@every_mining
@pytest.mark.parametrize("distance", ["squared", "euclidean"])
def test_equal_embeddings_cost_the_margin_and_have_a_finite_gradient(mining, distance):
    x, labels = np.full((6, 3), 0.7, "float32"), np.array([0, 0, 0, 1, 1, 2])
    loss = layers.Triplet(mining, 0.25, distance=distance)
    # what of the sum of equal numbers is rounded is no distance
    assert float(loss(labels, x)) == pytest.approx(0.25, abs=1e-4)
    (found,) = gradients(lambda arrays: loss(labels, arrays[0]), [x])
    np.testing.assert_allclose(found, 0, atol=1e-3)


def test_without_a_negative_beyond_the_farthest_is_taken():
    x = np.array([[0.0], [9.0], [1.5], [2.5]], "float32")
    loss = layers.Triplet(margin=2.0, reduction=None)
    # of class 0 one takes 2.5 and one 1.5; of class 1 both the nearest beyond, 0
    values = numbers(loss(np.array([0, 0, 1, 1]), x))
    np.testing.assert_allclose(values, [81 - 6.25 + 2, 81 - 56.25 + 2, 0.75, 0], 1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_embeddings_are_compared_in_float32(dtype):
    x, labels = keras.ops.cast(300 * drawn(8, 3), dtype), classes(8, 3)
    loss = layers.Triplet("batch_hard", distance="euclidean")
    wanted = expected(labels, numbers(x), "batch_hard", 0.2, "euclidean").mean()
    assert float(loss(labels, x)) == pytest.approx(wanted, rel=1e-4)
    half = layers.Triplet("batch_hard", distance="euclidean", dtype=dtype)(labels, x)
    assert keras.backend.standardize_dtype(half.dtype) == dtype
    assert numbers(half) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("dtype, number", [("float32", 2**24), ("bfloat16", 256)])
def test_labels_that_a_floating_dtype_cannot_tell_apart(dtype, number):
    x = np.array([[0.0], [1.0], [4.0], [6.0]], "float32")
    labels = np.array([number, number, number + 1, number + 1])
    near = layers.Triplet("batch_hard", 20.0, dtype=dtype)(labels, x)
    wanted = layers.Triplet("batch_hard", 20.0)(np.array([-1, -1, 7, 7]), x)
    assert numbers(near) == pytest.approx(float(wanted), rel=0.01)


def test_a_large_offset_takes_no_digits():
    """As a product of matrices the distances would be lost in their squares."""
    x, labels = drawn(12, 3), classes(12, 3)
    wanted = expected(labels, x, "semi_hard", 0.2, "squared")
    found = numbers(layers.Triplet(reduction=None)(labels, x + 100))
    np.testing.assert_allclose(found, wanted, 0.01, 1e-3)


def test_what_is_not_a_number_is_not_hidden():
    x = drawn(6, 2)
    x[2, 1] = np.nan
    assert np.isnan(float(layers.Triplet("all")(np.arange(6) // 2, x)))


def test_training_separates_classes_with_batches_of_any_size():
    labels = np.arange(44) % 4
    x = np.eye(4, 7)[labels] + 0.1 * drawn(44, 7)
    model = keras.Sequential(
        [keras.Input((7,)), keras.layers.Dense(3), layers.L2Normalization()]
    )
    model.compile(keras.optimizers.Adam(0.05), layers.Triplet("batch_hard", "soft"))
    # the last batch has 12
    losses = model.fit(x, labels, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def largest_on_jax(loss, labels, x):
    import jax

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (np.prod(v.aval.shape) for v in equation.outvars)
            for inner in jax.tree_util.tree_leaves(
                list(equation.params.values()),
                is_leaf=lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr"),
            ):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from sizes(inner)

    traced = jax.make_jaxpr(jax.value_and_grad(lambda x: loss(labels, x)))(x)
    return max(sizes(traced.jaxpr))


def largest_on_tensorflow(loss, labels, x):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(labels, x)
        return value, tape.gradient(value, x)

    x = tf.constant(x)
    text = step.experimental_get_compiler_ir(x)(stage="hlo")
    shapes = re.findall(r"\b(?:f32|s32|pred|f64|s64|u32)\[([\d,]+)\]", text)
    return max(np.prod([int(n) for n in shape.split(",")]) for shape in shapes)


def largest_on_torch(loss, labels, x):
    import torch  # pyright: ignore[reportMissingImports]
    from torch.utils._python_dispatch import (  # pyright: ignore
        TorchDispatchMode,
    )

    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            parts = result if isinstance(result, (tuple, list)) else [result]
            seen.extend(p.numel() for p in parts if isinstance(p, torch.Tensor))
            return result

    x = torch.tensor(x, requires_grad=True)
    with Watch():
        loss(labels, x).backward()
    return max(seen)


LARGEST = {
    "jax": largest_on_jax,
    "tensorflow": largest_on_tensorflow,
    "torch": largest_on_torch,
}


@every_mining
def test_nothing_is_larger_than_batch_by_batch(mining):
    """Forward and backward, by the sizes of all results, where a class has half."""
    x, labels = drawn(131, 4), np.maximum(np.arange(131) - 65, 0)
    loss = layers.Triplet(mining, distance="euclidean")
    largest = LARGEST[keras.backend.backend()](loss, labels, x)
    assert largest == 131**2


def test_large_batches_have_the_same_value_and_gradient():
    """From 512 examples on TensorFlow lets XLA compile."""
    x, labels = drawn(515, 3), np.arange(515) % 120
    wanted = expected(labels, x, "semi_hard", 0.2, "squared").mean()
    loss = layers.Triplet()
    (found,) = gradients(lambda arrays: loss(labels, arrays[0]), [x])
    assert float(loss(labels, x)) == pytest.approx(wanted, rel=1e-4)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    model.compile(loss=loss, jit_compile=False)
    evaluated = model.evaluate(x, labels, batch_size=515, verbose=0)
    assert evaluated == pytest.approx(wanted, rel=1e-4)
    direction = drawn(515, 3, seed=9).astype("float64") / 515
    moved = [
        expected(labels, x + sign * 1e-6 * direction, "semi_hard", 0.2, "squared")
        for sign in (1, -1)
    ]
    slope = (moved[0] - moved[1]).mean() / 2e-6
    assert np.sum(found * direction) == pytest.approx(slope, rel=0.02, abs=1e-6)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"mining": "hardest"}, "mining to be one of 'semi_hard'.*'hardest'"),
        ({"distance": "cosine"}, "distance to be one of 'squared', 'euclidean'"),
        ({"mean_over": "all"}, "mean_over to be one of 'valid', 'positive'"),
        ({"margin": 0}, "positive margin or 'soft', received margin=0"),
        ({"margin": "hard"}, "positive margin or 'soft', received margin='hard'"),
    ],
)
def test_bad_arguments_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        layers.Triplet(**keywords)


@pytest.mark.parametrize(
    "labels, embeddings, message",
    [
        ((4, 3), (4, 2), "labels of shape .*received .4, 3. and .4, 2."),
        ((4,), (4, 2, 2), "embeddings of shape .*Flatten"),
        ((3,), (4, 2), "received 3 labels and 4 embeddings"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(labels, embeddings, message):
    with pytest.raises(ValueError, match=message):
        layers.Triplet()(np.zeros(labels, int), np.zeros(embeddings, "float32"))


def test_the_configuration_survives_json():
    for mining, margin in itertools.product(MINING, (0.3, "soft")):
        loss = layers.Triplet(
            mining, margin, distance="euclidean", mean_over="positive", name="mine"
        )
        saved = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
        again = keras.saving.deserialize_keras_object(saved)
        assert again.get_config() == loss.get_config()
        assert type(again) is layers.Triplet and again.margin == margin
