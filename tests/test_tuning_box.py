"""Boxes round trials: their scales, edges, choices and conditions."""

import itertools
import math
import random

import keras_tuner
import numpy as np
import pytest

from kerasmith.zoo.tuning.box import Finished, box, draw, kept_choices
from kerasmith.zoo.tuning.coarse_to_fine import round_of
from kerasmith.zoo.tuning.scales import (
    configurations,
    count,
    interval,
    position,
    value_at,
)


def declared(declare):
    space = keras_tuner.HyperParameters()
    declare(space)
    return space


def every_kind(hp):
    hp.Float("linear", -2.0, 6.0)
    hp.Float("log", 1e-5, 1.0, sampling="log")
    hp.Float("reverse", 0.5, 0.999, sampling="reverse_log")
    hp.Float("steps", 0.0, 1.0, step=0.1)
    hp.Float("log_steps", 1e-3, 10.0, step=10, sampling="log")
    hp.Int("int", 3, 9)
    hp.Int("int_steps", 6, 13, step=3)
    hp.Int("int_log", 4, 64, sampling="log")
    hp.Int("int_log_steps", 2, 32, step=2, sampling="log")
    hp.Choice("sizes", [8, 16, 32])
    hp.Choice("rates", [0.1, 0.3, 0.5], ordered=True)
    hp.Choice("kind", ["a", "b", "c"])
    hp.Boolean("deep")
    hp.Fixed("fixed", 7)
    hp.Int("one", 5, 5)


KINDS = declared(every_kind).space
ORDERED = KINDS[:11]
by_name = {parameter.name: parameter for parameter in KINDS}
every_ordered = pytest.mark.parametrize("parameter", ORDERED, ids=lambda p: p.name)


def all_values(parameter):
    if count(parameter) == math.inf:
        return [value_at(parameter, i / 7) for i in range(8)]
    return [next(iter(values.values())) for values in configurations([parameter])]


@every_ordered
def test_a_value_is_found_again_at_its_place(parameter):
    for value in all_values(parameter):
        assert value_at(parameter, position(parameter, value)) == pytest.approx(value)


@every_ordered
@pytest.mark.parametrize("width", [0.001, 0.1, 0.5, 0.9, 1.0])
def test_a_box_stays_inside_and_holds_its_trial(parameter, width):
    for value in all_values(parameter):
        low, high = interval(parameter, value, width)
        assert 0 <= low <= position(parameter, value) <= high <= 1
        assert high - low >= width - 1e-9
        drawn = {value_at(parameter, low + u * (high - low)) for u in (0, 0.5, 0.999)}
        values = [float(v) for v in all_values(parameter)]
        assert min(values) <= min(drawn) and max(drawn) <= max(values)
        if count(parameter) < math.inf:
            assert all(any(math.isclose(v, d) for v in values) for d in drawn)


@every_ordered
def test_the_smallest_box_reaches_the_neighbours(parameter):
    values = all_values(parameter)
    if count(parameter) == math.inf:
        return
    for before, value in itertools.pairwise(sorted(values)):
        for centre, beside in ((before, value), (value, before)):
            low, high = interval(parameter, centre, 1e-6)
            drawn = [value_at(parameter, u) for u in np.linspace(low, high, 200)]
            assert any(math.isclose(d, beside) for d in drawn)


def test_a_logarithmic_range_shrinks_by_factors():
    tried = [Finished({"log": 1e-2, "linear": 2.0}, 0.0)]
    laid = box([by_name["log"], by_name["linear"]], tried, 0.2, 0.1)
    ends = [value_at(by_name["log"], unit) for unit in laid["log"]]
    assert ends == pytest.approx([10**-2.5, 10**-1.5], rel=1e-6)
    ends = [value_at(by_name["linear"], unit) for unit in laid["linear"]]
    assert ends == pytest.approx([1.2, 2.8], rel=1e-6)


def scored(losses):
    return [Finished({"kind": k}, x) for k, many in losses.items() for x in many]


@pytest.mark.parametrize(
    "losses, kept",
    [
        ({"a": [1, 2, 3], "b": [7, 8, 9]}, ("a", "c")),  # none tried c
        ({"a": [1, 2, 3], "b": [2.5, 2.6, 2.7], "c": [7, 8, 9]}, ("a", "b")),
        ({"a": [1, 2], "b": [7], "c": [8]}, ("a", "b", "c")),  # too few to tell
        # the best trial's stays, though the others of its choice were the worst
        ({"a": [0, 9, 9, 9], "b": [1, 2, 3, 4], "c": [1, 2, 3, 4]}, ("a", "b", "c")),
        ({"a": [1, 2, 3], "b": [math.inf] * 3}, ("a", "c")),
        ({}, ("a", "b", "c")),
    ],
)
def test_a_choice_is_dropped_when_clearly_worse(losses, kept):
    assert kept_choices(by_name["kind"], scored(losses), 0.05) == kept
    assert kept_choices(by_name["kind"], scored(losses), 0) == ("a", "b", "c")


def with_condition(hp):
    hp.Choice("kind", ["a", "b", "c"])
    hp.Float("rate", 0.0, 1.0)
    hp.Float("power", 0.0, 1.0, parent_name="kind", parent_values=["a", "b"])
    hp.Int("depth", 1, 3, parent_name="kind", parent_values=["c"])


def test_what_was_not_active_in_the_best_trial_lies_round_the_best_where_it_was():
    space = declared(with_condition).space
    tried = [
        Finished({"kind": "a", "rate": 0.2, "power": 0.9}, 3.0),
        Finished({"kind": "b", "rate": 0.5, "power": 0.25}, 1.0),
    ]
    laid = box(space, [*tried, Finished({"kind": "a", "rate": 0.75}, 0.0)], 0.5, 0.1)
    assert list(laid.values()) == [
        ("a", "b", "c"),
        (0.5, 1.0),
        (0.0, 0.5),
        (0.0, 1.0),  # no trial had it
    ]


def test_a_draw_holds_what_is_active_and_nothing_else():
    space = declared(with_condition).space
    laid, seen = box(space, [], 1.0, 0), set()
    for number in range(30):
        values = draw(space, laid, lambda name, n=number: random.Random(n).random())
        extra = "depth" if values["kind"] == "c" else "power"
        assert set(values) == {"kind", "rate", extra}
        seen.add(values["kind"])
    assert seen == {"a", "b", "c"}


@pytest.mark.parametrize("max_trials, rounds", [(40, 10), (7, 3), (3, 10), (1, 1)])
def test_rounds_follow_each_other(max_trials, rounds):
    places = [round_of(number, max_trials, rounds) for number in range(max_trials)]
    assert places == sorted(places) and places[0] == (0, 0)
    for number, (place, start) in enumerate(places):
        assert start <= number < max_trials
        assert places[start][0] == place and (not start or places[start - 1][0] < place)
