"""Ask the exported translator of a run.

kerasmith translate runs/transformer_tiny_dates "3rd of May 2021" "12. März 1999"
kerasmith translate runs/transformer_tiny_dates "3rd of May 2021" --nbest 3
kerasmith translate runs/transformer_tiny_dates "3 mai 2021" --attention look.png
kerasmith translate runs/transformer_tiny_dates - < texts.txt
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
    parser.add_argument(
        "texts",
        metavar="TEXT",
        nargs="+",
        help="what to translate; - reads a text a line from standard input",
    )
    parser.add_argument(
        "--nbest",
        type=int,
        default=1,
        metavar="N",
        help="translations of each, with their scores (default: 1)",
    )
    parser.add_argument(
        "--beams", type=int, metavar="N", help="beams (default: the recipe's)"
    )
    parser.add_argument(
        "--attention",
        metavar="FILE",
        help="draw where the network looked, a PNG, SVG or PDF file",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with all scores"
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
    >>> run(parser.parse_args(["nowhere", "3 May 2021"]))
    Traceback (most recent call last):
    FileNotFoundError: nowhere is no finished run: it has no config.json.
    """
    from kerasmith import zoo

    texts = arguments.texts
    if texts == ["-"]:
        texts = sys.stdin.read().splitlines()
    found = zoo.tools.translate_texts(
        arguments.folder,
        texts,
        best=arguments.nbest,
        beams=arguments.beams,
        attention=arguments.attention,
    )
    for one in found:
        sys.stdout.write(_told(one, arguments) + "\n")
    return 0


def _told(one, arguments):
    if arguments.json:
        translations = [found._asdict() for found in one.translations]
        told = {"text": one.source, "translations": translations}
        return json.dumps(told, ensure_ascii=False)
    if arguments.nbest == 1:
        return one.translations[0].text
    rows = (f"  {found.score:8.4f}  {found.text}" for found in one.translations)
    return "\n".join([one.source, *rows])


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["translate", *sys.argv[1:]]))
