"""Show the architectures, recipes and data sets there are, one line each."""

import sys


def add_arguments(parser):
    """Declare the arguments of this command.

    Args:
        parser: `argparse.ArgumentParser`.

    Example:

    >>> import argparse
    >>> add_arguments(argparse.ArgumentParser())
    """
    parser.add_argument(
        "--page",
        metavar="FILE",
        help="write a page on all architectures instead, in Markdown",
    )


def run(arguments):
    """Run this command.

    Args:
        arguments: What was parsed.

    Returns:
        Exit code.

    Example:

    >>> import argparse
    >>> run(argparse.Namespace(page=None))  # doctest: +ELLIPSIS
    architectures
      lenet5 ...
    0
    """
    from kerasmith import zoo

    if arguments.page:
        from kerasmith.callbacks.files import write_text
        from kerasmith.zoo.tools.zoo_page import zoo_page

        sys.stdout.write(f"{write_text(arguments.page, zoo_page())}\n")
        return 0
    rooms = {
        "architectures": [(name, zoo.summary(name)) for name in zoo.names()],
        "recipes": [
            (name, zoo.recipes.get(name).summary) for name in zoo.recipes.names()
        ],
        "data sets": zoo.data.names(),
        "sets of texts": zoo.data.text_names(),
    }
    width = max(len(name) for rows in rooms.values() for name, _ in rows)
    for room, rows in rooms.items():
        lines = [f"  {name:<{width}}  {summary}" for name, summary in rows]
        sys.stdout.write("\n".join([room, *lines, ""]))
    return 0


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["list", *sys.argv[1:]]))
