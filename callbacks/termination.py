"""Ending at a safe moment when the machine asks the process to."""

import os
import signal
import threading

EXIT_CODE = 143  # what a shell reports of a process that SIGTERM has ended


class Termination:
    """Remembers a SIGTERM until training reaches a moment at which it can be saved.

    Where that takes longer than `grace` seconds the process ends without. Where no
    `fit` runs any more, because it has ended by an error, the signal does what it did
    before.

    Args:
        grace: Seconds.

    Attributes:
        asked: Whether the signal has come.

    Example:

    >>> with Termination(grace=5) as termination:
    ...     termination.asked
    False
    """

    def __init__(self, grace):
        self.grace, self.asked = grace, False
        self._before = self._timer = None

    def __enter__(self):
        self.asked = False
        # only the main thread may say what a signal does
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGTERM)
            if handler != self._note:
                self._before = handler
                signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *error):
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) == self._note:
            signal.signal(signal.SIGTERM, self._former())

    def _former(self):
        return signal.SIG_DFL if self._before is None else self._before

    def _note(self, number, frame):
        if self.asked:
            return
        if not _in_fit(frame):
            self.__exit__()
            os.kill(os.getpid(), number)
            return
        self.asked = True
        self._timer = threading.Timer(self.grace, os._exit, [EXIT_CODE])
        self._timer.daemon = True
        self._timer.start()


def _in_fit(frame):
    while frame is not None and frame.f_code.co_name != "fit":
        frame = frame.f_back
    return frame is not None
