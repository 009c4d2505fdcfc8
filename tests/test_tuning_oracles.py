"""Oracles that lose no trial: leases, results told twice, and exact resumption."""

import itertools

import keras_tuner
import pytest
from tuning_jobs import score, space

from kerasmith.zoo.tuning.grid import grid_values
from kerasmith.zoo.tuning.oracles import TUNERS, make_oracle
from kerasmith.zoo.tuning.record import Execution
from kerasmith.zoo.tuning.trials import Plan, _write, finish

GOAL = keras_tuner.Objective("loss", "min")
PLAN = Plan("loss", "min")


def opened(folder, tuner, trials=12, seed=0):
    if tuner == "bayesian":  # each costs a second and more
        trials = 6
    return make_oracle(tuner, GOAL, space(), folder, trials=trials, epochs=9, seed=seed)


def end(oracle, trial, reason=""):
    """Let a trial end as a worker does."""
    values, folder = trial.hyperparameters.values, oracle.trial_folder(trial.trial_id)
    if not reason:
        (folder / "execution_0").mkdir(parents=True, exist_ok=True)
        loss = score(values)
        _write(folder / "execution_0", Execution(0, loss, {"loss": [loss]}, 1.0))
    finish(folder, trial.trial_id, values, PLAN, reason)
    trial.status = "FAILED" if reason else "COMPLETED"
    oracle.end_trial(trial)


def run(oracle, workers=1, failing=()):
    """Run a search to its end; of several workers the last to begin ends first."""
    running = {}
    while True:
        for name in (f"worker{i}" for i in range(workers)):
            if name not in running:
                trial = oracle.create_trial(name)
                if trial.status == "RUNNING":
                    running[name] = trial
        if not running:
            return values_of(oracle)
        trial = running.pop(list(running)[-1])
        end(oracle, trial, "dead" if int(trial.trial_id) in failing else "")


def values_of(oracle):
    return {key: trial.hyperparameters.values for key, trial in oracle.trials.items()}


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_killed_between_any_two_steps_runs_the_same_trials(tuner, tmp_path):
    whole = run(opened(tmp_path / "whole", tuner), failing=(3,))
    for _ in itertools.count():
        oracle = opened(tmp_path / "torn", tuner)  # it is another process each time
        trial = oracle.create_trial("worker0")
        if trial.status == "STOPPED":
            break
        again = opened(tmp_path / "torn", tuner)
        assert again.create_trial("worker0").trial_id == trial.trial_id
        end(again, again.trials[trial.trial_id], "dead" * (int(trial.trial_id) == 3))
    assert values_of(oracle) == whole
    assert [t.status for t in oracle.trials.values()].count("FAILED") == 1


@pytest.mark.parametrize("tuner", [name for name in TUNERS if name != "bayesian"])
def test_four_workers_run_the_trials_of_one(tuner, tmp_path):
    def distinct(found):
        values = [{k: v for k, v in row.items() if "/" not in k} for row in found]
        return sorted(map(str, values))

    # Hyperband's own end: which of its trials come first, depends on who is quick
    trials = None if tuner == "hyperband" else 16
    alone = run(opened(tmp_path / "alone", tuner, trials))
    together = run(opened(tmp_path / "together", tuner, trials), workers=4)
    assert distinct(alone.values()) == distinct(together.values())
    if tuner in ("random", "coarse_to_fine"):
        assert alone == together


@pytest.mark.parametrize("tuner", ["random", "coarse_to_fine"])
def test_the_seed_decides_and_zero_is_one(tuner, tmp_path):
    found = [
        run(opened(tmp_path / str(i), tuner, 6, seed))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert found[0] == found[1] != found[2]


def test_a_silent_worker_loses_its_trial_to_another(tmp_path):
    oracle = opened(tmp_path, "random", trials=2)
    first = oracle.create_trial("far-away")
    oracle.lease = 0.0
    assert oracle.create_trial("worker0").trial_id == first.trial_id
    oracle.lease = 60.0
    # who was thought to be lost gets another trial
    second = oracle.create_trial("far-away")
    assert second.trial_id != first.trial_id
    # and as long as one of the two may come back, nobody is sent home
    assert oracle.create_trial("worker1").status == "IDLE"
    assert "worker1" in oracle.tuner_ids  # the chief has to answer it once more
    oracle.leave("far-away")
    assert oracle.create_trial("worker1").trial_id == second.trial_id


def test_the_chief_serves_until_every_worker_was_told_to_stop(tmp_path):
    oracle = opened(tmp_path, "random", trials=1)
    trial = oracle.create_trial("worker0")
    assert oracle.create_trial("worker1").status == "IDLE"
    end(oracle, trial)
    assert oracle.create_trial("worker0").status == "STOPPED"
    assert oracle.tuner_ids == {"worker1"}
    assert oracle.create_trial("worker1").status == "STOPPED"
    assert not oracle.tuner_ids and oracle.over


def test_a_word_from_a_worker_keeps_its_trial(tmp_path):
    oracle = opened(tmp_path, "random", trials=1)
    trial = oracle.create_trial("far-away")
    oracle._heard["far-away"] -= 100
    oracle.get_trial(trial.trial_id)
    assert oracle.create_trial("worker0").status == "IDLE"
    oracle._heard["far-away"] -= 100
    assert oracle.create_trial("worker0").trial_id == trial.trial_id


def test_a_result_told_twice_counts_once(tmp_path):
    oracle = opened(tmp_path, "random", trials=2)
    told = []
    oracle.on_end = told.append
    trial = oracle.create_trial("worker0")
    end(oracle, trial)
    oracle.end_trial(trial)
    assert len(told) == len(oracle.end_order) == 1
    assert oracle.create_trial("worker0").trial_id != trial.trial_id


def test_many_failures_in_a_row_end_nothing(tmp_path):
    oracle = opened(tmp_path, "random", trials=6)
    run(oracle, failing=range(5))
    assert len(oracle.failures()) == 5
    assert [trial.trial_id for trial in oracle.best(3)] == ["5"]


def test_what_was_not_trained_is_never_the_best(tmp_path):
    oracle = opened(tmp_path, "random", trials=3)
    end(oracle, oracle.create_trial("worker0"), "out of memory")
    oracle.create_trial("worker0")
    assert oracle.best() == []


def test_a_trial_that_a_tuner_cannot_choose_is_told(tmp_path):
    oracle = opened(tmp_path, "random", trials=3)
    oracle.populate_space = lambda trial_id: 1 / 0
    assert oracle.create_trial("worker0").status == "STOPPED"
    assert isinstance(oracle.trouble, ZeroDivisionError)


def test_the_grid_holds_every_combination_once():
    found = list(
        itertools.takewhile(bool, (grid_values(space(), n) for n in range(200)))
    )
    assert len({str(values) for values in found}) == len(found) == 10 + 10 * 9
    assert found[0]["kind"] == "plain" and "depth" not in found[0]
    assert found[1]["kind"] == "deep" and found[1]["depth"] == 1
