"""What a search tried as plain data, and what mattered most in it."""

import dataclasses
import json

import keras_tuner
import numpy as np
import pytest
import search_records as records
from run_examples import NAN

from kerasmith.zoo.tuning import importances
from kerasmith.zoo.tuning.importances import importance
from kerasmith.zoo.tuning.record import SearchRecord, TrialRecord
from kerasmith.zoo.tuning.search_parameters import parameters


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Draw trials anew a few times only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importances, "RESAMPLINGS", 3)
        yield


@pytest.fixture(scope="module")
def usual():
    return records.usual()


def test_a_record_comes_back_from_json(usual):
    text = usual.to_json()
    assert "NaN" not in text and json.loads(text)["objective"] == "val_accuracy"
    again = SearchRecord.from_json(text)
    assert again.to_json() == text
    assert again.best == usual.best and again.ranks == usual.ranks
    assert [p for p in parameters(again.space)] == parameters(usual.space)
    assert np.isnan(again.trials[5].score)
    assert np.isnan(again.trials[5].executions[0].history["val_accuracy"][2])
    numpy = TrialRecord("0", "COMPLETED", {"units": np.int64(3)}, np.float32(0.5))
    numpy = dataclasses.replace(usual, trials=(numpy,))
    assert SearchRecord.from_json(numpy.to_json()).trials[0].values == {"units": 3}


def test_the_best_was_trained_to_its_end():
    space = records.one_parameter()
    trials = tuple(
        TrialRecord(str(i), status, {"learning_rate": 1e-3}, score)
        for i, (status, score) in enumerate(
            [("STOPPED", 0.1), ("COMPLETED", NAN), ("FAILED", 0.0), ("COMPLETED", 0.3)]
            + [("COMPLETED", 0.3), ("COMPLETED", None), ("RUNNING", 0.2)]
        )
    )
    record = SearchRecord("a", "Random", "loss", "min", space, trials, 1.0)
    assert record.best is trials[3]
    assert record.ranks == [2, 0, 6, 3, 4, 1, 5]
    assert dataclasses.replace(record, direction="max").best is trials[3]
    assert dataclasses.replace(record, trials=trials[:3]).best is None
    with pytest.raises(ValueError, match="'min' or the 'max' of 'loss'"):
        dataclasses.replace(record, direction="up")
    with pytest.raises(ValueError, match="trial 3 received status='DONE'"):
        dataclasses.replace(trials[3], status="DONE")


def planted(score, trials=150, noise=0.02, seed=0):
    random, space = np.random.default_rng(seed), records.usual_space()
    record = records.scored(space, np.zeros(trials), "r2", "max", seed)
    found = [
        dataclasses.replace(t, score=score(t.values) + random.normal(0, noise))
        for t in record.trials
    ]
    return dataclasses.replace(record, trials=tuple(found))


def rate_place(values):
    return (np.log10(values["learning_rate"]) + 5) / 4


def total_effects(score, draws=4000):
    """Give Jansen's total effects of a known score, each drawing a whole space."""
    random, space = np.random.default_rng(9), records.usual_space()
    names = [one.name for one in space.space]

    def configured(draw):
        values = {}
        for one in space.space:
            if all(condition.is_active(values) for condition in one.conditions):
                values[one.name] = one.prob_to_value(draw[one.name])
        return values

    effects = dict.fromkeys(names, 0.0)
    for _ in range(draws):
        draw = dict(zip(names, random.random(len(names)).tolist(), strict=True))
        told = score(configured(draw))
        for name in names:
            moved = score(configured(draw | {name: float(random.random())}))
            effects[name] += (told - moved) ** 2
    return {name: effect / sum(effects.values()) for name, effect in effects.items()}


@pytest.mark.parametrize("times", [1, 2])
def test_what_matters_k_times_has_k_squared_the_share(times):
    def score(values):
        return times * rate_place(values) + 2 * values["dropout"]

    found = importance(planted(score))
    truth = times**2 / (times**2 + 1)  # of the variance, both being uniform
    assert found.shares["learning_rate"] == pytest.approx(truth, abs=0.08)
    assert found.shares["dropout"] == pytest.approx(1 - truth, abs=0.08)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.explained > 0.8
    assert all(spread < 0.1 for spread in found.spreads.values())
    assert [*found.shares.values()] == sorted(found.shares.values(), reverse=True)


def test_conditions_and_choices_matter_as_much_as_they_do():
    def score(values):
        return values.get("momentum", 0.6) + 0.1 * (values["norm"] == "none")

    found, truth = importance(planted(score, noise=0.005)), total_effects(score, 1000)
    for name, share in truth.items():
        assert found.shares[name] == pytest.approx(share, abs=0.1), name


def test_importance_is_the_same_each_time_and_whichever_way_is_up(usual):
    found = importance(usual)
    assert importance(usual) == found
    turned = [dataclasses.replace(t, score=1 - (t.score or 0)) for t in usual.trials]
    turned = dataclasses.replace(usual, trials=tuple(turned), direction="min")
    assert importance(turned).shares == pytest.approx(found.shares, abs=0.03)


def test_importance_says_when_it_cannot_tell():
    space = records.usual_space()  # eight parameters
    few = importance(records.scored(space, np.arange(15.0)))
    assert "15; what mattered can be told from 16 on" in few.doubt and not few.shares
    chance = np.random.default_rng(1).normal(size=40)
    noise = importance(records.scored(space, chance))
    assert "may be chance" in noise.doubt and noise.explained < 0.1 and not noise.shares
    assert "equal" in importance(records.scored(space, np.ones(30))).doubt
    lost = importance(records.scored(space, [NAN] * 30))
    assert lost.trials == 0 and lost.doubt
    fixed = keras_tuner.HyperParameters()
    fixed.Fixed("units", 3)
    assert "No hyper" in importance(records.scored(fixed, np.arange(9.0))).doubt


def test_one_trial_that_diverged_hides_nothing():
    def score(values):
        return rate_place(values) - 1e9 * (values["learning_rate"] > 0.09)

    assert importance(planted(score)).shares["learning_rate"] > 0.8
