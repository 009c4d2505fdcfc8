"""A whole training run: its folder, its repeatability, and ways to be cut off."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from kerasmith import zoo
from kerasmith.scripts.main import main

RECIPE = zoo.recipes.get("lenet5_digits")
FILES = {
    "config.json",
    "history.csv",
    "model.keras",
    "saved_model",
    "curves.png",
    "confusion.png",
    "mistakes.png",
    "early_stopping.png",
    "training_monitor.png",
    "bias_variance.png",
    "report.html",
    "results.json",
    "tensorboard",
}


EPOCHS = 8


def short(**settings):
    return zoo.recipes.with_settings(RECIPE, {"epochs": EPOCHS, **settings})


def weights(folder):
    return keras.saving.load_model(folder / "model.keras").get_weights()


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def without_seconds(folder):
    lines = (folder / "history.csv").read_text().splitlines()
    return [line.rpartition(",")[0] for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A short run that nothing disturbed."""
    return zoo.train(short(), tmp_path_factory.mktemp("run") / "whole", verbose=0)


@pytest.fixture
def _model_alone(monkeypatch):
    """Leave a run when its model is written: what follows is asked of `whole`."""
    run = zoo.tools.run
    monkeypatch.setattr(run, "_finish", lambda *arguments: {})


# what runs in the background ignores Ctrl-C; the arithmetic is that of the tests' own
# process, for the same bits
COMMAND_LINE = f"""\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.append({os.path.dirname(__file__)!r})
import keras, conftest
conftest.pytest_collection_finish()
from kerasmith.scripts.main import main
sys.exit(main())
"""


def start(*arguments):
    command = [sys.executable, "-c", COMMAND_LINE, "train", "lenet5_digits"]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epochs(process, folder, epochs):
    for _ in range(1200):
        history = folder / "history.csv"
        if history.exists() and len(history.read_text().splitlines()) > epochs:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the run did not get on")


def test_the_promise_is_kept(tmp_path):
    run = zoo.train(RECIPE, tmp_path / "run", verbose=0)
    for name, least in RECIPE.promise.scores.items():
        assert run.results[name] >= least
    assert run.results["promise"]["applies"]
    assert "kept" in zoo.tools.tell(run)


def test_the_folder_holds_everything(whole):
    assert {path.name for path in whole.folder.iterdir()} == FILES
    assert len(without_seconds(whole.folder)) == EPOCHS + 1
    assert list((whole.folder / "tensorboard").rglob("events*"))
    page = (whole.folder / "report.html").read_text()
    for told in ("ConnectionTableConv2D", "328,096", "CC BY 4.0", "learning rate"):
        assert told in page
    for told in ("whose weights are back", "Training monitor", "Largest: "):
        assert told in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    config = json.loads((whole.folder / "config.json").read_text())
    assert {"keras", "numpy", "kerasmith", "python"} <= set(config["versions"])
    assert config["recipe"]["seed"] == 0


def test_the_model_is_that_of_the_best_epoch(whole):
    history = zoo.tools.judge.read_history(whole.folder / "history.csv")
    best = int(np.argmin(history["val_loss"]))
    assert whole.results["best_epoch"] == best + 1
    model = keras.saving.load_model(whole.folder / "model.keras")
    data = zoo.tools.run.load_data(RECIPE)
    found = model.evaluate(data.dev, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)
    test = model.evaluate(data.test, verbose=0, return_dict=True)
    assert test["accuracy"] == pytest.approx(whole.results["test_accuracy"])
    assert test["loss"] == pytest.approx(whole.results["test_loss"], rel=1e-4)


@pytest.mark.usefixtures("_model_alone")
def test_the_same_seed_gives_the_same_weights(whole, tmp_path):
    """Also from the run's own configuration, which holds all that is needed."""
    again = zoo.train(whole.folder / "config.json", tmp_path / "again", verbose=0)
    assert_same(weights(again.folder), weights(whole.folder))
    assert without_seconds(again.folder) == without_seconds(whole.folder)


def test_patience_ends_a_run(tmp_path):
    # a rate that learns nothing: the first epoch stays the best, or nearly
    settings = {"patience": 2, "learning_rate": 1e-12, "schedule": "constant"}
    run = zoo.train(short(**settings), tmp_path / "run", verbose=0)
    assert run.results["epochs"] == run.results["best_epoch"] + 2 < EPOCHS
    page = (run.folder / "report.html").read_text()
    assert "stopped early" in page


@pytest.mark.usefixtures("_model_alone")
def test_a_number_in_a_file_is_the_learning_rate(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "learning_rate.txt").write_text("0.0005")
    zoo.train(short(epochs=1), folder, verbose=0)
    history = zoo.tools.judge.read_history(folder / "history.csv")
    assert history["learning_rate"] == [pytest.approx(0.0005)]


@pytest.mark.usefixtures("_model_alone")
def test_another_seed_gives_others(whole, tmp_path):
    other = zoo.train(short(seed=1, epochs=1), tmp_path / "other", verbose=0)
    pairs = zip(weights(other.folder), weights(whole.folder), strict=True)
    assert any((one != two).any() for one, two in pairs)


def test_the_saved_model_answers_where_only_tensorflow_is(whole, tmp_path):
    """A Python whose packages are ours but for Keras and Kerasmith."""
    site = tmp_path / "site"
    site.mkdir()
    for entry in pathlib.Path(np.__file__).parents[1].iterdir():
        if not entry.name.startswith(("keras", "__editable__")):
            (site / entry.name).symlink_to(entry)
    code = f"""
import importlib.util
assert not importlib.util.find_spec("keras")
assert not importlib.util.find_spec("kerasmith")
import numpy as np, tensorflow as tf
served = tf.saved_model.load({str(whole.folder / "saved_model")!r})
images = np.load({str(tmp_path / "images.npy")!r})
answer = served.signatures["serving_default"](images=tf.constant(images))
np.save({str(tmp_path / "answer.npy")!r}, answer["probabilities"].numpy())
print([n.decode() for n in served.signatures["labels"]()["labels"].numpy()])
"""
    data = zoo.tools.run.load_data(RECIPE)
    images = np.stack([image for image, _ in data.raw("test").as_numpy_iterator()])
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([str(digit) for digit in range(10)])
    model = keras.saving.load_model(whole.folder / "model.keras")
    expected = zoo.tools.judge.softmax(model.predict(data.arrays("test")[0], verbose=0))
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"]
)
def test_a_run_cut_off_and_resumed_is_the_same_run(kind, whole, tmp_path, request):
    folder = tmp_path / "run"
    process = start("--out", folder, "--epochs", EPOCHS)
    wait_for_epochs(process, folder, 2)
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert 2 <= len(without_seconds(folder)) - 1 < EPOCHS
    assert "Traceback" not in errors
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert "model.keras is the best so far, of epoch" in errors
        kept = weights(folder)
        model = zoo.tools.run.build_model(RECIPE, zoo.tools.run.load_data(RECIPE))
        model.load_weights(folder / "training" / "best.weights.h5")
        assert_same(kept, model.get_weights())
        request.getfixturevalue("_model_alone")  # what follows, after the other
    assert not (folder / "results.json").exists()

    resumed = zoo.train(short(), folder, resume=True, verbose=0)
    assert_same(weights(folder), weights(whole.folder))
    assert without_seconds(folder) == without_seconds(whole.folder)
    if kind == signal.SIGKILL:
        assert {path.name for path in folder.iterdir()} == FILES
        assert resumed.results["test_loss"] == whole.results["test_loss"]


def test_a_run_that_diverges_says_so(tmp_path, capsys):
    command = [
        "train",
        "lenet5_digits",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    # the steps are so large that float32 overflows
    sets = ["--set", "optimizer=sgd", "--set", "learning_rate=1e30"]
    assert main([*command, *sets, "--set", "model=lenet5_modern"]) == 2
    told = capsys.readouterr().err
    assert "val_loss was not finite in any epoch" in told
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "model.keras").exists()


def test_a_finished_run_has_nothing_left_to_resume(whole):
    before = sorted(path.stat().st_mtime for path in whole.folder.rglob("*"))
    again = zoo.train(short(), whole.folder, resume=True)
    assert again == whole
    assert sorted(path.stat().st_mtime for path in whole.folder.rglob("*")) == before


@pytest.mark.parametrize(
    "size, mode", [((9, 7), "L"), ((50, 31), "RGBA"), ((8, 8), "P")]
)
def test_predict_takes_any_size_and_mode(size, mode, whole, tmp_path, capsys):
    from PIL import Image

    Image.new("L", size, 0).convert(mode).save(tmp_path / "image.png")
    assert (
        main(["predict", str(whole.folder), str(tmp_path / "image.png"), "--json"]) == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"].endswith("image.png")
    names, shares = zip(*answer["ranking"], strict=True)
    assert sorted(names) == [str(digit) for digit in range(10)]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert list(shares) == sorted(shares, reverse=True)


def test_predict_knows_the_digits(whole, tmp_path, capsys):
    """The command line on files gives what the model gives on arrays."""
    from PIL import Image

    data = zoo.tools.run.load_data(RECIPE)
    files = []
    for i, (image, _) in enumerate(data.raw("test").take(8).as_numpy_iterator()):
        files.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(image[..., 0]).save(files[-1])
    assert main(["predict", str(whole.folder), *files, "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [line.split(": ")[1].split()[0] for line in lines]
    model = keras.saving.load_model(whole.folder / "model.keras")
    logits = model.predict(data.arrays("test")[0][:8], verbose=0)
    assert named == [str(label) for label in logits.argmax(axis=1)]


def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path, capsys):
    """A limit on the size of files stands in for a disk that fills up."""
    code = (
        "import resource, signal, sys; from kerasmith.scripts.main import main; "
        "from kerasmith import zoo; zoo.data.load('digits'); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "command = ['train', 'lenet5_digits', '--epochs', '1', '--out', sys.argv[1]]; "
        "sys.exit(main(command))"
    )
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr or "write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results.json").exists()
    assert not (folder / "model.keras").exists()
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_a_run_on_a_folder_of_images(tmp_path):
    """The same road for a user's own images: colour, of several sizes."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label, colour in {"blue": (20, 40, 220), "red": (220, 40, 20)}.items():
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(40):
            size = (*random.integers(20, 50, 2), 3)
            pixels = np.clip(colour + random.normal(0, 20, size), 0, 255)
            image = Image.fromarray(pixels.astype("uint8"))
            image.save(tmp_path / "images" / label / f"{i}.png")
    recipe = short(
        data=f"folder:{tmp_path / 'images'}",
        model="lenet5_modern",
        input_shape="32x32x3",
        augment=None,
        loss=zoo.recipes.recipe.CROSS_ENTROPY,
    )
    run = zoo.train(recipe, tmp_path / "run", verbose=0)
    assert run.results["test_accuracy"] == 1.0
    assert not run.results["promise"]["applies"]
    shutil.rmtree(tmp_path / "images")
    answers = zoo.tools.predict_files(run.folder, [_image(tmp_path, (220, 40, 20))])
    assert answers[0]["ranking"][0][0] == "red"


def _image(folder, colour):
    from PIL import Image

    path = pathlib.Path(folder) / "one.jpg"
    Image.new("RGB", (64, 48), colour).save(path)
    return path
