"""Ending at a safe moment when somebody presses Ctrl-C."""

import signal
import threading
from typing import Any

from .fit_under_way import callback_lists


class Interruption:
    """Remembers a Ctrl-C until its callback is called next.

    `fit` tells its callbacks nothing of a Ctrl-C, which may come in the middle of an
    update. This holds it back until the step is over: the callback then leaves the
    model as it should, and calls `go_on`. A second Ctrl-C acts at once, as does one
    while no `fit` with this callback is under way.

    Args:
        callback: The callback.

    Attributes:
        asked: Whether there was a Ctrl-C.

    Example:

    >>> import keras
    >>> with Interruption(keras.callbacks.Callback()) as interruption:
    ...     interruption.asked
    False
    """

    def __init__(self, callback):
        self.callback, self.asked = callback, False
        self.before: Any = None

    def __enter__(self):
        self.asked = False
        # only the main thread may say what a signal does
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler) and handler != self._note:
                self.before = handler
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        self.asked = False
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self.before or signal.default_int_handler)

    def go_on(self):
        """End the training as Ctrl-C ends it without us.

        Raises:
            KeyboardInterrupt: Always.
        """
        self.__exit__()
        raise KeyboardInterrupt

    def _note(self, number, frame):
        ours = any(self.callback in callbacks for callbacks in callback_lists(frame))
        if self.asked or not ours:
            self.__exit__()
            return self.before(number, frame)
        self.asked = True
        beneath = getattr(self.before, "__self__", None)
        if isinstance(beneath, Interruption):  # of another callback of this training
            beneath._note(number, frame)
