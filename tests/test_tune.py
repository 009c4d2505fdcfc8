"""`kerasmith tune` and a script of one's own, as users run them."""

import json
import pathlib
import re
import subprocess
import sys
import time

import keras
import keras_tuner
import pytest

from kerasmith import zoo
from kerasmith.scripts.main import main
from kerasmith.zoo.tuning.trials import read_result

ROOT = pathlib.Path(__file__).parents[1]
QUICK = ["--set", "epochs=2", "--vary", "learning_rate", "norm=batch,none"]
WAIT = 300.0


def command(*arguments, folder):
    words = [sys.executable, "-m", "kerasmith.scripts.main", "tune", *arguments]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)


def histories(folder):
    found = {}
    for path in sorted(folder.glob("trial_*")):
        done = read_result(path)
        found[done.id] = (done.values, done.score, done.executions[0].history)
    for _, _, history in found.values():
        history.pop("seconds")
    return found


def test_a_search_killed_in_a_trial_ends_as_if_it_had_not_been(tmp_path):
    """One worker alone; two that are broken off, whose trials one resumes."""
    words = ["lenet5_digits", *QUICK, "--trials", "2", "--tuner", "random"]
    words += ["--threads", "1"]
    told, _ = command(*words, "--out", "whole", folder=tmp_path).communicate()
    assert re.search(r"trial \d: val_accuracy .* \| best .* \| 2 of 2", told)
    assert "train it: kerasmith train whole/best.json" in told
    whole = tmp_path / "whole"
    run = next(whole.glob("best_of_trial_*"))
    assert {"report.html", "record.json", "hparams", "best.json"} <= {
        path.name for path in whole.iterdir()
    }
    assert (run / "results.json").exists()
    best = zoo.recipes.get(whole / "best.json")
    record = zoo.tuning.SearchRecord.from_json((whole / "record.json").read_text())
    assert best.learning_rate == record.best.values["adaptive_learning_rate"]
    assert best.options["norm"].partition(":")[0] == record.best.values["norm"]

    torn = ["--out", "torn", "--no-retrain"]
    process = command(*words, *torn, "--workers", "2", folder=tmp_path)
    began = time.monotonic()
    states = "torn/trial_*/execution_0/training/states/*"
    while not list(tmp_path.glob(states)):
        assert process.poll() is None and time.monotonic() - began < WAIT
        time.sleep(0.02)
    process.kill()
    process.communicate()
    settings = ["--set", "epochs=2", "--resume"]
    again = command("lenet5_digits", *settings, *torn, folder=tmp_path)
    told, _ = again.communicate()
    assert again.returncode == 0, told
    assert histories(tmp_path / "torn") == histories(whole)


def test_the_script_of_the_documentation(tmp_path):
    page = (ROOT / "docs" / "tuning.md").read_text()
    script = re.search(r"```python\n(# tune_mine.py\n.*?)```", page, re.DOTALL).group(1)
    lines = [line for line in script.splitlines() if line.strip()]
    assert len(lines) <= 24
    (tmp_path / "tune_mine.py").write_text(script)
    words = [sys.executable, "tune_mine.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "4 of 4" in done.stdout
    folder = tmp_path / "runs" / "mine"
    assert (folder / "report.html").exists()
    weights = folder / done.stdout.split()[-1].removeprefix("runs/mine/")
    assert weights.exists()


def test_a_script_without_the_guard_is_told(tmp_path):
    script = (
        "import keras, numpy as np\n"
        "from kerasmith import zoo\n"
        "def build(hp):\n"
        "    return None\n"
        "zoo.tuning.Search(build).run(np.ones((4, 2)), np.ones((4, 1)))\n"
    )
    (tmp_path / "bare.py").write_text(script)
    words = [sys.executable, "bare.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def test_a_stock_tuner_searches_a_recipe(tmp_path):
    recipe = zoo.recipes.with_settings(
        zoo.recipes.get("resnet20_digits"), {"epochs": 1, "data": "digits_few"}
    )
    hypermodel = zoo.tuning.RecipeHyperModel(recipe, vary=["learning_rate"])
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_accuracy", max_trials=1, directory=tmp_path
    )
    tuner.search(verbose=0)
    assert isinstance(tuner.get_best_models()[0], keras.Model)
    assert "sgd_learning_rate" in tuner.get_best_hyperparameters()[0].values


@pytest.mark.parametrize(
    "words, said",
    [
        (["lenet5_digits", "--vary", "learning_rate=1:2"], "outside its range"),
        (["lenet5_digits", "--vary", "norm=none"], "nothing to vary"),
        (["lenet5_digits", "--vary", "nrom"], "did you mean 'norm'"),
        (["lenet5_digits", "--fix", "norm"], "--fix takes KEY=VALUE"),
        (["lenet5_digits", "--fix", "batch_size=17"], "none of its values"),
        (["lenet5_digits", "--trials", "0"], "trials needs to be 1, 2, ..."),
        (["lenet5_digits", "--folds", "3", "--executions", "2"], "exclude each other"),
        (["lenet5_digits", "--resume"], "runs/ holds no lenet5_digits_search"),
        (["--join", "nowhere"], "to join a search, set KERASTUNER_ORACLE_IP"),
        ([], "name a recipe to search"),
        (["transformer_tiny_dates", "--folds", "3"], "folds are of images"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(
    words, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_objective_that_is_not_logged_is_named_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune", "lenet5_digits", "--vary", "norm", "--objective", "val_f1"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "val_f1 is not logged: choose one of accuracy, loss, val_accuracy" in said
    words[-1] = "val_loss"
    words += ["--vary", "kernel_regularizer"]
    assert main(words) == 2
    assert "cannot be compared by val_loss" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_another_search_in_the_folder_is_told(tmp_path, monkeypatch, capsys):
    from kerasmith.zoo.tuning.recipe_job import RecipeJob
    from kerasmith.zoo.tuning.spec import Spec

    monkeypatch.chdir(tmp_path)
    config = zoo.recipes.to_config(zoo.recipes.get("lenet5_digits"))
    job = RecipeJob(config, {}, {"norm": None})
    spec = Spec("runs", "random", "val_accuracy", "max", job.space(), 3, threads=1)
    spec = type(spec)(**{**vars(spec), "job": job.described(), "name": "s"})
    spec.write("s")
    words = ["tune", "lenet5_digits", "--out", "s"]
    assert main(words) == 2
    assert "already holds a search" in capsys.readouterr().err
    words += ["--resume", "--vary", "norm=batch,none", "--tuner", "grid"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "tuner was random and is grid" in said
    assert "norm was one of batch, group, instance, layer, none" in said
    assert json.loads((tmp_path / "s" / "search.json").read_text())["tuner"] == "random"
