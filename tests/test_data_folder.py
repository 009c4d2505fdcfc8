"""Folders of one's own images: every kind of file, splits, and what goes wrong."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from kerasmith.zoo import data
from kerasmith.zoo.data import folder, images

SIZE = (7, 5)  # height, width


def picture(mode, seed=0, size=SIZE):
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, size, dtype="uint16"))
    grey = rng.integers(0, 256, size, dtype="uint8")
    colour = rng.integers(0, 256, (*size, 3), dtype="uint8")
    return Image.fromarray(grey if mode in "1L" else colour).convert(mode)


def write(path, mode="RGB", seed=0, size=SIZE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(mode, seed, size).save(path, **options)


def fill(root, classes=("cat", "dog", "eel"), count=40, **options):
    for number, name in enumerate(classes):
        for i in range(count):
            write(root / name / f"{i:03}.png", seed=number * 1000 + i, **options)
    return root


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("pets"))


def labels(loaded, split):
    return [int(label) for _, label in loaded.raw(split).as_numpy_iterator()]


def test_a_folder_is_a_data_set(pets):
    loaded = data.load(f"folder:{pets}", batch_size=16)
    told = loaded.description
    assert told.labels == ("cat", "dog", "eel")
    assert told.input_shape == (7, 5, 3)
    assert sum(told.counts.values()) == 120
    assert 80 <= told.counts["train"] <= 110
    for split in ("train", "dev", "test"):
        x, y = loaded.arrays(split)
        raw = np.stack([image for image, _ in loaded.raw(split).as_numpy_iterator()])
        np.testing.assert_allclose(x, raw / 255, atol=1e-6)
        assert y.tolist() == labels(loaded, split)
    data.check(loaded)


def test_splits_follow_from_the_names_alone(pets, tmp_path):
    def places(root):
        files = folder.survey(root).files
        return {
            path.removeprefix(str(root)): split
            for split, pairs in files.items()
            for path, _ in pairs
        }

    first = places(pets)
    moved = places(fill(tmp_path / "moved", ("ant", "cat", "dog", "eel"), 30))
    assert all(first[path] == moved[path] for path in first if path in moved)
    assert len(set(first) & set(moved)) == 90


@pytest.mark.parametrize(
    "mode, name, options",
    [
        ("L", "a.png", {}),
        ("1", "a.png", {}),
        ("LA", "a.png", {}),
        ("P", "a.gif", {}),
        ("P", "a.png", {"transparency": 0}),
        ("RGBA", "a.png", {}),
        ("CMYK", "a.jpg", {}),
        ("I;16", "a.png", {}),
        ("I;16", "a.tiff", {}),
        ("RGB", "a.webp", {"lossless": True}),
        ("RGB", "a.bmp", {}),
        ("YCbCr", "a.jpeg", {}),
    ],
)
def test_every_mode_is_read_as_grey_and_as_colour(tmp_path, mode, name, options):
    write(tmp_path / name, mode, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colour = data.read_image(tmp_path / name)
        grey = data.read_image(tmp_path / name, channels=1)
        shape = images.inspect_image(tmp_path / name)
    assert colour.dtype == grey.dtype == np.uint8
    assert colour.shape == (7, 5, 3)
    assert grey.shape == (7, 5, 1)
    assert np.ptp(colour) > 100  # neither black nor white
    luma = colour @ [0.299, 0.587, 0.114]
    assert np.abs(luma - grey[..., 0]).max() < 1
    assert shape == (7, 5, 1 if mode in ("L", "1", "LA", "I;16") else 3)


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    levels = np.array([[0, 256, 257], [32768, 65534, 65535]], "uint16")
    Image.fromarray(levels).save(tmp_path / "deep.png")
    read = data.read_image(tmp_path / "deep.png", channels=1)[..., 0]
    assert read.tolist() == [[0, 1, 1], [128, 255, 255]]


def test_a_camera_held_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    write(tmp_path / "a.png", exif=exif)
    upright = np.rot90(np.asarray(picture("RGB")), -1)
    np.testing.assert_array_equal(data.read_image(tmp_path / "a.png"), upright)
    assert images.inspect_image(tmp_path / "a.png") == (5, 7, 3)


def test_sizes_and_modes_may_be_mixed(tmp_path):
    modes = ["L", "RGB", "RGBA", "P", "I;16", "CMYK"]
    for number in range(60):
        size = (5 + number % 7, 4 + number % 11)
        mode = modes[number % 6]
        name = f"{number}.{'jpg' if mode == 'CMYK' else 'png'}"
        write(tmp_path / f"class{number % 2}" / name, mode, number, size)
    with pytest.raises(ValueError, match="differ in size.*input_shape="):
        data.load(f"folder:{tmp_path}")
    loaded = data.load(f"folder:{tmp_path}", input_shape=(9, 8, 1))
    assert {y.shape for _, y in loaded.train.take(1)} == {(32,)}
    raw = list(loaded.raw("train").as_numpy_iterator())
    assert len({image.shape for image, _ in raw}) > 5
    assert {image.shape[2] for image, _ in raw} == {1}
    few = slice(0, 4)
    for (image, _), there in zip(raw[few], loaded.arrays("train")[0][few], strict=True):
        again = np.asarray(loaded.preprocess(image[None]))[0]
        np.testing.assert_allclose(again, there, atol=2e-6)


def test_images_are_decoded_at_loading_and_never_again(pets, monkeypatch):
    decoded = []
    read = folder.read_image
    monkeypatch.setattr(
        folder, "read_image", lambda *args: decoded.append(args[0]) or read(*args)
    )
    loaded = data.load(f"folder:{pets}", input_shape=(6, 6, 3))
    assert len(decoded) == len(set(decoded)) == 120
    for _ in range(3):
        list(loaded.train)
    assert len(decoded) == 120


def test_a_streamed_folder_gives_each_image_once_in_a_new_order(pets, monkeypatch):
    from kerasmith.zoo.data import pipeline

    held = data.load(f"folder:{pets}", input_shape=(6, 6, 3), batch_size=20)
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    streamed = data.load(f"folder:{pets}", input_shape=(6, 6, 3), batch_size=20)
    orders = []
    for _ in range(2):
        batches = list(streamed.train.as_numpy_iterator())
        assert len(batches) == streamed.steps
        orders.append([bytes(image) for x, _ in batches for image in x])
    assert orders[0] != orders[1]
    whole = sorted(bytes(image) for image in held.arrays("train")[0])
    assert sorted(orders[0]) == sorted(orders[1]) == whole
    data.check(streamed)


def test_a_broken_image_is_named_and_skipped(tmp_path):
    fill(tmp_path)
    broken = tmp_path / "dog" / "007.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.warns(UserWarning, match="skipped a broken image.*007.png"):
        loaded = data.load(f"folder:{tmp_path}")
    assert sum(loaded.description.counts.values()) == 119


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n1234"])
def test_many_broken_images_are_an_error_that_names_some(tmp_path, content):
    fill(tmp_path, count=20)
    for name in ("001.png", "002.png"):
        (tmp_path / "eel" / name).write_bytes(content)
    with pytest.raises(ValueError, match="2 of 60 images are broken.*eel/001.png"):
        data.load(f"folder:{tmp_path}")


def test_a_cut_jpeg_is_found(tmp_path):
    write(tmp_path / "a.jpg", size=(300, 200))
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(ValueError, match="a.jpg cannot be decoded"):
        images.inspect_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("train", "Validation")])
def test_given_splits_are_used(tmp_path, names):
    for place, name in enumerate(names):
        for number, kind in enumerate(("cat", "dog")):
            for i in range(30 if name == "train" else 5 + place):
                seed = place * 1000 + number * 100 + i
                write(tmp_path / name / kind / f"{i}.png", seed=seed)
    loaded = data.load(f"folder:{tmp_path}")
    counts = loaded.description.counts
    assert counts["dev"] == 12
    assert counts["train"] + counts["test"] == 60 + (14 if len(names) == 3 else 0)
    assert counts["test"] == 14 if len(names) == 3 else 1 <= counts["test"] <= 15
    assert loaded.description.labels == ("cat", "dog")


def test_classes_may_be_called_train_and_test(tmp_path):
    fill(tmp_path, ("train", "test"), count=20)
    assert data.load(f"folder:{tmp_path}").description.labels == ("test", "train")


def test_other_files_are_left_out_with_a_warning(tmp_path):
    fill(tmp_path, count=20)
    (tmp_path / "cat" / "notes.txt").write_text("furry")
    (tmp_path / "cat" / ".hidden").write_text("not even counted")
    with pytest.warns(UserWarning, match="1 files in .*cat .*notes.txt"):
        loaded = data.load(f"folder:{tmp_path}")
    assert sum(loaded.description.counts.values()) == 60


def test_folders_that_cannot_serve_are_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        data.load(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="has no sub-folders"):
        data.load(f"folder:{tmp_path}")
    fill(tmp_path, count=3)
    (tmp_path / "fox").mkdir()
    with pytest.raises(ValueError, match="fox holds no images"):
        data.load(f"folder:{tmp_path}")
    with pytest.raises(ValueError, match="is a folder: .*'folder:"):
        data.load(str(tmp_path))


def test_a_class_that_training_lacks_is_an_error(tmp_path):
    fill(tmp_path / "train", ("cat", "dog"), count=3)
    fill(tmp_path / "test", ("cat", "yak"), count=3)
    with pytest.raises(ValueError, match="yak is a class that .*train does not have"):
        data.load(f"folder:{tmp_path}")


def test_read_image_names_what_it_cannot_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        data.read_image(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ValueError, match="text.png is not an image"):
        data.read_image(tmp_path / "text.png")
    Image.fromarray(np.ones((3, 3), "float32")).save(tmp_path / "float.tiff")
    with pytest.raises(ValueError, match="fractions of unknown range"):
        data.read_image(tmp_path / "float.tiff")


LOOK = """
import sys
from kerasmith.zoo import data
from kerasmith.zoo.data import pipeline
pipeline.HELD_BYTES = 0
loaded = data.load("folder:" + sys.argv[1], input_shape=(64, 64, 3), batch_size=2)
batches = iter(loaded.train)
next(batches)
print("looked")
"""


def test_a_script_that_looked_at_one_batch_can_end(tmp_path):
    for number in range(60):
        write(tmp_path / f"class{number % 2}" / f"{number}.png", size=(200, 200))
    done = subprocess.run(
        [sys.executable, "-c", LOOK, tmp_path],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (done.returncode, done.stdout.split()[-1]) == (0, "looked"), done.stderr
