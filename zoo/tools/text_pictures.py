"""Pictures of networks that write: where they looked."""

import pathlib

import numpy as np

from ...callbacks.drawing import figure, save
from .findings import DOTS

_INCHES = 0.2  # a token
_MOST = 60  # tokens of a side that are drawn


def attention(alignments, path):
    """Draw how much each token that was written looks at each that was read.

    Args:
        alignments: List of `Alignment`; of more than 60 tokens the first 60 are drawn.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: If there are no alignments.
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> from .alignments import Alignment
    >>> one = Alignment(("a", "b"), ("B",), np.array([[0.1, 0.9]]))
    >>> attention([one], tempfile.mkdtemp() + "/attention.png").name
    'attention.png'
    """
    if not alignments:
        raise ValueError("attention needs an alignment to draw, received none.")
    cut = [
        (a.source_tokens[:_MOST], a.target_tokens[:_MOST], a.weights[:_MOST, :_MOST])
        for a in alignments
    ]
    wide = max(len(source) for source, _, _ in cut) * _INCHES + 1.5
    high = [len(target) * _INCHES + 0.7 for _, target, _ in cut]
    with figure((max(wide, 4), sum(high) + 0.4)) as drawn:
        panels = drawn.subplots(len(cut), 1, squeeze=False, height_ratios=high)[:, 0]
        for panel, (source, target, weights) in zip(panels, cut, strict=True):
            shown = panel.imshow(
                np.asarray(weights), cmap="Blues", vmin=0, vmax=1, aspect="equal"
            )
            panel.set_xticks(range(len(source)), [_told(token) for token in source])
            panel.set_yticks(range(len(target)), [_told(token) for token in target])
            panel.tick_params(length=0, labelsize=8)
            panel.grid(False)
            long = max(len(_told(token)) for token in source) > 1
            panel.tick_params(axis="x", labelrotation=90 if long else 0)
        bar = drawn.colorbar(shown, ax=[*panels], shrink=0.5, pad=0.02, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
        bar.ax.set_title("weight", size=9, loc="left")
        panels[-1].set_xlabel("read")
        panels[0].set_ylabel("written")
    save(drawn, path, DOTS)
    return pathlib.Path(path)


def _told(token):
    """Name a token so that it is seen: white space and the end."""
    return "¶" if token == "<end>" else token.replace(" ", "␣")
