"""Clipping on two replicas, which needs a process of its own."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def found():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("replicas are those of tf.distribute")
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "mirrored_clipping.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert not done.returncode, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_clips_as_on_one_device(found):
    trainings = {name: value for name, value in found.items() if " " in name}
    assert len(trainings) == 7
    for name, (difference, two, one) in trainings.items():
        assert difference < 1e-5, name
        np.testing.assert_allclose(two, one, 1e-4, err_msg=name)


def test_the_sum_is_clipped_and_not_each_part_as_by_keras(found):
    np.testing.assert_allclose(found["clipped"], 0.5, 1e-4)
    assert found["kept"] > 0.51, "Keras clips the sum, too: say so no longer"


def test_who_only_looks_changes_nothing(found):
    difference, two, one = found["watched"]
    assert difference == 0
    np.testing.assert_allclose(two, one, 1e-4)
