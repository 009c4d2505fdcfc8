"""Statistical tests of layers that draw: is the mean, the variance what it must be?

With fixed seeds these tests are as repeatable as any other. Five standard errors
leave an honest layer one chance in a million to fail when its seed is changed.
"""

import numpy as np

STANDARD_ERRORS = 5


def check_mean(draws, expected):
    """Fail unless the mean over the first axis is as expected, element by element."""
    draws = np.asarray(draws, "float64")
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    _check("mean", draws.mean(axis=0), expected, error)


def check_variance(draws, expected):
    """Fail unless the variance over the first axis is as expected."""
    draws = np.asarray(draws, "float64")
    variance = draws.var(axis=0, ddof=1)
    count = len(draws)
    fourth = np.mean((draws - draws.mean(axis=0)) ** 4, axis=0)
    spread = np.maximum(fourth - variance**2 * (count - 3) / (count - 1), 0)
    error = np.sqrt(spread / count)
    _check("variance", variance, expected, error)


def _check(what, found, expected, error):
    expected = np.broadcast_to(expected, found.shape)
    # room for rounding, where there is nothing random and the error is 0
    allowed = STANDARD_ERRORS * error + 1e-6 * np.abs(expected)
    worst = np.argmax(np.abs(found - expected) - allowed)
    assert np.all(np.abs(found - expected) <= allowed), (
        f"{what} of the draws: {found.flat[worst]:.6g}, expected "
        f"{expected.flat[worst]:.6g} within {allowed.flat[worst]:.2g}"
    )
