"""Judge a run, or several together, on a split: scores, confusions, calibration.

    kerasmith evaluate runs/lenet5_digits
    kerasmith evaluate runs/lenet5_digits --data folder:photos --crops five
    kerasmith evaluate runs/a runs/b runs/c --export --out runs/three

Several runs answer with the mean of their probabilities. --export writes what was
judged as one SavedModel, which `kerasmith predict DIR FILE` asks.
"""

import json
import pathlib
import sys


def add_arguments(parser):
    """Declare the arguments of this command.

    Args:
        parser: `argparse.ArgumentParser`.

    Example:

    >>> import argparse
    >>> add_arguments(argparse.ArgumentParser())
    """
    parser.add_argument("folders", metavar="RUN", nargs="+", help="folder of a run")
    parser.add_argument(
        "--data",
        metavar="NAME",
        help="data set with the same labels (default: its own)",
    )
    parser.add_argument(
        "--split", default="test", metavar="NAME", help="test (default), dev or train"
    )
    parser.add_argument(
        "--crops",
        metavar="KIND",
        help="average over views of each image: five, ten (with mirror images) or flip",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder to write to (default: RUN/evaluation; runs/ensemble for several)",
    )
    parser.add_argument(
        "--export", action="store_true", help="write one SavedModel to the folder, too"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object"
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
    from kerasmith.zoo import tools

    runs, how = arguments.folders, {"data": arguments.data, "crops": arguments.crops}
    found = tools.evaluate(runs, split=arguments.split, **how)
    folder = pathlib.Path(arguments.out) if arguments.out else _folder(runs)
    page = tools.write_evaluation(found, folder)
    lines = [tools.tell_evaluation(found), f"look at {page}"]
    if arguments.export:
        lines.append(f"saved_model: {tools.export_ensemble(runs, folder, **how)}")
    if arguments.json:
        lines = [json.dumps(found.to_dict())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _folder(runs):
    """Choose the folder: that of the one run, or a new one for several."""
    if len(runs) == 1:
        return pathlib.Path(runs[0]) / "evaluation"
    folder, number = pathlib.Path("runs/ensemble"), 1
    while folder.exists():
        number += 1
        folder = pathlib.Path(f"runs/ensemble-{number}")
    return folder


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["evaluate", *sys.argv[1:]]))
