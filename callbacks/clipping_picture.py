"""The picture of a training whose gradients were clipped."""

from . import drawing
from .drawing import BLUE, GREY, ORANGE


def draw(rows, limit_is_norm, path=None):
    """Draw the norm before clipping and its limit, and the share of clipped steps.

    Args:
        rows: What `GradientClipping.rows` holds.
        limit_is_norm: Whether the limit can be compared with the norm of all gradients.
        path: Where the picture is written, if anywhere.

    Returns:
        The `matplotlib.figure.Figure`.

    Example:

    >>> row = {"epoch": 0, "gradient_norm": 3.0, "clipped_share": 0.5, "limit": 2.0}
    >>> len(draw([row], True).axes)
    2
    """
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] + 1 for row in rows]
    with drawing.figure((6, 4.5), path) as figure:
        norms, shares = figure.subplots(2, sharex=True, height_ratios=(3, 2))
        found = [row["gradient_norm"] for row in rows]
        norms.plot(epochs, found, "o-", color=BLUE, label="norm")
        if limit_is_norm:
            limits = [row["limit"] for row in rows]
            norms.plot(epochs, limits, "--", color=ORANGE, label="limit")
            norms.legend()
        if any(norm > 0 for norm in found):
            drawing.logarithmic(norms)
        norms.set_ylabel("gradient norm\nbefore clipping")
        shares.bar(epochs, [100 * row["clipped_share"] for row in rows], color=GREY)
        shares.set(ylim=(0, 100), ylabel="clipped steps in %", xlabel="epoch")
        shares.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
