"""A trial in a process of its own, whose end costs nobody else anything."""

import contextlib
import multiprocessing
import os
import pathlib
import signal
import sys
import threading
import time
from multiprocessing import connection
from typing import Any

from .trials import execute, executions_in, finish, read_result

NAME = "kerasmith trial"
READY = f"{__package__}.ready"
UNSAFE = 77  # exit code of a process that should not have been forked
# macOS forks at one's own risk, Windows not at all
_WARM: list[bool] = []
_METHOD = ["forkserver" if sys.platform.startswith("linux") else "spawn"]
GRACE = 10.0  # seconds to save a state in
SIGNAL_TOLD = {
    signal.SIGKILL: "SIGKILL, as when memory runs out",
    signal.SIGSEGV: "SIGSEGV, a fault in native code",
    signal.SIGABRT: "SIGABRT, native code gave up",
}


def run_trial(trial_id, job, values, folder, plan, *, worker="", beat=None, **limits):
    """Run a trial to its end, or till there is no time left.

    Args:
        trial_id: Its name.
        job: Its job, which is handed to another process: what `pickle` takes.
        values: Its hyperparameters.
        folder: Its folder; a trial that has ended there is not run again, one that
            has not is carried on with.
        plan: `Plan`.
        worker: Who runs it.
        beat: Called without arguments every second, to say that it still runs.
        **limits: `until`, the `time.monotonic()` at which it is broken off and can be
            carried on with; `seconds`, after which it has failed; `threads`, which it
            computes with.

    Returns:
        `TrialRecord`, or `None` if it was broken off.

    Example:

    >>> import tempfile
    >>> from .trials import Plan
    >>> folder, plan = pathlib.Path(tempfile.mkdtemp()), Plan("loss", "min")
    >>> _ = finish(folder, "0", {}, plan, "ran out of memory")
    >>> run_trial("0", None, {}, folder, plan).reason  # not run again
    'ran out of memory'
    """
    if (done := read_result(folder)) is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (job, values, str(folder), plan)
    variables = of_threads(limits.get("threads"))
    while True:
        process = start(_main, arguments, f"{NAME} {trial_id}", variables)
        try:
            reason = _wait(process, beat, limits.get("until"), limits.get("seconds"))
        finally:
            stop(process)
        if process.exitcode != UNSAFE:
            break
        _METHOD.append("spawn")
    if reason is None:
        return None
    # another process may have ended it: one that was thought to be lost
    already = read_result(folder)
    return already or finish(folder, trial_id, values, plan, reason, worker)


def start(target, arguments, name, variables):
    """Start a process that knows nothing of this one but its arguments.

    Where forking is safe, it is forked from one that has imported the backend already.

    Args:
        target: What it calls: with the variables, then with the arguments.
        arguments: What `pickle` takes.
        name: Its name.
        variables: Mapping of environment variables that it sets at first.

    Returns:
        `multiprocessing.Process`.

    Raises:
        ValueError: If this process is itself such a one, whose script has no guard.
    """
    refuse_inside("trials")
    context: Any = multiprocessing.get_context(_METHOD[-1])
    if _METHOD[-1] == "forkserver":
        context.set_forkserver_preload([READY])
    process = context.Process(target=target, args=(variables, *arguments), name=name)
    # the one that the others are forked from reads some of them when it imports
    with environment({**variables, "OPENBLAS_NUM_THREADS": "1"}):
        if not _WARM:  # nobody's time counts before it has imported
            first = context.Process(target=_nothing, name=NAME)
            first.start()
            first.join()
            _WARM.append(True)
        process.start()
    return process


def _nothing():
    """Be a process that has only begun."""


def refuse_inside(what):
    """Refuse to start processes while a process that was started reads its script.

    Args:
        what: What was to be started.

    Raises:
        ValueError: If this is such a process.

    Example:

    >>> refuse_inside("trials")
    """
    if multiprocessing.current_process().name.startswith(NAME):
        raise ValueError(
            f"{what} run in processes of their own, which read this script anew: put "
            'what starts the search under `if __name__ == "__main__":`.'
        )


def stop(process, grace=GRACE):
    """End a process: asked first, so that it can save a state.

    Args:
        process: `multiprocessing.Process`.
        grace: Seconds it is given.
    """
    if process.is_alive():
        process.terminate()
        process.join(grace)
    if process.is_alive():
        process.kill()
    process.join()


def begin(variables):
    """Begin a process that was started: it ends when the one that started it does.

    Args:
        variables: Mapping of environment variables.
    """
    ready = sys.modules.get(READY)
    if ready is not None and ready.THREADS > 1:  # it was forked
        os._exit(UNSAFE)
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal asks all at once
    _end_with_parent()


def _end_with_parent():
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch():
        connection.wait([parent.sentinel])
        os._exit(1)  # states lie on the disk: whoever takes over goes on from there

    threading.Thread(target=watch, daemon=True).start()


def _wait(process, beat, until, seconds):
    """Wait for the end.

    Returns:
        Why the process failed, `""` if it has not; `None` if there is no time left.
    """
    began = time.monotonic()
    while not connection.wait([process.sentinel], timeout=1.0):
        now = time.monotonic()
        if until is not None and now > until:
            return None
        if seconds is not None and now - began > seconds:
            return f"it took longer than {seconds:g} seconds"
        if beat:
            beat()
    process.join()
    return _told(process.exitcode)


def _told(exit_code):
    if exit_code == 0:
        return ""
    if exit_code < 0:
        number = signal.Signals(-exit_code)
        return f"its process was killed by {SIGNAL_TOLD.get(number, number.name)}"
    return f"its process ended with exit code {exit_code}: see log.txt in its folder"


def _main(variables, job, values, folder, plan):
    """Be the process of a trial."""
    begin(variables)
    folder = pathlib.Path(folder)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    with _alone(folder):
        if read_result(folder) is not None:
            return
        try:
            execute(job, values, folder, plan)
        except Exception:
            sys.exit(1)  # it is written down
    # TensorFlow's threads can hang at the end of the interpreter
    sys.stdout.flush()
    if len(executions_in(folder)) == plan.executions:
        os._exit(0)


@contextlib.contextmanager
def _alone(folder):
    """Wait until no other process works in a folder: a lost one may be alive."""
    try:
        import fcntl
    except ImportError:  # Windows, where trials are not handed on between machines
        yield
        return
    with open(folder / "lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def of_threads(threads):
    """Give the environment variables that set a number of processor threads.

    Args:
        threads: The number, or `None` for all.

    Returns:
        Mapping of names to text.

    Example:

    >>> of_threads(2)["OMP_NUM_THREADS"]
    '2'
    """
    if threads is None:
        return {}
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC", "PJRT_NPROC")
    return {name: str(threads) for name in names} | {"TF_NUM_INTEROP_THREADS": "1"}


@contextlib.contextmanager
def environment(variables):
    """Have further environment variables for a while, as have processes that start.

    Args:
        variables: Mapping of names to text.

    Example:

    >>> with environment({"KERASMITH": "here"}):
    ...     os.environ["KERASMITH"]
    'here'
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
