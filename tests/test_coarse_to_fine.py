"""CoarseToFine: its trials under interruption and with workers, and what it finds."""

import itertools
import math
import random

import keras
import keras_tuner
import numpy as np
import pytest

from kerasmith.scripts import bench_search
from kerasmith.scripts.bench_search_problems import PROBLEMS
from kerasmith.zoo.tuning.coarse_to_fine import CoarseToFine


def declared(declare):
    space = keras_tuner.HyperParameters()
    declare(space)
    return space


def awkward(hp):
    hp.Float("rate", 1e-4, 1.0, sampling="log")
    hp.Int("units", 4, 64, sampling="log")
    hp.Choice("kind", ["a", "b"])
    hp.Float("power", 0.0, 1.0, parent_name="kind", parent_values=["a"])


def loss_of(values):
    rest = values["power"] if values["kind"] == "a" else 0.4
    return abs(math.log10(values["rate"]) + 2) + abs(values["units"] - 20) / 20 + rest


class Search(CoarseToFine):
    def run_trial(self, trial, *args, **kwargs):
        return loss_of(trial.hyperparameters.values)


def search_in(folder, *, declare=awkward, direction="min", **options):
    return Search(
        objective=keras_tuner.Objective("loss", direction),
        hyperparameters=declared(declare),
        directory=folder,
        project_name="search",
        **{"max_trials": 12, "rounds": 4, "seed": 0, **options},
    )


def ended(oracle, trial, *, score=loss_of, status="COMPLETED"):
    values = trial.hyperparameters.values
    if status == "COMPLETED":
        oracle.update_trial(trial.trial_id, {"loss": score(values)})
    trial.status = status
    oracle.end_trial(trial)


def values_of(oracle):
    return {key: t.hyperparameters.values for key, t in sorted(oracle.trials.items())}


def run(folder, *, workers=1, order=0, send=lambda trial: trial, **options):
    """Let workers take trials, and end them in an order drawn anew."""
    oracle = search_in(folder, **options).oracle
    oracle.verbose = 0
    coins, running, idle = random.Random(order), {}, 0
    while True:
        for worker in set(range(workers)) - set(running):
            trial = oracle.create_trial(str(worker))
            idle += trial.status == "IDLE"
            if trial.status == "RUNNING":
                running[worker] = trial
        if not running:
            return values_of(oracle), idle
        ended(oracle, send(running.pop(coins.choice(sorted(running)))))


def test_workers_and_the_order_of_ends_change_nothing(tmp_path):
    alone, idle = run(tmp_path / "alone")
    assert len(alone) == 12 and not idle
    for workers, order in ((2, 1), (4, 2), (4, 3), (12, 4)):
        folder = tmp_path / f"{workers}_{order}"
        values, idle = run(folder, workers=workers, order=order)
        assert values == alone
        assert idle  # some had to wait for the end of a round


def with_steps(hp):
    awkward(hp)
    hp.Float("reverse", 0.5, 0.999, sampling="reverse_log")
    hp.Float("steps", 0.0, 1.0, step=0.1)
    hp.Choice("rates", [0.1, 0.3, 0.5])
    hp.Choice("any_rate", [0.1, 0.3, 0.7], ordered=False)


def test_trials_that_went_through_a_wire_change_nothing(tmp_path):
    def send(trial):
        return type(trial).from_proto(trial.to_proto())

    options = {"declare": with_steps, "max_trials": 24, "significance": 0.5}
    here, _ = run(tmp_path / "here", **options)
    there, _ = run(tmp_path / "there", send=send, **options)
    for one, other in zip(here.values(), there.values(), strict=True):
        # steps and choices are written with more digits than 32 bits hold
        loose = {"steps", "rates", "any_rate"}
        assert one | dict.fromkeys(loose) == other | dict.fromkeys(loose)
        assert [one[k] for k in loose] == pytest.approx([other[k] for k in loose])


def test_a_search_is_taken_up_at_any_point_where_it_was_killed(tmp_path):
    whole, _ = run(tmp_path / "whole")
    for killed in range(1, 24, 2):
        folder, moments = tmp_path / str(killed), 0
        tuner = search_in(folder)
        tuner.save()
        while (trial := quiet(tuner).create_trial("tuner0")).status == "RUNNING":
            moments += 1
            if moments == killed:  # while the trial runs
                tuner = search_in(folder)
                continue
            ended(tuner.oracle, trial)
            moments += 1
            if moments == killed + 1:  # before the next one begins
                tuner = search_in(folder)
        assert values_of(tuner.oracle) == whole


def quiet(tuner):
    tuner.oracle.verbose = 0
    return tuner.oracle


def test_a_trial_that_was_begun_but_not_noted_comes_anew(tmp_path, monkeypatch):
    whole, _ = run(tmp_path / "whole")
    tuner = search_in(tmp_path / "killed")
    oracle = quiet(tuner)
    for _ in range(5):
        ended(oracle, oracle.create_trial("tuner0"))
    tuner.save()
    monkeypatch.setattr(oracle, "save", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        oracle.create_trial("tuner0")
    later = quiet(search_in(tmp_path / "killed"))
    while (trial := later.create_trial("tuner0")).status == "RUNNING":
        ended(later, trial)
    assert values_of(later) == whole


@pytest.mark.parametrize("trouble", ["FAILED", "nan"])
def test_trials_without_a_score_do_not_matter(tmp_path, trouble):
    tuner = search_in(tmp_path, max_consecutive_failed_trials=99)
    oracle = quiet(tuner)
    for number in range(12):
        trial = oracle.create_trial("tuner0")
        if number % 3 == 2:
            ended(oracle, trial)
        elif trouble == "nan":
            ended(oracle, trial, score=lambda values: math.nan)
        else:
            ended(oracle, trial, status="FAILED")
    statuses = [trial.status for trial in oracle.trials.values()]
    assert statuses == ["FAILED", "FAILED", "COMPLETED"] * 4
    best = oracle.trials["02"].hyperparameters.values["rate"]
    near = oracle.trials["03"].hyperparameters.values["rate"]
    assert abs(math.log10(near / best)) <= 4 * 0.75


def test_a_search_where_all_failed_goes_on_over_the_whole_space(tmp_path):
    oracle = quiet(search_in(tmp_path, max_consecutive_failed_trials=99))
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        ended(oracle, trial, status="FAILED")
    rates = [math.log10(v["rate"]) for v in values_of(oracle).values()]
    assert len(rates) == 12 and max(rates) - min(rates) > 2


def test_largest_and_least_are_mirrored(tmp_path):
    least, _ = run(tmp_path / "min")
    oracle = quiet(search_in(tmp_path / "max", direction="max"))
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        ended(oracle, trial, score=lambda values: -loss_of(values))
    assert values_of(oracle) == least


def test_seeds_are_taken_as_they_are(tmp_path):
    zero, again, one = (
        run(tmp_path / str(i), seed=seed)[0] for i, seed in enumerate((0, 0, 1))
    )
    assert zero == again != one


def finite(hp):
    hp.Boolean("deep")
    hp.Int("units", 2, 4, parent_name="deep", parent_values=[True])
    hp.Choice("kind", ["a", "b"])


@pytest.mark.parametrize("rounds, shrink", [(1, 1.0), (5, 0.5), (20, 0.1)])
def test_a_finite_space_is_walked_through_once(tmp_path, rounds, shrink):
    options = {"rounds": rounds, "shrink": shrink, "max_trials": 20}
    oracle = quiet(search_in(tmp_path, declare=finite, **options))
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        ended(oracle, trial, score=lambda values: values.get("units", 9))
    assert trial.status == "STOPPED"
    tried = [tuple(sorted(values.items())) for values in values_of(oracle).values()]
    assert len(tried) == len(set(tried)) == 8


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_trials": None}, "integer max_trials of 1 or more, received None"),
        ({"rounds": 0}, "integer rounds of 1 or more, received 0"),
        ({"shrink": 1.5}, r"shrink in \(0, 1\], received 1.5"),
        ({"significance": 1}, r"significance in \[0, 1\), received 1"),
    ],
)
def test_arguments_outside_their_range_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        search_in(tmp_path, **options)


def test_it_beats_random_search():
    names, seeds = ("branin", "hartmann6", "ackley"), range(1000, 6000, 1000)
    ours, theirs = [], []
    for name, seed in itertools.product(names, seeds):
        for tuner, found in ((bench_search.OURS, ours), ("RandomSearch", theirs)):
            pairs = bench_search.search(PROBLEMS[name], tuner, seed)
            found.append(bench_search.best_so_far(pairs)[-1])
    wins, _, losses, p = bench_search.sign_test(ours, theirs)
    assert wins > losses and p < 0.05


def build(hp):
    model = keras.Sequential([keras.Input((4,))])
    model.add(keras.layers.Dense(hp.Int("units", 2, 16, sampling="log")))
    if hp.Boolean("deep"):
        with hp.conditional_scope("deep", [True]):
            model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
    model.add(keras.layers.Dense(1))
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=False)
    return model


def test_it_searches_a_model_and_goes_on_when_more_trials_are_wanted(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    data = {"x": inputs, "y": inputs.sum(1), "validation_data": (inputs, inputs.sum(1))}
    for trials in (3, 5):
        tuner = CoarseToFine(build, "val_loss", trials, seed=0, directory=tmp_path)
        tuner.search(**data, epochs=1, verbose=0)
        statuses = [trial.status for trial in tuner.oracle.trials.values()]
        assert statuses == ["COMPLETED"] * trials
    best = tuner.get_best_hyperparameters()[0]
    assert {"units", "deep", "learning_rate"} <= set(best.values)
    assert len(tuner.get_best_models()) == 1
