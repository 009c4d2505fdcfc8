"""Normalisation against the formulas of the papers in NumPy, and against Keras."""

import keras
import numpy as np
import pytest
from normalized import (
    check_alike,
    drawn,
    grouped,
    numbers,
    standardized,
    with_drawn_weights,
)

from kerasmith import layers
from kerasmith.layers import native

# Batch normalisation


SHAPES = [(6, 4), (5, 7, 3), (4, 5, 3, 6), (3, 2, 3, 4, 5)]
PLACES = [(shape, axis, True) for shape in SHAPES for axis in (-1, 1)][1:]
PLACES += [((4, 3, 5, 2), 2, True), ((4, 3), 0, True)]
PLACES += [((4, 5, 3, 6), -1, False), ((5, 7, 3), 1, False)]


@pytest.mark.parametrize("shape, axis, training", PLACES)
def test_batch_norm_is_keras_with_a_biased_variance(shape, axis, training):
    arguments = {"axis": axis, "momentum": 0.7, "epsilon": 1e-2}
    check_alike(
        layers.BatchNormalization(**arguments, unbiased=False),
        keras.layers.BatchNormalization(**arguments),
        drawn(*shape),
        training=training,
    )


@pytest.mark.parametrize("center, scale", [(True, False), (False, True)])
def test_batch_norm_does_without_weights(center, scale):
    arguments = {"center": center, "scale": scale}
    check_alike(
        layers.BatchNormalization(**arguments, unbiased=False),
        keras.layers.BatchNormalization(**arguments),
        drawn(4, 5, 3, 6),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_running_variance_is_that_of_the_paper(shape):
    x, layer = drawn(*shape), layers.BatchNormalization(momentum=0.75, epsilon=1e-5)
    y = numbers(layer(x, training=True))
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(y, standardized(x, axes, 1e-5), 1e-4, 1e-5)
    mean, variance = x.mean(axes), x.var(axes, ddof=1)
    np.testing.assert_allclose(numbers(layer.moving_mean), 0.25 * mean, 1e-4, 1e-5)
    np.testing.assert_allclose(
        numbers(layer.moving_variance), 0.75 + 0.25 * variance, 1e-4
    )


def test_the_running_variance_has_no_bias():
    """Batches of 2: Keras' rule would end at half of the variance."""
    layer, biased = (
        layers.BatchNormalization(momentum=0.98, unbiased=unbiased)
        for unbiased in (True, False)
    )
    for batch in drawn(300, 2, 500, deviation=1.0):
        layer(batch, training=True)
        biased(batch, training=True)
    # of the start, 1, less than a hundredth is left
    assert np.mean(numbers(layer.moving_variance)) == pytest.approx(1, abs=0.03)
    assert np.mean(numbers(biased.moving_variance)) == pytest.approx(0.5, abs=0.03)


def test_a_batch_of_one_value_moves_the_variance_to_nothing():
    for shape in ((1, 3), (1, 1, 1, 3)):
        layer = layers.BatchNormalization(momentum=0.75, beta_initializer="ones")
        y = numbers(layer(drawn(*shape), training=True))
        np.testing.assert_allclose(y, np.ones(shape), atol=1e-5)
        np.testing.assert_allclose(numbers(layer.moving_variance), [0.75] * 3)


@pytest.mark.parametrize("size", [None, 2])
def test_an_empty_batch_moves_nothing(size):
    layer = layers.BatchNormalization(virtual_batch_size=size)
    with_drawn_weights(layer, (None, 5, 3))
    before = [np.copy(w) for w in layer.get_weights()]
    layer(np.zeros((0, 5, 3), "float32"), training=True)
    np.testing.assert_allclose(layer.get_weights(), before, 1e-6)


@pytest.mark.parametrize("shape", [(0, 4), (0, 5, 4), (0, 5, 3, 4)])
def test_nothing_in_nothing_out(shape):
    nothing = np.zeros(shape, "float32")
    for layer in (
        layers.BatchNormalization(),
        layers.GroupNormalization(2),
        layers.InstanceNormalization(),
    ):
        for training in (False, True):
            assert tuple(layer(nothing, training=training).shape) == shape


def test_frozen_it_takes_the_running_statistics():
    layer = with_drawn_weights(layers.BatchNormalization(), (None, 4))
    layer.trainable = False
    before, x = layer.get_weights(), drawn(5, 4)
    trained, tested = (numbers(layer(x, training=t)) for t in (True, False))
    np.testing.assert_array_equal(trained, tested)
    np.testing.assert_equal(layer.get_weights(), before)


@pytest.mark.parametrize("shape, axis", [((4, 6, 3), -1), ((4, 3, 5, 2), -1)])
def test_masked_positions_make_no_statistics(shape, axis):
    x, mask = drawn(*shape), drawn(*shape[:-1], seed=5) > 0
    layer = layers.BatchNormalization(axis, momentum=0.5)
    y = numbers(layer(np.where(mask[..., None], x, np.nan), training=True, mask=mask))
    kept = x[mask]
    mean, variance = kept.mean(0), kept.var(0)
    expected = (x - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(y[mask], expected[mask], 1e-4, 1e-5)
    np.testing.assert_allclose(
        numbers(layer.moving_variance), 0.5 + 0.5 * kept.var(0, ddof=1), 1e-4
    )


@pytest.mark.parametrize("training", [False, True])
def test_a_mask_acts_as_in_keras(training):
    x, mask = drawn(4, 6, 3), drawn(4, 6, seed=5) > 0
    check_alike(
        layers.BatchNormalization(unbiased=False),
        keras.layers.BatchNormalization(),
        x,
        training=training,
        mask=mask,
    )


def test_a_wholly_masked_batch_moves_nothing():
    layer = with_drawn_weights(layers.BatchNormalization(), (None, 5, 3))
    before = layer.get_weights()
    layer(drawn(2, 5, 3), training=True, mask=np.zeros((2, 5), "bool"))
    np.testing.assert_equal(layer.get_weights(), before)


def test_renorm_is_left_to_keras():
    arguments = {"renorm": True, "renorm_clipping": {"rmax": 2.0}}
    check_alike(
        layers.BatchNormalization(**arguments),
        keras.layers.BatchNormalization(**arguments),
        drawn(4, 5, 3, 6),
    )


# Ghost batches


def ghosts_of(x, size):
    """Give the ghost batches: what is left over joins the last one."""
    count = max(len(x) // size, 1)
    return np.split(x, [size * i for i in range(1, count)])


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(
    "shape", [(8, 3, 2, 5), (9, 4), (7, 5, 3), (3, 4, 2), (1, 6, 2)]
)
def test_ghost_batches_are_normalised_by_themselves(shape, unbiased):
    x = drawn(*shape)
    layer = layers.BatchNormalization(
        momentum=0.75, virtual_batch_size=4, unbiased=unbiased
    )
    y = numbers(layer(x, training=True))
    axes = tuple(range(len(shape) - 1))
    parts = ghosts_of(x, 4)
    expected = np.concatenate([standardized(part, axes, 1e-3) for part in parts])
    np.testing.assert_allclose(y, expected, 1e-4, 1e-5)
    mean = np.mean([part.mean(axes) for part in parts], 0)
    variance = np.mean([part.var(axes, ddof=unbiased) for part in parts], 0)
    np.testing.assert_allclose(numbers(layer.moving_mean), 0.25 * mean, 1e-4, 1e-5)
    np.testing.assert_allclose(
        numbers(layer.moving_variance), 0.75 + 0.25 * variance, 1e-4
    )


def test_ghost_batches_of_channels_in_front():
    x = drawn(6, 3, 4, 5)
    first, last = (
        layers.BatchNormalization(axis, virtual_batch_size=2) for axis in (1, -1)
    )
    expected = numbers(last(x.transpose(0, 2, 3, 1), training=True))
    found = numbers(first(x, training=True)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


def test_a_ghost_batch_as_large_as_the_batch_is_the_batch():
    ghost = layers.BatchNormalization(virtual_batch_size=6)
    check_alike(ghost, layers.BatchNormalization(), drawn(6, 3, 2, 4))


def test_masked_ghost_batches():
    x, mask = drawn(5, 6, 3), drawn(5, 6, seed=5) > 0
    mask[:2] = False  # the first ghost batch is nothing but padding
    layer = layers.BatchNormalization(momentum=0.0, virtual_batch_size=2)
    y = numbers(layer(x, training=True, mask=mask))
    kept = x[2:][mask[2:]]
    expected = (kept - kept.mean(0)) / np.sqrt(kept.var(0) + 1e-3)
    np.testing.assert_allclose(y[2:][mask[2:]], expected, 1e-4, 1e-5)
    np.testing.assert_allclose(numbers(layer.moving_mean), kept.mean(0), 1e-4, 1e-5)


@pytest.mark.parametrize("size", [None, 4])
def test_a_fit_that_ends_on_a_part_of_a_batch(size):
    """13 samples in batches of 6 leave one, of which there is no unbiased variance."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.BatchNormalization(virtual_batch_size=size),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    model.fit(drawn(13, 3), drawn(13, 1), batch_size=6, epochs=2, verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


# Group and instance normalisation


GROUPS = [((4, 5, 3, 6), 3), ((2, 7, 8), 8), ((3, 6), 2), ((2, 2, 3, 4, 4), 1)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape, groups", GROUPS)
def test_group_norm_is_equation_7(shape, groups, training):
    x = drawn(*shape)
    gamma, beta = drawn(shape[-1], seed=1), drawn(shape[-1], seed=2)
    layer = layers.GroupNormalization(groups, epsilon=1e-4)
    layer.build(shape)
    layer.set_weights([gamma, beta])
    expected = gamma * grouped(x, groups, 1e-4) + beta
    y = numbers(layer(x, training=training))
    np.testing.assert_allclose(y, expected, 1e-4, 1e-5)


@pytest.mark.parametrize(
    "shape, groups, axis",
    [(*row, -1) for row in GROUPS]
    + [((4, 5, 3, 6), 3, 1), ((4, 3, 6), 2, 1), ((4, 5, 3, 6), -1, -1)],
)
def test_group_norm_is_keras(shape, groups, axis):
    x = np.moveaxis(drawn(*shape), -1, axis).copy()
    check_alike(
        layers.GroupNormalization(groups, axis),
        keras.layers.GroupNormalization(groups, axis),
        x,
    )


@pytest.mark.parametrize("center, scale", [(True, False), (False, True)])
def test_group_norm_does_without_weights(center, scale):
    arguments = {"groups": 2, "center": center, "scale": scale}
    check_alike(
        layers.GroupNormalization(**arguments),
        keras.layers.GroupNormalization(**arguments),
        drawn(4, 5, 3, 6),
    )


def test_group_norm_does_not_depend_on_the_batch():
    layer, x = layers.GroupNormalization(2), drawn(4, 5, 3, 6)
    alone = numbers(layer(x[2:3]))
    np.testing.assert_allclose(alone, numbers(layer(x))[2:3], 1e-5, 1e-6)


def test_minus_one_group_stays_in_the_configuration():
    layer = layers.GroupNormalization(-1)
    layer.build((None, 5, 6))
    assert layer.get_config()["groups"] == layer.groups == -1


@pytest.mark.parametrize("axis", [-1, 1])
def test_instance_norm_standardises_each_map(axis):
    x = drawn(3, 4, 5, 6)
    axes = tuple(i for i in (1, 2, 3) if i != axis % 4)
    y = numbers(layers.InstanceNormalization(axis)(x))
    np.testing.assert_allclose(y, standardized(x, axes, 1e-5), 1e-4, 1e-5)


def test_instance_norm_forgets_contrast_and_brightness():
    x, layer = drawn(2, 6, 5, 3), layers.InstanceNormalization()
    contrast, brightness = drawn(2, 1, 1, 3, mean=3, deviation=0.1), drawn(2, 1, 1, 3)
    changed = numbers(layer(contrast * x + brightness))
    np.testing.assert_allclose(changed, numbers(layer(x)), 1e-3, 1e-4)


# What cannot be


@pytest.mark.parametrize(
    "build, told",
    [
        (lambda: layers.BatchNormalization(virtual_batch_size=1), "2 samples.*1"),
        (lambda: layers.BatchNormalization(virtual_batch_size=2.5), r"2 samples.*2\.5"),
        (
            lambda: layers.BatchNormalization(virtual_batch_size=4, renorm=True),
            "virtual_batch_size=4.*renorm=True",
        ),
        (lambda: layers.GroupNormalization(0), "groups=0"),
    ],
)
def test_what_cannot_be_built_is_told(build, told):
    with pytest.raises(ValueError, match=told):
        build()


@pytest.mark.parametrize(
    "layer, shape, told",
    [
        (layers.GroupNormalization(4), (None, 5, 6), "groups=4.*6.*1, 2, 3, 6"),
        (layers.GroupNormalization(), (None, 5, 6), "groups=32.*6 channels"),
        (layers.GroupNormalization(2, axis=0), (None, 6), "axis=0"),
        (layers.GroupNormalization(2, axis=3), (None, 5, 6), "axis=3"),
        (layers.InstanceNormalization(), (None, 5, None), "size of axis -1"),
        (layers.BatchNormalization(), (None, 5, None), "size of axis -1"),
        (layers.BatchNormalization(5), (None, 5, 3), "axis=5"),
        (
            layers.BatchNormalization(0, virtual_batch_size=2),
            (4, 5),
            "axis=0.*ghost",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_told(layer, shape, told):
    with pytest.raises(ValueError, match=told):
        layer.build(shape)


def test_a_mask_of_another_rank_is_told():
    layer = layers.BatchNormalization()
    with pytest.raises(ValueError, match=r"mask.*\(2, 3, 1\)"):
        layer(drawn(2, 3, 1), mask=np.ones((2, 3, 1), "bool"))


# What the kernels give each other


def test_ghost_sums_hand_each_sample_the_sum_of_its_batch():
    values = np.arange(7, dtype="float32")[:, None]
    sums = native.of("normalization").ghost_sums(keras.ops.convert_to_tensor(values), 3)
    assert numbers(sums)[:, 0].tolist() == [3, 3, 3, 18, 18, 18, 18]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras synchronises on TensorFlow"
)
def test_a_synchronized_batch_norm_keeps_the_same_statistics():
    x = np.random.default_rng(0).normal(size=(3, 2, 1, 4)).astype("float32")
    plain, synchronized = (
        layers.BatchNormalization(synchronized=each) for each in (False, True)
    )
    np.testing.assert_allclose(
        plain(x, training=True), synchronized(x, training=True), 1e-4, 1e-5
    )
    for one, other in zip(plain.weights, synchronized.weights, strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)
