"""Where SavedModels are asked: a process that finds neither Keras nor Kerasmith.

`asking.ask` starts a script of such a process, whose last lines are

    if __name__ == "__main__":
        stranger = runpy.run_path(str(pathlib.Path(__file__).with_name("stranger.py")))
        stranger["main"](run)

The job is a JSON file of the `path` of the SavedModel, further `options`, `texts` in
hexadecimal digits and an archive of `arrays`, all of them arguments of `run`; the
archive `outputs` to write numbers to, and the file `answer` for texts or an error.
"""

import json
import pathlib
import sys

import numpy as np

HIDDEN = ("keras", "kerasmith", "tf_keras")


class Hiding:
    """Finder of modules that does not find those which must not be needed.

    They look as if they were not installed, so that TensorFlow, which asks for
    Keras by itself, does without.

    Args:
        finder: The entry of `sys.meta_path` whose place it takes.

    Example:

    >>> import importlib.machinery
    >>> Hiding(importlib.machinery.PathFinder).find_spec("keras") is None
    True
    """

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        """Find a module as the finder does, unless it is a hidden one."""
        if name.split(".")[0] in HIDDEN:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def hide():
    """Let this process find no hidden module from here on.

    Example:

    >>> finders = list(sys.meta_path)
    >>> hide()
    >>> isinstance(sys.meta_path[0], Hiding)
    True
    >>> sys.meta_path[:] = finders
    """
    sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]


def answer(job, run):
    """Run what a job says, and write what came out.

    Args:
        job: Path of the JSON file described above.
        run: Function of the job's path and its other arguments; gives a dictionary
            of NumPy arrays, those of `bytes` of texts in UTF-8.

    Example:

    >>> answer("nowhere.json", dict)
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'
    """
    job = json.loads(pathlib.Path(job).read_text(encoding="utf-8"))
    told = {"error": None, "texts": {}}
    try:
        arguments, arrays = dict(job["options"]), {}
        if job["texts"] is not None:
            arguments["texts"] = [bytes.fromhex(text) for text in job["texts"]]
        with np.load(job["arrays"]) as archive:
            arguments.update(archive)
        for name, array in run(job["path"], **arguments).items():
            if array.dtype == object:  # which an archive would pickle
                rows = np.vectorize(bytes.decode, otypes=[object])(array)
                told["texts"][name] = rows.tolist()
            else:
                arrays[name] = array
        np.savez(job["outputs"], **arrays)
    except Exception as raised:  # whatever it is, it is the answer
        told["error"] = f"{type(raised).__name__}: {raised}"
    pathlib.Path(job["answer"]).write_text(json.dumps(told), encoding="utf-8")


def main(run):
    """Answer the job that the command line names, without the hidden modules.

    Args:
        run: As in `answer`.

    Example:

    >>> callable(main)
    True
    """
    hide()
    answer(sys.argv[1], run)
