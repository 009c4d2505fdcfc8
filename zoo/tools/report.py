"""The page of a training run: one HTML file that needs nothing else.

It has no script and no outside resource; all that comes from users is escaped.
"""

from collections.abc import Mapping

import numpy as np

from .page_parts import (
    SCORES,
    folded,
    header,
    pairs,
    picture,
    safe,
    section,
    show,
    spoken,
    table,
    write_page,
)
from .pictures import best_epoch, checked_counts


def confusion_matrix(truth, predicted, classes):
    """Count which class was taken for which.

    Args:
        truth: The true classes, integers.
        predicted: The predicted classes, as many.
        classes: How many classes there are.

    Returns:
        Integer array of shape `(classes, classes)`, a row a true class.

    Raises:
        ValueError: If the two are not equally long, or a class is out of range.

    Example:

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    pair = np.asarray(truth, int), np.asarray(predicted, int)
    if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
        raise ValueError(
            "confusion_matrix needs as many predictions as true classes, received "
            f"shapes {pair[0].shape} and {pair[1].shape}."
        )
    for name, values in zip(("true", "predicted"), pair, strict=True):
        outside = np.flatnonzero((values < 0) | (values >= classes))
        if outside.size:
            raise ValueError(
                f"the {name} class of example {outside[0]} is {values[outside[0]]}; "
                f"with {classes} classes it is from 0 to {classes - 1}."
            )
    counts = np.bincount(pair[0] * classes + pair[1], minlength=classes**2)
    return counts.reshape(classes, classes)


def per_class(matrix, labels):
    """Score each class of a confusion matrix.

    Args:
        matrix: Counts of shape `(classes, classes)`, a row a true class.
        labels: The names of the classes.

    Returns:
        A mapping of `label`, `support`, `precision`, `recall` and `f1` for each
        class. What would be nothing out of nothing is NaN.

    Raises:
        ValueError: If the matrix is not square, or the labels are not as many.

    Example:

    >>> per_class([[8, 2], [0, 10]], ["cat", "dog"])[0]["recall"]
    0.8
    """
    matrix = checked_counts(matrix, labels)
    hits, support, calls = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):  # 0 / 0
        scores = hits / calls, hits / support, 2 * hits / (calls + support)
    columns = [[str(label) for label in labels], support.tolist()]
    columns += [score.tolist() for score in scores]
    names = ("label", "support", *SCORES)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def write_report(
    path,
    *,
    title,
    facts,
    promise=(),
    history=None,
    matrix=None,
    labels=(),
    pictures=None,
    findings=(),
    card=None,
    description=None,
    config=None,
    kind="Training run",
    split="test",
    tables=(),
):
    """Write the page of a training run; what is not given is left out.

    Args:
        path: Where the page is to stand.
        title: Its heading.
        facts: Mapping of the headline figures; an `accuracy` is shown in percent,
            `seconds` as a duration.
        promise: Rows `(name, measured, ">=" or "<=", promised)`.
        history: Mapping of each metric's name to its values, one an epoch.
        matrix: Confusion matrix of a split, a row a true class.
        labels: The names of the classes.
        pictures: Mapping of names to PNG files. `curves`, `confusion` and
            `mistakes` are described from the history and the matrix.
        findings: Every `Finding` of the callbacks.
        card: The model card or its `to_dict()`.
        description: Mapping that tells of the data, or what has a `to_dict()`.
        config: Nested mapping of the configuration and versions.
        kind: What the page is of, in a line above the heading.
        split: The split that the matrix is of.
        tables: Further tables `(heading, caption, head, rows)` behind the findings.
            The columns hold numbers but for the first, and those whose title begins
            with `<`.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If a picture is no PNG file, or something does not fit together.
        OSError: If a picture cannot be read or the page not be written.

    Example:

    >>> import tempfile
    >>> page = tempfile.mkdtemp() + "/report.html"
    >>> facts = {"test accuracy": 0.9867}
    >>> "98.67 %" in write_report(page, title="LeNet-5", facts=facts).read_text()
    True
    """
    description = getattr(description, "to_dict", lambda: description)()
    parts = [header(kind, title, facts, promise)]
    told = _told(history, matrix, labels, split)
    for name, drawn in (pictures or {}).items():
        parts.append(_figure(name, drawn, told.get(name, "")))
        if name == "curves" and history:
            parts.append(_epochs(history))
    parts += [_finding(one) for one in findings]
    parts += [_plain_table(*table) for table in tables]
    if matrix is not None:
        parts.append(_classes(per_class(matrix, labels), split))
    if card is not None:
        parts.append(_card(getattr(card, "to_dict", lambda: card)()))
    if description:
        parts.append(section("Data", pairs(description, "The data set")))
    parts.append(_configuration(config or {}, description))
    return write_page(path, title, parts)


def _told(history, matrix, labels, split):
    """Say in words what the pictures show."""
    told = {}
    if history:
        best = best_epoch(history)
        kind = "dev" if "val_loss" in history else "training"
        where = f"lowest at epoch {best}" if best else "not finite at any epoch"
        told["curves"] = f"The {kind} loss is {where}."
    if matrix is not None:
        counts = checked_counts(matrix, labels)
        wrong = counts * (1 - np.eye(len(counts), dtype=int))
        order = np.argsort(-wrong, axis=None, kind="stable")[:3]
        worst = [divmod(int(i), len(counts)) for i in order if wrong.flat[i]]
        often = ", ".join(
            f"{labels[t]} for {labels[p]} ({wrong[t, p]:,} of {counts[t].sum():,})"
            for t, p in worst
        )
        total = f"of {counts.sum():,} {split} examples"
        told["mistakes"] = f"{wrong.sum():,} {total} are wrong."
        told["confusion"] = f"{np.trace(counts):,} {total} are right."
        told["confusion"] += f" Most often taken: {often}." if often else ""
    return told


def _finding(finding):
    """Say what a callback found out, below its picture where it drew one."""
    words = "".join(f"<p>{safe(sentence)}</p>\n" for sentence in finding.sentences)
    drawn = picture(finding.picture, finding.title) if finding.picture else ""
    return section(finding.title, words + drawn)


def _figure(name, path, told):
    heading = str(name).replace("_", " ").capitalize()
    kind = "chart" if name in ("curves", "confusion") else "photo"
    return section(heading, picture(path, heading, told, kind))


def _epochs(history):
    """Give the numbers behind the curves."""
    head = ["epoch", *(">" + spoken(name) for name in history)]
    epochs = enumerate(zip(*history.values(), strict=True), start=1)
    rows = [[str(epoch), *map(show, history, values)] for epoch, values in epochs]
    return folded("Every epoch", table("The numbers behind the curves", head, rows))


def _plain_table(heading, caption, head, rows):
    head = [
        safe(title.removeprefix("<"))
        if i == 0 or title.startswith("<")
        else f">{safe(title)}"
        for i, title in enumerate(head)
    ]
    cells = [[show("", value) for value in row] for row in rows]
    return section(heading, table(caption, head, cells))


def _classes(scores, split):
    rows = []
    for score in scores:
        *cells, last = (show(name, score[name]) for name in ("support", *SCORES))
        rows.append([safe(score["label"]), *cells, _bar(last, score["f1"])])
    values = np.array([[score[name] for name in SCORES] for score in scores])
    with np.errstate(invalid="ignore"):  # 0 / 0
        means = np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0)
    total = show("", sum(score["support"] for score in scores))
    foot = ["all, scores averaged", total, *map(show, SCORES, means)]
    head = ["class", ">support", ">precision", ">recall", ">F1"]
    return section("Classes", table(f"{split} split, class by class", head, rows, foot))


def _card(card):
    names = ("parameters", "multiply_accumulates", "activation_bytes")
    rows = []
    for row in card["rows"]:
        parameters, work, memory = (show(name, row[name]) for name in names)
        share = row[names[1]] / max(card[names[1]], 1)
        about = [safe(row["name"]), safe(row["kind"]), _shape(row["output_shape"])]
        rows.append([*about, parameters, _bar(work, share), memory])
    head = ["layer", "type", "output", *(f">{spoken(name)}" for name in names)]
    foot = ["whole model", "", "", *(show(name, card[name]) for name in names)]
    told = "Layer by layer, for one example"
    if card.get("uncounted"):
        told += f"; not counted: {', '.join(card['uncounted'])}"
    return section("Model", table(told, head, rows, foot))


def _shape(shape):
    """Word a shape, or a structure of shapes, without the batch."""
    if shape is None:
        return "–"
    parts = [*shape.values()] if isinstance(shape, Mapping) else shape
    if any(isinstance(part, Mapping | list | tuple) for part in parts):
        return ", ".join(map(_shape, parts))
    return "\u00a0×\u00a0".join("?" if n is None else f"{n:,}" for n in parts[1:])


def _configuration(config, description):
    """Lay out the settings, a table a group, without the data told of already."""
    groups = [(k, v) for k, v in config.items() if isinstance(v, Mapping)]
    groups += [("run", {k: v for k, v in config.items() if (k, v) not in groups})]
    told = [(name, group) for name, group in groups if group and group != description]
    tables = "".join(pairs(group, str(name).replace("_", " ")) for name, group in told)
    return section("Configuration", tables) if tables else ""


def _bar(text, share):
    return f'<span class="bar" style="--share:{np.nan_to_num(share):.1%}">{text}</span>'
