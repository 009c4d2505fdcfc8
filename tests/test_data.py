"""The digits, and what every data set has: order, augmentation, memory."""

import hashlib
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasmith.zoo import data
from kerasmith.zoo.data import pipeline

layers = keras.layers
on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="minutes of tracing elsewhere"
)


@pytest.fixture(scope="module", autouse=True)
def sets(tmp_path_factory):
    """A folder of prepared sets that only these tests use."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sets")
        patch.setenv("TFDS_DATA_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def turned(seed=0):
    empty = {"fill_mode": "constant"}
    return data.load(
        "digits",
        input_shape=(12, 12, 1),
        batch_size=100,
        seed=seed,
        augment=[
            layers.RandomRotation(0.05, **empty),
            layers.RandomTranslation(0.1, 0.1, **empty),
            layers.RandomZoom(0.1, **empty),
        ],
    )


def epoch(dataset):
    batches = list(dataset.as_numpy_iterator())
    return tuple(np.concatenate(part) for part in zip(*batches, strict=True))


def fingerprint(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def raw(loaded, split):
    images, labels = zip(*loaded.raw(split).as_numpy_iterator(), strict=True)
    return np.stack(images), np.array(labels)


# the digits


def test_digits_are_described(digits):
    told = digits.description
    assert told.counts == {"train": 1197, "dev": 300, "test": 300}
    assert told.labels == tuple("0123456789")
    assert told.licence == "CC BY 4.0"
    assert "Alpaydin" in str(told)
    assert json.loads(json.dumps(told.to_dict()))["input_shape"] == [8, 8, 1]


def test_digits_are_all_there_once(digits):
    from sklearn.datasets import load_digits

    ours = np.concatenate([raw(digits, split)[0] for split in ("train", "dev", "test")])
    assert ours.dtype == np.uint8
    assert ours.max() == 255
    levels = np.round(ours / 255 * 16).astype(int).reshape(-1, 64)
    theirs = load_digits(return_X_y=True)[0].astype(int)
    assert sorted(map(tuple, levels)) == sorted(map(tuple, theirs))
    assert len(set(map(tuple, levels))) == 1797  # no split holds another's image


def test_digits_are_stratified(digits):
    for split in ("dev", "test"):
        assert np.bincount(digits.arrays(split)[1]).tolist() == [30] * 10
    assert np.ptp(np.bincount(digits.arrays("train")[1])) <= 9  # as the whole set


def test_digits_are_split_as_ever(digits):
    members = {}
    for split in ("train", "dev", "test"):
        images, labels = raw(digits, split)
        pairs = zip(images, labels, strict=True)
        lines = sorted(bytes(image) + bytes([label]) for image, label in pairs)
        members[split] = hashlib.sha256(b"".join(lines)).hexdigest()[:16]
    assert members == {
        "train": "0ffc5408e21826f4",
        "dev": "2615ce2552c84d56",
        "test": "5f7d8cd9b46c83fd",
    }


def test_a_second_load_gives_the_same(digits):
    again = data.load("digits")
    for split in ("train", "dev", "test"):
        assert fingerprint(*again.arrays(split)) == fingerprint(*digits.arrays(split))


def test_raw_arrays_and_batches_stand_in_the_same_order(digits):
    images, labels = raw(digits, "test")
    x, y = digits.arrays("test")
    assert y.tolist() == labels.tolist()
    np.testing.assert_allclose(x, images / 255, atol=1e-6)
    for part, whole in zip(epoch(digits.test), (x, y), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_two_that_prepare_at_once_both_succeed(tmp_path, monkeypatch):
    from kerasmith.zoo.data.digits import Digits

    generate = Digits._split_generators

    def overtaken(self, dl_manager):
        monkeypatch.setattr(Digits, "_split_generators", generate)
        data.load("digits", data_dir=tmp_path)  # the other one is done first
        return generate(self, dl_manager)

    monkeypatch.setattr(Digits, "_split_generators", overtaken)
    assert data.load("digits", data_dir=tmp_path).steps == 38
    assert [path.name for path in tmp_path.glob("digits/*")] == ["1.0.0"]


FRESH = """
import sys, keras
before = set(sys.modules)
import kerasmith.zoo.data
heavy = {{"tensorflow_datasets", "sklearn", "PIL", "requests", "tensorflow"}}
print(*(heavy & (set(sys.modules) - before)))
import tensorflow as tf
tf.config.experimental.enable_op_determinism()
sys.path.insert(0, {tests!r})
import test_data
loaded = test_data.turned()
loaded.seek(3)
print(test_data.fingerprint(*test_data.epoch(loaded.train)))
"""


@pytest.fixture(scope="module")
def fresh(request):
    """What a new process imports, and its epoch 3, computed deterministically."""
    program = FRESH.format(tests=str(request.path.parent))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_fresh_process_sees_the_same_epoch(fresh):
    loaded = turned()
    loaded.seek(3)
    assert fresh[-1] == fingerprint(*epoch(loaded.train))


def test_importing_the_room_costs_nothing_heavy(fresh):
    assert fresh[0] == ""


# order and augmentation


def test_an_epoch_has_every_example_once_and_each_its_own_order(digits):
    digits.seek(0)
    first, second = epoch(digits.train), epoch(digits.train)
    assert first[1].tolist() != second[1].tolist()
    whole = sorted(map(bytes, digits.arrays("train")[0]))
    assert sorted(map(bytes, first[0])) == sorted(map(bytes, second[0])) == whole


def test_labels_stay_with_their_images(digits):
    images, labels = digits.arrays("train")
    known = dict(zip(map(bytes, images), labels, strict=True))
    images, labels = epoch(digits.train)
    assert [known[bytes(image)] for image in images] == labels.tolist()


def test_seek_repeats_an_epoch_of_images_and_augmentation():
    loaded = turned()
    run = [fingerprint(*epoch(loaded.train)) for _ in range(4)]
    assert len(set(run)) == 4
    resumed = turned()
    resumed.seek(2)
    keras.utils.set_random_seed(77)  # must not matter
    assert [fingerprint(*epoch(resumed.train)) for _ in range(2)] == run[2:]
    assert fingerprint(*epoch(turned(seed=1).train)) not in run


def test_a_look_at_a_batch_is_no_epoch(digits):
    digits.seek(5)
    look = next(iter(digits.train))[1].numpy().tolist()
    assert epoch(digits.train)[1].tolist()[: len(look)] == look
    assert epoch(digits.train)[1].tolist()[: len(look)] != look


def test_an_epoch_before_the_first_is_refused(digits):
    with pytest.raises(ValueError, match="epoch=-1"):
        digits.seek(-1)


def test_fit_knows_the_steps_and_gets_a_new_order_each_epoch():
    loaded = data.load("digits", batch_size=400)
    assert loaded.steps == int(loaded.train.cardinality()) == 3
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.fit(
        loaded.train, validation_data=loaded.dev, epochs=2, verbose=0, shuffle=False
    )
    third = epoch(loaded.train)[1]  # what fit looked at to build itself did not count
    loaded.seek(2)
    np.testing.assert_array_equal(epoch(loaded.train)[1], third)


def test_augmentation_is_for_training_alone():
    loaded, plain = turned(), data.load("digits", input_shape=(12, 12, 1))
    np.testing.assert_array_equal(epoch(loaded.dev)[0], plain.arrays("dev")[0])
    np.testing.assert_array_equal(loaded.arrays("train")[0], plain.arrays("train")[0])
    images = epoch(loaded.train)[0]
    assert images.shape == (1197, 12, 12, 1)
    seen = set(map(bytes, plain.arrays("train")[0]))
    assert sum(bytes(image) in seen for image in images) < 60


UNIT = {"value_range": (0, 1)}
RANDOM_LAYERS = [
    lambda: layers.RandomContrast(0.5, **UNIT),
    lambda: layers.RandomFlip(),
    lambda: layers.RandomErasing(**UNIT),
    lambda: layers.GaussianNoise(0.3),
    lambda: layers.RandomColorJitter((0, 1), brightness_factor=0.4),
    lambda: keras.Sequential([layers.RandomRotation(0.2), layers.GaussianNoise(0.1)]),
    pytest.param(lambda: layers.RandAugment((0, 1)), marks=on_tensorflow),
]


@pytest.mark.parametrize("layer", RANDOM_LAYERS)
def test_every_kind_of_random_layer_follows_from_the_epoch(layer):
    loaded = data.load(
        "digits", input_shape=(9, 7, 3), batch_size=399, augment=[layer()]
    )
    run = [fingerprint(epoch(loaded.train)[0]) for _ in range(2)]
    assert run[0] != run[1]
    loaded.seek(1)  # a state of the layer's own has moved on
    assert fingerprint(epoch(loaded.train)[0]) == run[1]


@pytest.mark.parametrize(
    "augment, error, words",
    [
        ([layers.MixUp()], ValueError, "MixUp mixes labels"),
        ([layers.AugMix((0, 1))], ValueError, "use RandAugment"),
        ([layers.RandomBrightness(0.2)], ValueError, r"value_range=\(0.0, 1.0\)"),
        ([layers.RandomCrop(4, 4)], ValueError, r"into \(4, 4, 1\)"),
        ([lambda x: x], TypeError, "list of Keras layers"),
        (layers.RandomFlip(), TypeError, "list of Keras layers"),
    ],
)
def test_augmentation_that_cannot_work_is_refused(augment, error, words):
    with pytest.raises(error, match=words):
        data.load("digits", augment=augment)


def test_augmentation_under_mixed_precision_gives_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    loaded = turned()
    images, _ = next(iter(loaded.train))
    assert images.dtype.name == "float32"
    assert len(np.unique(loaded.arrays("dev")[0])) > 256  # no bfloat16 on the way


# sets that do not fit into memory


@pytest.fixture
def streamed(monkeypatch):
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    return data.load(
        "digits", batch_size=100, augment=[layers.RandomTranslation(0.1, 0.1)]
    )


def test_a_streamed_set_gives_the_same_images(streamed, digits):
    x, y = epoch(streamed.test)
    np.testing.assert_allclose(x, digits.arrays("test")[0], atol=1e-6)
    assert y.tolist() == digits.arrays("test")[1].tolist()
    assert int(streamed.train.cardinality()) == streamed.steps == 12


def test_a_streamed_epoch_follows_from_seed_and_number(streamed):
    run = [fingerprint(*epoch(streamed.train)) for _ in range(3)]
    assert len(set(run)) == 3
    keras.utils.set_random_seed(5)
    again = data.load(
        "digits", batch_size=100, augment=[layers.RandomTranslation(0.1, 0.1)]
    )
    again.seek(1)
    assert [fingerprint(*epoch(again.train)) for _ in range(2)] == run[1:]


def test_a_streamed_set_has_no_arrays(streamed):
    with pytest.raises(ValueError, match="GiB as arrays"):
        streamed.arrays("train")
    with pytest.raises(ValueError, match="'tset'.*did you mean 'test'"):
        streamed.arrays("tset")
