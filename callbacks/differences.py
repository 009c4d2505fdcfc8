"""Slopes of a function by differences: their rounding, and kinks told apart."""

import dataclasses
import math

import numpy as np

# sums of squared binomial coefficients: how rounding grows in a difference
FOURTH, SIXTH = 70, 924
# and in the distance of slopes of the sixth and of the fourth order
APART = math.sqrt(2 * ((1 / 12) ** 2 + (1 / 15) ** 2 + (1 / 60) ** 2))


@dataclasses.dataclass(frozen=True)
class Slope:
    """What differences tell about the slope of a function at 0.

    Attributes:
        value: Slope by central differences of the sixth order.
        rounding: Standard deviation of its rounding error, or how far it is from
            settled where the steps could not be narrowed until it was.
        kink: Whether the function has different slopes on either side of 0, so that
            there is no right one.

    Example:

    >>> Slope(1.0, 1e-12).kink
    False
    """

    value: float
    rounding: float
    kink: bool = False


def noise(samples):
    """Estimate the rounding error of a function from values at equal small distances.

    Fourth differences of a smooth function vanish; what is left is noise. The first
    quartile passes over kinks among the samples.

    Args:
        samples: Arrays of nine or more values, one for each line sampled.

    Returns:
        Standard deviation of the noise, at least one unit in the last place.

    Example:

    >>> steps = 1e-6 * np.arange(12)
    >>> 0 < noise([np.exp(1 + steps)]) < 1e-14
    True
    >>> coarse = np.exp(1 + steps).astype("float32").astype("float64")
    >>> 1e-8 < noise([coarse]) < 1e-6
    True

    Reference:
        Moré, Wild, 2011, Estimating Computational Noise,
        https://doi.org/10.1137/100786125
    """
    left = np.concatenate([np.diff(np.asarray(one), 4) for one in samples])
    size = max(float(np.max(np.abs(one))) for one in samples)
    # the quartiles of the size of a normal number, in standard deviations; a function
    # rounded coarsely does not change at all over many of the steps
    quartiles = zip((0.25, 0.5, 0.75), (0.319, 0.674, 1.15), strict=True)
    sizes = (float(np.quantile(np.abs(left), q)) / unit for q, unit in quartiles)
    found = next(filter(None, sizes), 0.0) / math.sqrt(FOURTH)
    return max(found, size * np.finfo("float64").eps / 2, np.finfo("float64").tiny)


def step_for(deviation, size):
    """Choose the step that balances rounding against curvature.

    Args:
        deviation: Standard deviation of the function's rounding.
        size: Size of the function's values.

    Returns:
        The fifth root of their ratio, between 1e-4 and 0.03.

    Example:

    >>> step_for(1e-16, 1.0), round(step_for(1e-8, 1.0), 3)
    (0.000630957344480193, 0.025)
    """
    return float(np.clip((deviation / max(size, deviation)) ** 0.2, 1e-4, 0.03))


def slope(along, step, deviation, scale):
    """Find the slope of a function at 0 by differences, with ever smaller steps.

    Central differences of the fourth and of the sixth order must agree and the sixth
    difference must vanish; a kink among the points breaks that. Then steps a tenth as
    wide are tried, which lie to one side of the kink unless it is at 0 itself.

    Args:
        along: The function of a number.
        step: The widest step.
        deviation: Standard deviation of its rounding.
        scale: Size of slopes that matter: disagreements below its 1e-7th do not.

    Returns:
        `Slope`.

    Example:

    >>> found = slope(np.exp, 1e-4, 1e-16, 1.0)
    >>> found.kink, round(found.value, 9)
    (False, 1.0)
    >>> slope(lambda x: max(x - 1e-5, 0), 1e-4, 1e-16, 1.0).value
    0.0
    >>> slope(abs, 1e-4, 1e-16, 1.0).kink
    True
    """
    here = along(0.0)
    for shrink in (1, 0.1, 0.01, 0.001):
        found, doubt, jump = _with_step(along, here, step * shrink, deviation)
        if doubt <= 1e-7 * scale + 4 * found.rounding:
            return found
        if found.rounding > 1e-3 * max(scale, abs(found.value)):
            break  # narrower steps tell nothing but rounding
    # a wide step that rounding does not let narrow shows curvature like a kink
    if shrink <= 0.01 and max(jump, doubt) > 30 * found.rounding:
        return dataclasses.replace(found, kink=True)
    return dataclasses.replace(found, rounding=max(found.rounding, doubt))


def _with_step(along, here, h, deviation):
    left, right = ([along(side * k * h) for k in (1, 2, 3)] for side in (-1, 1))
    one, two, three = (b - a for a, b in zip(left, right, strict=True))
    sixth = (45 * one - 9 * two + three) / (60 * h)
    fourth = (8 * one - two) / (12 * h)
    one, two, three = (b + a for a, b in zip(left, right, strict=True))
    bend = (15 * one - 6 * two + three - 20 * here) / h
    # both in standard deviations of rounding; wherever a kink lies, what it adds to the
    # slope is less than four times the larger
    doubt = max(abs(sixth - fourth) / APART, abs(bend) / math.sqrt(SIXTH))
    jump = abs(one - 2 * here) / h  # between the slopes of the two sides
    return Slope(float(sixth), deviation / h), float(doubt), float(jump)
