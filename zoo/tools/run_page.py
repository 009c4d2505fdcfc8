"""The page of a run: what the reports of all tasks have."""

import pathlib

from . import pictures
from .report import write_report


def run_page(
    folder, history, description, config, results, found, *, drawn, **sections
):
    """Draw the curves of a run and write its report.

    Args:
        folder: Folder of the run.
        history: Mapping of each metric to its values, one an epoch.
        description: Description of the data.
        config: Configuration of the run.
        results: Headline figures of the run.
        found: Every `Finding` of its callbacks.
        drawn: Mapping of the names of further pictures to their paths.
        **sections: What else `write_report` is told, such as `card` and `tables`.

    Returns:
        Path of the report.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> run_page.__name__
    'run_page'
    """
    folder = pathlib.Path(folder)
    curves = {name: values for name, values in history.items() if name != "seconds"}
    best, path = results["best_epoch"], folder / "curves.png"
    return write_report(
        folder / "report.html",
        title=f"{config['recipe']['model']} on {description.name}",
        facts=facts(results),
        promise=promise_rows(results),
        history=curves,
        pictures={"curves": pictures.curves(curves, path, best=best), **drawn},
        findings=found,
        description=description,
        config=config,
        **sections,
    )


def facts(results):
    """Choose the headline figures of a run.

    Args:
        results: Results of the run.

    Returns:
        Mapping of names to figures.

    Example:

    >>> facts({"test_loss": 0.1, "seconds": 9.0, "promise": {}})
    {'test loss': 0.1, 'seconds': 9.0}
    """
    return {
        name.replace("_", " "): value
        for name, value in results.items()
        if not isinstance(value, dict)
    }


def promise_rows(results):
    """Lay what a run reached beside what its recipe promised.

    Args:
        results: Results of the run.

    Returns:
        Rows for `write_report`; none where another recipe was trained, or nobody has
        measured it yet.

    Example:

    >>> promise = {"scores": {"test_loss": 1}, "minutes": 2, "applies": False}
    >>> promise_rows({"promise": promise})
    ()
    """
    promise = results["promise"]
    # what nobody has measured yet cannot be broken
    if not promise["applies"] or promise["minutes"] is None:
        return ()
    return (
        *(
            (name.replace("_", " "), results[name], ">=", least)
            for name, least in promise["scores"].items()
        ),
        ("training seconds", results["seconds"], "<=", promise["minutes"] * 60),
    )
