"""Images with masks: folders of one's own, scenes, and what is refused."""

import types

import keras
import numpy as np
import pytest
from PIL import Image

from kerasmith.zoo import data
from kerasmith.zoo.data import masks


def save(path, pixels, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200])
    image.save(path)


def fill(root, count=30, values=(0, 1, 2), size=(12, 16), **options):
    """Write images whose grey level tells the class of each pixel."""
    random = np.random.default_rng(0)
    for number in range(count):
        classes = random.choice(values, size).astype("uint8")
        save(
            root / "images" / f"{number}.png",
            classes * 80 if max(values) < 4 else classes,
        )
        save(root / "masks" / f"{number}.png", classes, **options)
    return root


def whole(loaded, split):
    images, classes = loaded.arrays(split)
    return images[..., 0], classes


@pytest.mark.parametrize("palette", [False, True])
def test_a_folder_gives_images_with_their_masks(tmp_path, palette):
    loaded = data.load(f"folder:{fill(tmp_path, palette=palette)}", masks=True)
    known = loaded.description
    assert known.labels == ("0", "1", "2") and known.input_shape == (12, 16, 1)
    assert sum(known.counts.values()) == 30 and min(known.counts.values()) > 0
    assert not loaded.resized
    for split in ("train", "dev", "test"):
        images, classes = whole(loaded, split)
        np.testing.assert_array_equal(classes, np.round(images * 255 / 80))
    data.check(loaded)


def test_masks_are_resized_to_the_nearest_class(tmp_path):
    folder = fill(tmp_path)
    loaded = data.load(f"folder:{folder}", masks=True, input_shape=(6, 32, 3))
    assert loaded.resized
    _, classes = whole(loaded, "train")
    assert classes.shape[1:] == (6, 32) and set(np.unique(classes)) == {0, 1, 2}
    _, own = whole(data.load(f"folder:{folder}", masks=True), "train")
    np.testing.assert_array_equal(classes[:, :, ::2], own[:, 1::2])


def test_given_splits_and_names_of_classes_are_kept(tmp_path):
    for split, count in {"train": 5, "val": 3, "test": 2}.items():
        fill(tmp_path / split, count)
    (tmp_path / "labels.txt").write_text("sky\nroad\ncar\ntree\n")
    known = data.load(f"folder:{tmp_path}", masks=True).description
    assert known.counts == {"train": 5, "dev": 3, "test": 2}
    assert known.labels == ("sky", "road", "car", "tree")


def test_masks_of_black_and_white_tell_two_classes(tmp_path):
    loaded = data.load(f"folder:{fill(tmp_path, values=(0, 255))}", masks=True)
    assert loaded.description.classes == 2
    images, classes = whole(loaded, "train")
    np.testing.assert_array_equal(classes, np.round(images))


def test_pixels_of_255_take_no_part_beside_other_classes(tmp_path):
    loaded = data.load(f"folder:{fill(tmp_path, values=(0, 1, 255))}", masks=True)
    assert loaded.description.classes == 2
    assert set(np.unique(whole(loaded, "train")[1])) == {0, 1, 255}
    data.check(loaded)


def test_masks_follow_their_images(tmp_path):
    augment = [keras.layers.RandomFlip(), keras.layers.RandomTranslation(0.2, 0.2)]
    options = {"masks": True, "batch_size": 8, "augment": augment}
    loaded = data.load(f"folder:{fill(tmp_path, size=(16, 16))}", **options)
    plain, _ = whole(loaded, "train")
    seen = 0
    for images, classes in loaded.train:
        assert classes.dtype == "int32" and images.shape[:3] == classes.shape
        levels = np.asarray(images)[..., 0] * 255 / 80
        # between two pixels the image is mixed, and the mask has one of them
        sharp = np.abs(levels - np.round(levels)) < 1e-3
        assert sharp.mean() > 0.02
        seen += (np.round(levels) != classes.numpy())[sharp].mean() < 0.05
    assert seen == loaded.steps and len(plain) == loaded.description.counts["train"]


def broken(root, kind):
    fill(root, 4)
    if kind == "size":
        save(root / "masks" / "2.png", np.zeros((3, 4), "uint8"))
    elif kind == "class":
        save(root / "masks" / "2.png", np.full((12, 16), 7, "uint8"))
        (root / "labels.txt").write_text("a\nb\nc")
    elif kind == "colour":
        save(root / "masks" / "2.png", np.zeros((12, 16, 3), "uint8"))
    elif kind == "cut":
        (root / "masks" / "2.png").write_bytes(b"\x89PNG")
    elif kind == "missing":
        (root / "masks" / "2.png").unlink()
    elif kind == "folder":
        for path in (root / "masks").iterdir():
            path.unlink()
        (root / "masks").rmdir()


@pytest.mark.parametrize(
    "kind, message",
    [
        ("size", "2.png is 12x16, but its mask .*2.png is 3x4"),
        ("class", "2.png holds the class 7, but there are 3 classes"),
        ("colour", "2.png is of the mode RGB"),
        ("cut", "2.png cannot be read"),
        ("missing", "2.png has no mask of the same name"),
        ("folder", "has no folders images and masks"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, kind, message):
    broken(tmp_path, kind)
    with pytest.raises(ValueError, match=message):
        data.load(f"folder:{tmp_path}", masks=True)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("digits", {"masks": True}, "digits has labels, not masks"),
        ("digits_canvas", {}, "has masks, not labels"),
    ],
)
def test_sets_say_what_they_have(name, options, message):
    with pytest.raises(ValueError, match=message):
        data.load(name, **options)


@pytest.mark.parametrize(
    "layer, message",
    [
        (keras.layers.RandAugment((0, 1)), "masks cannot follow RandAugment"),
        (keras.layers.GaussianNoise(0.1), "masks cannot follow GaussianNoise"),
        (
            keras.layers.RandomRotation(0.1, fill_mode="constant", fill_value=-1.0),
            "fill_value=-1.0, which is no class",
        ),
    ],
)
def test_what_masks_cannot_follow_is_refused(tmp_path, layer, message):
    with pytest.raises(ValueError, match=message):
        data.load(f"folder:{fill(tmp_path, 4)}", masks=True, augment=[layer])


IMAGES = np.zeros((2, 4, 4, 1), "float32")
CLASSES = np.zeros((2, 4, 4), "int32")


@pytest.mark.parametrize(
    "classes, message",
    [
        (
            np.full((2, 4, 4), 3),
            r"mask 0 holds the class 3 at \(0, 0\): with 3 classes",
        ),
        (CLASSES[:, 1:], "masks have the shape .*: a mask has a class for each pixel"),
        (CLASSES.astype("float32"), "masks are float32"),
    ],
)
def test_wrong_masks_are_found_before_the_first_step(classes, message):
    with pytest.raises(ValueError, match=message):
        data.check((IMAGES, classes), classes=3)


def test_a_set_of_tensorflow_datasets_names_its_masks():
    tfds = pytest.importorskip("tensorflow_datasets")
    pets = types.SimpleNamespace(name="oxford_iiit_pet")
    feature, first, labels = masks.mask_feature(pets)
    assert (feature, first, len(labels)) == ("segmentation_mask", 1, 3)
    image = tfds.features.LabeledImage(labels=["a", "b"])
    info = types.SimpleNamespace(features={"image": 0, "parts": image})
    other = types.SimpleNamespace(name="other", info=info)
    assert masks.mask_feature(other) == ("parts", 0, ("a", "b"))
