"""The measures and criteria of early stopping of Prechelt (1998).

Prechelt, Early Stopping - But When?, https://doi.org/10.1007/3-540-49430-8_3
"""

import dataclasses
import math

from .stopping import Criterion, Curves, above_zero, at_least, in_epochs, training_name


def generalization_loss(errors):
    """Measure after each epoch by how much the error has risen over its lowest.

    `GL(t) = 100 (E(t) / min_{t' <= t} E(t') - 1)`, in percent (Prechelt 1998).

    Args:
        errors: Validation errors, one an epoch, all above zero. Values that are not
            finite are never the lowest.

    Returns:
        List of floats, NaN before the first finite error.

    Raises:
        ValueError: If an error is zero or negative: the ratio means nothing then.

    Example:

    >>> [round(loss, 6) for loss in generalization_loss([2.0, 1.0, 1.5])]
    [0.0, 0.0, 50.0]
    """
    lowest, losses = math.nan, []
    for error in _positive(errors, "the generalization loss"):
        if math.isfinite(error) and not error >= lowest:
            lowest = error
        losses.append(100 * (error / lowest - 1))
    return losses


def training_progress(errors, strip):
    """Measure how much the training error still moves within the last strip.

    `P_k(t) = 1000 (sum of E over the strip / (k * lowest E in the strip) - 1)` over
    the last k epochs, in thousandths (Prechelt 1998).

    Args:
        errors: Training errors, one an epoch, all above zero.
        strip: Number k of epochs in a strip.

    Returns:
        Float, NaN before the first strip is full.

    Raises:
        ValueError: If an error of the strip is zero or negative.

    Example:

    >>> training_progress([9.0, 3.0, 2.0, 1.0], 3)
    1000.0
    """
    if len(errors) < strip:
        return math.nan
    last = _positive(errors[-strip:], "the training progress")
    return 1000 * (sum(last) / (strip * min(last)) - 1)


def successive_rises(values, strip, direction=-1):
    """Count at the ends of how many strips in a row, up to now, it got worse.

    Args:
        values: Validation errors, or another metric, one an epoch.
        strip: Number k of epochs in a strip: the value at the end of each strip is
            compared with that at the end of the one before.
        direction: 1 if the metric is better when larger, -1 if when smaller.

    Returns:
        Integer: the count at the last strip that is whole.

    Example:

    >>> successive_rises([5, 3, 9, 4, 9, 6], 2)  # 3, 4, 6 end the strips
    2
    """
    ends = values[strip - 1 :: strip]
    count = 0
    for before, after in zip(ends, ends[1:], strict=False):
        count = count + 1 if after * direction < before * direction else 0
    return count


def _positive(errors, measure):
    wrong = [error for error in errors if error <= 0]
    if wrong:
        raise ValueError(
            f"{measure} divides by an error that must be above zero, received "
            f"{wrong[0]}: watch a metric that cannot be zero or negative, or stop by "
            "Patience or UpSuccessive, which only compare."
        )
    return errors


@dataclasses.dataclass(frozen=True)
class GeneralizationLoss(Criterion):
    """Stop when the error lies more than alpha percent over its lowest.

    `GL(t) = 100 (E(t) / min_{t' <= t} E(t') - 1) > alpha`. For errors above zero that
    are better when smaller.

    Args:
        alpha: Percent, such as 1 to 5.

    Example:

    >>> GeneralizationLoss(5).stop(Curves({"val_loss": [0.5, 0.4, 0.43]}))
    'val_loss lies 7.5 % over its lowest, more than 5 %'

    Reference:
        Prechelt, 1998, https://doi.org/10.1007/3-540-49430-8_3
    """

    alpha: float

    def __post_init__(self):
        above_zero(self, "alpha")

    def check(self, monitor, direction):
        _only_errors(self, monitor, direction)

    def stop(self, curves: Curves) -> str | None:
        loss = generalization_loss(curves.values)[-1]
        if not loss > self.alpha:
            return None
        return (
            f"{curves.monitor} lies {loss:.3g} % over its lowest, more than "
            f"{self.alpha:g} %"
        )


@dataclasses.dataclass(frozen=True)
class ProgressQuotient(Criterion):
    """Stop when the error rises while the training has come to rest.

    After each strip of k epochs: `GL(t) / P_k(t) > alpha`, with the generalisation
    loss in percent and the training progress in thousandths. While the training error
    still falls fast, a worse validation error may recover: GL alone would stop too
    soon. For errors above zero, watched on the validation data (`val_...`), with
    their counterpart on the training data.

    Args:
        alpha: The quotient, such as 0.5 to 3.
        strip: Epochs in a strip.

    Example:

    >>> curves = {"loss": [0.6, 0.5, 0.5, 0.4], "val_loss": [0.7, 0.5, 0.5, 0.6]}
    >>> ProgressQuotient(0.1, strip=2).stop(Curves(curves))
    'val_loss lies 20 % over its lowest, more than 0.1 times the training progress 125'

    Reference:
        Prechelt, 1998, https://doi.org/10.1007/3-540-49430-8_3
    """

    alpha: float
    strip: int = 5

    def __post_init__(self):
        above_zero(self, "alpha")
        at_least(self, "strip", 2)

    def check(self, monitor, direction):
        _only_errors(self, monitor, direction)
        if training_name(monitor) is None:
            raise ValueError(
                f"ProgressQuotient compares an error of the validation data with the "
                f"same of the training data, received monitor={monitor!r}: watch one "
                "that begins with val_, such as 'val_loss'."
            )

    def metrics(self, monitor):
        return (training_name(monitor),)

    def stop(self, curves: Curves) -> str | None:
        if len(curves.values) % self.strip:
            return None
        loss = generalization_loss(curves.values)[-1]
        progress = training_progress(curves.training, self.strip)
        # not the quotient itself: the progress may be zero
        if not loss > self.alpha * progress:
            return None
        return (
            f"{curves.monitor} lies {loss:.3g} % over its lowest, more than "
            f"{self.alpha:g} times the training progress {progress:.3g}"
        )


@dataclasses.dataclass(frozen=True)
class UpSuccessive(Criterion):
    """Stop when the metric got worse at the ends of several strips in a row.

    `UP_1`: at the end of a strip of k epochs, `E(t) > E(t - k)`; `UP_s`: the same,
    and `UP_(s-1)` held one strip before. It asks how long the error has risen, not
    how far, and takes any metric in either direction.

    Args:
        successive: Number s of strips.
        strip: Epochs in a strip.

    Example:

    >>> UpSuccessive(2, strip=1).stop(Curves({"val_loss": [0.5, 0.6, 0.7]}))
    'val_loss got worse over 2 strips of 1 epoch in a row'

    Reference:
        Prechelt, 1998, https://doi.org/10.1007/3-540-49430-8_3
    """

    successive: int
    strip: int = 5

    def __post_init__(self):
        at_least(self, "successive", 1)
        at_least(self, "strip", 1)

    def stop(self, curves: Curves) -> str | None:
        if len(curves.values) % self.strip:
            return None
        rises = successive_rises(curves.values, self.strip, curves.direction)
        if rises < self.successive:
            return None
        return (
            f"{curves.monitor} got worse over {rises} strip{'s' * (rises > 1)} of "
            f"{in_epochs(self.strip)}{' in a row' * (rises > 1)}"
        )


def _only_errors(criterion, monitor, direction):
    if direction > 0:
        raise ValueError(
            f"{type(criterion).__name__} needs an error, better when smaller and above "
            f"zero, received monitor={monitor!r}, which is better when larger: watch "
            "an error such as 'val_loss', or take Patience or UpSuccessive."
        )
