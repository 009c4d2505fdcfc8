"""Which positions of its inputs a layer looks at, along one axis of positions.

A rule says how many outputs there are, how far apart they lie, and which inputs each of
them needs. All that is needed of one input is taken for one run from the first to the
last: the holes of a dilated convolution count.
"""

import dataclasses
from fractions import Fraction

import numpy as np


class Unknown(ValueError):
    """Nobody knows how far a layer looks.

    Example:

    >>> issubclass(Unknown, ValueError)
    True
    """


class Misfit(ValueError):
    """A network cannot join its maps at this size of the image.

    Example:

    >>> issubclass(Misfit, ValueError)
    True
    """


@dataclasses.dataclass(frozen=True)
class Alike:
    """Each position needs the same position of all inputs.

    Example:

    >>> Alike().size([9, 9]), Alike().factor == 1
    (9, True)
    """

    factor = Fraction(1)  # distance of the outputs over that of the inputs
    period = 1  # what is done at the end hangs on the size modulo this

    def size(self, sizes):
        """Give the number of outputs for those of the inputs."""
        if len(set(sizes)) != 1:
            raise Misfit(f"maps of {sizes} positions cannot be joined")
        return sizes[0]

    def needs(self, low, high, sizes):
        """Give the first and last position of each input that outputs need.

        Args:
            low: Array of first outputs.
            high: Array of last outputs.
            sizes: Number of positions of each input.

        Returns:
            List of pairs of arrays, `None` for an input of which none is needed.
        """
        return [(low, high)] * len(sizes)


@dataclasses.dataclass(frozen=True)
class Window(Alike):
    """A window that slides: convolution and pooling.

    Args:
        width: Its first to last position, holes included.
        stride: Its step.
        padding: `"valid"`, `"same"` or `"causal"`.

    Example:

    >>> window = Window(3, 2, "same")
    >>> window.size([9]), window.needs(1, 1, [9]), window.needs(1, 1, [8])
    (5, [(1, 3)], [(2, 4)])
    """

    width: int
    stride: int = 1
    padding: str = "valid"

    @property
    def factor(self):
        """Distance of the outputs over that of the inputs."""
        return Fraction(self.stride)

    def size(self, sizes):
        """Give the number of outputs."""
        around = 0 if self.padding == "valid" else self.width - 1
        if self.padding == "same":
            return -(-sizes[0] // self.stride)
        return (sizes[0] + around - self.width) // self.stride + 1

    def needs(self, low, high, sizes):
        """Give the inputs that outputs need."""
        before = 0
        if self.padding == "causal":
            before = self.width - 1
        elif self.padding == "same":
            covered = (self.size(sizes) - 1) * self.stride + self.width
            before = max(covered - sizes[0], 0) // 2
        last = self.width - 1 - before
        return [(low * self.stride - before, high * self.stride + last)]


@dataclasses.dataclass(frozen=True)
class Transposed(Alike):
    """A transposed convolution.

    Args:
        width: First to last position of its kernel, holes included.
        stride: Number of outputs from one input to the next.
        padding: `"valid"` or `"same"`.

    Example:

    >>> rise = Transposed(3, 2, "same")
    >>> [(low, high)] = rise.needs(4, 5, [5])
    >>> rise.size([5]), int(low), int(high)
    (10, 1, 2)
    """

    width: int
    stride: int
    padding: str

    @property
    def factor(self):
        """Distance of the outputs over that of the inputs."""
        return Fraction(1, self.stride)

    def size(self, sizes):
        """Give the number of outputs."""
        more = max(self.width - self.stride, 0) if self.padding == "valid" else 0
        return sizes[0] * self.stride + more

    def needs(self, low, high, sizes):
        """Give the inputs that outputs need."""
        more = max(self.width - self.stride, 0) if self.padding == "same" else 0
        cut = more // 2
        first = -(-(low + cut - self.width + 1) // self.stride)
        last = (high + cut) // self.stride
        # an output between two kernels needs no input at all
        return [(np.minimum(first, last), np.maximum(first, last))]


@dataclasses.dataclass(frozen=True)
class Repeated(Alike):
    """Positions repeated, or interpolated.

    Args:
        times: Number of outputs for each input.
        reach: How far a position counts in between: 0 for the nearest one alone, 1
            for linear interpolation, more for others.

    Example:

    >>> Repeated(2, 1).needs(4, 5, [9])  # 4 lies between 1 and 2, 5 between 2 and 3
    [(1, 3)]
    """

    times: int
    reach: int = 0

    @property
    def factor(self):
        """Distance of the outputs over that of the inputs."""
        return Fraction(1, self.times)

    def size(self, sizes):
        """Give the number of outputs."""
        return sizes[0] * self.times

    def needs(self, low, high, sizes):
        """Give the inputs that outputs need."""
        if not self.reach:
            return [(low // self.times, high // self.times)]
        # an output stands at (output + 0.5) / times - 0.5; weights end before reach
        whole, reach = 2 * self.times, 2 * self.times * self.reach
        first = (2 * low + 1 - self.times - reach) // whole + 1
        last = -(-(2 * high + 1 - self.times + reach) // whole) - 1
        return [(first, last)]


@dataclasses.dataclass(frozen=True)
class Shifted(Alike):
    """Positions added around, or cut off.

    Args:
        before: Number added at the beginning, negative where they are cut off.
        after: Number added at the end, likewise.

    Example:

    >>> Shifted(1, 1).size([9]), Shifted(-2, -1).needs(0, 0, [9])
    (11, [(2, 2)])
    """

    before: int
    after: int

    def size(self, sizes):
        """Give the number of outputs."""
        return sizes[0] + self.before + self.after

    def needs(self, low, high, sizes):
        """Give the inputs that outputs need."""
        return [(low - self.before, high - self.before)]


@dataclasses.dataclass(frozen=True)
class Continued(Alike):
    """Positions added at the end, up to a multiple: `MirrorPadding`.

    Args:
        period: What every size shall be a multiple of.
        minimum: What every size shall be at least.

    Example:

    >>> Continued(8).size([9]), Continued(8, 32).size([9])
    (16, 32)
    """

    period: int  # type: ignore[misc]
    minimum: int = 0

    def size(self, sizes):
        """Give the number of outputs."""
        return sizes[0] + max(-sizes[0] % self.period, self.minimum - sizes[0])


@dataclasses.dataclass(frozen=True)
class Matched(Alike):
    """Positions cut to the number of others: `MatchSize`.

    Args:
        centered: Whether those in the middle stay, those at the beginning otherwise.

    Example:

    >>> Matched(True).needs(0, 3, [9, 4])
    [(2, 5), None]
    """

    centered: bool

    def size(self, sizes):
        """Give the number of outputs."""
        return sizes[1]

    def needs(self, low, high, sizes):
        """Give the inputs that outputs need."""
        surplus = sizes[0] - sizes[1]
        before = (abs(surplus) // 2) * (1 if surplus > 0 else -1)
        before = before if self.centered else 0
        return [(low + before, high + before), None]
