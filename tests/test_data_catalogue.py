"""Sets of tensorflow-datasets, with builders of our own, and life without network."""

import time

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from kerasmith.zoo import data
from kerasmith.zoo.data import catalogue, network, preparing

NOWHERE = "http://127.0.0.1:9"  # nothing listens there


class Builder(tfds.core.GeneratorBasedBuilder):
    """Images whose first pixel tells their number; the splits are the class name's."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 100}
    SHAPE = (6, 5, 3)
    DTYPE = np.uint8

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=self.SHAPE, dtype=self.DTYPE),
                    "label": tfds.features.ClassLabel(names=["odd", "even"]),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://example.org/tiny",
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(place * 100, count)
            for place, (name, count) in enumerate(self.SPLITS.items())
        }

    def _generate_examples(self, start, count):
        for number in range(start, start + count):
            shape = [length or 4 + number % 3 for length in self.SHAPE]
            scale = 257 if self.DTYPE == np.uint16 else 1
            image = np.full(shape, number % 256 * scale, self.DTYPE)
            yield number, {"image": image, "label": number % 2}


class TinyTrainOnly(Builder):
    """Only a training split."""


class TinyTrainTest(Builder):
    """Training and test."""

    SPLITS = {"train": 100, "test": 30}


class TinyTrainValidation(Builder):
    """Training and validation."""

    SPLITS = {"train": 100, "validation": 30}


class TinyAll(Builder):
    """All three."""

    SPLITS = {"train": 50, "validation": 20, "test": 10}


class TinyNoTrain(Builder):
    """Nothing to learn from."""

    SPLITS = {"test": 10}


class TinySizes(Builder):
    """Images of several sizes."""

    SHAPE = (None, None, 3)


class TinyDeep(Builder):
    """Grey, 16 bits a pixel."""

    SHAPE = (4, 4, 1)
    DTYPE = np.uint16


class TinyWithoutLabels(tfds.core.GeneratorBasedBuilder):
    """No image classification set."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"words": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"words": "none"}


class TinyDownload(Builder):
    """Asks for a file."""

    def _split_generators(self, dl_manager):
        raise RuntimeError("retried") from requests.ConnectionError("connection lost")


class TinyFault(Builder):
    """Fails while it is prepared."""

    def _split_generators(self, dl_manager):
        raise RuntimeError("a fault of its own")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


def numbers(loaded, split):
    return [int(image[0, 0, 0]) for image, _ in loaded.raw(split).as_numpy_iterator()]


@pytest.mark.parametrize(
    "name, counts",
    [
        ("tiny_train_only", (80, 10, 10)),
        ("tiny_train_test", (90, 10, 30)),
        ("tiny_train_validation", (90, 30, 10)),
        ("tiny_all", (50, 20, 10)),
    ],
)
def test_missing_splits_are_carved_from_train(sets, name, counts):
    loaded = data.load(f"tfds:{name}", data_dir=sets)
    assert tuple(loaded.description.counts.values()) == counts
    members = [numbers(loaded, split) for split in ("train", "dev", "test")]
    assert tuple(map(len, members)) == counts
    together = sum(members, [])
    assert len(set(together)) == len(together)  # no image in two splits
    again = data.load(f"tfds:{name}", data_dir=sets)
    assert [numbers(again, split) for split in ("train", "dev", "test")] == members


def test_a_set_is_described_by_its_own_words(sets):
    told = data.load("tfds:tiny_all", data_dir=sets).description
    assert told.name == "tfds:tiny_all"
    assert told.labels == ("odd", "even")
    assert told.input_shape == (6, 5, 3)
    assert "tiny_all/1.0.0, https://example.org/tiny" in told.source
    assert told.licence.startswith("not stated")


def test_a_prepared_set_needs_no_network(sets, monkeypatch):
    data.load("tfds:tiny_all", data_dir=sets)
    monkeypatch.setattr(requests, "head", lambda *a, **k: pytest.fail("asked"))
    data.load("tfds:tiny_all:1.0.0", data_dir=sets)


def test_colour_becomes_grey_and_deep_pixels_keep_their_upper_bits(sets):
    loaded = data.load("tfds:tiny_all", data_dir=sets, input_shape=(6, 5, 1))
    image, _ = next(loaded.raw("train").as_numpy_iterator())
    assert image.shape == (6, 5, 1)
    deep = data.load("tfds:tiny_deep", data_dir=sets)
    assert sorted(numbers(deep, "train") + numbers(deep, "dev"))[:1] == [0]
    assert len(set(numbers(deep, "train"))) == 80
    assert max(numbers(deep, "train")) <= 100


def test_images_of_several_sizes_need_an_input_shape(sets):
    with pytest.raises(ValueError, match="differ in size.*input_shape="):
        data.load("tfds:tiny_sizes", data_dir=sets)
    loaded = data.load("tfds:tiny_sizes", data_dir=sets, input_shape=(8, 8, 3))
    assert loaded.arrays("train")[0].shape == (80, 8, 8, 3)


def test_a_set_without_images_or_training_names_what_it_has(sets):
    with pytest.raises(ValueError, match="features are words and its supervised keys"):
        data.load("tfds:tiny_without_labels", data_dir=sets)
    with pytest.raises(ValueError, match="no split 'train'; it has test"):
        data.load("tfds:tiny_no_train", data_dir=sets)


def test_an_unknown_set_names_the_nearest(sets):
    with pytest.raises(ValueError, match="'mnsit'; did you mean 'mnist'"):
        data.load("tfds:mnsit", data_dir=sets)


# without network


@pytest.fixture
def offline(monkeypatch):
    """Every request goes through a proxy that is not there."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_offline_a_set_that_is_not_there_is_an_error_at_once(sets, offline):
    data.load("tfds:tiny_all", data_dir=sets)
    started = time.monotonic()
    with pytest.raises(ConnectionError) as caught:
        data.load("tfds:mnist", data_dir=sets)
    assert time.monotonic() - started < 12
    words = str(caught.value)
    assert "cannot be downloaded: storage.googleapis.com" in words
    assert "Without network there are digits, folder:PATH, tfds:tiny_" in words
    assert not (sets / "mnist").exists()


def test_offline_the_digits_are_there(tmp_path, offline):
    assert data.load("digits", data_dir=tmp_path).steps == 38


def test_a_host_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(requests, "head", lambda *a, **k: time.sleep(8))
    started = time.monotonic()
    with pytest.raises(ConnectionError, match="no answer within 0.2 s"):
        network.require_network(["https://example.org"], patience=0.2)
    assert time.monotonic() - started < 4


def test_any_answer_of_one_host_is_enough(monkeypatch):
    def head(url, **options):
        if "dead" in url:
            raise requests.ConnectionError("dead")

    monkeypatch.setattr(requests, "head", head)
    network.require_network(["https://dead.org/a", "https://alive.org/b"])
    with pytest.raises(ConnectionError, match="dead.org, dead.net cannot"):
        network.require_network(["https://dead.org/a", "https://dead.net/b"])


def test_a_connection_lost_on_the_way_is_the_same_error(tmp_path):
    with pytest.raises(ConnectionError, match="tfds:tiny_download is not in .*digits"):
        data.load("tfds:tiny_download", data_dir=tmp_path)


def test_a_preparation_that_fails_is_an_error_with_its_reason(tmp_path):
    with pytest.raises(OSError, match="could not be prepared.*a fault of its own"):
        data.load("tfds:tiny_fault", data_dir=tmp_path)


def test_the_folder_of_sets_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert preparing.sets_folder() == str(tmp_path)
    assert preparing.sets_folder("~/here").startswith("/")
    assert catalogue.open_digits().data_dir.startswith(str(tmp_path))
