"""keras-tuner's oracles, made so that no trial of theirs is lost.

What keras-tuner 1.4.8 does otherwise: a trial that a killed worker held is never given
back; what is written can be torn; seed 0 means a random seed; three failures in a row
end the search; grid search hands out one trial at a time, whatever the number of
workers; a resumed Bayesian optimization draws other points.
"""

import functools
import json
import pathlib
import time

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from ...callbacks.files import write_text
from ..choices import choose
from .coarse_to_fine import CoarseToFineOracle
from .grid import grid_values
from .record import COMPLETED, FAILED
from .trials import VALUES, read_result

RUNNING, IDLE, STOPPED = "RUNNING", "IDLE", "STOPPED"
LEASE = 60.0  # seconds without a word after which a worker's trial is another's
LOCAL = "worker"  # what the names of workers begin with that end with the chief


def _synchronized(method):
    """As keras-tuner's own, with the name and the words of the method."""
    return functools.wraps(method)(keras_tuner.synchronized(method))


class Durable(keras_tuner.Oracle):
    """What every oracle here does beside choosing values.

    Attributes:
        folder: The search's folder: `oracle.json` and a folder for each trial.
        deadline: The `time.monotonic()` after which no trial begins, or `None`.
        lease: Seconds without a word from a worker after which its trial is given to
            another.
        on_end: Called with each trial that has ended.
        over: Whether a worker has been told that there is nothing left.
        trouble: The exception for which the search cannot go on, or `None`.

    Example:

    >>> RandomSearch("val_loss", 3).lease
    60.0
    """

    def __init__(self, *args, seed=0, **kwargs):
        # keras-tuner takes 0 for none
        kwargs |= {"seed": seed + 1, "max_consecutive_failed_trials": None}
        super().__init__(*args, **kwargs)
        self.verbose = 0
        self.folder, self.deadline, self.lease = pathlib.Path(), None, LEASE
        self.on_end, self.trouble, self.over = lambda trial: None, None, False
        self._heard, self._since, self._left = {}, time.monotonic(), set()

    def trial_folder(self, trial_id):
        """Give the folder of a trial.

        Args:
            trial_id: Its name.

        Returns:
            `pathlib.Path`.
        """
        return self.folder / f"trial_{trial_id}"

    @_synchronized
    def create_trial(self, tuner_id):
        """Hand out the worker's own unfinished trial, a lost one, or a new one."""
        self._heard[tuner_id] = time.monotonic()
        # keras-tuner's chief serves until all of these have been told to stop
        self.tuner_ids.add(tuner_id)
        try:
            trial = self._held(tuner_id) or self._new(tuner_id)
        except Exception as problem:
            self.trouble = problem
            trial = self._none(STOPPED)
        if trial.status == STOPPED:
            self.tuner_ids.discard(tuner_id)
        return trial

    def _held(self, tuner_id):
        if tuner_id not in self.ongoing_trials:
            lost = next(filter(self._is_lost, self.ongoing_trials), None)
            if lost is None or self._is_late():
                return None
            self.ongoing_trials[tuner_id] = self.ongoing_trials.pop(lost)
            self.save()
        self._left.discard(tuner_id)
        return self._written(self.ongoing_trials[tuner_id])

    def _new(self, tuner_id):
        if self._is_late():
            return self._none(STOPPED)
        trial = super().create_trial(tuner_id)
        if trial.status == RUNNING:
            return self._written(trial)
        self.tuner_ids.add(tuner_id)  # who is told to stop is gone
        waits = bool(self.ongoing_trials)  # one of them may come back
        return self._none(IDLE if waits or trial.status == IDLE else STOPPED)

    def _none(self, status):
        self.over |= status == STOPPED
        return Trial(self.hyperparameters.copy(), trial_id="", status=status)

    def _written(self, trial):
        """Write the values where a worker reads them: messages round numbers."""
        path = self.trial_folder(trial.trial_id) / VALUES
        if not path.exists():
            write_text(path, json.dumps(trial.hyperparameters.values))
        return trial

    def _is_late(self):
        return self.deadline is not None and time.monotonic() > self.deadline

    def _is_lost(self, tuner_id):
        if tuner_id in self._left:
            return True
        heard = self._heard.get(tuner_id, self._since)
        return time.monotonic() - heard > self.lease

    @_synchronized
    def leave(self, tuner_id):
        """Let another worker have the trial of one that is gone.

        Args:
            tuner_id: Its name.
        """
        self._left.add(tuner_id)

    @_synchronized
    def get_trial(self, trial_id):
        """Give a trial; its worker asks so as to say that it is alive."""
        for tuner_id, trial in self.ongoing_trials.items():
            if trial.trial_id == trial_id:
                self._heard[tuner_id] = time.monotonic()
        return super().get_trial(trial_id)

    @_synchronized
    def end_trial(self, trial):
        """Take a result over from the trial's folder, once."""
        known = self.trials.get(trial.trial_id)
        result = read_result(self.trial_folder(trial.trial_id))
        if known is None or result is None or trial.trial_id in self.end_order:
            return
        trial.hyperparameters = known.hyperparameters
        trial.status, trial.message = result.status, result.reason
        super().end_trial(trial)
        self.save()  # now that it is no longer among those that run
        self.on_end(result)

    def score_trial(self, trial):
        """Take the score that the trial's processes have written, unrounded."""
        result = read_result(self.trial_folder(trial.trial_id))
        trial.score = result and result.score

    def save(self):
        """Write everything to one file, beside and renamed."""
        state = self.get_state()
        state["trials"] = {key: _state(trial) for key, trial in self.trials.items()}
        write_text(self.folder / "oracle.json", json.dumps(state, default=float))

    def reload(self):
        """Go on from that file; what ran then is still to be ended."""
        state = json.loads((self.folder / "oracle.json").read_text(encoding="utf-8"))
        for key, kept in state.pop("trials").items():
            trial = Trial(self.hyperparameters.copy(), key, kept["status"])
            trial.hyperparameters.values = kept["values"]
            trial.score, trial.message = kept["score"], kept["message"]
            self.trials[key] = trial
        self.set_state(state)
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.status != RUNNING:
                self.ongoing_trials.pop(tuner_id)
        self._left = {name for name in self.ongoing_trials if name.startswith(LOCAL)}
        self._since = time.monotonic()

    def best(self, count=1):
        """Give the best trials of those that were trained to their end.

        Args:
            count: How many.

        Returns:
            List of trials, fewer where there are fewer.
        """
        done = [t for t in self.trials.values() if t.status == COMPLETED]
        sign = -1 if self.objective.direction == "max" else 1
        return sorted(done, key=lambda trial: sign * trial.score)[:count]

    def failures(self):
        """Give the trials that failed.

        Returns:
            List of trials.
        """
        return [trial for trial in self.trials.values() if trial.status == FAILED]


def _state(trial):
    return {
        "values": trial.hyperparameters.values,
        "status": trial.status,
        "score": trial.score,
        "message": trial.message,
    }


class RandomSearch(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Random values.

    Example:

    >>> RandomSearch("val_loss", 3, seed=0).seed  # keras-tuner takes 0 for none
    1
    """


class CoarseToFine(Durable, CoarseToFineOracle):
    """Random values, then of ever smaller boxes round the best.

    Example:

    >>> CoarseToFine("val_loss", 30).objective.direction
    'min'
    """


class Hyperband(Durable, keras_tuner.oracles.HyperbandOracle):
    """Many short trainings, of which the best are trained for longer.

    Example:

    >>> Hyperband("val_loss", max_epochs=9).max_epochs
    9
    """


class BayesianOptimization(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process expects the best.

    Example:

    >>> BayesianOptimization("val_loss", 12, num_initial_points=4).num_initial_points
    4
    """

    def populate_space(self, trial_id):
        """Draw by the trial's number alone, so that a resumed search draws alike."""
        self._random_state = np.random.RandomState(self.seed + int(trial_id))
        return super().populate_space(trial_id)


class GridSearch(Durable, keras_tuner.oracles.GridSearchOracle):
    """Every combination of values, the first parameter changing slowest.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> depth, units = space.Choice("depth", [1, 2]), space.Choice("units", [4, 8])
    >>> oracle = GridSearch("val_loss", hyperparameters=space)
    >>> oracle.populate_space("2")["values"]
    {'depth': 2, 'units': 4}
    """

    def populate_space(self, trial_id):
        """Give the combination of the trial's number."""
        values = grid_values(self.hyperparameters, int(trial_id))
        return {"status": STOPPED if values is None else RUNNING, "values": values}


TUNERS = {
    "coarse_to_fine": CoarseToFine,
    "random": RandomSearch,
    "hyperband": Hyperband,
    "bayesian": BayesianOptimization,
    "grid": GridSearch,
}


def make_oracle(tuner, objective, space, folder, *, trials, epochs=None, seed=0):
    """Make an oracle, which goes on where an earlier one in its folder was.

    Args:
        tuner: One of `TUNERS`.
        objective: `keras_tuner.Objective`.
        space: `keras_tuner.HyperParameters`.
        folder: The search's folder.
        trials: Number of trials at most; `None` for as many as the tuner takes, which
            are endless for some.
        epochs: Epochs of the longest training, for `"hyperband"`.
        seed: Seed of what is drawn.

    Returns:
        `keras_tuner.Oracle`, which is `Durable`, too.

    Raises:
        ValueError: If there is no such tuner.

    Example:

    >>> import tempfile
    >>> space = keras_tuner.HyperParameters()
    >>> units = space.Int("units", 4, 16)
    >>> objective = keras_tuner.Objective("val_loss", "min")
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> oracle = make_oracle("random", objective, space, folder, trials=2)
    >>> trial = oracle.create_trial("worker0")
    >>> again = make_oracle("random", objective, space, folder, trials=2)
    >>> again.create_trial("worker0").trial_id == trial.trial_id
    True
    """
    kind = choose("tuner", tuner, TUNERS)
    options = {"objective": objective, "hyperparameters": space, "seed": seed}
    options |= {"allow_new_entries": False, "tune_new_entries": False}
    if tuner == "hyperband":
        options["max_epochs"] = epochs
    else:
        options["max_trials"] = trials
    if tuner == "bayesian":
        # keras-tuner's three times the number of parameters would be all of them
        options["num_initial_points"] = max(4, trials // 3) if trials else None
    oracle = kind(**options)
    oracle.max_trials, oracle.folder = trials, pathlib.Path(folder)
    oracle._set_project_dir(str(oracle.folder.parent), oracle.folder.name)
    if (oracle.folder / "oracle.json").exists():
        oracle.reload()
    return oracle
