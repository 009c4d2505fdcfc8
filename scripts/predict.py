"""Ask the exported model of a run what is on images.

kerasmith predict runs/lenet5_digits seven.png another.jpg
"""

import json
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
    parser.add_argument("files", metavar="FILE", nargs="+", help="images of any size")
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="labels to name (default: 3)"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with all labels"
    )


def run(arguments):
    """Run this command.

    Args:
        arguments: What was parsed.

    Returns:
        Exit code: 0 only if every image was read.

    Example:

    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["nowhere", "seven.png"]))
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    from kerasmith import zoo

    top = arguments.top
    if top < 1:
        raise ValueError(f"--top needs to be 1 or more, received {top}.")
    for answer in zoo.tools.predict_files(arguments.folder, arguments.files):
        if arguments.json:
            line = json.dumps(answer)
        else:
            named = "  ".join(f"{name} {p:.1%}" for name, p in answer["ranking"][:top])
            line = f"{answer['file']}: {named}"
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["predict", *sys.argv[1:]]))
