"""The contrastive loss against equation 4 of its paper, and its gradient."""

import json

import keras
import numpy as np
import pytest
from conformance.gradients import directions_for, gradients, slope

from kerasmith import layers

DTYPES = ("float32", "float16", "bfloat16")
SAME = np.array([1, 0, 0, 1, 0, 1, 0])
# within the margin of 0.7, beyond it and in the same place
DISTANCES = np.array([0.3, 0.3, 1.9, 1.9, 0.0, 0.0, 0.65], "float32")


def number(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def by_the_paper(same, distances, margin):
    """Equation 4, in which Y is 0 for a pair of the same and 1 for another."""
    values = []
    for is_same, d in zip(same, distances.astype(float), strict=True):
        y = 1 - is_same
        values.append((1 - y) / 2 * d**2 + y / 2 * max(0.0, margin - d) ** 2)
    return np.array(values)


@pytest.mark.parametrize("margin", [0.7, 1, 2.5])
def test_it_is_equation_4(margin):
    found = number(layers.Contrastive(margin, reduction=None)(SAME, DISTANCES))
    np.testing.assert_allclose(found, by_the_paper(SAME, DISTANCES, margin), 1e-5, 1e-7)


@pytest.mark.parametrize("truth", [SAME, SAME[:, None], SAME == 1, SAME[:, None] == 1])
@pytest.mark.parametrize("distances", [DISTANCES, DISTANCES[:, None]])
def test_columns_and_booleans_say_the_same(truth, distances):
    """A column against a row must not become all pairs of both."""
    found = number(layers.Contrastive(0.7, reduction=None)(truth, distances))
    assert found.shape == (7,)
    np.testing.assert_allclose(found, by_the_paper(SAME, DISTANCES, 0.7), 1e-5, 1e-7)


def test_reductions_and_weights():
    values = by_the_paper(SAME, DISTANCES, 0.7)
    weights = np.arange(7.0)
    for reduction, expected in (
        ("sum_over_batch_size", values.mean()),
        ("sum", values.sum()),
    ):
        loss = layers.Contrastive(0.7, reduction=reduction)
        assert number(loss(SAME, DISTANCES)) == pytest.approx(expected, rel=1e-5)
    loss = layers.Contrastive(0.7)
    weighed = (values * weights).mean()
    for given in (weights, weights[:, None]):
        found = number(loss(SAME[:, None], DISTANCES[:, None], sample_weight=given))
        assert found == pytest.approx(weighed, rel=1e-5)


def test_the_gradient_is_the_slope():
    loss, arrays = layers.Contrastive(0.7), [DISTANCES + np.float32(0.02)]

    def function(arrays):
        return loss(SAME, arrays[0])

    (found,) = gradients(function, arrays)
    exact = np.where(SAME, arrays[0], -np.maximum(0.7 - arrays[0], 0)) / 7
    np.testing.assert_allclose(np.asarray(found), exact, 1e-4, 1e-6)
    along = directions_for(arrays, 1)
    assert np.sum(found * along[0]) == pytest.approx(
        slope(function, arrays, along, 1e-3), rel=1e-2
    )


def test_embeddings_in_one_place_have_finite_gradients():
    embeddings = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
    loss, distance = layers.Contrastive(), layers.PairDistance()
    found = gradients(
        lambda pair: loss(SAME, distance(pair)), [embeddings, embeddings.copy()]
    )
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_computed_in_float32_and_given_in_its_dtype(dtype):
    loss = layers.Contrastive(0.7, dtype=dtype)(SAME, DISTANCES)
    assert keras.backend.standardize_dtype(loss.dtype) == dtype
    mean = by_the_paper(SAME, DISTANCES, 0.7).mean()
    assert number(loss) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("label", [-1, 2, 7])
def test_classes_in_place_of_same_or_not_are_seen_at_once(label):
    truth = SAME.copy()
    truth[2] = label
    values = number(layers.Contrastive(reduction=None)(truth, DISTANCES))
    assert np.flatnonzero(np.isnan(values)).tolist() == [2]


def test_two_towers_learn_with_it():
    random = np.random.default_rng(0)
    images = random.normal(size=(2, 64, 6)).astype("float32")
    same = (np.sign(images[0, :, 0]) == np.sign(images[1, :, 0])).astype("int32")
    keras.utils.set_random_seed(1)
    tower = keras.layers.Dense(3, use_bias=False)
    inputs = [keras.Input((6,)) for _ in range(2)]
    distance = layers.PairDistance()([tower(x) for x in inputs])
    model = keras.Model(inputs, distance)
    jit = keras.backend.backend() != "torch"
    loss = layers.Contrastive(2.0)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=jit)
    history = model.fit(list(images), same, epochs=30, batch_size=64, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    found = model.evaluate(list(images), same, batch_size=64, verbose=0)
    predicted = model.predict(list(images), batch_size=64, verbose=0)[:, 0]
    expected = by_the_paper(same, predicted, 2.0).mean()
    assert found == pytest.approx(expected, rel=1e-4)


def test_its_configuration_survives():
    loss = layers.Contrastive(0.7, reduction="sum", name="apart", dtype="float16")
    saved = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(saved)
    assert again.get_config() == loss.get_config()
    assert again.margin == 0.7
    assert keras.saving.get_registered_name(type(loss)) == "kerasmith>Contrastive"


@pytest.mark.parametrize("margin", [0, -1, np.inf, np.nan, "soft", None])
def test_a_margin_that_is_no_positive_number_is_refused(margin):
    with pytest.raises(ValueError, match="Contrastive needs a positive margin"):
        layers.Contrastive(margin)


@pytest.mark.parametrize(
    "truth, predicted, message",
    [
        (SAME, np.ones((7, 5)), r"received y_pred of shape \(7, 5\)"),
        (np.ones((7, 2)), DISTANCES, r"received y_true of shape \(7, 2\)"),
        (np.ones((7, 1, 1)), DISTANCES, r"received y_true of shape \(7, 1, 1\)"),
        (SAME[:3], DISTANCES, "received 3 labels and 7 distances"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        layers.Contrastive()(truth, predicted)
