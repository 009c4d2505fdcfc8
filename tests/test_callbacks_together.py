"""All callbacks in one training: in any order, broken off, however steps are run."""

import functools
import pathlib
import subprocess
import sys

import keras
import pytest
from all_callbacks import (
    BREAK,
    EPOCHS,
    TOLERANCE,
    BreaksOff,
    backwards,
    make_callbacks,
    make_model,
    same,
    train,
)

BACKEND = keras.backend.backend()
WAYS = {
    "eager": {"run_eagerly": True},
    "by XLA": {"jit_compile": True},
    "several steps an execution": {"steps_per_execution": 2},
    "gathered gradients": {"accumulated": 2},
    "scaled loss": {"policy": "mixed_float16"},
}
NOT_ON_TORCH = ("by XLA", "several steps an execution")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nothing broke off."""
    return train(tmp_path_factory.mktemp("whole"))


def turned(kept):
    kept = list(kept)
    return kept[5:] + kept[:5]


@pytest.mark.parametrize("order", [turned, backwards])
def test_the_order_in_the_list_changes_nothing(order, whole, tmp_path):
    found = train(tmp_path, order)
    same(found, whole, TOLERANCE)
    assert found["judged"] == pytest.approx(found["final"], 1e-6)


def test_a_training_broken_off_within_an_epoch_ends_like_the_whole(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, list, BreaksOff())
    resume = make_callbacks(tmp_path)["resume"]
    assert (resume.epoch, resume.step) == BREAK
    same(train(tmp_path), whole, TOLERANCE)


@pytest.mark.parametrize("way", WAYS)
def test_however_the_step_is_run(way, tmp_path):
    if BACKEND == "torch" and way in NOT_ON_TORCH:
        pytest.skip("PyTorch runs steps one by one, and compiles them otherwise")
    make = functools.partial(make_model, **WAYS[way])
    whole = train(tmp_path / "whole", make=make)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", list, BreaksOff(), make=make)
    same(train(tmp_path / "cut", backwards, make=make), whole, TOLERANCE)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="MirroredStrategy is TensorFlow's")
def test_under_a_mirrored_strategy(tmp_path):
    script = pathlib.Path(__file__).with_name("mirrored_callbacks.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_training_had_something_for_each(whole):
    assert len(whole["history"]["val_loss"]) == EPOCHS
    assert whole["samples"] and whole["activations"] and whole["clipping"]
    assert len(whole["errors"]) == EPOCHS // 2
    assert None not in whole["averaged"].values()
    assert whole["memory"][0] is not None
    rates = whole["history"]["learning_rate"]
    assert len(set(rates)) == EPOCHS
