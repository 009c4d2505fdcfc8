"""What a callback watches: the metric's value, and which way is better."""

LARGER_IS_BETTER = ("acc", "auc", "precision", "recall", "f1", "iou", "dice", "bleu")
SMALLER_IS_BETTER = ("loss", "error", "perplexity", "entropy", "divergence")


def read(name, logs, watcher):
    """Read a metric from the logs of an epoch.

    Args:
        name: Name of the metric, such as `"val_loss"`.
        logs: Dictionary of the metrics that Keras logged.
        watcher: Name of who asks, for the message.

    Returns:
        Its value as a float.

    Raises:
        KeyError: If it was not logged; the message lists what was.

    Example:

    >>> read("val_loss", {"loss": 0.5, "val_loss": 0.7}, "KeepBest")
    0.7
    """
    if name not in (logs or {}):
        raise KeyError(
            f"{watcher} watches {name!r}, but only {sorted(logs or {})} were logged. "
            "Pass validation_data to fit(), or choose one of these names."
        )
    return float(logs[name])


def direction(name, mode="auto"):
    """Tell whether a metric is better when larger (1) or when smaller (-1).

    Args:
        name: Name of the metric.
        mode: `"max"`, `"min"`, or `"auto"` to tell by the name.

    Returns:
        1 or -1.

    Raises:
        ValueError: If the mode is unknown, or the name tells nothing.

    Example:

    >>> direction("val_loss"), direction("val_accuracy"), direction("money", "max")
    (-1, 1, 1)
    """
    if mode in ("max", "min"):
        return 1 if mode == "max" else -1
    if mode != "auto":
        raise ValueError(f"mode is 'max', 'min' or 'auto', received {mode!r}.")
    if any(word in name.lower() for word in SMALLER_IS_BETTER):
        return -1
    if any(word in name.lower() for word in LARGER_IS_BETTER):
        return 1
    raise ValueError(
        f"whether {name!r} is better when larger or smaller cannot be told by its "
        "name: pass mode='max' or mode='min'."
    )
