"""How pictures look: one style, a figure without pyplot, a file renamed into place."""

import contextlib
import pathlib

from .files import replacing

INK, SOFT, PALE = "#1d2733", "#667085", "#eef0f3"
# apart for every kind of colour vision
BLUE, GREY, ORANGE = "#1f6fb2", "#8a97a8", "#d9541e"
STYLE = {
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "axes.edgecolor": "#aab1bc",
    "axes.axisbelow": True,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 10,
    **dict.fromkeys(["axes.spines.right", "axes.spines.top", "legend.frameon"], False),
    "grid.color": PALE,
    **dict.fromkeys(["xtick.labelcolor", "ytick.labelcolor"], SOFT),
    **dict.fromkeys(["xtick.major.size", "ytick.major.size", "ytick.minor.size"], 0),
}


@contextlib.contextmanager
def figure(size, path=None):
    """Give a figure to draw on, and write it to a file when all is drawn.

    Args:
        size: Width and height in inches.
        path: Where the picture is to stand, if anywhere; its suffix names the format.

    Yields:
        `matplotlib.figure.Figure`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> with figure((4, 3)) as drawn:
    ...     _ = drawn.subplots().plot([1, 2, 3])
    >>> len(drawn.axes)
    1
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", STYLE]):
        drawn = Figure(figsize=size, layout="constrained")
        yield drawn
        if path is not None:
            save(drawn, path)


def logarithmic(axes, which="y"):
    """Give axes a logarithmic scale, its numbers without formulas.

    Args:
        axes: `matplotlib.axes.Axes`.
        which: `"x"` or `"y"`.

    Example:

    >>> with figure((4, 3)) as drawn:
    ...     axes = drawn.subplots()
    ...     logarithmic(axes)
    >>> axes.get_yscale()
    'log'
    """
    from matplotlib.ticker import LogFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))


def save(drawn, path, dpi=100):
    """Write a figure beside its place, then rename it.

    Args:
        drawn: `matplotlib.figure.Figure`.
        path: Where the picture is to stand; its suffix names the format.
        dpi: Dots an inch.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> with figure((4, 3)) as drawn:
    ...     axes = drawn.subplots()
    >>> save(drawn, tempfile.mkdtemp() + "/empty.png")
    """
    form = pathlib.Path(path).suffix.removeprefix(".") or "png"
    with replacing(path) as beside:
        drawn.savefig(beside, format=form, dpi=dpi)
