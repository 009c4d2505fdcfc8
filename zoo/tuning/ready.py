"""What every process of a search needs, imported once before they are forked.

Importing a backend takes seconds, which each trial would pay again. Forking is safe
while there is one thread, and these imports start none: `THREADS` says so.
"""

import contextlib
import os

from .. import recipes, tools  # noqa: F401
from ..data import catalogue  # noqa: F401
from . import build_job, recipe_job  # noqa: F401


def _threads():
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return 0  # nobody can tell


THREADS = _threads()
