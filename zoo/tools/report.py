"""The page of a training run: one HTML file that needs nothing else.

It has no script and no outside resource; all that comes from users is escaped.
"""

import base64
import html
import math
import operator
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from ...callbacks.files import write_text
from .pictures import best_epoch, checked_counts
from .report_style import STYLE

SCORES = ("precision", "recall", "f1")
SHARES = ("accuracy", "iou", "dice", "recall at", "error rate", "area under")
SHARES += ("f1", "exact match", "bleu")
SIGNS = {">=": (operator.ge, "at least"), "<=": (operator.le, "at most")}
LINK = re.compile(r"""(https?://[^\s<>"']*[^\s<>"'.,;:)])""")


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
    parts = [_header(kind, title, facts, promise)]
    told = _told(history, matrix, labels, split)
    for name, picture in (pictures or {}).items():
        parts.append(_figure(name, picture, told.get(name, "")))
        if name == "curves" and history:
            parts.append(_epochs(history))
    parts += [_finding(one) for one in findings]
    parts += [_plain_table(*table) for table in tables]
    if matrix is not None:
        parts.append(_classes(per_class(matrix, labels), split))
    if card is not None:
        parts.append(_card(getattr(card, "to_dict", lambda: card)()))
    if description:
        parts.append(_section("Data", _pairs(description, "The data set")))
    parts.append(_configuration(config or {}, description))
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_safe(title)}</title>
<style>{STYLE}</style></head>
<body><main>
{"".join(parts)}</main></body></html>
"""
    return write_text(path, page)


def _header(kind, title, facts, promise):
    """Give the headline figures, and whether the promise was kept."""
    kept = figures = ""
    for name, measured, sign, bound in promise:
        if sign not in SIGNS:
            raise ValueError(f"a promise is '>=' or '<=', received {sign!r}.")
        holds, words = SIGNS[sign]
        held = measured is not None and holds(measured, bound)
        tone, verdict = ("good", "✓ Kept") if held else ("bad", "✗ Not kept")
        kept += f'<li><b class="{tone}">{verdict}</b>: {_name(name, "time")} {words} '
        kept += f"{_show(name, bound)}, measured {_show(name, measured)}</li>\n"
    kept = f'<ul class="promise">\n{kept}</ul>\n' if kept else ""
    for name, value in facts.items():
        told = _show(name, value)
        figures += f"<div><dt>{_name(name, 'time')}</dt><dd>{told}</dd></div>\n"
    return f"""<header><p class="eyebrow">{_safe(kind)}</p>
<h1>{_safe(title)}</h1>
{kept}</header>
<dl class="facts">
{figures}</dl>
"""


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
    words = "".join(f"<p>{_safe(sentence)}</p>\n" for sentence in finding.sentences)
    picture = _picture(finding.picture, finding.title) if finding.picture else ""
    return _section(finding.title, words + picture)


def _figure(name, path, told):
    heading = str(name).replace("_", " ").capitalize()
    kind = "chart" if name in ("curves", "confusion") else "photo"
    return _section(heading, _picture(path, heading, told, kind))


def _picture(path, heading, told="", kind="chart"):
    data = pathlib.Path(path).read_bytes()
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"a report takes PNG pictures, and {path} is none.")
    # 160 dots an inch in the picture, 96 on the page
    width, height = (int.from_bytes(data[i : i + 4], "big") * 3 // 5 for i in (16, 20))
    code = base64.b64encode(data).decode()
    image = f'<img src="data:image/png;base64,{code}" alt="{_safe(told or heading)}" '
    image += f'width="{width}" height="{height}">'
    caption = f"<figcaption>{_safe(told)}</figcaption>\n" if told else ""
    return f'<figure class="{kind}">\n{_scroll(image, heading)}{caption}</figure>\n'


def _epochs(history):
    """Give the numbers behind the curves."""
    head = ["epoch", *(">" + _name(name) for name in history)]
    epochs = enumerate(zip(*history.values(), strict=True), start=1)
    rows = [[str(epoch), *map(_show, history, values)] for epoch, values in epochs]
    table = _table("The numbers behind the curves", head, rows)
    return f"<details><summary>Every epoch</summary>\n{table}</details>\n"


def _plain_table(heading, caption, head, rows):
    head = [
        _safe(title.removeprefix("<"))
        if i == 0 or title.startswith("<")
        else f">{_safe(title)}"
        for i, title in enumerate(head)
    ]
    cells = [[_show("", value) for value in row] for row in rows]
    return _section(heading, _table(caption, head, cells))


def _classes(scores, split):
    rows = []
    for score in scores:
        *cells, last = (_show(name, score[name]) for name in ("support", *SCORES))
        rows.append([_safe(score["label"]), *cells, _bar(last, score["f1"])])
    values = np.array([[score[name] for name in SCORES] for score in scores])
    with np.errstate(invalid="ignore"):  # 0 / 0
        means = np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0)
    total = _show("", sum(score["support"] for score in scores))
    foot = ["all, scores averaged", total, *map(_show, SCORES, means)]
    head = ["class", ">support", ">precision", ">recall", ">F1"]
    return _section(
        "Classes", _table(f"{split} split, class by class", head, rows, foot)
    )


def _card(card):
    names = ("parameters", "multiply_accumulates", "activation_bytes")
    rows = []
    for row in card["rows"]:
        parameters, work, memory = (_show(name, row[name]) for name in names)
        share = row[names[1]] / max(card[names[1]], 1)
        about = [_safe(row["name"]), _safe(row["kind"]), _shape(row["output_shape"])]
        rows.append([*about, parameters, _bar(work, share), memory])
    head = ["layer", "type", "output", *(f">{_name(name)}" for name in names)]
    foot = ["whole model", "", "", *(_show(name, card[name]) for name in names)]
    told = "Layer by layer, for one example"
    if card.get("uncounted"):
        told += f"; not counted: {', '.join(card['uncounted'])}"
    return _section("Model", _table(told, head, rows, foot))


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
    tables = "".join(_pairs(group, str(name).replace("_", " ")) for name, group in told)
    return _section("Configuration", tables) if tables else ""


def _pairs(mapping, caption):
    rows = [[_name(name), _show("", value)] for name, value in _flat(mapping)]
    return _table(caption, ["", ""], rows)


def _flat(mapping, prefix=""):
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", value


def _section(heading, body):
    return f"<section>\n<h2>{_safe(heading)}</h2>\n{body}</section>\n"


def _scroll(body, label):
    """Let what is wider than the window scroll by itself, by keyboard as well."""
    room = f'class="scroll" tabindex="0" role="region" aria-label="{_safe(label)}"'
    return f"<div {room}>\n{body}</div>\n"


def _table(caption, head, rows, foot=()):
    """Lay out cells of HTML; a head that begins with > stands over numbers."""
    kinds = [' class="n"' * title.startswith(">") for title in head]
    cells = [
        f'<th scope="col"{kind}>{title.removeprefix(">")}</th>'
        for title, kind in zip(head, kinds, strict=True)
    ]
    lines = []
    for first, *others in [*rows, foot] if foot else rows:
        rest = zip(kinds[1:], others, strict=True)
        tail = "".join(f"<td{kind}>{cell}</td>" for kind, cell in rest)
        lines.append(f'<tr><th scope="row">{first}</th>{tail}</tr>\n')
    top = f"<thead><tr>{''.join(cells)}</tr></thead>\n" if any(head) else ""
    end = f"<tfoot>\n{lines.pop()}</tfoot>\n" if foot else ""
    body = f"{top}<tbody>\n{''.join(lines)}</tbody>\n{end}"
    table = f"<table>\n<caption>{_safe(caption)}</caption>\n{body}</table>\n"
    return _scroll(table, caption)


def _bar(text, share):
    return f'<span class="bar" style="--share:{np.nan_to_num(share):.1%}">{text}</span>'


def _name(name, seconds="seconds"):
    return _safe(str(name).replace("_", " ").replace("seconds", seconds))


def _show(name, value):
    """Word a value for reading, as HTML; its name tells shares and durations."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return _number(str(name), value)
    if isinstance(value, list | tuple):
        shown = [_safe(item) for item in value[:12]]
        more = [f"… {len(value):,} in all"] if len(value) > 12 else []
        return ", ".join(shown + more)
    parts = [_safe(part) for part in LINK.split(str(value))]  # every other is a link
    parts[1::2] = [
        f'<a href="{link}" rel="noreferrer">{link}</a>' for link in parts[1::2]
    ]
    return "".join(parts)


def _number(name, value):
    if not math.isfinite(value):
        return "–" if name in SCORES else str(value)
    if name in SCORES or 0 <= value <= 1 and any(word in name for word in SHARES):
        return f"{100 * value:.2f} %"
    if "seconds" in name:
        minutes, seconds = divmod(round(value), 60)
        return f"{value:.3g} s" if value <= 120 else f"{minutes:,} min {seconds} s"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _safe(value):
    return html.escape(str(value))
