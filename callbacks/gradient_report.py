"""What a check of gradients found, weight by weight."""

import dataclasses
import math

import numpy as np

from ..layers.columns import in_columns

# relative errors from which on a gradient is no more great, good, or to be looked at
BOUNDS = ((1e-7, "great"), (1e-5, "good"), (1e-3, "look again"))
# where rounding hides smaller errors, so much agreement is accepted: one percent of a
# gradient counts as half as much and is still found
COARSE = 3e-3
ACCEPTED = ("great", "good", "coarse", "zero", "kinks")


@dataclasses.dataclass(frozen=True)
class WeightCheck:
    """The gradient of one weight beside its slopes by differences.

    Attributes:
        path: Where the weight is found in the model, or `inputs`.
        shape: Its shape.
        relative_error: `|numerical - automatic| / (|numerical| + |automatic|)`.
        worst: Index of the entry where the two differ most, `None` if all lie on kinks.
        numerical: Slope there by differences.
        automatic: Slope there by automatic differentiation.
        checked: Number of entries checked, kinks among them.
        kinks: Number of entries at which the loss has a kink, or one so near that
            rounding hides the slope beside it; they are not counted in the error.
        verdict: `"great"`, `"good"`, `"look again"` or `"wrong"`; `"coarse"` where both
            agree as closely as rounding lets tell, to 0.003 or better; `"zero"` where
            the loss does not depend on the weight, and both agree; `"kinks"` where
            every entry lies on one; `"unclear"` where rounding hides the gradient.

    Example:

    >>> WeightCheck("dense/bias", (2,), 3e-10, (0,), 1.0, 1.0, 2, 0, "great").verdict
    'great'
    """

    path: str
    shape: tuple
    relative_error: float
    worst: tuple | None
    numerical: float
    automatic: float
    checked: int
    kinks: int
    verdict: str


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found; its text is a table.

    Attributes:
        weights: A `WeightCheck` for each weight.
        noise: Rounding error of the loss relative to its size. About 1e-16 if all is
            computed in float64, 1e-8 where something in the model is not.

    Example:

    >>> check = WeightCheck("dense/bias", (2,), 3e-10, (0,), 1.0, 1.0, 2, 0, "great")
    >>> print(GradientReport((check,), 1e-16))
    weight      shape  relative error  verdict  entries  kinks  worst  numer...
    dense/bias  2      3.0e-10         great    2        0      0      1          1
    """

    weights: tuple
    noise: float

    @property
    def passed(self):
        """Whether no gradient is wrong, to be looked at, or unclear."""
        return all(weight.verdict in ACCEPTED for weight in self.weights)

    def __str__(self):
        rows = [
            ("weight", "shape", "relative error", "verdict", "entries", "kinks")
            + ("worst", "numerical", "automatic")
        ]
        for weight in self.weights:
            at = weight.worst is not None
            rows.append(
                (
                    weight.path,
                    " x ".join(map(str, weight.shape)) or "scalar",
                    f"{weight.relative_error:.1e}",
                    weight.verdict,
                    str(weight.checked),
                    str(weight.kinks),
                    ", ".join(map(str, weight.worst)) if at else "",
                    f"{weight.numerical:.6g}" if at else "",
                    f"{weight.automatic:.6g}" if at else "",
                )
            )
        lines = in_columns(rows)
        if self.noise > 1e-12:
            lines.append(
                f"the loss is rounded to {self.noise:.0e} of its size: something in "
                "the model computes in float32, and small errors cannot be told"
            )
        return "\n".join(lines)


def judge(slopes, claims, scale=0.0):
    """Compare slopes by differences with those of automatic differentiation.

    Args:
        slopes: List of `Slope`.
        claims: List of floats.
        scale: Size of the largest gradients of the model: slopes of less than its
            millionth count as none where rounding hides them.

    Returns:
        Tuple of the relative error, a boolean array that tells which slopes were
        counted, neither kinks nor hidden by rounding that others do not have, and the
        verdict.

    Example:

    >>> from .differences import Slope
    >>> slopes = [Slope(1.0, 1e-12)]
    >>> judge(slopes, [1.0])[2], judge(slopes, [1.02])[2]
    ('great', 'wrong')
    """
    counted = np.array([not slope.kink for slope in slopes], bool)
    if not counted.any():
        return 0.0, counted, "kinks"
    automatic = np.asarray(claims, "float64")
    blur = np.array([slope.rounding for slope in slopes])
    # a kink nearby left only steps in which rounding hides what the others tell
    hidden = blur > 10 * np.quantile(blur[counted], 1 / 3)
    counted &= ~(hidden & (blur > 1e-6 * np.max(np.abs(automatic[counted]))))
    numerical = np.array([slope.value for slope in slopes])[counted]
    automatic, rounding = automatic[counted], 4 * np.linalg.norm(blur[counted])
    sizes = np.linalg.norm(numerical) + np.linalg.norm(automatic)
    apart = np.linalg.norm(numerical - automatic)
    if apart <= rounding and np.max(np.abs(automatic)) <= 1e-6 * scale:
        return 0.0, counted, "zero"
    error = apart / sizes if sizes else 0.0
    return float(error), counted, _verdict(error, rounding / sizes if sizes else 0.0)


def _verdict(error, rounding):
    if error > rounding:
        return next((verdict for bound, verdict in BOUNDS if error < bound), "wrong")
    # what can be told ends here
    bounds = (*BOUNDS[:2], (COARSE / 10, "coarse"), (math.inf, "unclear"))
    return next(verdict for bound, verdict in bounds if rounding / 10 < bound)
