"""Views of an image and the mean of the answers to them, held to NumPy."""

import keras
import numpy as np
import pytest
from untrained_runs import cut, network, probabilities

from kerasmith.zoo.tools import views

# height, width of the view; those of the image: odd, not square, no margin
SIZES = [((7, 10), (8, 12)), ((4, 3), (9, 3)), ((5, 5), (5, 5))]


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def random(*shape):
    return np.random.default_rng(3).normal(0, 1, shape).astype("float32")


@pytest.mark.parametrize("kind", ["five", "ten"])
@pytest.mark.parametrize("view, image", SIZES)
def test_crops_are_those_cut_in_numpy(kind, view, image):
    images = random(3, *image, 2)
    found = numbers(views.Crops(*view, kind)(images))
    expected = np.stack(cut(images, *view, kind), axis=1).reshape(-1, *view, 2)
    np.testing.assert_array_equal(found, expected)


def test_a_flip_is_the_image_and_its_mirror_image():
    images = random(2, 5, 3, 1)
    found = numbers(views.Crops(5, 3, "flip")(images))
    np.testing.assert_array_equal(found[0::2], images)
    np.testing.assert_array_equal(found[1::2], images[:, :, ::-1])


def test_the_ratio_is_that_of_the_paper():
    assert views.size_before((224, 224, 3), "ten") == (256, 256, 3)
    # rounded up, so that crops of the smallest images differ, too
    assert views.size_before((32, 1, 1), "five") == (37, 2, 1)
    assert views.size_before((32, 1, 1), None) == (32, 1, 1)


@pytest.mark.parametrize("answers", [1, 3])
def test_the_mean_is_of_probabilities_not_of_logits(answers):
    logits = random(2 * answers, 4) * 5
    layer = views.AverageProbabilities(answers, 4)
    expected = probabilities(logits).reshape(2, answers, 4).mean(axis=1)
    for given in (logits, logits.reshape(2, answers * 4)):
        found = numbers(layer(given))
        np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)
        np.testing.assert_allclose(probabilities(found), expected, rtol=1e-5)


def test_certainty_stays_finite_also_from_half_precision():
    logits = np.array([[6e4, 0], [0, 6e4]], "float16")
    found = views.AverageProbabilities(2, 2)(keras.ops.convert_to_tensor(logits))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(numbers(found), np.log([[0.5, 0.5]]), rtol=1e-6)


@pytest.mark.parametrize("kind", [None, "flip", "five", "ten"])
def test_a_model_with_views_answers_as_in_numpy(kind, tmp_path):
    model = network((9, 7, 3), 4)
    whole = views.with_views(model, kind)
    assert whole.input_shape[1:] == views.size_before((9, 7, 3), kind)
    images = random(3, *whole.input_shape[1:])
    said = [probabilities(numbers(model(v))) for v in cut(images, 9, 7, kind)]
    found = np.exp(whole.predict_on_batch(images))
    np.testing.assert_allclose(found, np.mean(said, axis=0), rtol=1e-4, atol=1e-6)
    whole.save(tmp_path / "whole.keras")
    again = keras.saving.load_model(tmp_path / "whole.keras")
    np.testing.assert_allclose(np.exp(again.predict_on_batch(images)), found, rtol=1e-5)


def test_the_order_of_classes_may_change_with_views_only_by_the_mean():
    """One image a batch, and batches of several, give the same."""
    whole = views.with_views(network((6, 6, 1), 3), "ten")
    images = random(4, *whole.input_shape[1:])
    alone = np.concatenate(
        [whole.predict_on_batch(images[i : i + 1]) for i in range(4)]
    )
    np.testing.assert_allclose(
        alone, whole.predict_on_batch(images), rtol=1e-4, atol=1e-5
    )


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="did you mean 'five'"):
        views.Crops(3, 3, "fve")
    with pytest.raises(ValueError, match="no kind of crops 'tenn'; did you mean 'ten'"):
        views.with_views(network((4, 4, 1), 3), "tenn")
    with pytest.raises(ValueError, match="cuts 'ten' views of"):
        views.Crops(8, 4, "ten")(random(1, 7, 9, 1))
    with pytest.raises(ValueError, match="of just that size"):
        views.Crops(7, 7, "flip")(random(1, 7, 9, 1))
    with pytest.raises(ValueError, match="received answers=0"):
        views.AverageProbabilities(0, 3)
    image = keras.Input((4, 4, 1))
    two = keras.Model(image, [keras.layers.Flatten()(image)] * 2, name="forked")
    with pytest.raises(ValueError, match="forked has 1 and 2"):
        views.with_views(two)


def test_the_layers_are_rebuilt_from_their_configuration():
    for layer in (views.Crops(3, 4, "flip"), views.AverageProbabilities(2, 5)):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
