"""Searches with real processes: trials that die, workers and chiefs that are killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras_tuner
import pytest
from tuning_jobs import Counting, Troubled, lines_of, score, space

from kerasmith.zoo.tuning.search import Searching, check_free
from kerasmith.zoo.tuning.spec import Spec
from kerasmith.zoo.tuning.trials import read_result

SCRIPT = pathlib.Path(__file__).parent / "tuning_search.py"
WAIT = 300.0


def searched(folder, job, space, trials, workers=1, **options):
    told = []
    spec = Spec("s", "random", "loss", "min", space, trials, threads=1, **options)
    searching = Searching(job, spec, folder, told.append)
    searching.run(workers)
    return searching.record(), told


def started(folder, workers, trials, seconds):
    """Start a search in a process of its own."""
    arguments = [str(folder), str(workers), str(trials), str(seconds)]
    return subprocess.Popen([sys.executable, SCRIPT, *arguments])


def until(happened, process=None):
    """Wait for something."""
    began = time.monotonic()
    while not (found := happened()):
        assert time.monotonic() - began < WAIT, "it never came"
        assert process is None or process.poll() is None, "the search has ended"
        time.sleep(0.05)
    return found


def epochs_of(folder):
    return [line.split() for line in lines_of(folder / "execution_0/epochs.txt")]


def in_flight(folder, epochs=2):
    """Find the trials that have begun and not ended."""
    found = sorted(folder.glob("trial_*"))
    begun = [each for each in found if len(epochs_of(each)) >= epochs]
    return [each for each in begun if not (each / "result.json").exists()]


def results(folder):
    found = [read_result(each) for each in sorted(folder.glob("trial_*"))]
    return {trial.id: (trial.values, trial.score) for trial in found if trial}


def test_what_happens_to_a_trial_happens_to_it_alone(tmp_path):
    hp = keras_tuner.HyperParameters()
    kinds = ["raise", "kill", "exit", "nan", "silent", "slow", "none"]
    hp.Choice("trouble", kinds)
    record, told = searched(tmp_path, Troubled(), hp, 7, trial_seconds=8.0)
    reasons = {trial.values["trouble"]: trial.reason for trial in record.trials}
    assert reasons.keys() == set(kinds)
    assert reasons.pop("none") == "" and len(record.trials) == 7
    assert reasons["raise"] == "MemoryError: no memory for 12 GiB"
    assert "SIGKILL, as when memory runs out" in reasons["kill"]
    assert "exit code 3" in reasons["exit"]
    assert "loss was not finite in any epoch" in reasons["nan"]
    assert "loss was not logged: accuracy were" in reasons["silent"]
    assert "longer than 8 seconds" in reasons["slow"]
    assert record.best.values == {"trouble": "none"} and record.best.score == 0.5
    assert len(told) == 7 and sum("failed: " in line for line in told) == 6
    assert "MemoryError" in "".join(
        (tmp_path / f"trial_{t.id}/log.txt").read_text() for t in record.trials
    )


def test_further_seeds_give_a_mean_and_only_the_best_keep_their_weights(tmp_path):
    record, told = searched(tmp_path, Counting(), space(), 4, executions=3, seed=5)
    for trial in record.trials:
        wanted = [score(trial.values, seed) for seed in (5, 6, 7)]
        assert [each.score for each in trial.executions] == wanted
        assert trial.score == pytest.approx(sum(wanted) / 3)
        assert trial.spread == pytest.approx(0.001)
    assert "± 0.001" in told[0]
    kept = {path.parts[-3] for path in tmp_path.glob("trial_*/execution_*/*.h5")}
    assert kept == {f"trial_{record.best.id}"}


def test_four_workers_score_the_trials_of_one(tmp_path):
    alone, _ = searched(tmp_path / "one", Counting(), space(), 8)
    together, _ = searched(tmp_path / "four", Counting(seconds=0.1), space(), 8, 4)
    assert results(tmp_path / "one") == results(tmp_path / "four")
    assert alone.best.score == together.best.score  # not rounded on the way
    assert {trial.worker for trial in together.trials} > {"worker0"}


def test_workers_and_the_chief_are_killed_and_nothing_is_lost(tmp_path):
    """A worker, then the chief of two; what ran goes on from its own epochs."""
    undisturbed, _ = searched(tmp_path / "whole", Counting(epochs=4), space(), 6)
    torn = tmp_path / "torn"
    process = started(torn, 2, 6, 1.0)
    victim = until(lambda: in_flight(torn), process)[0]
    os.kill(int(epochs_of(victim)[0][2]), signal.SIGKILL)  # who runs the trial
    until(lambda: (victim / "result.json").exists(), process)
    rows = epochs_of(victim)
    assert [int(epoch) for epoch, _, _ in rows] == [0, 1, 2, 3]  # none repeated
    assert len({worker for _, _, worker in rows}) == 2  # and finished by another
    ended = len(results(torn))
    until(lambda: len(in_flight(torn)) and len(results(torn)) >= ended, process)
    flying = in_flight(torn)
    process.kill()
    process.wait()
    # nobody goes on without the chief
    pids = [int(row[1]) for each in flying for row in epochs_of(each)[-1:]]
    until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids))
    assert len(results(torn)) < 6
    again = started(torn, 2, 6, 0.0)
    assert again.wait(WAIT) == 0
    assert results(torn) == results(tmp_path / "whole")
    for each in sorted(torn.glob("trial_*")):
        assert [int(row[0]) for row in epochs_of(each)] == [0, 1, 2, 3]
    assert undisturbed.best.id in results(torn)


def test_time_is_up_and_the_search_goes_on_later(tmp_path):
    job = Counting(epochs=4, seconds=0.5)
    spec = Spec("s", "random", "loss", "min", space(), 6, threads=1)
    first = Searching(job, spec, tmp_path, print)
    first.run(minutes=0.12)
    assert len(results(tmp_path)) < 6
    state = json.loads((tmp_path / "oracle.json").read_text())
    second = Searching(job, spec, tmp_path, print)
    second.run()
    assert len(second.record().trials) == 6
    kept = {key: each["values"] for key, each in state["trials"].items()}
    assert {key: results(tmp_path)[key][0] for key in kept} == kept


def test_a_port_in_use_is_told_before_the_first_trial(tmp_path, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)
        with pytest.raises(ValueError, match=f"the port {port} of 127.0.0.1 is in use"):
            searched(tmp_path, Counting(), space(), 2)
    check_free(("127.0.0.1", port))
    monkeypatch.delenv("KERASTUNER_ORACLE_IP")
    with pytest.raises(ValueError, match="KERASTUNER_ORACLE_IP is not set"):
        searched(tmp_path, Counting(), space(), 2)
