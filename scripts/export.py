"""Write the model of a run in other formats, each checked in a process of its own.

kerasmith export runs/lenet5_digits --format onnx --format litert
"""

import sys


def add_arguments(parser):
    """Declare the arguments of this command.

    Args:
        parser: `argparse.ArgumentParser`.

    Example:

    >>> import argparse
    >>> add_arguments(argparse.ArgumentParser())
    """
    parser.add_argument("folder", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        metavar="NAME",
        help="saved_model (default), onnx or litert; may be repeated",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder to write to (default: RUN)"
    )


def run(arguments):
    """Run this command.

    Args:
        arguments: What was parsed.

    Returns:
        Exit code.

    Example:

    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["nowhere"]))
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    from kerasmith import zoo

    formats = tuple(arguments.formats or ("saved_model",))
    written = zoo.tools.export_run(arguments.folder, formats, arguments.out)
    for name, path in written.items():
        sys.stdout.write(f"{name}: {path}\n")
    return 0


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["export", *sys.argv[1:]]))
