"""Training on several devices and in several processes, and what becomes of the dead.

Two processes are started twice: the first pair loses a worker to SIGKILL, the second
goes on. All others are compared with what they leave.
"""

import csv
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from all_callbacks import same

from kerasmith import zoo
from kerasmith.zoo.tools.cluster import Cluster, read_cluster
from kerasmith.zoo.tools.gathering import connect
from kerasmith.zoo.tools.line import WorkerLost

HERE = pathlib.Path(__file__).parent
BACKEND = keras.backend.backend()
LIMIT = 240
TRAIN = "-m kerasmith.scripts.main train lenet5_digits --epochs 2 --batch-size 96"
on_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="these replicas are those of tf.distribute"
)
on_several = pytest.mark.skipif(BACKEND == "torch", reason="one device on PyTorch")


def free_addresses(count=2):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return found


def start_pair(*commands):
    """Start a process for each command, which find each other by TF_CONFIG."""
    addresses = free_addresses(len(commands))
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CONFIG": config(addresses, rank)},
        )
        for rank, command in enumerate(commands)
    ]


def config(addresses, rank):
    task = {"type": "worker", "index": rank}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def finished(process):
    """Wait for a process that must end well."""
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err[-3000:]
    return out


def alone(script, folder):
    """Run a script by itself, and give what it found."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), str(folder)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """Losses on two devices of one process, and on one."""
    return alone("distributed_training.py", tmp_path_factory.mktemp("devices"))


def rows_of(folder):
    try:
        with open(folder / "history.csv", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


@on_several
def test_two_devices_train_as_one_does(devices):
    for name, values in devices["one"].items():
        np.testing.assert_allclose(devices["two"][name], values, 2e-5, err_msg=name)
    assert devices["apart"] < 1e-4


@on_tensorflow
def test_two_processes_train_as_two_devices_although_one_was_killed(devices, tmp_path):
    folder = tmp_path / "run"
    command = [*TRAIN.split(), "--distribute", "multiworker", "--out", folder]
    pair = start_pair(command, command)
    deadline = time.monotonic() + LIMIT
    while not rows_of(folder):
        assert all(each.poll() is None for each in pair), pair[0].communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pair[1].kill()
    _, complaint = pair[0].communicate(timeout=LIMIT)
    assert pair[0].returncode == 2
    assert "worker 1 (127.0.0.1:" in complaint and "--resume" in complaint
    assert not (folder / "results.json").exists()

    for process in start_pair([*command, "--resume"], [*command, "--resume"]):
        finished(process)
    assert json.loads((folder / "results.json").read_text())["epochs"] == 2
    rows = rows_of(folder)
    for name, values in devices["two"].items():
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, values, 1e-6, err_msg=name)


@on_tensorflow
def test_all_callbacks_work_in_two_processes(tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "alone")]
    for folder in folders:
        folder.mkdir()
    script = HERE / "distributed_callbacks.py"
    for process in start_pair([script, folders[0]], [script, folders[1]]):
        finished(process)
    whole = alone(script.name, folders[2])
    first, second = (
        json.loads((folder / "found.json").read_text()) for folder in folders[:2]
    )
    same(first, second, 0)
    same(first, whole, 1e-6)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "needs the variable TF_CONFIG"),
        ("{", "cannot be read"),
        (config(["a:1"], 0), "names 1 worker"),
        (config(["a:1", "b:2"], 2), "counts from 0 to 1"),
        (config(["a:1", "b"], 0), "expected host:port"),
        (config(["a:1", "a:1"], 0), "two workers one address"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"index": 0}}', "ps"),
    ],
)
def test_a_cluster_that_cannot_be_is_told(text, told):
    with pytest.raises(ValueError, match=told):
        read_cluster({"TF_CONFIG": text})


def test_who_does_not_come_is_told_by_name():
    cluster = Cluster(tuple(free_addresses()), 0)
    with pytest.raises(WorkerLost, match=r"worker 1 \(127.0.0.1:\d+\) did not come"):
        connect(cluster, wait=0.1)
    with pytest.raises(WorkerLost, match="worker 0 .* did not answer"):
        connect(Cluster(cluster.addresses, 1), wait=0.1)


MIRRORED = {"distribute": "mirrored"}
REFUSED = [
    ({"distribute": "cluster"}, {}, "'mirrored' or 'multiworker', received 'cluster'"),
    ({"devices": 2}, {}, "goes with distribute='mirrored'"),
    ({**MIRRORED, "devices": 1}, {}, "2, 3, ..., received 1"),
]
REFUSED_HERE = {
    "torch": [(MIRRORED, {}, "on the backends tensorflow and jax, not on torch")],
    "tensorflow": [
        (MIRRORED, {"name": "siamese_digits"}, "compares the examples of a whole"),
        (MIRRORED, {"steps_per_execution": 4}, "steps_per_execution=4 is not there"),
        (
            MIRRORED,
            {"optimizer_options": {"global_clipnorm": 1.0}},
            "clips the share of each replica",
        ),
    ],
}


@pytest.mark.parametrize(
    "asked, settings, told", REFUSED + REFUSED_HERE.get(BACKEND, [])
)
def test_what_cannot_be_distributed_is_told_before_anything_is_written(
    asked, settings, told, tmp_path
):
    settings = dict(settings)
    recipe = zoo.recipes.get(settings.pop("name", "lenet5_digits"))
    recipe = zoo.recipes.with_settings(recipe, settings)
    with pytest.raises(ValueError, match=told):
        zoo.train(recipe, tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
