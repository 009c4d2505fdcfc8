"""Search from coarse to fine: random over the whole space, then in shrinking boxes.

The first round draws at random over the whole space; each later one draws in a box
round the best trial of the rounds before it, narrower from round to round. Each range
is seen on its own scale, so that a logarithmic one shrinks by factors, and choices
that did clearly worse are dropped.

The values of a trial depend on nothing but the seed, its number, and how the trials of
earlier rounds ended. A search that was killed and one with many workers run the same
trials as one that ran through alone.
"""

import functools
import math
import random

import keras_tuner

from .box import Finished, box, draw
from .scales import configurations, single

ENDED = ("COMPLETED", "FAILED")
ATTEMPTS = 64  # draws before the box, and then the space, counts as used up


def round_of(number, max_trials, rounds):
    """Find the round that a trial belongs to.

    Args:
        number: Number of the trial, counted from 0.
        max_trials: Number of trials in all.
        rounds: Number of rounds. They are as long as each other, give or take one.

    Returns:
        The round, counted from 0, and the number of its first trial.

    Example:

    >>> [round_of(number, 10, 4) for number in range(10)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(0, 0), (0, 0), (0, 0), (1, 3), (1, 3), (2, 5), (2, 5), (2, 5), (3, 8), (3, 8)]
    """
    place = number * rounds // max_trials
    return place, math.ceil(place * max_trials / rounds)


def uniform(seed, number, attempt, name):
    """Draw a number that depends on the arguments only.

    Args:
        seed: Seed of the search.
        number: Number of the trial.
        attempt: Number of the draw for this trial.
        name: Which hyperparameter it is for.

    Returns:
        Number in [0, 1).

    Example:

    >>> uniform(0, 3, 0, "rate") == uniform(0, 3, 0, "rate")
    True
    """
    return random.Random(f"{seed}/{number}/{attempt}/{name}").random()


def new_values(space, laid, tried, chance):
    """Draw values in a box that no trial has had.

    Where the box holds nothing new, the whole space is drawn from.

    Args:
        space: List of `keras_tuner.engine.hyperparameters.HyperParameter`.
        laid: What `box` gives.
        tried: List of maps from name to value.
        chance: Called with the number of the draw and a name, gives a number in
            [0, 1).

    Returns:
        Map from name to value, `None` where the space is used up.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("deep")
    >>> laid, chance = {"deep": (True,)}, functools.partial(uniform, 0, 0)
    >>> new_values(space.space, laid, [], chance)
    {'deep': True}
    >>> new_values(space.space, laid, [{"deep": True}], chance)
    {'deep': False}
    >>> new_values(space.space, laid, [{"deep": True}, {"deep": False}], chance)
    """
    known = {_key(values) for values in tried}
    whole = box(space, [], 1.0, 0)
    for attempt in range(2 * ATTEMPTS):
        held = laid if attempt < ATTEMPTS else whole
        values = draw(space, held, functools.partial(chance, attempt))
        if _key(values) not in known:
            return values
    left = (values for values in configurations(space) if _key(values) not in known)
    return next(left, None)


def _key(values):
    return tuple(
        (name, single(value) if isinstance(value, float) else value)
        for name, value in sorted(values.items())
    )


class CoarseToFineOracle(keras_tuner.Oracle):
    """Decide on the trials of a search from coarse to fine.

    A round begins when all trials of the rounds before it have ended; until then the
    oracle answers that it is idle. Trials that failed, or whose score is not a
    number, count as trials and say nothing about where the box lies. No values come
    twice, and a finite space that is used up ends the search.

    All hyperparameters are to be known before the first trial, as they are when
    those under a condition stand in a `conditional_scope` or name their parent.

    Args:
        objective: What to improve: name, `keras_tuner.Objective`, or a list of them.
        max_trials: Number of trials. The rounds share them.
        rounds: Number of rounds. With several workers, a multiple of their number in
            each round keeps them busy.
        shrink: Width of each box as a share of the one before, in (0, 1].
        significance: Level of the one-sided Mann-Whitney test by which a choice is
            dropped, in [0, 1); 0 drops none.
        seed: Integer; any, if `None`.
        **kwargs: Other arguments of `keras_tuner.Oracle`.

    Raises:
        ValueError: If an argument is outside its range.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> objective = keras_tuner.Objective("loss", "min")
    >>> oracle = CoarseToFineOracle(objective, 8, seed=0, hyperparameters=space)
    >>> answer = oracle.populate_space("0")
    >>> answer["status"], sorted(answer["values"])
    ('RUNNING', ['rate'])
    """

    def __init__(
        self,
        objective=None,
        max_trials=40,
        *,
        rounds=10,
        shrink=0.75,
        significance=0.1,
        seed=None,
        **kwargs,
    ):
        for name, number in (("max_trials", max_trials), ("rounds", rounds)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(
                    f"CoarseToFine needs an integer {name} of 1 or more, received "
                    f"{number!r}."
                )
        if not 0 < shrink <= 1:
            raise ValueError(
                f"CoarseToFine needs a shrink in (0, 1], received {shrink}. At 0.5 "
                "each box is half as wide as the one before."
            )
        if not 0 <= significance < 1:
            raise ValueError(
                f"CoarseToFine needs a significance in [0, 1), received "
                f"{significance}. 0 never drops a choice."
            )
        super().__init__(objective, max_trials, seed=seed, **kwargs)
        if seed is not None:
            self.seed = seed  # keras-tuner takes 0 for none
        self.rounds, self.shrink, self.significance = rounds, shrink, significance

    def populate_space(self, trial_id):
        """Choose the values of a trial.

        Args:
            trial_id: Number of the trial, as text.

        Returns:
            Dictionary with the `"status"`, `"RUNNING"`, `"IDLE"` or `"STOPPED"`, and
            the `"values"`.
        """
        number = int(trial_id)
        place, start = round_of(number, self.max_trials, self.rounds)
        earlier = [self.trials[key] for key in sorted(self.trials, key=int)][:start]
        if any(trial.status not in ENDED for trial in earlier):
            return {"status": "IDLE", "values": None}
        space = self.hyperparameters.space
        laid = box(
            space, self._finished(earlier), self.shrink**place, self.significance
        )
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        chance = functools.partial(uniform, self.seed, number)
        values = new_values(space, laid, tried, chance)
        if values is None:
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}

    def _finished(self, trials):
        sign = -1 if self.objective.direction == "max" else 1
        return [
            Finished(trial.hyperparameters.values, single(sign * trial.score))
            for trial in trials
            if trial.status == "COMPLETED"
            and trial.score is not None
            and not math.isnan(trial.score)
        ]

    def reload(self):
        """Take up a search again that was stopped or killed."""
        super().reload()
        # killed between writing a new trial and noting that it runs: it comes anew
        self.trials = {k: v for k, v in self.trials.items() if k in self.start_order}


class CoarseToFine(keras_tuner.Tuner):
    """Search for hyperparameters from coarse to fine.

    It is used as `keras_tuner.RandomSearch` is. See `CoarseToFineOracle` for how it
    goes on and what its arguments do.

    Args:
        hypermodel: Function from `keras_tuner.HyperParameters` to a compiled model, or
            a `keras_tuner.HyperModel`.
        objective: What to improve: name, `keras_tuner.Objective`, or a list of them.
        max_trials: Number of trials.
        rounds: Number of rounds.
        shrink: Width of each box as a share of the one before, in (0, 1].
        significance: Level of the test by which a choice is dropped, in [0, 1).
        seed: Integer; any, if `None`.
        hyperparameters: `keras_tuner.HyperParameters` that are there already or
            replace those of the model.
        tune_new_entries: Whether hyperparameters that are not among them are searched.
        allow_new_entries: Whether there may be such.
        max_retries_per_trial: How often a trial that failed is run again.
        max_consecutive_failed_trials: How many failures on end stop the search.
        **kwargs: Other arguments of `keras_tuner.Tuner`, such as `directory`.

    Raises:
        ValueError: If an argument is outside its range.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     rate = hp.Float("rate", 1e-4, 1.0, sampling="log")
    ...     model.compile(keras.optimizers.SGD(rate), "mse")
    ...     return model
    >>> folder = tempfile.mkdtemp()
    >>> tuner = CoarseToFine(build, "val_loss", 20, rounds=5, directory=folder)
    >>> tuner.oracle.rounds
    5
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=40,
        *,
        rounds=10,
        shrink=0.75,
        significance=0.1,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=3,
        **kwargs,
    ):
        oracle = CoarseToFineOracle(
            objective,
            max_trials,
            rounds=rounds,
            shrink=shrink,
            significance=significance,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle, hypermodel, **kwargs)
