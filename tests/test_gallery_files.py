"""Galleries on disk, and as a SavedModel run by plain TensorFlow."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from export_models import Drift, everything_in, on_tensorflow
from gallery_models import FIRST, IMAGES, LABELS, embedded, embedder, ranking, shared
from keras import layers

from kerasmith.zoo.tools import ExportMismatch, Gallery, gallery_export, gallery_files
from kerasmith.zoo.tools.gallery_files import fingerprint

NAMES = ["nought", "ein Einser", "deux à la fois", "三", *"456789"]
THRESHOLD = 0.7


def filled(model, **options):
    gallery = Gallery(model, threshold=THRESHOLD, **options)
    gallery.enroll(NAMES, IMAGES[FIRST])
    gallery.enroll("gone", IMAGES[50:53])
    gallery.enroll(NAMES[::-1], IMAGES[100:110])
    gallery.remove("gone")
    return gallery


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    gallery, folder = filled(shared()), tmp_path_factory.mktemp("saved")
    return gallery, gallery.save(folder / "digits.npz")


def test_what_is_loaded_is_what_was_saved(saved):
    gallery, path = saved
    twin = Gallery.load(path, shared())
    assert twin.threshold == THRESHOLD and twin.names == gallery.names == tuple(NAMES)
    assert twin.counts == gallery.counts
    for ours, theirs in zip(gallery.entries()[1:], twin.entries()[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    queries = IMAGES[200:220]
    assert twin.identify_many(queries) == gallery.identify_many(queries)
    twin.enroll("gone", IMAGES[0])
    assert "gone" not in gallery


def test_an_empty_gallery_is_saved_too(tmp_path):
    Gallery(shared()).save(tmp_path / "a" / "none")
    twin = Gallery.load(tmp_path / "a" / "none", shared())
    assert (len(twin), twin.threshold) == (0, None)
    twin.enroll("a", IMAGES[0])
    assert twin.names == ("a",)


ELSEWHERE = """
import json, sys
import keras, numpy as np
from kerasmith.zoo.tools.gallery import Gallery
gallery = Gallery.load(sys.argv[1], keras.saving.load_model(sys.argv[2]))
print(json.dumps([gallery.identify(image) for image in np.load(sys.argv[3])]))
"""


def test_a_new_process_on_another_backend_answers_alike(saved, tmp_path):
    gallery, path = saved
    ours, other = keras.backend.backend(), "tensorflow"
    if ours == other and importlib.util.find_spec("jax"):
        other = "jax"
    shared().save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES[200:210])
    arguments = [path, tmp_path / "model.keras", tmp_path / "images.npy"]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": other},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    expected = gallery.identify_many(IMAGES[200:210])
    assert [name for name, _ in found] == [name for name, _ in expected]
    np.testing.assert_allclose(*([d for _, d in r] for r in (found, expected)), 1e-4)


def test_a_write_that_fails_leaves_the_old_file(saved, tmp_path, monkeypatch):
    path = filled(shared()).save(tmp_path / "digits.npz")
    whole = path.read_bytes()

    def full(file, **arrays):
        file.write(whole[:500])
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        Gallery(shared()).save(path)
    assert path.read_bytes() == whole
    assert everything_in(tmp_path) == ["digits.npz"]


def test_the_fingerprint_is_the_hash_of_shapes_and_bytes():
    model = embedder()
    kernel, bias = model.get_weights()
    written = b"float32 [64, 7];" + kernel.tobytes() + b"float32 [7];" + bias.tobytes()
    assert fingerprint(model) == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_float16"])
def test_a_copy_from_disk_has_the_fingerprint_and_other_weights_have_not(
    dtype, tmp_path
):
    model = embedder(dtype=dtype)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert fingerprint(copy) == fingerprint(model)
    kernel, bias = model.get_weights()
    kernel[63, 6] *= 1.01
    copy.set_weights([kernel, bias])
    assert fingerprint(copy) != fingerprint(model)


@pytest.mark.parametrize(
    "model, preprocess, message",
    [
        (embedder(seed=4), None, "a model of other weights: their fingerprint is"),
        (embedder(width=8), None, "a model of other weights"),
        (embedder(activation="tanh"), None, "the same weights that computes something"),
        (embedder(), layers.Rescaling(1 / 255), "behind another preprocessing"),
    ],
)
def test_another_model_is_refused(saved, model, preprocess, message):
    with pytest.raises(ValueError, match=f"{message}.*enrol the images again"):
        Gallery.load(saved[1], model, preprocess=preprocess)


def test_a_model_trained_since_is_refused(tmp_path):
    gallery = filled(embedder())
    model = gallery.embedder.model
    model.set_weights([weight * 1.1 for weight in model.get_weights()])
    for write in (gallery.save, gallery.export):
        with pytest.raises(ValueError, match="weights have changed since images were"):
            write(tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.999])
def test_half_a_file_is_one_clear_error(saved, share, tmp_path):
    whole, half = saved[1].read_bytes(), tmp_path / "half.npz"
    half.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        ValueError, match="half.npz is cut short or no gallery"
    ) as error:
        Gallery.load(half, shared())
    assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="there is no gallery in"):
        Gallery.load(tmp_path / "none.npz", shared())


def test_a_changed_byte_is_noticed(saved, tmp_path):
    content = bytearray(saved[1].read_bytes())
    place = content.index(saved[0].entries()[2].tobytes()) + 77
    content[place] ^= 1
    (tmp_path / "changed.npz").write_bytes(content)
    with pytest.raises(ValueError, match="cut short or no gallery"):
        Gallery.load(tmp_path / "changed.npz", shared())


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a file ran code",))


def changed(saved, path, told=(), **arrays):
    """Write the file of a gallery with something else in it."""
    with np.load(saved[1]) as archive:
        held = dict(archive)
    told = {**json.loads(held["about"].tobytes()), **dict(told)}
    held["about"] = np.frombuffer(json.dumps(told).encode(), "uint8")
    np.savez(path, **{**held, **arrays})


def test_nothing_in_a_file_is_run(saved, tmp_path):
    changed(saved, tmp_path / "bomb.npz", owners=np.array([Bomb()], object))
    with pytest.raises(ValueError, match="no gallery"):
        Gallery.load(tmp_path / "bomb.npz", shared())


@pytest.mark.parametrize(
    "about, arrays, message",
    [
        (
            {"version": 2},
            {},
            "gallery' of version 2; this Kerasmith reads .* version 1",
        ),
        ({"format": "faces"}, {}, "is a 'faces' of version 1"),
        ({"names": NAMES[1:]}, {}, "do not fit together"),
        ({"names": [*NAMES[1:], "4"]}, {}, "do not fit together"),
        ({"names": [*NAMES[1:], 0]}, {}, "do not fit together"),
        ({"threshold": 7}, {}, "from 0 to 2.*received 7"),
        ({}, {"owners": np.arange(19, dtype="int32")}, "do not fit together"),
        ({}, {"embeddings": np.ones((20, 7), "float32")}, "do not fit together"),
        ({}, {"probe": np.ones(6, "float32")}, "do not fit together"),
        ({}, {"about": np.zeros(3, "uint8")}, "cut short or no gallery"),
    ],
)
def test_what_does_not_fit_together_is_refused(saved, about, arrays, message, tmp_path):
    changed(saved, tmp_path / "changed.npz", about, **arrays)
    with pytest.raises(ValueError, match=message):
        Gallery.load(tmp_path / "changed.npz", shared())


STRANGER = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        known = name.split(".")[0] not in ("keras", "kerasmith")
        return self.finder.find_spec(name, path, target) if known else None
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Nothing(finder) for finder in sys.meta_path]
import json
import numpy as np, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures
given = tf.constant(np.load(sys.argv[2]))
calls = {
    "embed": serve["embed"](images=given),
    "verify": serve["verify"](first=given, second=given[5:6]),
    "identify": serve["identify"](images=given),
    "names": serve["names"](),
}
lists = {k: {n: t.numpy().tolist() for n, t in v.items()} for k, v in calls.items()}
print(json.dumps(lists, default=bytes.decode))
"""


def test_plain_tensorflow_embeds_verifies_and_identifies(tmp_path):
    """Images of twice the size, which what is exported with it halves and scales."""
    steps = [layers.Resizing(8, 8, "nearest"), layers.Rescaling(1.5)]
    model, twice = shared(), IMAGES.repeat(2, axis=1).repeat(2, axis=2)[..., None]
    gallery = Gallery(model, threshold=THRESHOLD, preprocess=layers.Pipeline(steps))
    gallery.enroll([LABELS[place] for place in FIRST], twice[FIRST])
    gallery.enroll("zwölf", twice[77])
    path = gallery.export(tmp_path / "out", samples=twice[:20])
    assert path == tmp_path / "out" / "saved_model" and path.is_dir()
    assert [entry.name for entry in path.parent.iterdir()] == ["saved_model"]
    np.save(tmp_path / "in.npy", twice[60:100].astype("uint8"))
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(path), str(tmp_path / "in.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert answers["names"]["names"] == list(gallery.names)
    vectors = embedded(model, IMAGES[60:100] * 1.5)
    np.testing.assert_allclose(answers["embed"]["embeddings"], vectors, atol=1e-5)
    distances = np.linalg.norm(vectors - vectors[5], axis=1)
    np.testing.assert_allclose(answers["verify"]["distance"], distances, atol=1e-5)
    assert answers["verify"]["same"] == (distances <= THRESHOLD).tolist()
    kept = embedded(model, IMAGES[[*FIRST, 77]] * 1.5)
    nearest = [ranking(vector, kept, gallery.names)[0] for vector in vectors]
    expected = [name if d <= THRESHOLD else "" for name, d in nearest]
    assert answers["identify"]["name"] == expected
    assert expected[17] == "zwölf" and "" in expected
    found = answers["identify"]["distance"]
    np.testing.assert_allclose(found, [d for _, d in nearest], atol=1e-5)


@on_tensorflow
def test_another_answer_is_refused_and_leaves_what_was_there(tmp_path):
    before = tmp_path / "saved_model" / "before"
    before.parent.mkdir()
    before.write_text("what was there")
    flat = [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3), Drift()]
    drifting = Gallery(keras.Sequential(flat), threshold=1)
    with pytest.raises(ExportMismatch, match="an embedding lies .* from the gallery's"):
        drifting.export(tmp_path, dtype="float32", samples=IMAGES[:5] / 16)
    assert everything_in(tmp_path) == ["saved_model/before"]
    assert before.read_text() == "what was there"


def answers_of(gallery, images):
    rows = gallery.embed(images)
    distance = np.linalg.norm(rows - np.roll(rows, 1, axis=0), axis=1)
    found = gallery.identify_many(images)
    return {
        "embed": rows,
        "embed_first": rows[:1],
        "distance": distance,
        "same": distance <= gallery.threshold,
        "names": np.array(gallery.names),
        "name": np.array([name or "" for name, _ in found]),
        "nearest": np.array([distance for _, distance in found]),
    }


@pytest.mark.parametrize(
    "key, change, message",
    [
        ("embed", lambda a: a + np.float32(1e-3), "an embedding lies"),
        ("embed_first", lambda a: a * np.nan, "an embedding lies nan"),
        ("distance", lambda a: a + 1e-3, "a distance differs .* by 0.001"),
        ("same", lambda a: ~a, "same is"),
        ("names", lambda a: a[::-1], "names is"),
        ("name", lambda a: np.roll(a, 1), "name is"),
        ("nearest", lambda a: a - 1e-3, "a distance of identify differs"),
    ],
)
def test_each_difference_is_seen(saved, key, change, message):
    gallery, images = saved[0], IMAGES[300:310]
    answers = answers_of(gallery, images)
    gallery_export.compare(gallery, images, answers)
    with pytest.raises(ExportMismatch, match=message):
        gallery_export.compare(gallery, images, {**answers, key: change(answers[key])})


@pytest.mark.parametrize(
    "threshold, options, message",
    [
        (None, {}, "export needs a threshold"),
        (1, {"dtype": "int8"}, "no dtype of images 'int8'.*uint8, float32"),
        (1, {"samples": IMAGES[:2] / 7}, 'uint8, received float32.*dtype="float32"'),
        (
            1,
            {"samples": IMAGES[:0]},
            r"one image or more in uint8.*shape \(0, 8, 8, 1\)",
        ),
        (1, {"samples": IMAGES[:2, :5]}, r"takes images of shape \(8, 8, 1\)"),
    ],
)
def test_what_cannot_be_exported_is_refused(threshold, options, message, tmp_path):
    gallery = Gallery(shared(), threshold=threshold)
    with pytest.raises(ValueError, match=message):
        gallery.export(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_the_picture_that_tells_models_apart_is_the_same_everywhere():
    """Products in Python's whole numbers."""
    for shape in ((8, 7, 3), (None, 5, 1)):
        picture = gallery_files.probe_image(shape)
        expected = [(i * 2654435769 >> 24) % 256 for i in range(picture.size)]
        assert picture.ravel().tolist() == expected
    assert picture.shape == (61, 5, 1)
