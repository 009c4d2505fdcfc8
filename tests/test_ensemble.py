"""Runs that answer together: in Keras, in NumPy, and as one SavedModel."""

import keras
import numpy as np
import pytest
from untrained_runs import DIGITS, answers, untrained

from kerasmith import zoo
from kerasmith.zoo import tools

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the second process that converts is tested with one ensemble",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs that take other sizes, scales and channels."""
    folder = tmp_path_factory.mktemp("runs")
    colour = {"scale": 0.01, "offset": -1.0}
    return [
        untrained(folder / "small", (9, 14, 1)),
        untrained(folder / "colour", (15, 11, 3), **colour),
        untrained(folder / "large", (23, 23, 1), scale=0.02, offset=0.5),
    ]


@pytest.mark.parametrize("crops", [None, "ten"])
def test_the_answer_is_the_mean_of_those_in_numpy(crops, runs):
    found = tools.evaluate(runs[:2], crops=crops)
    said = [answers(folder, crops) for folder in runs[:2]]
    expected = np.mean([rows for rows, _ in said], axis=0)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.truth, said[0][1])
    assert found.accuracy == np.mean(expected.argmax(axis=1) == found.truth)


def raw(channels, count=20):
    data = zoo.data.load("digits", input_shape=(8, 8, channels))
    images = data.raw("test").take(count).as_numpy_iterator()
    return np.stack([image for image, _ in images])


@pytest.mark.parametrize("crops", [None, "ten"])
def test_the_model_on_raw_images_is_what_was_judged(crops, runs):
    """Its graph resizes, turns to grey and scales; the judge had `tf.data` do it."""
    model = tools.ensemble(runs, crops=crops)
    assert model.input_shape == (None, None, None, 3)
    found = np.exp(model.predict(raw(3).astype("float32"), verbose=0))
    expected = tools.evaluate(runs, crops=crops).probabilities[:20]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)  # of the grey
    grey = tools.ensemble(runs[::2], crops=crops)
    assert grey.input_shape == (None, None, None, 1)
    found = np.exp(grey.predict(raw(1).astype("float32"), verbose=0))
    expected = tools.evaluate(runs[::2], crops=crops).probabilities[:20]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_several_runs_leave_as_one_saved_model(runs, tmp_path):
    """The export itself compares it with the models where there is no Keras."""
    path = tools.export_ensemble(runs[::2], tmp_path / "out", crops="five")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["saved_model"]
    served = tools.load_saved(path)
    assert served.labels == DIGITS and served.image_shape == (None, None, 1)
    found = tools.evaluate(runs[::2], crops="five")
    np.testing.assert_allclose(served(raw(1)), found.probabilities[:20], atol=1e-5)


@on_tensorflow
def test_one_run_with_crops_leaves_and_predicts_files(runs, tmp_path):
    from PIL import Image

    path = tools.export_ensemble(runs[1], tmp_path / "out", crops="ten")
    assert tools.load_saved(path).image_shape == (None, None, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "image.png")
    (answer,) = tools.predict_files(tmp_path / "out", [tmp_path / "image.png"])
    labels, shares = zip(*answer["ranking"], strict=True)
    model = tools.ensemble(runs[1], crops="ten")
    expected = np.exp(model.predict(pixels[None].astype("float32"), verbose=0))[0]
    places = [DIGITS.index(label) for label in labels]
    np.testing.assert_allclose(shares, expected[places], atol=1e-5)


@on_tensorflow
def test_half_precision_leaves_too(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    run = untrained(tmp_path / "half", (9, 9, 1))
    keras.config.set_dtype_policy("float32")
    path = tools.export_ensemble([run], tmp_path / "out", crops="flip")
    found = tools.load_saved(path)(raw(1))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_runs_with_other_labels_do_not_answer_together(runs, tmp_path):
    spelled = ["nought", "one", *DIGITS[2:]]
    other = untrained(tmp_path / "other", labels=spelled)
    for use in (tools.evaluate, tools.ensemble):
        with pytest.raises(ValueError, match="second has the labels nought, one"):
            use([runs[0], other])
    turned = untrained(tmp_path / "turned", labels=DIGITS[::-1])
    with pytest.raises(ValueError, match="in another order, the first being 0 and 9"):
        tools.export_ensemble([runs[0], turned], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="one run or more, received none"):
        tools.ensemble([])


def test_runs_on_other_data_need_to_be_told_which(runs, tmp_path):
    other = untrained(tmp_path / "other", data="tfds:mnist")
    with pytest.raises(ValueError, match="trained on digits and tfds:mnist: say with"):
        tools.evaluate([runs[0], other])
    assert tools.evaluate([runs[0], other], "digits").data == "digits"


def test_a_run_without_its_model_is_named(tmp_path):
    run = untrained(tmp_path / "run")
    (run / "model.keras").write_bytes(b"PK and no more")
    with pytest.raises(ValueError, match=r"run/model\.keras is cut short"):
        tools.ensemble(run)
    (run / "model.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*run/model\.keras"):
        tools.ensemble(run)


def test_a_run_of_another_task_is_told(tmp_path):
    folder = untrained(tmp_path / "run", model="siamese_triplet")
    with pytest.raises(ValueError, match="run of similarity; classifiers.*predict"):
        zoo.tools.evaluate(folder)
