"""Texts of tensorflow-datasets, with builders of our own, prepared on disk."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kerasmith.zoo import recipes
from kerasmith.zoo.data.text_catalogue import open_texts
from kerasmith.zoo.data.texts import load_texts
from kerasmith.zoo.tools import text_data
from kerasmith.zoo.tools.tasks import task_of

NOWHERE = "http://127.0.0.1:9"  # nothing listens there
WORDS = ("Grün", "мир", "a", "b\nc", "")


class Written(tfds.core.GeneratorBasedBuilder):
    """Texts that tell their number; the splits are the class name's."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 40}
    KEYS = ("text", "label")

    def features(self):
        return {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["odd", "even", "none"]),
        }

    def example(self, number):
        text = f"{number} {WORDS[number % len(WORDS)]}"
        return {"text": text, "label": number % 2}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self.features()),
            supervised_keys=self.KEYS,
            homepage="https://example.org/written",
            redistribution_info={"license": "Public domain"},
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(place * 100, count)
            for place, (name, count) in enumerate(self.SPLITS.items())
        }

    def _generate_examples(self, start, count):
        for number in range(start, start + count):
            yield number, self.example(number)


class WrittenTrainOnly(Written):
    """Only a training split."""


class WrittenTrainTest(Written):
    """Training, test, and texts without a label of theirs, as of reviews."""

    SPLITS = {"train": 40, "test": 10, "unsupervised": 5}


class WrittenAll(Written):
    """All three."""

    SPLITS = {"train": 30, "validation": 6, "test": 4}


class WrittenHidden(Written):
    """Its test labels are kept back, as those of contests are."""

    SPLITS = {"train": 30, "validation": 6, "test": 4}

    def example(self, number):
        return {"text": str(number), "label": -1 if number >= 200 else number % 2}


class WrittenTwice(Written):
    """Sentences in two languages."""

    SPLITS = {"train": 30, "validation": 6, "test": 4}
    KEYS = ("de", "en")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.Translation(languages=["de", "en"]),
            supervised_keys=self.KEYS,
        )

    def example(self, number):
        return {"de": f"{number} Bäume", "en": f"{number} trees"}


class WrittenImages(Written):
    """Images with a label."""

    KEYS = ("image", "label")

    def features(self):
        return {
            "image": tfds.features.Image(shape=(3, 2, 3)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }

    def example(self, number):
        return {"image": np.zeros((3, 2, 3), "uint8"), "label": 0}


class WrittenUnkeyed(Written):
    """Nothing says what is to be made of what."""

    KEYS = None


class WrittenStars(Written):
    """A number for each text."""

    KEYS = ("text", "stars")

    def features(self):
        return {"text": tfds.features.Text(), "stars": tfds.features.Scalar(np.float32)}

    def example(self, number):
        return {"text": str(number), "stars": 0.5}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


@pytest.mark.parametrize(
    "name, counts",
    [
        ("written_train_only", {"train": 32, "dev": 4, "test": 4}),
        ("written_train_test", {"train": 36, "dev": 4, "test": 10}),
        ("written_all", {"train": 30, "dev": 6, "test": 4}),
    ],
)
def test_texts_and_labels_are_those_of_the_builder(sets, name, counts):
    loaded = load_texts(f"tfds:{name}", data_dir=sets)
    assert loaded.description.counts == counts
    assert loaded.description.labels == ("odd", "even", "none")
    seen = []
    for pairs in loaded.splits.values():
        assert pairs.targets.dtype == np.int32
        for text, target in zip(pairs.sources, pairs.targets, strict=True):
            number = int(text.split(" ")[0])
            assert text == f"{number} {WORDS[number % len(WORDS)]}"
            assert target == number % 2
            seen.append(number)
    assert len(set(seen)) == len(seen)  # no text in two splits


def test_a_set_is_described_by_its_own_words(sets):
    told = load_texts("tfds:written_all", data_dir=sets).description
    assert told.name == "tfds:written_all" and told.classes == 3
    assert "written_all/1.0.0, https://example.org/written" in told.source
    assert told.licence == "Public domain"
    assert "texts of 3 classes; 30 train, 6 dev, 4 test" in str(told)
    unstated = load_texts("tfds:written_twice", data_dir=sets).description
    assert unstated.licence.startswith("not stated")


def test_sentences_are_answered_by_their_translations(sets):
    loaded = load_texts("tfds:written_twice", data_dir=sets)
    assert loaded.description.labels == () and loaded.description.classes == 0
    assert "pairs of texts" in str(loaded.description)
    for pairs in loaded.splits.values():
        assert pairs.targets.dtype == object and pairs.labels == ()
        for source, target in zip(pairs.sources, pairs.targets, strict=True):
            assert source == f"{source.split()[0]} Bäume"
            assert target == f"{source.split()[0]} trees"


@pytest.mark.parametrize(
    "name, features",
    [
        ("written_images", "image, label"),
        ("written_unkeyed", "text, label"),
        ("written_stars", "text, stars"),
    ],
)
def test_a_set_without_texts_to_learn_from_is_refused(sets, name, features):
    with pytest.raises(ValueError) as refused:
        load_texts(f"tfds:{name}", data_dir=sets)
    assert f"{name} has no text with a label or a translation" in str(refused.value)
    told = str(refused.value).partition("its features are ")[2].rstrip(".")
    assert sorted(told.split(", ")) == sorted(features.split(", "))
    assert not (sets / name).exists()  # nothing was prepared for nothing


@pytest.mark.parametrize(
    "name, told",
    [
        ("tfds:", "did you mean 'tfds:NAME'"),
        ("tfds:NAME", "there is no tensorflow-datasets set 'NAME'"),
        ("tfds:imdb_review", "did you mean 'imdb_reviews'"),
        ("help_topic", "did you mean 'help_topics'"),
        ("digits", "no set of texts 'digits'.*Choose one of dates, arithmetic"),
    ],
)
def test_an_unknown_set_names_those_there_are(sets, name, told):
    with pytest.raises(ValueError, match=told):
        load_texts(name, data_dir=sets)


def test_offline_a_set_that_is_not_there_is_an_error_at_once(sets, monkeypatch):
    load_texts("tfds:written_all", data_dir=sets)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConnectionError, match="tfds:imdb_reviews.*cannot be downl"):
        open_texts("imdb_reviews", sets)
    assert len(load_texts("tfds:written_all", data_dir=sets).splits["dev"]) == 6


def prepared(recipe, data, sets, monkeypatch):
    """Load the data of a recipe, and build its model; `check` comes next."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(sets))
    recipe = recipes.with_settings(recipes.get(recipe), {"data": data})
    task = task_of(recipe)
    loaded = task.load(recipe)
    return task, loaded, recipe, task.options(recipe, loaded)


def test_a_recipe_takes_its_texts_as_tokens(sets, monkeypatch):
    task, data, recipe, told = prepared(
        "transformer_help_topics", "tfds:written_all", sets, monkeypatch
    )
    assert told == {"vocabulary": len(data.source_vocabulary), "classes": 3}
    tokens, classes = text_data.tokens(recipe, data, "train")
    assert tokens.shape[0] == len(classes) == 30 and tokens.dtype == np.int32
    ends = (tokens == data.source_vocabulary.END).sum(axis=1)
    assert ends.tolist() == [1] * 30
    feed = task.feed(recipe, data)
    assert feed.steps == 1 and sum(len(y) for _, y in feed.train) == 30


def test_labels_that_are_kept_back_are_told(sets, monkeypatch):
    task, data, recipe, _ = prepared(
        "transformer_help_topics", "tfds:written_hidden", sets, monkeypatch
    )
    open_ended = keras.Model(inputs := keras.Input((None,)), inputs)
    with pytest.raises(ValueError, match="0 to 2, and test has some from -1 to -1"):
        task.check(data, open_ended)


def test_translations_have_no_classes_and_classes_no_translations(sets, monkeypatch):
    with pytest.raises(ValueError, match="has no classes.*that writes"):
        prepared("transformer_help_topics", "tfds:written_twice", sets, monkeypatch)
    with pytest.raises(ValueError, match="tfds:written_all has classes"):
        prepared("transformer_tiny_dates", "tfds:written_all", sets, monkeypatch)
