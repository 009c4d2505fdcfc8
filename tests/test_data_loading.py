"""Loading: what may be asked for, and the way from raw images to the model's."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest

from kerasmith.zoo import data


@pytest.fixture(scope="module", autouse=True)
def sets(tmp_path_factory):
    """A folder of prepared sets that only these tests use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.mktemp("sets")))
        yield


def array(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


# preprocessing


def test_preprocessing_is_the_same_in_the_pipeline_and_outside():
    loaded = data.load("digits", input_shape=(21, 13, 1), preprocess=None)
    images = np.stack([image for image, _ in loaded.raw("dev").as_numpy_iterator()])
    outside = loaded.preprocess(images)
    np.testing.assert_allclose(array(outside), loaded.arrays("dev")[0], atol=1e-6)


@pytest.mark.parametrize("size", [(5, 40), (8, 8), (33, 17)])
def test_preprocessing_takes_any_size_and_never_rounds(size):
    layer = data.preprocessing((12, 10, 3), 2 / 255, -1.0)
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3)).astype("uint8")
    from_bytes = array(layer(images))
    from_floats = array(layer(images.astype("float32")))
    assert from_bytes.shape == (3, 12, 10, 3)
    assert from_bytes.dtype == np.float32
    np.testing.assert_allclose(from_bytes, from_floats, atol=1e-6)


def test_preprocessing_is_saved_and_loaded_as_keras_layers(tmp_path):
    inputs = keras.Input((None, None, 1), dtype="uint8")
    model = keras.Model(inputs, data.preprocessing((6, 6, 1), 0.5, 3.0)(inputs))
    model.save(tmp_path / "preprocess.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 11, 1)).astype("uint8")
    again: Any = keras.saving.load_model(tmp_path / "preprocess.keras")
    np.testing.assert_allclose(
        array(again(images)),
        array(model(images)),
    )


def test_grey_becomes_colour():
    loaded = data.load("digits", input_shape=(8, 8, 3))
    grey = data.load("digits").arrays("dev")[0]
    np.testing.assert_allclose(
        loaded.arrays("dev")[0], np.repeat(grey, 3, axis=-1), atol=1e-6
    )


def test_a_preprocessing_of_ones_own_decides_the_shape():
    loaded = data.load("digits", preprocess=data.preprocessing((10, 14, 1)))
    assert loaded.description.input_shape == (10, 14, 1)
    assert next(iter(loaded.test))[0].shape == (32, 10, 14, 1)
    with pytest.raises(ValueError, match=r"\(10, 14, 1\).*\(9, 9, 1\)"):
        data.load(
            "digits",
            input_shape=(9, 9, 1),
            preprocess=data.preprocessing((10, 14, 1)),
        )


# loading


@pytest.mark.parametrize(
    "name, words",
    [
        ("digit", "did you mean 'digits'"),
        ("mnits", "did you mean 'tfds:mnist'"),
        ("mnist", "did you mean 'tfds:mnist'"),
        ("", "Choose one of digits, .*digits_canvas, tfds:NAME, folder:PATH"),
        (None, "Choose one of"),
    ],
)
def test_an_unknown_set_names_the_nearest(name, words):
    with pytest.raises(ValueError, match=words):
        data.load(name)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"input_shape": (32, 32)}, ValueError, "height, width and 1 or 3 channels"),
        ({"input_shape": (32, 32, 2)}, ValueError, "1 or 3 channels"),
        ({"batch_size": 0}, ValueError, "batch_size=0|received 0"),
        ({"seed": 1.5}, TypeError, "1.5"),
        ({"preprocess": lambda x: x}, TypeError, "Keras layer"),
    ],
)
def test_options_that_cannot_be_right_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        data.load("digits", **options)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot be written.*TFDS_DATA_DIR"):
        data.load("digits", data_dir=tmp_path / "file" / "sets")


def test_no_warning_on_the_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(data.load("digits", input_shape=(16, 16, 1)).train)
