"""Who runs the trials of a search: keras-tuner's tuner, alone or one of many."""

import contextlib
import functools
import json
import os
import pathlib
import signal
import socket
import sys
import time
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from .process import begin, run_trial
from .record import COMPLETED
from .trials import VALUES

IP, PORT, ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
ENDED = "record.json"  # what a search leaves in its folder at its end
PAUSE = 0.5  # seconds between two questions
PATIENCE = 600.0  # seconds for which a chief that does not answer is waited for


class Worker(BaseTuner):
    """A keras-tuner tuner whose trials run in processes of their own.

    Args:
        oracle: What hands out trials; messages go to the chief where
            `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT` say where it is.
        folder: The search's folder, which all workers share.
        name: Its name, by which it gets its unfinished trial back.

    Example:

    >>> import tempfile
    >>> import keras_tuner
    >>> oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", 1)
    >>> Worker(oracle, tempfile.mkdtemp(), "worker0").tuner_id
    'worker0'
    """

    def __init__(self, oracle, folder, name="worker0"):
        self.folder = pathlib.Path(folder)
        super().__init__(
            oracle, None, str(self.folder.parent), self.folder.name, overwrite=False
        )
        self.tuner_id = name

    def search(self, job, plan, *, until=None, **limits):
        """Run trials until there are none left.

        Args:
            job: `RecipeJob` or `BuildJob`.
            plan: `Plan`.
            until: The `time.monotonic()` at which the trial in flight is broken off.
            **limits: `seconds` that a trial may take, `threads` that it computes with.
        """
        while True:
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == "STOPPED":
                return
            if trial.status == "IDLE":
                if until is not None and time.monotonic() > until:
                    return
                time.sleep(PAUSE)
                continue
            folder = self.folder / f"trial_{trial.trial_id}"
            values = json.loads((folder / VALUES).read_text(encoding="utf-8"))
            done = run_trial(
                trial.trial_id,
                job,
                values,
                folder,
                plan,
                worker=self.tuner_id,
                beat=functools.partial(self.oracle.get_trial, trial.trial_id),
                until=until,
                **limits,
            )
            if done is None:
                return
            trial.status = "COMPLETED" if done.status == COMPLETED else "FAILED"
            self.oracle.end_trial(trial)

    def save(self):
        """Leave the state to the oracle, which writes it at each step."""

    def reload(self):
        """As for `save`."""


class Chief(Worker):
    """Answers the workers' messages, as keras-tuner's chief does.

    Example:

    >>> issubclass(Chief, Worker)
    True
    """

    def search(self, *_, **__):
        """Serve; ends when all workers have been told to stop."""
        BaseTuner.search(self)


class Patient:
    """An oracle at the other end of a line that may break.

    Args:
        connect: Makes keras-tuner's client of it, anew after a break.
        address: Host and port of the chief.
        tell: Called with text while the chief does not answer.
        ended: Tells whether the search has ended meanwhile.
        patience: Seconds after which the chief is given up.

    Example:

    >>> nobody = ("127.0.0.1", "1")
    >>> Patient(object, nobody, print, lambda: False, 0).create_trial("worker0")
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ConnectionError: the chief at 127.0.0.1:1 has not answered for 0 seconds: ...
    """

    def __init__(self, connect, address, tell, ended, patience=PATIENCE):
        self._connect, self._address, self._tell = connect, address, tell
        self._ended, self._patience = ended, patience
        self._client = connect()

    def create_trial(self, tuner_id):
        """Ask for a trial."""
        return self._ask("create_trial", tuner_id)

    def get_trial(self, trial_id):
        """Ask for a trial that is known."""
        return self._ask("get_trial", trial_id)

    def end_trial(self, trial):
        """Say that a trial has ended."""
        return self._ask("end_trial", trial)

    def _ask(self, name, *arguments):
        import grpc

        began, told, place = time.monotonic(), False, ":".join(self._address)
        while not self._ended():
            try:
                reach(self._address)
                return getattr(self._client, name)(*arguments)
            except (OSError, grpc.RpcError) as problem:
                if time.monotonic() - began > self._patience:
                    raise ConnectionError(
                        f"the chief at {place} has not answered for "
                        f"{self._patience:g} seconds: {problem}"
                    ) from None
                self._client = self._connect()
            if not told:
                self._tell(f"waiting for the chief at {place}")
                told = True
            time.sleep(PAUSE)
        raise SearchEnded


class SearchEnded(Exception):
    """The search has ended while the chief was not to be reached.

    Example:

    >>> issubclass(SearchEnded, Exception)
    True
    """


def reach(address, timeout=5.0):
    """See whether somebody answers.

    Args:
        address: Host and port.
        timeout: Seconds.

    Raises:
        OSError: If nobody does.

    Example:

    >>> reach(("127.0.0.1", "1"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ConnectionRefusedError: ...
    """
    host, port = address
    socket.create_connection((host, int(port)), timeout).close()


def address_told():
    """Give the chief's address that the environment tells.

    Returns:
        Host and port, or `None`.

    Raises:
        ValueError: If only one of the two is told.

    Example:

    >>> address_told() is None
    True
    """
    told = os.environ.get(IP), os.environ.get(PORT)
    if not any(told):
        return None
    if not all(told):
        missing = PORT if told[0] else IP
        raise ValueError(f"{missing} is not set: it goes with the other one.")
    return told


def work(folder, name, address, job, plan, tell, limits):
    """Work for a chief until there is nothing left to do.

    Args:
        folder: The search's folder, which the chief shares.
        name: Name of this worker.
        address: Host and port of the chief.
        job: `RecipeJob` or `BuildJob`.
        plan: `Plan`.
        tell: Called with text.
        limits: As for `Worker.search`.

    Raises:
        ConnectionError: If the chief does not answer any more.
    """
    os.environ.update(zip((IP, PORT, ID), (*address, name), strict=True))
    goal = keras_tuner.Objective(plan.objective, plan.direction)
    shell = keras_tuner.oracles.RandomSearchOracle(goal, 1)  # asked for its goal only
    worker: Any = Worker(shell, folder, name)

    def connect():
        return Worker(shell, folder, name).oracle

    def ended():
        return (worker.folder / ENDED).exists()

    worker.oracle = Patient(connect, address, tell, ended)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        # keras-tuner prints the conditions that it puts into messages
        with contextlib.redirect_stdout(nowhere), contextlib.suppress(SearchEnded):
            worker.search(job, plan, **limits)


def be_worker(variables, folder, name, address, job, plan, limits):
    """Be the process of a worker on the chief's machine; as for `work`."""
    begin(variables)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends its trial first
    # several share an accelerator
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    work(folder, name, address, job, plan, lambda text: None, limits)
