"""The check before the first step: each kind of bad data is named."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmith.zoo import data
from kerasmith.zoo.data import checks, pipeline
from kerasmith.zoo.data.dataset import assemble

layers = keras.layers
SHAPE = (6, 5, 1)


def good(count=12, classes=3):
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(count, *SHAPE)).astype("float32")
    return images, np.arange(count) % classes


def model(classes=3, shape=SHAPE):
    return keras.Sequential(
        [keras.Input(shape), layers.Flatten(), layers.Dense(classes)]
    )


def changed(place, value, part=0):
    pair = good()
    pair[part][place] = value
    return pair


BAD = {
    "label above": (changed(7, 3, 1), "label 3 at index 7 is out of range.* 0 to 2"),
    "label below": (changed(4, -1, 1), "label -1 at index 4 is out of range"),
    "nan": (changed((5, 1, 2, 0), np.nan), r"index 5 holds nan at \(1, 2, 0\)"),
    "infinite": (changed((11, 0, 0, 0), np.inf), "index 11 holds inf"),
    "float labels": ((good()[0], good()[1] * 1.0), "float64, .0.0. at index 0"),
    "one-hot": ((good()[0], np.eye(3)[good()[1]]), "look one-hot"),
    "empty": ((good()[0][:0], good()[1][:0]), "train split is empty"),
    "lengths": ((good()[0], good()[1][:-1]), "12 inputs and 11 labels"),
    "missing class": ((good()[0], np.zeros(12, int)), "class 1 has no example"),
    "size": ((np.zeros((12, 5, 6, 1)), good()[1]), r"shape \(5, 6, 1\).*\(6, 5, 1\)"),
    "rank": ((np.zeros((12, 30)), good()[1]), r"\(30,\).*\(6, 5, 1\)"),
    "text": ((np.full((12, *SHAPE), "a"), good()[1]), "takes numbers"),
    "label table": ((good()[0], np.zeros((12, 1, 1), int)), "needs one label"),
}


@pytest.mark.parametrize("pair, words", BAD.values(), ids=BAD)
def test_bad_arrays_are_named(pair, words):
    with pytest.raises(ValueError, match=words):
        data.check(pair, model())


@pytest.mark.parametrize("name", sorted({*BAD} - {"lengths"}))
def test_bad_batches_are_named(name):
    pair, words = BAD[name]
    dataset = tf.data.Dataset.from_tensor_slices(pair).batch(5)
    with pytest.raises(ValueError, match=words):
        data.check(dataset, classes=3, input_shape=SHAPE)


@pytest.mark.parametrize("kind", ["int64", "uint8", "column", "list"])
def test_good_data_passes(kind):
    images, labels = good()
    labels = {
        "int64": labels,
        "uint8": labels.astype("uint8"),
        "column": labels[:, None],
        "list": labels.tolist(),
    }[kind]
    data.check((images, labels), model())
    data.check((images.astype("float16"), labels), model(shape=SHAPE))
    data.check(((images * 255).astype("uint8"), labels), classes=3)


def test_one_output_tells_two_classes_apart():
    images, labels = good(classes=2)
    data.check((images, labels), model(classes=1))
    with pytest.raises(ValueError, match="label 2 .* with 2 classes"):
        data.check(good(), model(classes=1))


def test_things_that_are_no_data_are_refused():
    with pytest.raises(TypeError, match="received str"):
        data.check("digits", classes=3)
    images = tf.data.Dataset.from_tensor_slices(good()[0]).batch(2)
    with pytest.raises(TypeError, match=r"batches \(images, labels\)"):
        data.check(images, classes=3)
    unbuilt = keras.Sequential([layers.Dense(3)], name="unbuilt")
    with pytest.raises(ValueError, match="unbuilt has no single"):
        data.check(good(), unbuilt)


def made(train, dev=None, test=None, classes=3):
    """A `Data` of these raw images and labels."""
    pairs = {"train": train, "dev": dev or train, "test": test or train}

    def split(images, labels):
        def read(seed=None):
            return tf.data.Dataset.from_tensor_slices((images, labels))

        return pipeline.Split(len(labels), read)

    told = data.Description(
        name="made",
        input_shape=SHAPE,
        classes=classes,
        labels=tuple("abcdefgh"[:classes]),
        counts={name: len(pair[1]) for name, pair in pairs.items()},
        source="",
        licence="",
    )
    splits = {name: split(*pair) for name, pair in pairs.items()}
    return assemble(splits, told, layers.Rescaling(1.0), batch_size=5, seed=0)


@pytest.fixture(params=["held", "streamed"])
def kept(request, monkeypatch):
    """Whether the set is in memory."""
    if request.param == "streamed":
        monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    return request.param


def test_a_good_set_passes(kept):
    assert made(good()).held == (kept == "held")
    data.check(made(good()), model())


def test_the_split_of_the_first_offender_is_named(kept):
    with pytest.raises(ValueError, match="test label 3 at index 7"):
        data.check(made(good(), test=changed(7, 3, 1)), model())
    with pytest.raises(ValueError, match="dev input at index 6 holds nan"):
        data.check(made(good(), dev=changed((6, 0, 0, 0), np.nan)), model())
    with pytest.raises(ValueError, match="dev split is empty: .* judge by"):
        data.check(made(good(), dev=(good()[0][:0], good()[1][:0])), model())


def test_a_class_missing_from_dev_is_a_warning(kept):
    few = good(count=2)
    with pytest.warns(UserWarning, match=r"without an example in dev \(2\)"):
        data.check(made(good(), dev=few), model())


def test_a_model_for_other_data_is_named():
    with pytest.raises(ValueError, match="model has 4 classes and made has 3"):
        data.check(made(good()), model(classes=4))
    with pytest.raises(
        ValueError, match=r"takes \(8, 8, 1\): .*input_shape=\(8, 8, 1\)"
    ):
        data.check(made(good()), model(shape=(8, 8, 1)))


def test_of_a_streamed_set_only_the_first_examples_are_looked_at(monkeypatch):
    monkeypatch.setattr(checks, "LOOKED_AT", 10)
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    late = good(count=40)
    late[1][:12] = 0  # classes 1 and 2 come later
    data.check(made(late), model())
    late[0][11] = np.nan  # beyond the two batches of five that are looked at
    data.check(made(late), model())
    late[0][9] = np.nan
    with pytest.raises(ValueError, match="index 9 holds nan"):
        data.check(made(late), model())


def test_a_model_of_any_image_size_takes_any():
    inputs = keras.Input((None, None, 1))
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(inputs))
    data.check(good(), keras.Model(inputs, outputs))
    with pytest.raises(ValueError, match=r"\(6, 5, 1\).*\(None, None, 3\)"):
        data.check(good(), input_shape=(None, None, 3))
