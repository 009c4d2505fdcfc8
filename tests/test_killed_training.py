"""A process killed by SIGKILL at any moment, and started again, loses nothing.

KILLS=30 pytest tests/test_killed_training.py asks it for 30 moments in the place of 4,
half of them with Keras' callbacks and half with ours.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = pathlib.Path(__file__).with_name("killed_training.py")
KILLS = int(os.environ.get("KILLS", "4"))


def start(folder, steering):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), steering],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def result_of(folder, steering):
    process = start(folder, steering)
    process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads((folder / "result.json").read_text())


def half_written(folder):
    return [path for path in folder.rglob(".*.part") if any(path.iterdir())]


def kill(folder, steering, moment):
    """Kill a training some seconds after its first step; in a write if `None`.

    Returns whether it was in the middle of one.
    """
    process = start(folder, steering)
    process.stdout.readline()
    if moment is None:
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if half_written(folder):
                    break
            except OSError:
                continue  # renamed while it was looked at
    else:
        time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return bool(half_written(folder))


@pytest.mark.parametrize("steering", ["keras", "ours"])
def test_killed_and_started_again_it_ends_bit_for_bit_alike(steering, tmp_path):
    whole = result_of(tmp_path / "whole", steering)
    assert whole["stopped"] > 4 and len(set(whole["history"]["learning_rate"])) > 1
    moments = random.Random(0)
    folder, in_writes, rounds = tmp_path / "killed", 0, 1
    kills = KILLS // 2 + (KILLS % 2 if steering == "ours" else 0)
    for number in range(kills):
        in_write = number % 2 == 1
        cut = kill(folder, steering, None if in_write else moments.uniform(0, 0.8))
        in_writes += cut
        if (folder / "result.json").exists():  # it was done: begin another
            assert json.loads((folder / "result.json").read_text()) == whole
            folder, rounds = tmp_path / f"killed_{number}", rounds + 1
    assert result_of(folder, steering) == whole
    assert in_writes >= kills // 4, "hardly any kill was in the middle of a write"
