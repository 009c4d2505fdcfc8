"""What is looked at before the first trial."""

import importlib.metadata
import importlib.util
import json
import pathlib
import tempfile

import keras_tuner

from ...callbacks.files import write_text
from .process import NAME, begin, of_threads, start, stop
from .trials import told

NEEDED = {
    "tensorboard": "keras-tuner 1.4 does not start without it",
    "grpc": "workers talk by it; its package is grpcio",
    "scipy": "Bayesian optimization and coarse_to_fine need it",
    "sklearn": "Bayesian optimization needs it; its package is scikit-learn",
}
OLDEST = (1, 4, 8)
LOSSES = ("label_smoothing", "kernel_regularizer", "l2")  # what changes a loss itself


def check_environment():
    """See that keras-tuner can work here.

    Raises:
        ImportError: If a package is missing or too old.

    Example:

    >>> check_environment()
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        why = "; ".join(f"{name} is missing: {NEEDED[name]}" for name in missing)
        raise ImportError(f"{why}. Install it, such as by pip install {missing[0]}.")
    version = importlib.metadata.version("keras-tuner")
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST:
        raise ImportError(
            f"keras-tuner {version} is too old: this needs "
            f"{'.'.join(map(str, OLDEST))} or newer."
        )


def look(job):
    """Train a batch of what is to be searched, in a process of its own.

    Args:
        job: `RecipeJob` or `BuildJob`.

    Returns:
        The metrics that an epoch logs, and the space as `keras_tuner.HyperParameters`.

    Raises:
        ValueError: If it cannot be trained as it is.

    Example:

    >>> look.__name__
    'look'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "found.json"
        process = start(_look, (job, str(path)), f"{NAME} to look", of_threads(None))
        try:
            process.join()
        finally:
            stop(process)
        if not path.exists():
            raise ValueError(
                "a process of a trial could not be started or died (exit code "
                f"{process.exitcode}). What starts the search has to stand under "
                '`if __name__ == "__main__":`, and the function that builds the model '
                "at the top of a file."
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    if "problem" in found:
        raise ValueError(f"this cannot be trained as it is: {found['problem']}")
    space = keras_tuner.HyperParameters.from_config(found["space"])
    return found["metrics"], space


def _look(variables, job, path):
    begin(variables)
    try:
        space = job.space()
        found = {"metrics": job.check(), "space": space.get_config()}
    except Exception as problem:
        found = {"problem": told(problem)}
    write_text(path, json.dumps(found))


def check_objective(name, metrics, space):
    """See that an objective is logged, and that trials can be compared by it.

    Args:
        name: Name of the objective.
        metrics: The metrics that an epoch logs.
        space: `keras_tuner.HyperParameters`.

    Raises:
        ValueError: If it is not, or the loss is another one in each trial.

    Example:

    >>> check_objective("val_acc", ["loss", "val_loss"], keras_tuner.HyperParameters())
    Traceback (most recent call last):
    ValueError: the objective val_acc is not logged: choose one of loss, val_loss.
    """
    if name not in metrics:
        raise ValueError(
            f"the objective {name} is not logged: choose one of {', '.join(metrics)}."
        )
    changed = sorted({row.name for row in space.space} & set(LOSSES))
    if name.endswith("loss") and changed:
        raise ValueError(
            f"trials cannot be compared by {name} while {changed[0]} varies, which "
            "changes the loss itself: choose another objective, or fix it."
        )


def default_objective(metrics):
    """Choose what trials are scored by where nobody has said it.

    Args:
        metrics: The metrics that an epoch logs.

    Returns:
        Name of a metric.

    Example:

    >>> default_objective(["accuracy", "loss", "val_accuracy", "val_loss"])
    'val_accuracy'
    """
    for wanted in ("val_accuracy", "val_mean_iou", "val_loss"):
        if wanted in metrics:
            return wanted
    return "loss"


def check_space(space):
    """See that there is something to vary.

    Args:
        space: `keras_tuner.HyperParameters`.

    Raises:
        ValueError: If there is nothing.

    Example:

    >>> check_space(keras_tuner.HyperParameters())
    Traceback (most recent call last):
    ValueError: there is nothing to vary: name something, such as learning_rate.
    """
    if not any(_varies(row) for row in space.space):
        raise ValueError(
            "there is nothing to vary: name something, such as learning_rate."
        )


def _varies(row):
    config = row.get_config()
    if "min_value" in config:
        return config["min_value"] < config["max_value"]
    return len(config.get("values", "tf")) > 1
