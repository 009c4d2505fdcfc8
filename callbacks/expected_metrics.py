"""Knowing before the first step which metrics a training will not log."""

import keras

from .fit_under_way import arguments, companions


def refuse_unlogged(names, watcher):
    """Refuse metrics of the validation data in a `fit` that has no such data.

    Ask in `on_train_begin`. What cannot be known then is left to the end of the first
    epoch: metrics that a callback of the user's may log, and other training loops.

    Args:
        names: Names of the metrics that must be logged after every epoch.
        watcher: The callback that asks, which has its model.

    Raises:
        KeyError: If one of them will not be; the message lists those there are.

    Example:

    >>> refuse_unlogged(["val_loss"], keras.callbacks.Callback())  # outside of fit
    """
    validated = sorted(name for name in names if name.startswith("val_"))
    given = arguments()
    if not validated or not given or any(map(_may_log, companions())):
        return
    name = type(watcher).__name__
    if given["validation_data"] is None:
        logged = {"loss", *watcher.model.get_metrics_result()}
        raise KeyError(
            f"{name} watches {validated[0]!r}, but without validation data only "
            f"{sorted(logged)} and other metrics of the training data are logged. Pass "
            "validation_data to fit(), or choose one of these names."
        )
    every = given.get("validation_freq")
    if isinstance(every, int) and every > 1:
        raise KeyError(
            f"{name} watches {validated[0]!r} after every epoch, but "
            f"validation_freq={every} logs it after each {every} only: leave "
            "validation_freq out."
        )


def _may_log(callback):
    """Tell whether a callback may log a metric by a name of the user's."""
    if "on_epoch_end" in vars(callback):  # a LambdaCallback
        return True
    kind = type(callback)
    known = kind.__module__.split(".")[0] in ("keras", __name__.split(".")[0])
    return not known and kind.on_epoch_end is not keras.callbacks.Callback.on_epoch_end
