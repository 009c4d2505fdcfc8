"""The command line: what it says of wrong input, and its exit codes."""

import json
import pathlib
import subprocess
import sys

import keras
import pytest

from kerasmith.scripts.main import COMMANDS, main, parser


def complaint(capsys, *arguments):
    """Run a command that must fail, and give its one line."""
    code = main(list(arguments))
    out, err = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in out + err
    lines = [line for line in err.splitlines() if line.startswith("kerasmith: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with a configuration, but without a model."""
    from kerasmith.zoo import recipes

    recipe = recipes.to_config(recipes.get("lenet5_digits"))
    labels = [str(i) for i in range(10)]
    config = {"recipe": recipe, "data": {"labels": labels}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("lenet5_modern", "lenet5_digits", "tfds:NAME", "folder:PATH"):
        assert name in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([command, "--help"])
    assert stop.value.code == 0
    assert "usage: kerasmith" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["lenet5_digit"], "did you mean 'lenet5_digits'"),
        (["lenet5_digits", "--data", "digit"], "did you mean 'digits'"),
        (["lenet5_digits", "--data", "folder:nowhere"], "nowhere"),
        (["lenet5_digits", "--set", "learning_rte=1"], "did you mean 'learning_rate'"),
        (["lenet5_digits", "--set", "norm=grup"], "did you mean 'group'"),
        (["lenet5_digits", "--set", "model=lenet4"], "did you mean 'lenet5'"),
        (["lenet5_digits", "--set", "epochs"], "KEY=VALUE"),
        (["lenet5_digits", "--set", "drop_path=0.1"], "no place for"),
        (["lenet5_digits", "--set", "input_shape=16x16x1"], "at least 32 x 32"),
        (["lenet5_digits", "--epochs", "0"], "epochs needs to be 1, 2"),
        (["nowhere/config.json"], "nowhere/config.json"),
        (["lenet5_digits", "--resume"], "no unfinished run"),
    ],
)
def test_train_tells_what_is_wrong(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in complaint(capsys, "train", *arguments)


def test_an_unknown_option_names_what_there_is(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "lenet5_digits", "--epoks", "3"])
    assert stop.value.code == 2
    assert "--epoks" in capsys.readouterr().err


def test_a_folder_that_is_taken_is_left_alone(run_folder, capsys):
    before = (run_folder / "config.json").read_text()
    told = complaint(capsys, "train", "lenet5_digits", "--out", str(run_folder))
    assert "already holds a run" in told
    assert (run_folder / "config.json").read_text() == before


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "run")
    assert str(tmp_path / "file") in complaint(
        capsys, "train", "lenet5_digits", "--out", out
    )


def test_resuming_with_other_settings_says_which(run_folder, capsys):
    told = complaint(
        capsys, "train", "lenet5_digits", "--resume", "--out", str(run_folder),
        "--epochs", "7",
    )  # fmt: skip
    assert "epochs was 60 and is 7" in told


@pytest.mark.parametrize("command", ["export", "predict"])
def test_no_run_no_model_half_a_file(command, tmp_path, run_folder, capsys):
    image = [str(tmp_path / "image.png")] if command == "predict" else []
    keras.utils.save_img(tmp_path / "image.png", keras.ops.ones((9, 7, 1)))
    assert "no config.json" in complaint(capsys, command, "nowhere", *image)
    wanted = "model.keras" if command == "export" else "SavedModel"
    assert wanted in complaint(capsys, command, str(run_folder), *image)
    config = run_folder / "config.json"
    config.write_text(config.read_text()[:50])
    assert "was cut short" in complaint(capsys, command, str(run_folder), *image)


def test_half_a_model_is_told(run_folder, capsys):
    (run_folder / "model.keras").write_bytes(b"PK\x03\x04 and no more")
    assert "cut short" in complaint(capsys, "export", str(run_folder))


def test_a_lambda_with_code_is_refused(run_folder, capsys):
    model = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Lambda(lambda x: x),
            keras.layers.Flatten(),
        ]
    )
    model.save(run_folder / "model.keras")
    assert "Lambda" in complaint(capsys, "export", str(run_folder))


def test_a_format_that_there_is_not(run_folder, capsys):
    keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Flatten()]).save(
        run_folder / "model.keras"
    )
    told = complaint(capsys, "export", str(run_folder), "--format", "onx")
    assert "did you mean 'onnx'" in told


def test_what_is_no_image_is_told(run_folder, capsys):
    (run_folder / "image.png").write_text("not an image")
    told = complaint(capsys, "predict", str(run_folder), str(run_folder / "image.png"))
    assert "is not an image" in told


@pytest.mark.parametrize(
    "entry", [["-m", "kerasmith.scripts.main"], ["scripts/main.py"]]
)
def test_it_runs_as_a_module_and_as_a_file(entry):
    root = pathlib.Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, *entry, "train", "no_such_recipe"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "there is no recipe 'no_such_recipe'" in done.stderr
    assert "Traceback" not in done.stderr
