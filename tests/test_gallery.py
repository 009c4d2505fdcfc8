"""Galleries: who is nearest, against loops in NumPy, and what is refused."""

import keras
import numpy as np
import pytest
from gallery_models import FIRST, IMAGES, LABELS, embedded, embedder, ranking, shared
from keras import layers

from kerasmith import zoo
from kerasmith.zoo.tools import Gallery, gallery_index
from kerasmith.zoo.tools.gallery_index import GalleryIndex
from kerasmith.zoo.tools.gallery_threshold import Verification, balanced_threshold


def unit(rows):
    rows = np.asarray(rows, "float32")
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(count, width, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, width)))


@pytest.fixture(scope="module")
def enrolled():
    """Ten digits under their names, two of each; nobody changes it."""
    gallery = Gallery(shared(), threshold=0.7)
    gallery.enroll([LABELS[place] for place in FIRST], IMAGES[FIRST])
    for digit in "0123456789":
        second = [i for i, label in enumerate(LABELS) if label == digit][1]
        gallery.enroll(digit, IMAGES[second])
    return gallery


@pytest.mark.parametrize("most", [1, 2, 5, 99])
@pytest.mark.parametrize("count, width", [(1, 2), (37, 3), (203, 19)])
def test_the_nearest_are_those_of_loops(count, width, most):
    vectors, queries = drawn(count, width), drawn(6, width, seed=1)
    names = [f"n{number % 17}" for number in range(count)]
    index = GalleryIndex(width)
    for some in np.array_split(np.arange(count), 5):
        index.add([names[i] for i in some], vectors[some])
    for query, found in zip(queries, index.nearest(queries, most), strict=True):
        expected = ranking(query, vectors, names)[:most]
        assert [name for name, _ in found] == [name for name, _ in expected]
        np.testing.assert_allclose(*([d for _, d in r] for r in (found, expected)))


def test_of_equal_ones_the_first_comes_first():
    vectors = np.repeat(drawn(3, 5), 4, axis=0)  # each four times over
    names = list("dacbhgfelkji")
    index = GalleryIndex(5)
    index.add(names, vectors)
    for most in (1, 3, 6, 12):
        (found,) = index.nearest(vectors[4:5], most)
        assert found == [
            (name, pytest.approx(distance, abs=1e-12))
            for name, distance in ranking(vectors[4], vectors, names)[:most]
        ]


def test_near_ties_are_told_apart_where_cosines_in_float32_cannot():
    """Angles of 1e-4 and 2e-4: both cosines are 1 but for the last digit."""
    angles = np.array([2e-4, 1e-4, 1.0])
    index = GalleryIndex(2)
    index.add(
        ["two", "one", "far"], unit(np.stack([np.cos(angles), np.sin(angles)], 1))
    )
    (found,) = index.nearest(np.array([[1, 0]], "float32"), 2)
    assert found == [("one", pytest.approx(1e-4)), ("two", pytest.approx(2e-4))]


def test_a_name_of_many_images_does_not_crowd_the_others_out():
    crowd, others = np.repeat(drawn(1, 9), 200, axis=0), drawn(3, 9, seed=2)
    index = GalleryIndex(9)
    index.add(["crowd"] * 200 + ["a", "b", "c"], np.concatenate([crowd, others]))
    (found,) = index.nearest(crowd[:1], 3)
    names = ["crowd", "a", "b", "c"]
    expected = ranking(crowd[0], np.concatenate([crowd[:1], others]), names)[:3]
    assert [name for name, _ in found] == [name for name, _ in expected]


def test_what_is_removed_is_not_found_and_the_rest_keeps_its_order():
    vectors, index = drawn(60, 4), GalleryIndex(4)
    names = [f"n{i % 11}" for i in range(60)]
    index.add(names, vectors)
    for gone in ("n10", "n0", "n4"):
        count = names.count(gone)
        assert index.remove(gone) == count
        kept = [i for i, name in enumerate(names) if name != gone]
        names, vectors = [names[i] for i in kept], vectors[kept]
        np.testing.assert_array_equal(index.vectors, vectors)
        assert [index.names[place] for place in index.owners] == names
    index.add(["n4"], drawn(1, 4, seed=9))
    vectors = np.concatenate([vectors, drawn(1, 4, seed=9)])
    names.append("n4")
    assert index.counts == {name: names.count(name) for name in dict.fromkeys(names)}
    for query, found in zip(vectors, index.nearest(vectors, 4), strict=True):
        expected = ranking(query, vectors, names)[:4]
        assert [name for name, _ in found] == [name for name, _ in expected]


def test_blocks_of_queries_change_nothing(monkeypatch):
    vectors, queries, index = drawn(50, 6), drawn(23, 6, seed=1), GalleryIndex(6)
    index.add([str(i) for i in range(50)], vectors)
    whole = index.nearest(queries, 3)
    monkeypatch.setattr(gallery_index, "BLOCK", 50 * 4)
    assert index.nearest(queries, 3) == whole


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_embeddings_are_those_of_numpy(batch_size):
    model = shared()
    found = Gallery(model).embed(IMAGES[:7], batch_size=batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, embedded(model, IMAGES[:7]), atol=1e-6)


def test_one_image_or_many_with_or_without_channel_of_any_dtype():
    gallery = Gallery(shared())
    expected = embedded(gallery.embedder.model, IMAGES[:3])
    tensor = keras.ops.convert_to_tensor(IMAGES[:3, ..., None])
    for images in (IMAGES[:3].astype("uint8"), IMAGES[:3, ..., None], tensor):
        np.testing.assert_allclose(gallery.embed(images), expected, atol=1e-6)
    for image in (IMAGES[0].tolist(), IMAGES[0, ..., None].astype("float64")):
        np.testing.assert_allclose(gallery.embed(image), expected[:1], atol=1e-6)


def test_embeddings_come_to_length_1_if_the_model_leaves_them_longer():
    model = shared()
    longer = keras.Model(model.inputs, model.layers[-2].output)
    np.testing.assert_allclose(
        Gallery(longer).embed(IMAGES[:5]), embedded(model, IMAGES[:5]), atol=1e-6
    )


def test_half_precision_is_brought_to_length_1_in_float32():
    model = embedder(dtype="float16")
    found = Gallery(model).embed(IMAGES[:5])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, embedded(model, IMAGES[:5]), atol=0.01)


def test_images_of_any_size_where_the_preprocessing_resizes():
    resize = layers.Pipeline([layers.Resizing(8, 8, "nearest"), layers.Rescaling(0.5)])
    gallery = Gallery(shared(), preprocess=resize)
    twice = IMAGES[:3].repeat(2, axis=1).repeat(2, axis=2)
    expected = embedded(gallery.embedder.model, IMAGES[:3] / 2)
    np.testing.assert_allclose(gallery.embed(twice), expected, atol=1e-6)


def test_a_siamese_model_gives_its_embedder():
    nested = keras.Sequential(embedder().layers, name="embedder")
    first, second = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    distance = layers.Dot(1)([nested(first), nested(second)])
    gallery = Gallery(keras.Model([first, second], distance))
    assert gallery.embedder.model is nested


def test_it_answers_as_loops_do(enrolled):
    vectors, names = enrolled.entries()[2], [*map(str, range(10))] * 2
    queries = IMAGES[100:140]
    said = enrolled.identify_many(queries, batch_size=7)
    unknown = 0
    for image, answer in zip(queries, said, strict=True):
        query = embedded(enrolled.embedder.model, image[None])[0]
        expected = ranking(query, vectors, names)
        name, distance = expected[0]
        assert answer[1] == pytest.approx(distance, abs=1e-6)
        assert answer[0] == (name if distance <= 0.7 else None)
        unknown += answer[0] is None
        nearest = enrolled.nearest(image, 4)
        assert [name for name, _ in nearest] == [name for name, _ in expected[:4]]
        verified = enrolled.verify(image, "3")
        assert verified.distance == pytest.approx(dict(expected)["3"], abs=1e-6)
        assert bool(verified) is verified.same is (verified.distance <= 0.7)
    assert 0 < unknown < len(said)


def test_the_threshold_itself_is_still_the_same(enrolled):
    gallery = Gallery(shared(), threshold=2)
    gallery.enroll("a", IMAGES[0])
    distance = gallery.identify(IMAGES[1])[1]
    gallery.threshold = distance
    assert gallery.identify(IMAGES[1])[0] == "a" and gallery.verify(IMAGES[1], "a")
    gallery.threshold = np.nextafter(distance, 0)
    assert gallery.identify(IMAGES[1]) == (None, distance)
    assert gallery.verify(IMAGES[1], "a") == Verification(False, distance)
    gallery.threshold = None
    assert gallery.identify(IMAGES[1]) == ("a", distance)


def test_names_are_counted_removed_and_enrolled_again():
    gallery = Gallery(shared())
    gallery.enroll(["b", "a", "b"], IMAGES[:3])
    assert (len(gallery), gallery.names) == (2, ("b", "a"))
    assert gallery.counts == {"b": 2, "a": 1}
    assert "a" in gallery and "c" not in gallery and None not in gallery
    assert gallery.remove("b") == 2
    assert gallery.identify(IMAGES[0])[0] == "a"
    gallery.enroll("b", IMAGES[:1])
    assert gallery.names == ("a", "b")
    assert gallery.identify(IMAGES[0]) == ("b", pytest.approx(0, abs=1e-6))
    gallery.remove("a"), gallery.remove("b")
    assert len(gallery) == 0


@pytest.mark.parametrize("seed", range(3))
def test_calibrating_finds_the_best_of_all_thresholds(seed):
    """Every distance is tried, and the shares are counted by loops."""
    draw = np.random.default_rng(seed)
    vectors = unit(draw.normal(size=(13, 3)).round(1))  # with equal distances
    vectors[7], labels = vectors[6], draw.integers(0, 3, 13)
    pairs = [(i, j) for i in range(13) for j in range(i)]
    same = [labels[i] == labels[j] for i, j in pairs]
    apart = [
        np.linalg.norm(vectors[i].astype("float64") - vectors[j]) for i, j in pairs
    ]

    def share(threshold):
        right = [(d <= threshold) == s for d, s in zip(apart, same, strict=True)]
        of_kind = [
            [r for r, s in zip(right, same, strict=True) if s == k] for k in (0, 1)
        ]
        return np.mean([np.mean(rights) for rights in of_kind])

    found = balanced_threshold(vectors, labels)
    assert share(found) == pytest.approx(max(share(d + 1e-9) for d in apart))
    assert min(abs(d - found) for d in apart) > 1e-6


def test_the_threshold_is_set_by_labelled_images():
    gallery = Gallery(shared())
    said = gallery.calibrate(IMAGES[300:360], LABELS[300:360])
    assert said == gallery.threshold
    expected = balanced_threshold(gallery.embed(IMAGES[300:360]), LABELS[300:360])
    assert said == pytest.approx(expected) and 0.2 < said < 1.5
    for labels, message in {
        ("a", "b"): "no two show the same",
        ("a", "a"): "no two show different ones",
        ("a",): r"each of 2 images, received labels of shape \(1,\)",
    }.items():
        with pytest.raises(ValueError, match=message):
            gallery.calibrate(IMAGES[:2], labels)
    assert gallery.threshold == said


def test_it_is_found_in_the_zoo():
    assert zoo.Gallery is zoo.tools.Gallery is Gallery


BAD_NUMBER = np.where(np.eye(8), np.nan, 1)
TWO = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"model": "model"}, TypeError, "keras.Model, received str"),
        (
            {"model": keras.Sequential([layers.Flatten()])},
            ValueError,
            "inputs of \\[\\]",
        ),
        ({"model": embedder(1)}, ValueError, r"outputs of \[\(None, 1\)\]"),
        ({"model": keras.Model(TWO, layers.Add()(TWO))}, ValueError, "embeddings"),
        ({"preprocess": [layers.Rescaling(2)]}, TypeError, "received list; wrap"),
        ({"threshold": 2.1}, ValueError, "from 0 to 2.*received 2.1"),
        ({"threshold": float("nan")}, ValueError, "received nan"),
        ({"threshold": True}, ValueError, "received True"),
        ({"threshold": "0.5"}, ValueError, "received '0.5'"),
    ],
)
def test_what_makes_no_gallery_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Gallery(**{"model": shared(), **arguments})


@pytest.mark.parametrize(
    "method, arguments, error, message",
    [
        ("enroll", ("", IMAGES[0]), ValueError, "a letter or more, received ''"),
        ("enroll", (["a", 3], IMAGES[:2]), TypeError, "a name is text, received 3"),
        ("enroll", (3, IMAGES[0]), TypeError, "a name is text.*received 3"),
        ("enroll", (["a"], IMAGES[:2]), ValueError, "1 names and 2 images"),
        ("enroll", ("a", IMAGES[:0]), ValueError, "0 images"),
        ("identify", (IMAGES[0, :7],), ValueError, r"\(8, 8, 1\).*shape \(7, 8\)"),
        ("identify", (np.zeros((8, 8, 3)),), ValueError, r"shape \(8, 8, 3\)"),
        ("identify", (IMAGES[:2],), ValueError, "one image, received 2; identify_many"),
        ("identify", (BAD_NUMBER,), ValueError, "image 0 holds NaN"),
        ("identify", (np.full((8, 8), 1e300),), ValueError, "none in float32"),
        ("identify", (np.full((8, 8), "x"),), TypeError, "arrays of numbers"),
        ("identify_many", ([np.eye(8), np.eye(9)],), ValueError, "of one size"),
        ("embed", (np.stack([np.eye(8)] * 3 + [BAD_NUMBER]),), ValueError, "image 3 "),
        ("nearest", (IMAGES[0], 0), ValueError, "1 name or more, received 0"),
        ("verify", (IMAGES[0], "33"), ValueError, "enrolled name '33'; did you mean"),
        ("remove", ("10",), ValueError, "no enrolled name '10'.*0, 1, 2"),
    ],
)
def test_what_does_not_fit_is_refused(enrolled, method, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(enrolled, method)(*arguments)
    assert sum(enrolled.counts.values()) == 20


def test_an_unknown_name_of_many_is_told_those_like_it_alone():
    index = GalleryIndex(2)
    names = [f"person {number}" for number in range(999)] + ["Ann"]
    index.add(names, np.tile(np.array([[1, 0]], "float32"), (1000, 1)))
    with pytest.raises(ValueError, match="did you mean 'Ann'\\? Choose one of Ann\\."):
        index.remove("Anne")
    with pytest.raises(ValueError, match="choose one of person 0, person 1, ") as error:
        index.remove("xyz")
    assert len(str(error.value)) < 400


def test_an_empty_gallery_knows_nobody():
    gallery = Gallery(shared(), threshold=1)
    for method, arguments in {
        "identify": (IMAGES[0],),
        "identify_many": (IMAGES[:2],),
        "nearest": (IMAGES[0],),
        "verify": (IMAGES[0], "a"),
        "remove": ("a",),
    }.items():
        with pytest.raises(ValueError, match=r"empty: enroll\(name, images\) first"):
            getattr(gallery, method)(*arguments)


def test_verifying_needs_a_threshold_and_batches_a_size():
    gallery = Gallery(shared())
    gallery.enroll("a", IMAGES[0])
    with pytest.raises(ValueError, match="verify needs a threshold"):
        gallery.verify(IMAGES[0], "a")
    with pytest.raises(ValueError, match="batch_size of 1 or more, received 0"):
        gallery.embed(IMAGES[:2], batch_size=0)


@pytest.mark.parametrize("bias, what", [(0.0, "only zeros"), (np.nan, "NaN")])
def test_an_embedding_without_direction_is_refused(bias, what):
    model = embedder()
    model.set_weights([np.zeros((64, 7)), np.full(7, bias)])
    with pytest.raises(ValueError, match=f"embedding of image 0 of 2 holds {what}"):
        Gallery(model).embed(IMAGES[:2])


def test_a_preprocessing_that_does_not_fit_leaves_the_model_its_weights():
    model = embedder()
    gallery = Gallery(model, preprocess=layers.ZeroPadding2D(1))
    with pytest.raises(ValueError, match=r"gives images of shape \(10, 10, 1\), but"):
        gallery.embed(IMAGES[0])
    assert np.isfinite(Gallery(model).embed(IMAGES[0])).all()
