"""A run of a Siamese network from end to end: its folder, its figures, its answers."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from kerasmith import zoo
from kerasmith.scripts.main import main
from kerasmith.zoo.tools import similarity_judge, tasks

RECIPE = zoo.recipes.get("siamese_digits")
SHORT = {
    "epochs": 1,
    "augment": "none",
    "steps_per_execution": 1,
    "options": {"encoder": "lenet5_modern"},
}
FILES = {
    "config.json",
    "history.csv",
    "model.keras",
    "saved_model",
    "curves.png",
    "roc.png",
    "pairs.png",
    "embedding.png",
    "early_stopping.png",
    "report.html",
    "results.json",
    "tensorboard",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recipe = zoo.recipes.with_settings(RECIPE, SHORT)
    return zoo.train(recipe, tmp_path_factory.mktemp("run") / "run", verbose=0)


def test_the_folder_holds_everything(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    page = (run.folder / "report.html").read_text()
    for told in ("test verification accuracy", "Roc", "Embedding", "L2Normalization"):
        assert told in page
    assert zoo.tools.task_name(run.folder) == "similarity"
    assert 0 < run.results["threshold"] < 2


def test_no_image_of_the_test_was_learned_from():
    data = tasks.task_of(RECIPE).load(RECIPE)
    labels = {split: set(data.arrays(split)[1]) for split in ("train", "dev", "test")}
    assert labels["train"] == labels["dev"] == set(range(7))
    assert labels["test"] == {7, 8, 9}
    assert data.description.counts["test"] > 500


def test_its_figures_are_those_of_numpy(run):
    """All pairs drawn again, and compared one by one."""
    model = keras.saving.load_model(run.folder / "model.keras")
    data = tasks.task_of(RECIPE).load(RECIPE)
    images, labels = data.arrays("test")
    points = model.predict(images, verbose=0)
    pairs, same = similarity_judge.draw_pairs(labels, RECIPE.seed)
    assert (
        same.mean() == 0.5
        and (labels[pairs[:, 0]] == labels[pairs[:, 1]]).tolist() == same.tolist()
    )
    far = np.sqrt(((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(-1))
    right = (far <= run.results["threshold"]) == same
    found = run.results["test_verification_accuracy"]
    assert found == pytest.approx(right.mean(), abs=2e-4)
    between = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(between, np.inf)
    nearest = labels[between.argmin(1)] == labels
    assert run.results["test_recall_at_1"] == pytest.approx(nearest.mean(), abs=2e-3)


def test_predict_compares_images(run, tmp_path, capsys):
    data = tasks.task_of(RECIPE).load(RECIPE)
    files = []
    for number, (image, _) in enumerate(data.raw("test").take(3).as_numpy_iterator()):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image[..., 0]).save(files[-1])
    assert main(["predict", str(run.folder), *files, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    model = keras.saving.load_model(run.folder / "model.keras")
    points = model.predict(data.arrays("test")[0][:3], verbose=0)
    for number, answer in enumerate(answers, 1):
        far = np.linalg.norm(points[0] - points[number])
        assert answer["distance"] == pytest.approx(far, abs=1e-3)
        assert answer["same"] == (far <= run.results["threshold"])
    assert zoo.tools.predict_pairs(run.folder, files) == answers
    assert main(["predict", str(run.folder), files[0]]) == 2
    assert "name the one to compare with" in capsys.readouterr().err


@pytest.mark.parametrize("head", ["contrastive", "logistic"])
def test_the_other_heads_learn_from_pairs(head, tmp_path):
    loss = {"class_name": "kerasmith>Contrastive", "config": {}}
    if head == "logistic":
        loss = {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}
    settings = {**SHORT, "model": f"siamese_{head}", "loss": loss}
    settings |= {"more_classes": "none"}
    recipe = zoo.recipes.with_settings(RECIPE, settings)
    task = tasks.task_of(recipe)
    data = task.load(recipe)
    model = zoo.tools.fitting.build_model(recipe, data)
    fed = task.feed(recipe, data)
    losses = model.fit(fed.train, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    verdict = task.judge(recipe, model, data)
    assert verdict.scores["test_area_under_curve"] > 0.5
    assert verdict.scores["test_equal_error_rate"] < 0.5


def test_other_formats_than_a_saved_model_are_refused(run):
    with pytest.raises(ValueError, match="leaves as saved_model alone"):
        zoo.tools.export_run(run.folder, ("onnx",))


def test_pairs_need_two_classes():
    with pytest.raises(ValueError, match="two images of one class and two"):
        similarity_judge.draw_pairs([1, 1, 1], 0)
