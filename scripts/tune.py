"""Search the settings of a recipe, and train the best.

    kerasmith tune lenet5_digits --trials 20 --vary learning_rate norm dropout
    kerasmith tune resnet20_digits --tuner random --minutes 30 --workers 2
    kerasmith tune lenet5_digits --vary learning_rate=1e-4:1e-2 norm=batch,group
    kerasmith tune lenet5_digits --fix optimizer=sgd --objective val_loss
    kerasmith tune lenet5_digits --resume

The folder of the search holds best.json, which `kerasmith train` takes, the best
trained anew, report.html, and hparams/ for TensorBoard. Ctrl-C stops; --resume goes on.

Workers on other machines: start the search with KERASTUNER_ORACLE_IP and
KERASTUNER_ORACLE_PORT set to an address of this machine, and there, with the same two
set and the folder of the search shared, `kerasmith tune --join FOLDER`.
"""

import json
import shlex
import sys

TUNERS = ("coarse_to_fine", "random", "hyperband", "bayesian", "grid")


def add_arguments(parser):
    """Declare the arguments of this command.

    Args:
        parser: `argparse.ArgumentParser`.

    Example:

    >>> import argparse
    >>> add_arguments(argparse.ArgumentParser())
    """
    add = parser.add_argument
    add("recipe", nargs="?", help="name of a recipe, or config.json of a run")
    add("--tuner", choices=TUNERS, help="how values are chosen (coarse_to_fine)")
    add("--trials", type=int, metavar="N", help="number of trials (30)")
    add("--minutes", type=float, metavar="M", help="minutes of searching")
    add("--workers", type=int, default=1, metavar="K", help="trials side by side (1)")
    add("--resume", action="store_true", help="go on with a search that was stopped")
    add(
        "--vary",
        nargs="+",
        action="extend",
        metavar="NAME[=VALUES]",
        help="what varies: NAME, NAME=least:greatest or NAME=this,that (all)",
    )
    add(
        "--fix",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="what does not vary",
    )
    add(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a field of the recipe, such as epochs=5; may be repeated",
    )
    add(
        "--objective", metavar="METRIC", help="what trials are scored by (val_accuracy)"
    )
    add("--executions", type=int, metavar="N", help="trainings of a trial, by seed (1)")
    add("--folds", type=int, metavar="K", help="train each trial on K folds instead")
    add("--seed", type=int, metavar="N", help="seed of all randomness (0)")
    add("--threads", type=int, metavar="N", help="processor threads of a trial")
    add("--keep", type=int, metavar="N", help="trials whose weights are kept (1)")
    add("--trial-minutes", type=float, metavar="M", help="minutes a trial may take")
    add("--out", metavar="DIR", help="folder (default: runs/RECIPE_search)")
    add("--join", metavar="DIR", help="work for the search in this folder")
    add("--no-retrain", action="store_true", help="leave it at best.json")


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
    >>> run(parser.parse_args([]))
    Traceback (most recent call last):
    ValueError: name a recipe to search, or the folder of a search to --join.
    """
    if not (arguments.recipe or arguments.join):
        raise ValueError(
            "name a recipe to search, or the folder of a search to --join."
        )
    from kerasmith import zoo
    from kerasmith.scripts.train import key_and_value

    stream = sys.stdout

    def tell(text):
        stream.write(f"{text}\n")
        stream.flush()

    if arguments.join:
        zoo.tuning.join(arguments.join, tell)
        return 0
    recipe = zoo.recipes.get(arguments.recipe)
    settings = dict(key_and_value("--set", text) for text in arguments.settings)
    recipe = zoo.recipes.with_settings(recipe, settings)
    fixed = dict(key_and_value("--fix", text) for text in arguments.fix)
    minutes = arguments.trial_minutes
    found = zoo.tune(
        recipe,
        arguments.out,
        trials=arguments.trials,
        minutes=arguments.minutes,
        workers=arguments.workers,
        vary=arguments.vary and dict(map(varied, arguments.vary)),
        fixed={name: value_of(text) for name, text in fixed.items()},
        resume=arguments.resume,
        retrain=not arguments.no_retrain,
        tell=tell,
        command=shlex.join(["kerasmith", *sys.argv[1:]]) if "tune" in sys.argv else "",
        tuner=arguments.tuner,
        objective=arguments.objective,
        executions=arguments.executions,
        folds=arguments.folds,
        seed=arguments.seed,
        threads=arguments.threads,
        keep=arguments.keep,
        trial_seconds=minutes and 60 * minutes,
    )
    tell(told(found))
    return 0


def varied(text):
    """Read what --vary says of a setting.

    Args:
        text: `"norm"`, `"norm=batch,group"` or `"learning_rate=1e-4:1e-2"`.

    Returns:
        Its name, and the values left to it, `None` for all.

    Example:

    >>> varied("learning_rate=1e-4:1e-2"), varied("norm=batch,group")
    (('learning_rate', [0.0001, 0.01]), ('norm', ['batch', 'group']))
    """
    name, equals, values = text.partition("=")
    if not equals:
        return name, None
    split = values.split(":" if ":" in values else ",")
    return name, [value_of(each) for each in split]


def value_of(text):
    """Read a value: a number where it is one, text otherwise.

    Args:
        text: Text.

    Returns:
        The value.

    Example:

    >>> value_of("1e-3"), value_of("group:8"), value_of("true")
    (0.001, 'group:8', True)
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def told(found):
    """Tell what a search has found.

    Args:
        found: `kerasmith.zoo.tuning.Found`.

    Returns:
        Text of some lines.

    Example:

    >>> told.__name__
    'told'
    """
    record, best = found.record, found.record.best
    spread = "" if best.spread is None else f" ± {best.spread:.2g}"
    values = ", ".join(f"{name}={_short(best.values[name])}" for name in best.values)
    lines = [
        f"{record.objective} {best.score:.5g}{spread} by trial {best.id} of "
        f"{len(record.trials)}: {values}"
    ]
    if found.run:
        from kerasmith import zoo

        lines.append(zoo.tools.tell(found.run))
    lines.append(f"train it: kerasmith train {found.folder / 'best.json'}")
    lines.append(f"{found.folder / 'report.html'}")
    return "\n".join(lines)


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    from kerasmith.scripts.main import main

    sys.exit(main(["tune", *sys.argv[1:]]))
