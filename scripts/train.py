"""Train a recipe and leave a folder with all that came of it.

    kerasmith train lenet5_digits
    kerasmith train lenet5_digits --data folder:photos --set norm=batch --epochs 20
    kerasmith train runs/lenet5_digits/config.json
    kerasmith train lenet5_digits --resume
    kerasmith train lenet5_digits --distribute mirrored --devices 2

Ctrl-C keeps the best model so far; --resume carries on from the last epoch.
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
    parser.add_argument(
        "recipe", help="name of a recipe (see `kerasmith list`) or config.json of a run"
    )
    parser.add_argument(
        "--data", metavar="NAME", help="data set: digits, tfds:NAME or folder:PATH"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="number of epochs")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images in a batch")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all randomness")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a field of the recipe or a part of the model; may be repeated",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the run (default: runs/RECIPE)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="carry on with the run in --out, or with the newest unfinished one",
    )
    parser.add_argument(
        "--distribute",
        choices=("mirrored", "multiworker"),
        help="divide each batch among the devices of this machine, or of all "
        "processes that TF_CONFIG names (tensorflow, jax)",
    )
    parser.add_argument(
        "--devices",
        type=int,
        metavar="N",
        help="how many devices of this machine, with --distribute mirrored",
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
    >>> run(parser.parse_args(["lenet5_digits", "--set", "epochs"]))
    Traceback (most recent call last):
    ValueError: --set takes KEY=VALUE, such as learning_rate=0.01; received 'epochs'.
    """
    named = {
        "data": arguments.data,
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "seed": arguments.seed,
    }
    settings = {name: value for name, value in named.items() if value is not None}
    settings |= dict(key_and_value("--set", text) for text in arguments.settings)

    from kerasmith import zoo

    recipe = zoo.recipes.get(arguments.recipe)
    recipe = zoo.recipes.with_settings(recipe, settings)
    done = zoo.train(
        recipe,
        arguments.out,
        resume=arguments.resume,
        distribute=arguments.distribute,
        devices=arguments.devices,
    )
    sys.stdout.write(zoo.tools.tell(done) + "\n")
    return 0


def key_and_value(option, text):
    """Read `KEY=VALUE`.

    Args:
        option: What it was given to, for the message.
        text: The text.

    Returns:
        Key and value.

    Raises:
        ValueError: If it is something else.

    Example:

    >>> key_and_value("--set", "norm=group:8")
    ('norm', 'group:8')
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(
            f"{option} takes KEY=VALUE, such as learning_rate=0.01; received {text!r}."
        )
    return key, value


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
