"""Processes that know nothing of this one, and the files they are handed."""

import os
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent


def run(script, folder, **environment):
    """Run a script of this folder in a process of its own."""
    done = subprocess.run(
        [sys.executable, HERE / script, folder],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def save_arrays(path, arrays):
    """Write arrays by name."""
    np.savez(path, allow_pickle=False, **arrays)
