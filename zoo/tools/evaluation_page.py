"""What an evaluation found: its page, its pictures, its figures, a few lines."""

import json
import math
import pathlib

import numpy as np

from ...callbacks.drawing import BLUE, ORANGE, SOFT, figure, logarithmic, save
from ...callbacks.files import write_text
from . import pictures
from .findings import DOTS, Finding
from .report import write_report

CROPPED = {
    None: "",
    "flip": ", with mirror images",
    "five": ", five crops each",
    "ten": ", ten crops each",
}


def write_evaluation(evaluation, folder):
    """Write all that an evaluation found into a folder.

    Args:
        evaluation: `Evaluation`.
        folder: Receives confusion.png, reliability.png, evaluation.html and, last,
            evaluation.json; each is written beside and renamed.

    Returns:
        Path of the page.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> write_evaluation.__name__
    'write_evaluation'
    """
    folder = pathlib.Path(folder)
    matrix, labels = evaluation.matrix, evaluation.labels
    drawn = reliability(evaluation, folder / "reliability.png")
    found = [Finding("Calibration", _sentences(evaluation), drawn)]
    if evaluation.notes:
        found.append(Finding("Notes", list(evaluation.notes), None))
    page = write_report(
        folder / "evaluation.html",
        title=title(evaluation),
        facts=_facts(evaluation),
        matrix=matrix,
        labels=labels,
        pictures={
            "confusion": pictures.confusion(matrix, labels, folder / "confusion.png")
        },
        findings=found,
        tables=[_table(evaluation)],
        config={"runs": list(evaluation.runs), "data": evaluation.data},
        kind="Evaluation",
        split=evaluation.split,
    )
    text = json.dumps(evaluation.to_dict(), indent=2)
    write_text(folder / "evaluation.json", text + "\n")
    return page


def title(evaluation):
    """Name an evaluation.

    Args:
        evaluation: `Evaluation`.

    Returns:
        Text.

    Example:

    >>> import types
    >>> about = {"runs": ("runs/a", "runs/b"), "data": "digits", "crops": "five"}
    >>> title(types.SimpleNamespace(**about))
    '2 runs averaged on digits, five crops each'
    """
    first, *others = evaluation.runs
    who = f"{1 + len(others)} runs averaged"
    if not others:
        who = pathlib.Path(first).resolve().name
    return f"{who} on {evaluation.data}{CROPPED[evaluation.crops]}"


def tell_evaluation(evaluation):
    """Tell an evaluation in a few lines.

    Args:
        evaluation: `Evaluation`.

    Returns:
        Text, a table of the headline figures.

    Example:

    >>> tell_evaluation.__name__
    'tell_evaluation'
    """
    found = evaluation.calibration
    rows = [
        ("accuracy", _percent(evaluation.accuracy)),
        (f"top-{evaluation.top} accuracy", _percent(evaluation.top_accuracy)),
        ("loss", f"{evaluation.loss:.4g}"),
        ("expected calibration error", _percent(found.expected_error)),
        ("maximum calibration error", _percent(found.maximum_error)),
        ("Brier score", f"{found.brier:.4g}"),
    ]
    if evaluation.temperature is not None:
        rows += [
            ("temperature fitted on dev", f"{evaluation.temperature:.4g}"),
            (
                "expected calibration error then",
                _percent(evaluation.calibrated.expected_error),
            ),
        ]
    lines = [f"  {name:<32}{value:>9}" for name, value in rows]
    about = f"{len(evaluation.truth):,} {evaluation.split} examples"
    notes = [f"  {note}" for note in evaluation.notes]
    return "\n".join([f"{title(evaluation)}: {about}", *lines, *notes])


def reliability(evaluation, path):
    """Draw how often answers are right against how sure they are.

    Above, a dot for each bin of confidence with the 95 % interval of its accuracy, and
    the same behind the fitted temperature. Below, how many examples the bins hold.

    Args:
        evaluation: `Evaluation`.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> reliability.__name__
    'reliability'
    """
    from matplotlib.ticker import PercentFormatter

    series = [("as it is", evaluation.calibration, BLUE, "o")]
    if evaluation.calibrated:
        told = f"divided by {evaluation.temperature:.3g}"
        series.append((told, evaluation.calibrated, ORANGE, "D"))
    with figure((5.6, 6.4)) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], ls=(0, (1, 2)), color=SOFT, label="as sure as right")
        for place, (name, found, colour, marker) in enumerate(series):
            _dots(above, found, f"{name}: {_gap(found)}", colour, marker)
            _counts(below, found, colour, place, len(series))
        # a little room, or the dots of the sure and right would be cut in half
        above.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), ylabel="share that is right")
        for axis in (above.xaxis, above.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        above.grid()
        below.set(xlabel="confidence: probability of the answer", ylabel="examples")
        below.grid(axis="y")
        logarithmic(below)  # a bin of three beside one of thousands
        drawn.legend(*above.get_legend_handles_labels(), loc="outside upper left")
    save(drawn, path, DOTS)
    return pathlib.Path(path)


def _gap(found):
    return f"error {_percent(found.expected_error)}"


def _dots(axes, found, label, colour, marker):
    rows = [row for row in found.table if row["examples"]]
    sure = np.array([row["confidence"] for row in rows])
    right = np.array([row["accuracy"] for row in rows])
    low, high = np.transpose([_interval(row) for row in rows])
    spread = np.abs([right - low, high - right])
    axes.errorbar(sure, right, spread, fmt="none", ecolor=colour, alpha=0.35)
    style = {"color": colour, "ms": 6, "mec": "white", "label": label}
    axes.plot(sure, right, marker, **style)


def _interval(row, deviations=1.96):
    """Give the range of the accuracy by Wilson, 1927, in 95 % of all cases."""
    count, share = row["examples"], row["accuracy"]
    square = deviations**2 / count
    middle = (share + square / 2) / (1 + square)
    half = deviations * math.sqrt(share * (1 - share) / count + square / count / 4)
    return middle - half / (1 + square), middle + half / (1 + square)


def _counts(axes, found, colour, place, of):
    """Draw the bars of a series, those of several side by side."""
    edges = np.array([row["above"] for row in found.table])
    width = 0.9 / len(edges) / of
    counts = [row["examples"] for row in found.table]
    left = edges + 0.05 / len(edges) + place * width
    axes.bar(left, counts, width, align="edge", color=colour)
    axes.set_ylim(bottom=0.8)


def _facts(evaluation):
    found = evaluation.calibration
    return {
        "accuracy": evaluation.accuracy,
        f"top-{evaluation.top} accuracy": evaluation.top_accuracy,
        "loss": evaluation.loss,
        "calibration error": _percent(found.expected_error),
        "Brier score": found.brier,
    }


def _sentences(evaluation):
    """Say in words what the reliability picture shows."""
    found = evaluation.calibration
    sure = float(evaluation.probabilities.max(axis=1).mean())
    side = "too sure" if sure > evaluation.accuracy else "not sure enough"
    told = [
        f"On average the answers are {side}: the mean confidence is "
        f"{_percent(sure)}, and {_percent(evaluation.accuracy)} are right.",
        "Within bins of confidence the two are "
        f"{_percent(found.expected_error)} apart on average (expected calibration "
        f"error) and {_percent(found.maximum_error)} at the most.",
    ]
    if evaluation.calibrated:
        told.append(
            f"With logits divided by {evaluation.temperature:.3g}, the temperature "
            "that fits the dev split best, they would be "
            f"{_percent(evaluation.calibrated.expected_error)} apart on average. That "
            "changes no answer."
        )
    return told


def _table(evaluation):
    """Give the numbers behind the reliability picture."""
    rows = []
    for row in evaluation.calibration.table:
        if row["examples"]:
            about = f"{_percent(row['above'], 1)} to {_percent(row['up_to'], 1)}"
            shares = row["confidence"], row["accuracy"]
            gap = row["accuracy"] - row["confidence"]
            cells = [*map(_percent, shares), f"{100 * gap:+.2f} %"]
            rows.append([about, row["examples"], *cells])
    head = ["confidence", "examples", "mean confidence", "accuracy", "difference"]
    told = f"{evaluation.split} split, by confidence; bins without examples left out"
    return "Reliability", told, head, rows


def _percent(share, digits=2):
    return f"{100 * share:.{digits}f} %"
