"""A run of segmentation from end to end: its folder, its pictures, its answers."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from kerasmith import zoo
from kerasmith.scripts.main import main
from kerasmith.zoo.data import masks
from kerasmith.zoo.tools import mask_pictures, tasks
from kerasmith.zoo.tools.mask_judge import overlaps

RECIPE = zoo.recipes.with_settings(
    zoo.recipes.get("unet_digits_canvas"),
    {
        "epochs": 2,
        "input_shape": "32x48x1",
        "options": {"width": 4, "depth": 2},
        "steps_per_execution": 1,
    },
)
FILES = {
    "config.json",
    "history.csv",
    "model.keras",
    "saved_model",
    "tiles.json",
    "curves.png",
    "examples.png",
    "worst.png",
    "early_stopping.png",
    "report.html",
    "results.json",
    "tensorboard",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "CANVAS_COUNTS", {"train": 40, "dev": 8, "test": 12})
        yield zoo.train(RECIPE, tmp_path_factory.mktemp("run") / "run", verbose=0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    image = zoo.data.digits_canvas("test", 1, size=(75, 90), digits=9)[0].image
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    Image.fromarray(image[..., 0]).save(path)
    return path, image


def test_the_folder_holds_everything(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    page = (run.folder / "report.html").read_text()
    for told in ("mean iou", "Worst", "background", "Dice", "Conv2DTranspose"):
        assert told in page
    assert "test mean iou" in zoo.tools.tell(run)
    assert zoo.tools.task_name(run.folder) == "segmentation"


def test_its_figures_are_those_of_numpy(run):
    model = keras.saving.load_model(run.folder / "model.keras")
    assert model.input_shape == (None, None, None, 1)
    data = tasks.task_of(RECIPE).load(RECIPE)
    images, truth = data.arrays("test")
    answers = model.predict(images, verbose=0).argmax(-1)
    scores = [
        np.sum((truth == c) & (answers == c)) / np.sum((truth == c) | (answers == c))
        for c in range(11)
        if np.any(truth == c) or np.any(answers == c)
    ]
    assert run.results["test_mean_iou"] == pytest.approx(np.mean(scores), rel=1e-6)
    found = run.results["test_pixel_accuracy"]
    assert found == pytest.approx(np.mean(truth == answers))


def test_overlaps_are_counted_as_by_the_definition():
    random = np.random.default_rng(0)
    truth, answer = random.integers(0, 3, 200), random.integers(0, 2, 200)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (truth, answer), 1)
    union, dice = overlaps(matrix)
    for c in range(3):
        both = np.sum((truth == c) & (answer == c))
        assert union[c] == both / np.sum((truth == c) | (answer == c))
        assert dice[c] == 2 * both / (np.sum(truth == c) + np.sum(answer == c))
    assert np.isnan(union[3])


def test_plain_tensorflow_gives_the_mask_of_an_image_of_any_size(run, scene, tmp_path):
    code = f"""
import sys; sys.modules["keras"] = None
import numpy as np, tensorflow as tf
served = tf.saved_model.load({str(run.folder / "saved_model")!r})
image = np.load({str(tmp_path / "image.npy")!r})
answer = served.signatures["serving_default"](images=tf.constant(image[None]))
arrays = {{name: tensor.numpy() for name, tensor in answer.items()}}
np.savez({str(tmp_path / "answer.npz")!r}, **arrays)
"""
    np.save(tmp_path / "image.npy", scene[1])
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr.decode()
    model = keras.saving.load_model(run.folder / "model.keras")
    logits = model(scene[1][None] / 255)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
        assert answer["mask"].shape == (1, 75, 90) and answer["mask"].dtype == "uint8"


def test_predict_writes_masks_and_overlays(run, scene, tmp_path, capsys):
    path, image = scene
    command = ["predict", str(run.folder), str(path), "--json", "--out", str(tmp_path)]
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out)
    whole = np.asarray(Image.open(answer["mask"]))
    assert whole.shape == image.shape[:2]
    assert Image.open(answer["overlay"]).size == (90, 75)
    assert sum(answer["shares"].values()) == pytest.approx(1)
    assert main([*command, "--tile", "56"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(answer["mask"])), whole)
    with pytest.raises(ValueError, match="tiles need to be of"):
        zoo.tools.predict_masks(run.folder, [path], tmp_path, tile=4)
    with pytest.raises(ValueError, match="two of the images are called 'scene'"):
        zoo.tools.predict_masks(run.folder, [path, path], tmp_path)


def test_masks_of_a_classifier_are_refused(tmp_path):
    model = zoo.build("lenet5_modern", classes=3)
    zoo.export(model, tmp_path)
    (tmp_path / "config.json").write_text('{"recipe": {"name": "x"}, "data": {}}')
    with pytest.raises(ValueError, match="no run of segmentation"):
        zoo.tools.predict_masks(tmp_path, [])


@pytest.mark.parametrize(
    "variant, shape, classes, resize",
    [
        ("unet", (None, None, 1), 3, None),
        ("unet_same", (16, 24, 3), 1, (16, 24)),
    ],
)
def test_export_gives_the_image_its_own_size_back(
    variant, shape, classes, resize, tmp_path
):
    """Without padding, images are mirrored around; resized ones are resized back."""
    options = {"width": 2, "depth": 1, "classes": classes, "input_shape": shape}
    model = zoo.unet(variant, norm="batch", dropout=None, **options)
    stages = [keras.layers.Rescaling(1 / 255)]
    stages += [keras.layers.Resizing(*resize)] if resize else []
    written = zoo.export(model, tmp_path, preprocess=keras.layers.Pipeline(stages))
    served = zoo.tools.load_saved(written["saved_model"])
    image = np.random.default_rng(0).integers(0, 256, (1, 37, 52, shape[-1]), "uint8")
    assert served(image).shape == (1, 37, 52, classes)
    assert served.masks(image).shape == (1, 37, 52)
    if not resize:
        scaled = image[0].astype("float32") / 255
        tiled = {"activation": "softmax", "tile": 32, "progress": False}
        expected = zoo.tools.predict_tiled(model, scaled, **tiled)
        np.testing.assert_allclose(served(image)[0], expected, atol=1e-5)


def test_colours_are_apart_and_lie_over_the_image():
    colours = mask_pictures.palette(30)
    assert len({tuple(colour) for colour in colours}) == 30
    image = np.full((4, 6, 3), 100, "uint8")
    mask = np.zeros((4, 6), int)
    mask[1, 2], mask[3, 3] = 1, 255
    shown = mask_pictures.overlay(image, mask, colours)
    assert (shown[0, 0] == 100).all() and (shown[1, 2] != 100).any()
    with pytest.raises(ValueError, match="does not fit"):
        mask_pictures.overlay(image, mask[1:], colours)
