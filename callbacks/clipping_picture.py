"""The picture of a training whose gradients were clipped."""


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
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    norms, shares = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    epochs = [row["epoch"] + 1 for row in rows]
    norms.plot(epochs, [row["gradient_norm"] for row in rows], "o-", label="norm")
    if limit_is_norm:
        limits = [row["limit"] for row in rows]
        norms.plot(epochs, limits, "--", color="tab:red", label="limit")
        norms.legend(frameon=False)
    if any(row["gradient_norm"] > 0 for row in rows):
        norms.set_yscale("log")
    norms.set_ylabel("gradient norm\nbefore clipping")
    shares.bar(epochs, [100 * row["clipped_share"] for row in rows], color="tab:gray")
    shares.set(ylim=(0, 100), ylabel="clipped steps [%]", xlabel="epoch")
    shares.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (norms, shares):
        axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=70)
    return figure
