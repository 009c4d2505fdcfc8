"""Ask the exported model of a run what is on images, or of which class texts are.

kerasmith predict runs/lenet5_digits seven.png another.jpg
kerasmith predict runs/unet_digits_canvas scene.png --out masks
kerasmith predict runs/siamese_digits one.png another.png third.png
kerasmith predict runs/transformer_help_topics "Tuples are immutable." "Modules load."

A network of segmentation writes a mask and an overlay of each image. A Siamese network
compares the first image with each of the others. Texts are given as they are; behind
-- they may begin with a hyphen.
"""

import json
import sys
import textwrap

SHOWN = 60  # characters of a text


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
        "inputs", metavar="INPUT", nargs="+", help="images of any size, or texts"
    )
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="labels to name (default: 3)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for masks (default: RUN/masks)"
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="N",
        help="answer for masks in tiles of N x N pixels (default: for large images)",
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

    Raises:
        ValueError: If there is nothing to predict in a run of this kind.

    Example:

    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["nowhere", "seven.png"]))
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    from kerasmith import zoo

    if arguments.top < 1:
        raise ValueError(f"--top needs to be 1 or more, received {arguments.top}.")
    task = zoo.tools.task_name(arguments.folder)
    if task not in ASK:
        raise ValueError(
            f"{arguments.folder} is a run of {task}, and predict answers for "
            f"{', '.join(ASK)}: see `kerasmith --help` for other commands."
        )
    for answer in ASK[task](arguments, zoo.tools):
        line = json.dumps(answer) if arguments.json else TELL[task](answer, arguments)
        sys.stdout.write(line + "\n")
    return 0


def _labels(arguments, tools):
    return tools.predict_files(arguments.folder, arguments.inputs)


def _masks(arguments, tools):
    options = {"tile": arguments.tile, "progress": not arguments.json}
    return tools.predict_masks(
        arguments.folder, arguments.inputs, arguments.out, **options
    )


def _pairs(arguments, tools):
    return tools.predict_pairs(arguments.folder, arguments.inputs)


def _texts(arguments, tools):
    return tools.predict_texts(arguments.folder, arguments.inputs)


def _tell_labels(answer, arguments):
    return f"{answer['file']}: {_best(answer, arguments)}"


def _tell_text(answer, arguments):
    text = textwrap.shorten(answer["text"], SHOWN, placeholder=" ...")
    # what is no UTF-8 came as lone surrogates, which no terminal takes
    text = text.encode("utf-8", "replace").decode()
    return f"{text!r}: {_best(answer, arguments)}"


def _best(answer, arguments):
    best = answer["ranking"][: arguments.top]
    return "  ".join(f"{name} {p:.1%}" for name, p in best)


def _tell_mask(answer, arguments):
    ranking = sorted(answer["shares"].items(), key=lambda pair: -pair[1])
    named = "  ".join(f"{name} {p:.1%}" for name, p in ranking[: arguments.top])
    return f"{answer['file']}: {named}; {answer['mask']}, {answer['overlay']}"


def _tell_pair(answer, arguments):
    told = "the same" if answer["same"] else "different"
    return f"{answer['file']}: {told}, distance {answer['distance']:.3f}"


ASK = {
    "classification": _labels,
    "segmentation": _masks,
    "similarity": _pairs,
    "text_classification": _texts,
}
TELL = {
    "classification": _tell_labels,
    "segmentation": _tell_mask,
    "similarity": _tell_pair,
    "text_classification": _tell_text,
}


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["predict", *sys.argv[1:]]))
