"""What pages are put together from: their frame, sections, tables, pictures, words.

A page has no script and no outside resource; all that comes from users is escaped.
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
from .report_style import STYLE

SCORES = ("precision", "recall", "f1")
SHARES = ("accuracy", "iou", "dice", "recall at", "error rate", "area under")
SHARES += ("f1", "exact match", "bleu")
SIGNS = {">=": (operator.ge, "at least"), "<=": (operator.le, "at most")}
LINK = re.compile(r"""(https?://[^\s<>"']*[^\s<>"'.,;:)])""")


def write_page(path, title, parts):
    """Write a page, beside its place and then renamed.

    Args:
        path: Where the page is to stand.
        title: What the browser calls it.
        parts: HTML of its header and its sections.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If it cannot be written.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/report.html"
    >>> write_page(path, "a", [section("Data", "")]).read_text()[:15]
    '<!doctype html>'
    """
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{safe(title)}</title>
<style>{STYLE}</style></head>
<body><main>
{"".join(parts)}</main></body></html>
"""
    return write_text(path, page)


def folded(summary, body):
    r"""Hide what not everyone asks for behind a line to click on.

    Args:
        summary: The line.
        body: HTML.

    Returns:
        HTML.

    Example:

    >>> folded("Every epoch", "")
    '<details><summary>Every epoch</summary>\n</details>\n'
    """
    return f"<details><summary>{safe(summary)}</summary>\n{body}</details>\n"


def header(kind, title, facts, promise=()):
    """Give the headline figures, and whether the promise was kept.

    Args:
        kind: What the page is of, in a line above the heading.
        title: The heading.
        facts: Mapping of the headline figures.
        promise: Rows `(name, measured, ">=" or "<=", promised)`.

    Returns:
        HTML.

    Raises:
        ValueError: If a sign is neither.

    Example:

    >>> "<dd>9 s</dd>" in header("Training run", "LeNet-5", {"seconds": 9.0})
    True
    """
    kept = figures = ""
    for name, measured, sign, bound in promise:
        if sign not in SIGNS:
            raise ValueError(f"a promise is '>=' or '<=', received {sign!r}.")
        holds, words = SIGNS[sign]
        held = measured is not None and holds(measured, bound)
        tone, verdict = ("good", "✓ Kept") if held else ("bad", "✗ Not kept")
        kept += f'<li><b class="{tone}">{verdict}</b>: {spoken(name, "time")} {words} '
        kept += f"{show(name, bound)}, measured {show(name, measured)}</li>\n"
    kept = f'<ul class="promise">\n{kept}</ul>\n' if kept else ""
    for name, value in facts.items():
        told = show(name, value)
        figures += f"<div><dt>{spoken(name, 'time')}</dt><dd>{told}</dd></div>\n"
    return f"""<header><p class="eyebrow">{safe(kind)}</p>
<h1>{safe(title)}</h1>
{kept}</header>
<dl class="facts">
{figures}</dl>
"""


def picture(path, heading, told="", kind="chart"):
    """Embed a PNG file that was drawn at 160 dots an inch.

    Args:
        path: The file.
        heading: What it shows, in a few words.
        told: What can be seen on it, in a sentence.
        kind: "chart", whose colours are turned on dark screens, or "photo".

    Returns:
        HTML.

    Raises:
        ValueError: If the file is no PNG.
        OSError: If it cannot be read.

    Example:

    >>> picture("/nowhere.png", "Curves")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """
    data = pathlib.Path(path).read_bytes()
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"a report takes PNG pictures, and {path} is none.")
    # 160 dots an inch in the picture, 96 on the page
    width, height = (int.from_bytes(data[i : i + 4], "big") * 3 // 5 for i in (16, 20))
    code = base64.b64encode(data).decode()
    image = f'<img src="data:image/png;base64,{code}" alt="{safe(told or heading)}" '
    image += f'width="{width}" height="{height}">'
    caption = f"<figcaption>{safe(told)}</figcaption>\n" if told else ""
    return f'<figure class="{kind}">\n{_scroll(image, heading)}{caption}</figure>\n'


def pairs(mapping, caption):
    """Lay out a nested mapping as a table of names and values.

    Args:
        mapping: The mapping.
        caption: What stands above the table.

    Returns:
        HTML.

    Example:

    >>> "<td>8</td>" in pairs({"data": {"batch": 8}}, "Settings")
    True
    """
    rows = [[spoken(name), show("", value)] for name, value in _flat(mapping)]
    return table(caption, ["", ""], rows)


def _flat(mapping, prefix=""):
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            yield f"{prefix}{name}", value


def section(heading, body):
    """Give a section its heading.

    Args:
        heading: Text.
        body: HTML.

    Returns:
        HTML.

    Example:

    >>> section("Data & more", "").splitlines()[1]
    '<h2>Data &amp; more</h2>'
    """
    return f"<section>\n<h2>{safe(heading)}</h2>\n{body}</section>\n"


def _scroll(body, label):
    """Let what is wider than the window scroll by itself, by keyboard as well."""
    room = f'class="scroll" tabindex="0" role="region" aria-label="{safe(label)}"'
    return f"<div {room}>\n{body}</div>\n"


def table(caption, head, rows, foot=()):
    """Lay out cells of HTML; a head that begins with > stands over numbers.

    Args:
        caption: Text above the table.
        head: HTML of the columns' titles.
        rows: Lists of as many cells, HTML; the first names its row.
        foot: A last row that sums up.

    Returns:
        HTML.

    Raises:
        ValueError: If a row has another number of cells.

    Example:

    >>> '<td class="n">8</td>' in table("Layers", ["name", ">units"], [["a", "8"]])
    True
    """
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
    table = f"<table>\n<caption>{safe(caption)}</caption>\n{body}</table>\n"
    return _scroll(table, caption)


def spoken(name, seconds="seconds"):
    """Word a name for reading, as HTML.

    Args:
        name: The name.
        seconds: What its seconds are called.

    Returns:
        HTML.

    Example:

    >>> spoken("training_seconds", "time")
    'training time'
    """
    return safe(str(name).replace("_", " ").replace("seconds", seconds))


def show(name, value):
    """Word a value for reading, as HTML; its name tells shares and durations.

    Args:
        name: The name.
        value: The value.

    Returns:
        HTML.

    Example:

    >>> show("val_accuracy", 0.98712), show("seconds", 187.0), show("units", 1024)
    ('98.71 %', '3 min 7 s', '1,024')
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return _number(str(name), value)
    if isinstance(value, list | tuple):
        shown = [safe(item) for item in value[:12]]
        more = [f"… {len(value):,} in all"] if len(value) > 12 else []
        return ", ".join(shown + more)
    parts = [safe(part) for part in LINK.split(str(value))]  # every other is a link
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


def safe(value):
    """Escape text, so that it can be no HTML.

    Args:
        value: Text, or what `str` makes text of.

    Returns:
        HTML.

    Example:

    >>> safe("<b>")
    '&lt;b&gt;'
    """
    return html.escape(str(value))


def verbatim(text):
    r"""Show text as it stands, such as a command.

    Args:
        text: The text.

    Returns:
        HTML.

    Example:

    >>> verbatim("a < b")
    '<pre>a &lt; b</pre>\n'
    """
    return f"<pre>{safe(text)}</pre>\n"
