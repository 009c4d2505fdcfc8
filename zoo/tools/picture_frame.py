"""What the pictures of a page share: a figure, its file, labels cut to length."""

import contextlib
import pathlib
import warnings

from ...callbacks.drawing import STYLE
from ...callbacks.files import replacing
from .findings import DOTS

# where the first has no glyph for a label's script, the next installed one is asked
FAMILIES = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans", "Arial Unicode MS")


@contextlib.contextmanager
def drawing(path, size):
    """Give a figure in the house style and write it when the body is done.

    What is drawn beyond the figure's edge widens the picture; labels may be of any
    script that an installed font has.

    Args:
        path: Where the picture is to stand; its suffix names the format.
        size: Width and height in inches.

    Yields:
        `matplotlib.figure.Figure`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> with drawing(tempfile.mkdtemp() + "/line.png", (4, 3)) as figure:
    ...     _ = figure.subplots().plot([1, 2, 3])
    """
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    installed = {*fontManager.get_font_names()}
    families = [name for name in FAMILIES if name in installed]
    with matplotlib.style.context(["default", STYLE | {"font.family": families}]):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        form = pathlib.Path(path).suffix.removeprefix(".") or "png"
        with replacing(path) as beside, warnings.catch_warnings():
            # a script that no installed font has is drawn as boxes
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(
                beside, format=form, dpi=DOTS, bbox_inches="tight", pad_inches=0.15
            )


def shorten(label, length):
    """Cut a label to a length, in its middle: labels often share a beginning.

    Args:
        label: Text, or what `str` makes text of.
        length: The most characters.

    Returns:
        Text in one line.

    Example:

    >>> shorten("a_very_long_name", 9)
    'a_ve…name'
    """
    text = " ".join(str(label).split())
    start, end = text[: length // 2], text[length // 2 + 1 - length :]
    return text if len(text) <= length else f"{start}…{end}"
