"""`kerasmith COMMAND`: train, tune, evaluate, export, predict, translate, list ..."""

import argparse
import contextlib
import importlib
import os
import sys
import traceback

import kerasmith

COMMANDS = {
    "train": "train a recipe and leave a folder with all that came of it",
    "tune": "search the settings of a recipe, and train the best",
    "evaluate": "judge runs: scores, confusions, calibration; crops, ensembles",
    "export": "write the model of a run in other formats",
    "predict": "ask the model of a run what is on images",
    "translate": "ask the model of a run for what it makes of texts",
    "list": "show the architectures, recipes and data sets there are",
    "bench": "measure ours against a peer and add the table to docs/benchmarks.md",
}
INTERRUPTED = 130


def parser():
    """Make the parser of the whole command line.

    Returns:
        `argparse.ArgumentParser`.

    Example:

    >>> parser().parse_args(["train", "lenet5_digits", "--epochs", "3"]).epochs
    3
    """
    main_parser = argparse.ArgumentParser(
        prog="kerasmith",
        description="Train, export and ask ready Keras architectures.",
        epilog="KERAS_BACKEND=tensorflow|jax|torch chooses the backend.",
    )
    main_parser.add_argument(
        "--version", action="version", version=f"kerasmith {kerasmith.__version__}"
    )
    main_parser.add_argument(
        "--traceback", action="store_true", help="show where an error came from"
    )
    commands = main_parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND"
    )
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"kerasmith.scripts.{module_name(name)}")
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return main_parser


def module_name(command):
    """Name the file of a command, which must not shadow a built-in name.

    Args:
        command: What is typed.

    Returns:
        Name of the module in `kerasmith.scripts`.

    Example:

    >>> module_name("list"), module_name("train")
    ('listing', 'train')
    """
    return {"list": "listing"}.get(command, command)


def main(argv=None):
    """Run a command; wrong input becomes one line and exit code 2.

    Args:
        argv: Arguments; those of the process if `None`.

    Returns:
        Exit code: 0 only if everything that was asked for is there.

    Example:

    >>> main(["list"])  # doctest: +ELLIPSIS
    architectures
    ...
    0
    """
    arguments = parser().parse_args(argv)
    # TensorFlow's notes on its own graphs would bury the progress bars; what really
    # fails comes as an exception
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silent():
            # brings in Keras and TensorFlow
            importlib.import_module("kerasmith.zoo.data.order")
        return arguments.run(arguments) or 0
    except KeyboardInterrupt as problem:
        return complain(str(problem) or "interrupted", INTERRUPTED)
    except Exception as problem:
        if arguments.traceback or not is_expected(problem):
            traceback.print_exc()
        code = complain(one_line(problem), 2)
        if type(problem).__name__ == "WorkerLost":
            _leave(code)
        return code


def _leave(code):
    """End at once: TensorFlow and JAX would wait for the process that is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def silent():
    """Silence the error stream, for imports that tell of themselves in C++.

    Example:

    >>> with silent():
    ...     complain("nobody hears this", 0)
    0
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def is_expected(problem):
    """Tell an error that a user can cause from one that is ours.

    Args:
        problem: The exception.

    Returns:
        Whether its message alone is enough.

    Example:

    >>> is_expected(ValueError("no such recipe")), is_expected(IndexError())
    (True, False)
    """
    mismatch = type(problem).__name__ == "ExportMismatch"
    return (
        mismatch
        or type(problem) in (ValueError, TypeError, KeyError)
        or (isinstance(problem, (OSError, ImportError)))
    )


def one_line(problem):
    """Tell an exception in one line.

    Args:
        problem: The exception.

    Returns:
        Text.

    Example:

    >>> one_line(KeyError("no such\\n   key"))
    'no such key'
    """
    text = problem.args[0] if isinstance(problem, KeyError) else problem
    return " ".join(str(text).split()) or type(problem).__name__


def complain(message, code):
    """Tell a message on the error stream.

    Args:
        message: One line.
        code: Exit code.

    Returns:
        The exit code.

    Example:

    >>> complain("nothing to do", 0)
    0
    """
    sys.stderr.write(f"kerasmith: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
