"""Running a search: one worker or many, to its end or till there is no time left."""

import contextlib
import functools
import json
import os
import pathlib
import socket
import threading
import time

from ...callbacks.files import write_text
from .oracles import LOCAL, TUNERS, make_oracle
from .process import GRACE, environment, of_threads, start, stop
from .progress import Progress
from .record import SearchRecord
from .trials import read_result
from .worker import ID, IP, PORT, Chief, Worker, address_told, be_worker, reach

WORKERS_NAME = "kerasmith worker"
RESTARTS = 5  # of one worker without a trial ended between them
CLOCK = "clock.json"


class Searching:
    """A search that runs.

    Args:
        job: `RecipeJob` or `BuildJob`.
        spec: `Spec`.
        folder: Its folder; a search that lies there is gone on with.
        tell: Called with text.

    Attributes:
        oracle: What chooses the values.

    Example:

    >>> Searching.__name__
    'Searching'
    """

    def __init__(self, job, spec, folder, tell):
        self.job, self.spec, self.tell = job, spec, tell
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.oracle = self.new_oracle()
        self.oracle.on_end = self._on_end
        before = len(self.oracle.end_order)
        self.progress = Progress(spec, tell, before)
        self._seconds_before, self._began = self._clock(), time.monotonic()

    def new_oracle(self):
        """Make the oracle of this search anew.

        Returns:
            `keras_tuner.Oracle`.
        """
        spec = self.spec
        return make_oracle(
            spec.tuner,
            spec.goal,
            spec.space,
            self.folder,
            trials=spec.trials,
            epochs=spec.epochs,
            seed=spec.seed,
        )

    def run(self, workers=1, minutes=None):
        """Run trials until there are none left.

        Args:
            workers: Number of processes here that run trials side by side; 0 leaves
                them all to other machines.
            minutes: Minutes after which no more are run; those in flight are broken
                off and carried on with when the search is resumed.

        Raises:
            KeyboardInterrupt: If it was interrupted; it can be resumed.
            ValueError: If the address for other machines is taken.
        """
        until = None if minutes is None else time.monotonic() + 60 * minutes
        self.oracle.deadline = until
        limits = {"until": until, "seconds": self.spec.trial_seconds}
        limits["threads"] = self.spec.threads
        address = address_told()
        if workers == 1 and address is None:
            worker = Worker(self.oracle, self.folder, f"{LOCAL}0")
            worker.search(self.job, self.spec.plan, **limits)
        else:
            self._serve(address or ("127.0.0.1", _free_port()), workers, limits)
        if self.oracle.trouble:
            raise self.oracle.trouble
        self._keep_time()

    def record(self, **facts):
        """Give the record of all trials.

        Args:
            **facts: Further headline figures.

        Returns:
            `SearchRecord`.
        """
        found = [read_result(self.oracle.trial_folder(i)) for i in self._ended_ids()]
        return SearchRecord(
            self.spec.name,
            TUNERS[self.spec.tuner].__name__,
            self.spec.objective,
            self.spec.direction,
            self.spec.space,
            tuple(trial for trial in found if trial is not None),
            self._seconds(),
            facts,
        )

    def _ended_ids(self):
        ended = set(self.oracle.end_order)
        return [each for each in self.oracle.start_order if each in ended]

    def _on_end(self, result):
        """Tell of a trial that has ended, and keep only the best ones' weights."""
        best = self.oracle.best(self.spec.keep)
        kept = {trial.trial_id for trial in best}
        for trial_id in self.oracle.end_order:
            if trial_id not in kept:
                folder = self.oracle.trial_folder(trial_id)
                for weights in folder.glob("execution_*/best.weights.h5"):
                    weights.unlink()
        self._keep_time()
        folder = self.oracle.trial_folder(best[0].trial_id) if best else None
        first = read_result(folder) if folder else None
        self.progress.tell_end(result, len(self.oracle.end_order), first)

    def _clock(self):
        with contextlib.suppress(FileNotFoundError):
            return json.loads((self.folder / CLOCK).read_text())["seconds"]
        return 0.0

    def _seconds(self):
        return self._seconds_before + time.monotonic() - self._began

    def _keep_time(self):
        write_text(self.folder / CLOCK, json.dumps({"seconds": self._seconds()}))

    def _serve(self, address, workers, limits):
        """Be the chief of workers here and elsewhere."""
        check_free(address)
        names = [f"{LOCAL}{number}" for number in range(workers)]
        told = dict(zip((IP, PORT, ID), (*address, "chief"), strict=True))
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        with nowhere, contextlib.redirect_stdout(nowhere), environment(told):
            # keras-tuner prints the conditions that it puts into messages
            chief = Chief(self.oracle, self.folder, "chief")
            threading.Thread(target=chief.search, daemon=True).start()
            _wait_for(address)
            crew = Crew(names, functools.partial(self._worker, address, limits))
            try:
                self._watch(crew, limits["until"])
            finally:
                crew.stop()

    def _worker(self, address, limits, name):
        """Start the process of a worker."""
        arguments = (self.folder, name, address, self.job, self.spec.plan, limits)
        variables = {ID: name} | _accelerator(int(name.removeprefix(LOCAL)))
        variables |= of_threads(self.spec.threads)
        return start(be_worker, arguments, f"{WORKERS_NAME} {name}", variables)

    def _watch(self, crew, until):
        """Wait for the workers; those that die are started again."""
        ended = len(self.oracle.end_order)
        while not self._is_over(crew):
            time.sleep(0.2)
            if until is not None and time.monotonic() > until + GRACE:
                return
            if len(self.oracle.end_order) > ended:
                ended = len(self.oracle.end_order)
                crew.restarts.clear()
            for name, code in crew.mend():
                self.oracle.leave(name)
                self.tell(
                    f"{name} ended with exit code {code}: its trial is given back"
                )
        # those elsewhere ask once more, and are told that there is nothing left
        for _ in range(25):
            if not self.oracle.tuner_ids:
                return
            time.sleep(0.2)

    def _is_over(self, crew):
        if self.oracle.trouble:
            return True
        if not crew.names:
            return self.oracle.over
        return crew.has_ended and not self.oracle.ongoing_trials


class Crew:
    """Worker processes on this machine.

    Args:
        names: Their names.
        make: Starts the process of a name.

    Attributes:
        restarts: How often each was started again since a trial has ended.

    Example:

    >>> Crew([], print).has_ended
    True
    """

    def __init__(self, names, make):
        self.names, self._make = names, make
        self.restarts: dict[str, int] = {}
        self._processes = {name: make(name) for name in names}

    @property
    def has_ended(self):
        """Whether none works any more."""
        return not any(process.is_alive() for process in self._processes.values())

    def mend(self):
        """Start those again that have died.

        Returns:
            Pairs of name and exit code of those that were found dead.

        Raises:
            RuntimeError: If one dies again and again.
        """
        found = []
        for name, process in self._processes.items():
            if process.is_alive() or process.exitcode == 0:
                continue
            self.restarts[name] = self.restarts.get(name, 0) + 1
            if self.restarts[name] > RESTARTS:
                raise RuntimeError(
                    f"{name} has died {RESTARTS} times without ending a trial, last "
                    f"with exit code {process.exitcode}."
                )
            found.append((name, process.exitcode))
            self._processes[name] = self._make(name)
        return found

    def stop(self):
        """End them all; each ends its trial first."""
        for process in self._processes.values():
            if process.is_alive():
                process.terminate()
        for process in self._processes.values():
            stop(process, GRACE + 5)


def check_free(address):
    """See that nobody else listens at an address.

    Args:
        address: Host and port.

    Raises:
        ValueError: If somebody does, or the host is not this machine.

    Example:

    >>> with socket.create_server(("127.0.0.1", 0)) as taken:
    ...     check_free(taken.getsockname())
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: the port ... of 127.0.0.1 is in use: ...
    """
    host, port = address
    try:
        socket.create_server((host, int(port)), reuse_port=False).close()
    except OSError as problem:
        raise ValueError(
            f"the port {port} of {host} is in use: {problem}. Choose another {PORT}, "
            "or end what listens there."
        ) from None


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def _wait_for(address):
    for _ in range(150):
        with contextlib.suppress(OSError):
            return reach(address)
        time.sleep(0.1)
    raise ConnectionError(f"the chief could not be started at {':'.join(address)}.")


def _accelerator(number):
    """Let workers share the accelerators that are told, one each in turn."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = [each for each in told.split(",") if each.strip()]
    if len(devices) < 2:
        return {}
    return {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]}
