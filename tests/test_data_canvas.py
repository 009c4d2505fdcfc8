"""The digits canvas: what a scene tells of itself is what is to be seen on it."""

import hashlib
import itertools

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from kerasmith.zoo import data

BITMAPS, LABELS = load_digits(return_X_y=True)
BITMAPS = BITMAPS.reshape(-1, 8, 8)


@pytest.fixture(scope="module")
def scenes():
    """Scenes as they are by default."""
    return list(data.digits_canvas("train", 150))


@pytest.fixture(scope="module")
def crowded():
    """Scenes whose digits cover one another as much as they may."""
    canvas = data.digits_canvas("dev", 60, size=(60, 75), digits=14, overlap=1.0)
    return list(canvas)


@pytest.fixture(scope="module")
def single():
    """Many scenes of one digit, without grain."""
    options = {"size": (80, 110), "digits": 1, "digit_size": (12, 20), "noise": 0}
    return list(data.digits_canvas("train", 1500, **options))


def full_ink(scene, number):
    """Draw the ink of a digit into its box anew, by another library's interpolation."""
    left, top, right, bottom = scene.boxes[number]
    bitmap = np.pad(BITMAPS[scene.sources[number]].astype("float32"), 1)
    fine = Image.fromarray(bitmap).resize((400, 400), Image.Resampling.BICUBIC)
    ink = np.asarray(fine) >= 6
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype("float32")
    size = int(right - left), int(bottom - top)
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX)) >= 0.5


def crop(array, box):
    left, top, right, bottom = box
    return array[top:bottom, left:right]


def fingerprint(scene):
    parts = [scene.image, scene.mask, scene.instances, scene.boxes, scene.sources]
    digest = hashlib.sha256(scene.text.encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


# the same scenes, always


def test_scenes_are_those_of_every_machine():
    assert fingerprint(data.digits_canvas("train", 9)[3]) == "80226acb2c664e53"
    odd = data.digits_canvas("test", 2, size=(61, 45), overlap=0.4, seed=2**40 + 1)
    assert fingerprint(odd[1]) == "4ee7e52265c2741c"


def test_a_scene_follows_from_its_number_alone(scenes):
    canvas = data.digits_canvas("train", 1000)
    for number in (149, 0, 77, 0):
        assert fingerprint(canvas[number]) == fingerprint(scenes[number])
    assert fingerprint(canvas[-1]) == fingerprint(canvas[np.int64(999)])
    assert len({fingerprint(scene) for scene in scenes}) == 150
    with pytest.raises(IndexError, match="1000 scenes, received index 1000"):
        canvas[1000]
    with pytest.raises(TypeError):
        canvas[0:2]


def test_seeds_and_splits_give_other_scenes(scenes):
    others = [
        data.digits_canvas("train", 1, seed=1)[0],
        data.digits_canvas("train", 1, seed=2**32)[0],
        data.digits_canvas("dev", 1)[0],
        scenes[0],
    ]
    assert len({scene.image.tobytes() for scene in others}) == 4


def test_no_digit_of_another_split_is_shown(tmp_path):
    loaded, shown = data.load("digits", data_dir=tmp_path), {}
    for split in ("train", "dev", "test"):
        canvas = data.digits_canvas(split, 150, size=64, digits=(4, 8))
        shown[split] = {int(n) for scene in canvas for n in scene.sources}
        own = {np.rint(image * 16).tobytes() for image in loaded.arrays(split)[0]}
        for number in shown[split]:
            assert BITMAPS[number].astype("float32").tobytes() in own
    assert len(shown["test"]) > 200 and len(shown["train"]) > 400
    for one, other in itertools.combinations(shown.values(), 2):
        assert not one & other


# what a scene tells of itself


def test_what_a_scene_is_made_of(scenes):
    for scene in scenes:
        count = len(scene.text.replace("\n", ""))
        told = {
            name: (a.dtype.name, a.shape)
            for name, a in vars(scene).items()
            if name != "text"
        }
        assert told == {
            "image": ("uint8", (96, 96, 1)),
            "mask": ("uint8", (96, 96)),
            "instances": ("uint8", (96, 96)),
            "boxes": ("int32", (count, 4)),
            "classes": ("int32", (count,)),
            "sources": ("int32", (count,)),
        }
        assert 1 <= count <= 6
    assert {len(scene.classes) for scene in scenes} == {2, 3, 4, 5, 6}


def test_masks_show_the_classes(scenes, crowded):
    for scene in [*scenes, *crowded]:
        np.testing.assert_array_equal(scene.classes, LABELS[scene.sources])
        classes = [-1, *scene.classes]
        for number in np.unique(scene.instances):
            assert {*scene.mask[scene.instances == number]} == {classes[number] + 1}


def test_boxes_are_tight_around_the_masks():
    for scene in data.digits_canvas("test", 100, size=(80, 70), overlap=0):
        assert {*np.unique(scene.instances)} == {*range(len(scene.boxes) + 1)}
        for number, box in enumerate(scene.boxes, 1):
            rows, columns = np.nonzero(scene.instances == number)
            ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            assert tuple(box) == ends


def test_masks_are_the_ink_of_the_digits():
    agreement = []
    for scene in data.digits_canvas("dev", 200, size=44, digits=1, digit_size=(34, 44)):
        ink, seen = full_ink(scene, 0), crop(scene.instances, scene.boxes[0]) == 1
        agreement.append((ink & seen).sum() / (ink | seen).sum())
    assert np.mean(agreement) > 0.9 and np.min(agreement) > 0.7


def test_where_digits_overlap_boxes_hold_the_hidden_ink_too(crowded):
    shares = []
    for scene in crowded:
        for number, box in enumerate(scene.boxes):
            seen = scene.instances == number + 1
            assert seen.sum() == (crop(seen, box)).sum()
            shares.append(seen.sum() / full_ink(scene, number).sum())
    assert np.mean(shares) < 0.9, "these scenes were to be crowded"
    # 0.5 but for the difference between two interpolations
    assert np.min(shares) > 0.4


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3])
def test_boxes_overlap_no_more_than_they_may(overlap):
    shares = []
    canvas = data.digits_canvas("dev", 60, size=(70, 90), digits=12, overlap=overlap)
    for scene in canvas:
        for boxes in itertools.combinations(scene.boxes, 2):
            marked = np.zeros((2, 70, 90), bool)
            for one, box in zip(marked, boxes, strict=True):
                crop(one, box)[:] = True
            shares.append((marked[0] & marked[1]).sum() / marked.sum(axis=(1, 2)).min())
    assert max(shares) <= overlap
    assert max(shares) >= overlap * 0.9


def test_a_scene_that_is_full_has_fewer_digits():
    canvas = data.digits_canvas("train", 20, size=32, digits=60, overlap=0)
    counts = [len(scene.classes) for scene in canvas]
    assert 1 <= min(counts) and max(counts) < 12


# random in every way


def expect_uniform(values, low, high, bins=5):
    """A chi-squared statistic that a fair draw exceeds once in 100,000 times."""
    counts, _ = np.histogram(values, bins, (low, high))
    assert counts.sum() == len(values)
    even = len(values) / bins
    limit = {5: 28.5, 10: 39.3}[bins]
    assert ((counts - even) ** 2 / even).sum() < limit, counts


def test_classes_sources_and_places_are_even(single):
    classes = np.array([scene.classes[0] for scene in single])
    expect_uniform(classes, -0.5, 9.5, bins=10)
    boxes = np.array([scene.boxes[0] for scene in single])
    widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
    # a pixel of soft edge around a box may keep it off the border
    expect_uniform((boxes[:, 0] + 0.5) / (110 - widths + 1), 0, 1)
    expect_uniform((boxes[:, 1] + 0.5) / (80 - heights + 1), 0, 1)
    assert boxes.min() <= 1 and boxes[:, 2].max() >= 109 and boxes[:, 3].max() >= 79
    shown = {int(scene.sources[0]) for scene in single}
    # 1,500 draws of 1,197 leave a share of exp(-1500 / 1197) undrawn
    assert abs(len(shown) - 1197 * (1 - np.exp(-1500 / 1197))) < 60


def test_sizes_are_even():
    canvas = data.digits_canvas("train", 1200, size=40, digits=1, digit_size=(10, 39))
    heights = np.array([np.diff(s.boxes[0, 1::2])[0] for s in canvas])
    assert heights.max() <= 39 and heights.min() >= 7
    assert abs(heights.mean() / 24.5 - 8.1 / 9) < 0.04
    assert abs(heights.std() / (30 / 12**0.5) - 8.1 / 9) < 0.06


def test_digits_stand_out_darker_and_lighter(single):
    differences = []
    for scene in single[:600]:
        pixels = scene.image[..., 0].astype(float)
        ink, empty = pixels[scene.mask > 0], pixels[scene.mask == 0]
        differences.append(np.median(ink) - empty.mean())
    assert np.abs(differences).min() > 50
    assert np.std(np.abs(differences)) > 20
    assert 0.4 < np.mean(np.array(differences) > 0) < 0.6


def test_grain_is_as_strong_as_asked_for():
    for noise in (3.0, 8.0):
        clean, grainy = (
            data.digits_canvas("train", 20, size=(51, 73), noise=level)
            for level in (0, noise)
        )
        grain = []
        for one, other in zip(clean, grainy, strict=True):
            np.testing.assert_array_equal(one.mask, other.mask)
            inside = (one.image > 40) & (one.image < 215)
            difference = other.image.astype(float) - one.image
            grain.append(difference[inside])
        grain = np.concatenate(grain)
        assert abs(grain.mean()) < 0.1
        assert abs(grain.std() / noise - 1) < 0.03


def test_the_background_runs_smoothly(single):
    spreads = []
    for scene in single[:100]:
        pixels = scene.image[..., 0].astype("float64")
        left, top, right, bottom = scene.boxes[0]
        pixels[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = np.nan
        assert np.nanmax(abs(np.diff(pixels))) <= 4
        assert np.nanmax(abs(np.diff(pixels, axis=0))) <= 5
        spreads.append(np.nanstd(pixels))
    assert min(spreads) > 2 and 5 < np.mean(spreads) < 15


def test_labels_and_boxes_teach_to_read():
    """Crops of train scenes teach a classifier to read those of test scenes."""

    def crops(split, count):
        inputs, labels = [], []
        for scene in data.digits_canvas(split, count, overlap=0, digit_size=(14, 36)):
            for box, label in zip(scene.boxes, scene.classes, strict=True):
                window = Image.fromarray(crop(scene.image[..., 0], box))
                pixels = np.asarray(window.resize((8, 8), Image.Resampling.BOX), float)
                pixels -= pixels.mean()
                # lighter than its edge or darker: the same digit
                middle = crop(scene.image[..., 0], box)[crop(scene.mask, box) > 0]
                pixels *= np.sign(middle.mean() - scene.image.mean())
                inputs.append(pixels.ravel() / np.linalg.norm(pixels))
                labels.append(label)
        return np.array(inputs), np.array(labels)

    reader = KNeighborsClassifier(3).fit(*crops("train", 400))
    inputs, labels = crops("test", 120)
    assert reader.score(inputs, labels) > 0.9


# awkward ones


@pytest.mark.parametrize(
    "arguments",
    [
        {"size": (13, 97)},
        {"size": (37, 12), "digits": (1, 3)},
        {"size": 8, "digit_size": 8, "digits": 1},
        {"size": (200, 31), "digits": (0, 20), "overlap": 0.5, "noise": 30},
        {"size": (33, 47), "digits": 0},
        {"size": (20, 21), "digit_size": (9, 20), "digits": (3, 3)},
    ],
)
def test_awkward_sizes(arguments):
    canvas = data.digits_canvas("dev", 12, **arguments)
    size = canvas.size
    for scene in canvas:
        assert scene.image.shape == (*size, 1) and scene.mask.shape == size
        assert len(scene.boxes) <= canvas.digits[1]
        if len(scene.boxes):
            assert scene.boxes.min() >= 0
            assert (scene.boxes[:, 2:] <= size[::-1]).all()
            assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
    arrays = canvas.arrays()
    assert arrays["boxes"].shape == (12, canvas.digits[1], 4)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"split": "tests"}, ValueError, "no split 'tests'; did you mean 'test'"),
        ({"count": 0}, ValueError, "count needs integers of at least 1, received 0"),
        ({"count": 2.5}, TypeError, "count needs integers, received 2.5"),
        ({"size": (10, 40)}, ValueError, r"smallest is \(12, 12\)"),
        ({"size": (20, 40), "digit_size": (9, 30)}, ValueError, r"is \(30, 30\)"),
        ({"size": (20, 40, 1)}, ValueError, "size needs one integer or two"),
        ({"size": "large"}, TypeError, "size needs integers, received 'large'"),
        ({"digits": (4, 2)}, ValueError, r"write digits=\(2, 4\)"),
        ({"digits": (1, 256)}, ValueError, "from 0 to 255"),
        ({"digits": -1}, ValueError, "from 0 to 255"),
        ({"digit_size": 7}, ValueError, "digit_size needs integers of at least 8"),
        ({"overlap": 1.5}, ValueError, "overlap needs a number from 0 to 1, received"),
        ({"overlap": None}, TypeError, "overlap needs a number, received None"),
        ({"noise": float("nan")}, ValueError, "noise needs a number from 0 to 255"),
        ({"seed": -1}, ValueError, "seed needs integers of at least 0"),
    ],
)
def test_what_cannot_be_right_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        data.digits_canvas(**{"split": "train", "count": 3, **arguments})
