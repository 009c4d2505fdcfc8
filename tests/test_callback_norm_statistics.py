"""Batch norm statistics: exact for the final weights, against NumPy by hand."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kerasmith import callbacks, layers

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(14, 6, 5, 2)).astype("float32")
ROWS = (RANDOM.normal(size=(20, 3)) * 3 + 1).astype("float32")
NORMS = [keras.layers.BatchNormalization, layers.BatchNormalization]
every_norm = pytest.mark.parametrize("norm", NORMS, ids=["keras", "ours"])


class Batches(keras.utils.PyDataset):
    """Gives these batches, and counts how often it was told of an epoch's end."""

    def __init__(self, *parts):
        super().__init__()
        self.parts, self.ended = parts, 0

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, number):
        part = self.parts[number]
        if isinstance(part, BaseException):
            raise part
        return part, part[:, :1]

    def on_epoch_end(self):
        self.ended += 1


def statistics_of(layer):
    return [ops.convert_to_numpy(v) for v in (layer.moving_mean, layer.moving_variance)]


def pooled(values):
    """Mean and variance of batches of shape (values, channels), as documented."""
    sizes = np.array([len(batch) for batch in values])[:, None]
    means = np.array([batch.mean(0) for batch in values])
    variances = np.array([batch.var(0, ddof=1) for batch in values])
    mean = (sizes * means).sum(0) / sizes.sum()
    return mean, ((sizes - 1) * variances).sum(0) / (sizes - 1).sum()


def same(found, expected, tolerance=2e-5):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, tolerance, tolerance)


def rows_model(norm=keras.layers.BatchNormalization, **options):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((3,)), norm(name="norm", **options), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def by_hand(batch, kernel, gamma, beta, dense):
    """Run a batch through both norms; give what goes into each."""
    height, width = batch.shape[1] - 2, batch.shape[2] - 2
    first = sum(
        batch[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    first = first.reshape(-1, kernel.shape[-1])
    normal = (first - first.mean(0)) / np.sqrt(first.var(0) + 1e-3) * gamma + beta
    pooled_map = np.maximum(normal, 0).reshape(len(batch), height * width, -1).mean(1)
    return first, pooled_map @ dense


@every_norm
def test_a_network_of_two_norms_against_numpy(norm):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, use_bias=False),
            norm(
                gamma_initializer=keras.initializers.RandomUniform(0.5, 2, seed=1),
                beta_initializer=keras.initializers.RandomUniform(-1, 1, seed=2),
            ),
            keras.layers.Dropout(0.5),  # would change the variance after it
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, use_bias=False),
            norm(),
        ]
    )
    kernel, gamma, beta, dense = (
        ops.convert_to_numpy(v).astype("float64") for v in model.trainable_weights[:4]
    )
    parts = IMAGES[:6], IMAGES[6:12], IMAGES[12:]  # the last is smaller
    found = callbacks.recompute_statistics(model, Batches(*parts))
    values = [by_hand(part, kernel, gamma, beta, dense) for part in parts]
    assert found == 3
    for layer, inputs in zip((1, 6), zip(*values, strict=True), strict=True):
        same(statistics_of(model.layers[layer]), pooled(inputs))
    # the paper's formula, for batches of one size m
    callbacks.recompute_statistics(model, Batches(*parts[:2]))
    last = [inputs[1] for inputs in values[:2]]
    expected = [
        np.mean([v.mean(0) for v in last], 0),
        6 / 5 * np.mean([v.var(0) for v in last], 0),
    ]
    same(statistics_of(model.layers[6]), expected)


@every_norm
def test_norms_deep_inside_are_found(norm):
    steps = keras.Sequential([keras.Input((3,)), norm(name="in_steps")])
    block = keras.Sequential([keras.Input((4, 3)), norm(axis=1, name="block")])
    inputs = keras.Input((4, 3))
    x = keras.layers.TimeDistributed(steps)(block(inputs))
    model = keras.Model(inputs, x)
    x = RANDOM.normal(size=(10, 4, 3)).astype("float32")
    callbacks.recompute_statistics(model, Batches(x[:6], x[6:]))
    channels = [np.moveaxis(part, 1, 2).reshape(-1, 4) for part in (x[:6], x[6:])]
    same(statistics_of(block.layers[0]), pooled(channels))
    # each time step is a batch of its own to a norm that is called for each
    normal = [
        (part - part.mean((0, 2), keepdims=True))
        / np.sqrt(part.var((0, 2), keepdims=True) + 1e-3)
        for part in (x[:6], x[6:])
    ]
    each = [part[:, step] for part in normal for step in range(4)]
    same(statistics_of(steps.layers[0]), pooled(each))


@keras.saving.register_keras_serializable("test_norm_statistics")
class NormCell(keras.layers.Layer):
    """Normalises and adds up."""

    state_size = output_size = 3

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization()

    def build(self, input_shape):
        self.norm.build(input_shape)

    def call(self, inputs, states, training=None):
        outputs = self.norm(inputs, training=training) + states[0]
        return outputs, [outputs]


@pytest.mark.parametrize("unroll", [True, False])
def test_a_norm_in_a_recurrent_cell_in_both_directions(unroll):
    if keras.backend.backend() == "jax" and not unroll:
        pytest.skip("on JAX no norm can be trained in a loop")
    one = keras.layers.RNN(NormCell(), return_sequences=True, unroll=unroll)
    both = keras.layers.Bidirectional(one)
    model = keras.Sequential([keras.Input((4, 3)), both])
    x = RANDOM.normal(size=(10, 4, 3)).astype("float32")
    callbacks.recompute_statistics(model, x, batch_size=10)
    # in a loop, Keras calls the cell once more on the first step, to see what it gives
    for direction in (both.forward_layer, both.backward_layer):
        steps = [*range(4), *([] if unroll else [0])]
        found = statistics_of(direction.cell.norm)
        same(found, pooled([x[:, step] for step in steps]))


def test_ghost_batches_give_the_average_of_their_unbiased_variances():
    model = rows_model(layers.BatchNormalization, virtual_batch_size=5, unbiased=False)
    callbacks.recompute_statistics(model, Batches(ROWS))
    ghosts = [ROWS[start : start + 5] for start in range(0, 20, 5)]
    same(statistics_of(model.get_layer("norm")), pooled(ghosts))
    assert model.get_layer("norm").unbiased is False


@every_norm
def test_renormalising_norms_train_on_from_the_exact_statistics(norm):
    model = rows_model(norm, renorm=True)
    callbacks.recompute_statistics(model, Batches(ROWS))
    layer = model.get_layer("norm")
    mean, variance = statistics_of(layer)
    same((mean, variance), pooled([ROWS]))
    same([ops.convert_to_numpy(layer.renorm_mean)], [mean])
    for deviation in (layer.renorm_stddev, layer.moving_stddev):
        same([ops.convert_to_numpy(deviation) ** 2], [variance + 1e-3])
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    assert np.isfinite(model.evaluate(ROWS, ROWS[:, :1], verbose=0))


@every_norm
def test_masked_positions_do_not_count(norm):
    x = RANDOM.normal(size=(8, 5, 3)).astype("float32")
    x[:4, 3:] = 0
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Masking(), norm()])
    callbacks.recompute_statistics(model, x)
    same(statistics_of(model.layers[1]), pooled([x[x.any(-1)]]))


class AtRest(keras.Model):
    """Runs a part at inference even in training."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def call(self, inputs, training=None):
        return self.part(inputs, training=False)


def test_norms_that_do_not_follow_the_batch_stay():
    names = ("frozen", "at_rest", "moving")
    norms = [keras.layers.BatchNormalization(name=name) for name in names]
    norms[0].trainable = False
    parts = norms[0], AtRest(norms[1]), norms[2]
    model = keras.Sequential([keras.Input((3,)), *parts])
    callbacks.recompute_statistics(model, ROWS)
    for norm in norms[:2]:
        same(statistics_of(norm), ([0] * 3, [1] * 3))
    same(statistics_of(norms[2]), pooled([ROWS / 1.001]))
    with pytest.raises(ValueError, match="calls every batch norm with training=False"):
        callbacks.recompute_statistics(AtRest(norms[1]), ROWS)


def test_a_model_without_a_norm_to_compute_is_refused():
    model = rows_model(trainable=False)
    with pytest.raises(ValueError, match="no batch normalisation in the model"):
        callbacks.recompute_statistics(model, ROWS)


def left(model):
    """Everything of a model that must stay but the statistics."""
    values = [
        ops.convert_to_numpy(v)
        for v in model.variables
        if "moving" not in v.path.rpartition("/")[2]
    ]
    norm = model.get_layer("norm")
    settings = {k: v for k, v in norm.get_config().items() if k != "name"}
    return values, settings, "call" in vars(norm), norm.trainable


@pytest.mark.parametrize("broken", [None, KeyboardInterrupt, OSError])
def test_all_else_is_left_as_it_was_found(broken):
    model = rows_model(momentum=0.7)
    model.add(keras.layers.Dropout(0.5, seed=3))
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    before, old = left(model), statistics_of(model.get_layer("norm"))
    parts = [ROWS[:10], broken()] if broken else [ROWS]
    data = Batches(*parts)
    if broken:
        with pytest.raises(broken):
            callbacks.recompute_statistics(model, data)
        same(statistics_of(model.get_layer("norm")), old, 0)
    else:
        callbacks.recompute_statistics(model, data)
        assert not np.allclose(statistics_of(model.get_layer("norm"))[0], old[0])
    np.testing.assert_equal(left(model), before)
    assert data.ended == 0
    model.fit(ROWS, ROWS[:, :1], verbose=0)
    model.predict(ROWS, verbose=0)


def every_kind():
    import tensorflow as tf

    y = ROWS[:, :1]
    return [
        ROWS,
        (ROWS, y),
        Batches(ROWS),
        tf.data.Dataset.from_tensor_slices((ROWS, y)).batch(20),
        tf.data.Dataset.from_tensor_slices(ROWS).batch(20).repeat(),
        iter([(ROWS, y, np.ones(20))]),
        lambda: iter([ROWS]),
        lambda: [[ROWS, y]],
    ]


def test_data_of_every_kind():
    model = rows_model()
    for data in every_kind():
        model.get_layer("norm").moving_mean.assign([9, 9, 9])
        callbacks.recompute_statistics(model, data, 1, batch_size=20)
        same(statistics_of(model.get_layer("norm")), pooled([ROWS]))


def test_several_inputs_and_sorted_arrays():
    one, other = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    norm = keras.layers.BatchNormalization()
    model = keras.Model({"a": one, "b": other}, norm(one + other))
    x = np.sort(ROWS, 0)
    callbacks.recompute_statistics(model, {"a": x, "b": x}, batch_size=10)
    mean, variance = statistics_of(norm)
    same([mean], [2 * x.mean(0)])
    # in order, batches of one end and of the other would have small variances
    ordered = pooled([2 * x[:10], 2 * x[10:]])[1]
    assert (variance > 1.5 * ordered).all()


@pytest.mark.parametrize(
    "data, batches, problem",
    [
        (None, None, "needs the training data"),
        (iter([ROWS]), None, "received a generator: tell with batches="),
        (ROWS, 0, "needs batches of 1 or more"),
        (iter([]), 2, "gave no batch"),
        (Batches(ROWS[:1], ROWS[:1]), None, "a single value a channel"),
    ],
)
def test_data_that_will_not_do(data, batches, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        callbacks.recompute_statistics(rows_model(), data, batches)


MIRRORED = """
import tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * 2
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, devices)
import keras, numpy as np
from kerasmith import callbacks
x = np.random.default_rng(0).normal(3, 2, size=(32, 3)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    options = {"batch_size": 32, "validation": (x, x[:, :1]), "keep": "exact"}
    precise = callbacks.PreciseBatchNorm(x, **options)
    average = callbacks.WeightAverage(0, data=x, **{**options, "keep": "average"})
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[precise, average])
for moving, expected in (
    (norm.moving_mean, x.mean(0)), (norm.moving_variance, x.var(0, ddof=1))
):
    for value in moving.value.values:
        np.testing.assert_allclose(value.numpy(), expected, 1e-5)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its strategy")
def test_under_a_mirrored_strategy():
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
