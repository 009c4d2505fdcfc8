"""What the gaps between the errors on several data sets say."""

import dataclasses
import itertools
import math

from ..layers.columns import in_columns
from . import drawing
from .drawing import BLUE, GREY, ORANGE

SETS = ("human", "train", "train_dev", "dev", "test")
# the gap between the errors on a set and on the next, and what helps against it
GAPS = {
    ("human", "train"): (
        "avoidable bias",
        "Use a larger network, train longer or with a better optimizer, regularise "
        "less, or try another architecture; more data does not help.",
    ),
    ("train", "train_dev"): (
        "variance",
        "Get more training data, augment it, regularise more (dropout, weight decay, "
        "early stopping), or try a smaller or another architecture.",
    ),
    ("train_dev", "dev"): (
        "data mismatch",
        "Look at errors on the dev set and find what tells it from the training data; "
        "collect or synthesise training data that is more like it.",
    ),
    ("train", "dev"): (
        "variance and data mismatch",
        "If training and dev data come from one source, it is variance: get more "
        "data, augment, regularise more. If not, set a part of the training data aside "
        "as train_dev, to tell variance from data mismatch.",
    ),
    ("dev", "test"): (
        "overfitting to dev",
        "Get a larger dev set, and choose anew with it: too much was tuned to this "
        "one.",
    ),
}


@dataclasses.dataclass(frozen=True)
class Gap:
    """How much larger the error on one set is than on the one before.

    Attributes:
        name: What the gap is called.
        before: Name of the set with the smaller error expected.
        after: Name of the other.
        size: Difference of the errors.
        deviation: Standard error of the difference, `None` if it is not known.

    Example:

    >>> gap = Gap("variance", "train", "train_dev", 0.02, 0.015)
    >>> gap.within_noise
    True
    """

    name: str
    before: str
    after: str
    size: float
    deviation: float | None = None

    @property
    def within_noise(self):
        """Whether the gap is less than two standard errors; `None` if not known."""
        if self.deviation is None:
            return None
        return abs(self.size) < 2 * self.deviation


@dataclasses.dataclass(frozen=True)
class BiasVarianceResult:
    """The errors, the gaps between them, and what helps; its text is a table.

    Attributes:
        errors: Dictionary of the error on each set, `"human"` among them.
        gaps: Tuple of a `Gap` between each set and the next.
        largest: The gap to work on first, `None` if none is above 0.
        advice: What helps against the largest gap.

    Example:

    >>> bias_variance(0.08, 0.1, human_error=0.01).largest.name
    'avoidable bias'
    """

    errors: dict
    gaps: tuple
    largest: Gap | None
    advice: str

    def __str__(self):
        rows = [("set", "error", "gap", "", "")]
        gaps = {gap.after: gap for gap in self.gaps}
        for name, error in self.errors.items():
            gap, row = gaps.get(name), (name, f"{error:.4g}")
            if gap is None:
                rows.append((*row, "", "", ""))
                continue
            spread = "" if gap.deviation is None else f"+- {gap.deviation:.2g}"
            noise = ", within noise" if gap.within_noise else ""
            rows.append((*row, f"{gap.size:+.4g}", spread, f"{gap.name}{noise}"))
        return "\n".join([*in_columns(rows), self.advice])

    def plot(self, path=None):
        """Draw the error on each set as a bar, with the gap to the one before.

        Args:
            path: Where to write the picture; nowhere if `None`.

        Returns:
            `matplotlib.figure.Figure`.
        """
        with drawing.figure((8, 3.2), path) as figure:
            axes = figure.subplots()
            gaps, below = {gap.after: gap for gap in self.gaps}, 0.0
            for place, (name, error) in enumerate(self.errors.items()):
                axes.barh(place, error, color=GREY)
                label, gap = f" {error:.3g}", gaps.get(name)
                if gap is not None:
                    label += self._draw_gap(axes, place, gap, below)
                axes.text(max(error, below), place, label, va="center")
                below = error
            axes.set_yticks(range(len(self.errors)), list(self.errors))
            axes.invert_yaxis()
            axes.set_xlim(right=2.5 * max(*self.errors.values(), 1e-9))
            axes.locator_params(axis="x", nbins=6)
            axes.set_xlabel("error")
        return figure

    def _draw_gap(self, axes, place, gap, below):
        color, width = (ORANGE if gap == self.largest else BLUE), abs(gap.size)
        if gap.size < 0:  # only an outline of what is missing
            axes.barh(place, width, left=below - width, color="none", ec=color)
        else:
            axes.barh(place, width, left=below, color=color)
        noise = ", within noise" if gap.within_noise else ""
        return f"   {gap.name} {gap.size:+.3g}{noise}"


def bias_variance(
    train, dev, *, train_dev=None, test=None, human_error=0.0, sizes=None
):
    """Tell by errors what to work on next.

    The gap between the error of humans (or the best there can be) and that on the
    training data is avoidable bias; from there to data of the same source that was not
    trained on (`train_dev`) it is variance, from there to the dev set data mismatch,
    and from dev to test overfitting to dev. The advice goes with the largest gap.

    Args:
        train: Error on the training data.
        dev: Error on the dev set.
        train_dev: Error on data like the training data that was held out. Without it
            variance and data mismatch cannot be told apart.
        test: Error on the test set.
        human_error: Error of humans, or the least that can be reached.
        sizes: Dictionary of the number of examples by set. With it errors count as
            shares of wrong answers, and a gap `p2 - p1` has the standard error
            `sqrt(p1 (1 - p1) / n1 + p2 (1 - p2) / n2)`. That of humans counts as exact
            if it has no size.

    Returns:
        `BiasVarianceResult`; `str` of it is a table.

    Raises:
        ValueError: If an error is negative or no number, or a share above 1.

    Example:

    >>> sizes = {"train": 5000, "train_dev": 500, "dev": 500}
    >>> print(
    ...     bias_variance(0.01, 0.1, train_dev=0.09, human_error=0.005, sizes=sizes)
    ... )
    set        error  gap
    human      0.005
    train      0.01   +0.005  +- 0.0014  avoidable bias
    train_dev  0.09   +0.08   +- 0.013   variance
    dev        0.1    +0.01   +- 0.019   data mismatch, within noise
    Largest: variance. Get more training data, augment it, regularise more ...

    Reference:
        Ng, 2018, Machine Learning Yearning, chapters 19 to 43,
        https://info.deeplearning.ai/machine-learning-yearning-book
    """
    given = dict(zip(SETS, (human_error, train, train_dev, dev, test), strict=True))
    errors = {n: float(e) for n, e in given.items() if e is not None}
    sizes = dict(sizes or {})
    for name, error in errors.items():
        if not (math.isfinite(error) and error >= 0) or (name in sizes and error > 1):
            raise ValueError(
                f"bias_variance needs errors of 0 or more, and shares of wrong answers "
                f"up to 1 where sizes are given, received {name}={error}."
            )
    gaps = tuple(
        Gap(
            GAPS[one, two][0],
            one,
            two,
            errors[two] - errors[one],
            _deviation(errors, sizes, one, two),
        )
        for one, two in itertools.pairwise(errors)
    )
    largest = max(gaps, key=lambda gap: gap.size)
    if largest.size <= 0:
        nothing = "No error is above the one before it."
        return BiasVarianceResult(errors, gaps, None, nothing)
    advice = f"Largest: {largest.name}. {GAPS[largest.before, largest.after][1]}"
    if largest.within_noise:
        advice += " But this gap is within noise: measure on more examples first."
    return BiasVarianceResult(errors, gaps, largest, advice)


def _deviation(errors, sizes, *names):
    if any(name not in sizes and name != "human" for name in names):
        return None
    shares = [(errors[name], sizes[name]) for name in names if name in sizes]
    return math.sqrt(sum(p * (1 - p) / n for p, n in shares))
