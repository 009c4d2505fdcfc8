"""Where the tiles of an image lie, so that no seam is seen.

A tile begins at a multiple of the network's stride and has the size of the image modulo
that stride, so that layers meet the same phases within it as within the whole image.
What lies closer to a border of the tile than the margin is taken from its neighbour.
"""

import dataclasses
import math
import numbers

from .position_graph import PositionGraph, shape_of
from .position_rules import Unknown
from .receptive_field import Reach, reaches

BORDERS = ("network", "mirror")
FITS = ("any", "stride", "tile")
POSITIONS = 2**18  # in a tile at the least, unless it is told otherwise


@dataclasses.dataclass(frozen=True)
class Span:
    """One tile, along one axis.

    Args:
        start: Where it begins in the image; what lies outside is mirrored.
        first: First position of the image that is answered for.
        last: The position behind the last one.

    Example:

    >>> Span(-2, 0, 5).last
    5
    """

    start: int
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a network is run in tiles: one number, or word, for each axis of positions.

    `json.dumps(dataclasses.asdict(plan))` writes it down, `Plan(**json.loads(text))`
    reads it.

    Args:
        tile: Size of a tile at the most.
        margin: Positions at a border of a tile whose answers are not used, unless the
            tile ends there with the image.
        stride: Of which the beginnings of tiles are multiples.
        fit: Which sizes the network takes: `"any"`; `"stride"`, those that differ from
            the tile's by multiples of the stride; or `"tile"`, that one alone.
        border: What stands around the image: `"network"`, what the network itself
            makes of a border, or `"mirror"`, the image's mirror images.

    Raises:
        ValueError: If the numbers of axes differ, a number is too small, or a word is
            unknown.

    Example:

    >>> plan = Plan((572,), (92,), (16,), ("stride",), "mirror")
    >>> plan.spans(0, 512)
    (572, [Span(start=-92, first=0, last=388), Span(start=36, first=388, last=512)])

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, figure 2
    """

    tile: tuple
    margin: tuple
    stride: tuple
    fit: tuple
    border: str = "network"

    def __post_init__(self):
        for name in ("tile", "margin", "stride", "fit"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        lengths = {len(self.tile), len(self.margin), len(self.stride), len(self.fit)}
        if len(lengths) != 1 or not 1 <= len(self.tile) <= 3:
            raise ValueError(
                "Plan needs a tile, margin, stride and fit for each of one to three "
                f"axes, received {self}."
            )
        if min(*self.tile, *self.stride) < 1 or min(self.margin) < 0:
            raise ValueError(
                "Plan needs tiles and strides of at least 1 and margins of at least 0, "
                f"received {self}."
            )
        if set(self.fit) - set(FITS) or self.border not in BORDERS:
            raise ValueError(
                f"Plan needs each fit to be one of {', '.join(FITS)} and the border "
                f"one of {', '.join(BORDERS)}, received fit={self.fit!r} and "
                f"border={self.border!r}."
            )

    def smallest(self, axis):
        """Tell the smallest tile that leaves a stride to answer for.

        Args:
            axis: Which axis.

        Returns:
            Number of positions.
        """
        stride, least = self.stride[axis], 2 * self.margin[axis] + self.stride[axis]
        if self.fit[axis] == "any" and self.border == "network":
            return least + stride - 1  # as much may be cut off to fit the image
        return least + (self.tile[axis] - least) % stride

    def spans(self, axis, size):
        """Lay tiles along an axis of an image.

        Args:
            axis: Which axis.
            size: Size of the image.

        Returns:
            Size of each tile, and a list of `Span`s.

        Raises:
            ValueError: If tiles are needed and leave nothing to answer for.
        """
        margin, stride = self.margin[axis], self.stride[axis]
        mirrored = self.border == "mirror"
        length = self._length(axis, size + 2 * margin if mirrored else size)
        tile = min(self.tile[axis], length)
        if not mirrored and self.fit[axis] == "any":
            tile -= (tile - size) % stride
        begin, end = (-margin, length - margin) if mirrored else (0, length)
        step = (tile - 2 * margin) // stride * stride
        if tile < length and step < 1:
            raise ValueError(
                f"tiles of {self.tile[axis]} positions along axis {axis} are too small "
                f"for a margin of {margin} and an image of {size}: take "
                f"{self.smallest(axis)} at least."
            )
        starts = range(begin, end - tile, step) if tile < length else ()
        spans, first = [], 0
        for start in [*starts, end - tile]:
            outer = start == end - tile
            last = size if outer else min(start + tile - margin, size)
            if first < last:
                spans.append(Span(start, first, last))
            first = last
        return tile, spans

    def _length(self, axis, size):
        """Continue an image to a size that tiles fit into."""
        tile, stride = self.tile[axis], self.stride[axis]
        if self.border == "network" and self.fit[axis] == "any":
            return size
        length = size + (tile - size) % stride
        return max(length, tile) if self.fit[axis] == "tile" else length


def plan_tiles(model, *, tile=None, margin=None, stride=None, border=None):
    """Plan how a model is run in tiles.

    Args:
        model: As for `receptive_field`, with an answer for each position of the
            image, or, of a network without padding, for those in the middle.
        tile: Size of a tile at the most, an integer or one for each axis. If `None`,
            that of the model; of one for any size the smallest of which at least half
            is used, but 512 x 512 positions at least, or as many along another number
            of axes.
        margin: Positions at a border of a tile that are not used, an integer or one
            for each axis; those that `receptive_field` finds if `None`.
        stride: Of which the beginnings of tiles are multiples, likewise.
        border: `"network"` or `"mirror"`, as of `Plan`. The network's own if `None`,
            where it keeps the size of the image.

    Returns:
        `Plan`, for images of any size.

    Raises:
        ValueError: If the model gives no answer for each position; it sees the whole
            image, or it is not known how far it looks, and there is no margin; the
            tile is too small for the margin; or the border is not to be had.

    Example:

    >>> import keras
    >>> image = keras.Input((None, None, 3))
    >>> x = keras.layers.Conv2D(2, (3, 5), padding="same")(image)
    >>> plan_tiles(keras.Model(image, x)).margin
    (1, 2)
    """
    graph, found = _survey(model, margin, stride)
    axes, border = len(found), _border(border, found)
    margins = _each("margin", margin, axes) or tuple(each.margin for each in found)
    strides = _each("stride", stride, axes) or tuple(each.stride for each in found)
    _check_numbers(model, margins, strides, found)
    fits, sizes = [], []
    for axis, (known, each) in enumerate(
        zip(shape_of(model)[1:-1], found, strict=True)
    ):
        remainders = [
            n for n in range(strides[axis]) if n % each.stride in each.remainders
        ]
        kept = "any" if len(remainders) == strides[axis] else "stride"
        fits.append("tile" if known else kept)
        default = _default(margins[axis], axes)
        more = min((n - default) % strides[axis] for n in remainders)
        sizes.append(known or default + more)
    plan = Plan(tuple(sizes), margins, strides, tuple(fits), border)
    tiles = _each("tile", tile, axes) or (None,) * axes
    sizes = [_tile(plan, graph, axis, wanted) for axis, wanted in enumerate(tiles)]
    return dataclasses.replace(plan, tile=tuple(sizes))


def _survey(model, margin, stride):
    """Find what the network does along each axis, and its graph where it is known."""
    try:
        graph = PositionGraph(model)
    except Unknown as error:
        if margin is None or stride is None:
            raise ValueError(
                f"{error} Pass margin=, how far the network looks, and stride=, by how "
                "much an image may be shifted so that the answers shift alike."
            ) from error
        return None, _ask(model, margin, stride)
    found = reaches(graph)
    if graph.whole and margin is None:
        some = ", ".join(graph.whole[:3]) + ", ..." * (len(graph.whole) > 3)
        margins = tuple(each.margin for each in found)
        raise ValueError(
            f"{model.name} sees the whole image ({some}), so that it answers a little "
            "otherwise for tiles than for the image: to accept that, pass margin=, "
            f"such as {margins}, what its other layers see."
        )
    if any(each.spacing != 1 for each in found):
        spacing = tuple(each.spacing for each in found)
        raise ValueError(
            f"{model.name} gives an answer every {spacing} positions, expected one for "
            "each position of the image."
        )
    return graph, found


def _ask(model, margin, stride):
    """Ask a model for its output shapes, where nobody knows what it does inside."""
    batch, *known, channels = shape_of(model)
    margins = _each("margin", margin, len(known)) or ()
    strides = _each("stride", stride, len(known)) or ()
    found = []
    for axis, (edge, step) in enumerate(zip(margins, strides, strict=True)):
        base = _default(edge, len(known)) // step * step
        tried = {n: base + n for n in range(step)}
        if known[axis]:
            tried = {known[axis] % step: known[axis]}
        losses = {}
        for n, size in tried.items():
            sizes = [each or base for each in known]
            sizes[axis] = size
            shape = model.compute_output_shape((batch, *sizes, channels))
            losses[n] = size - shape[1 + axis]
        least = min(losses.values(), key=lambda loss: (abs(loss), -loss))
        remainders = tuple(n for n, loss in losses.items() if loss == least)
        found.append(Reach(edge, edge, edge, step, 1, remainders, least))
    return found


def _border(border, found):
    lost = [each.lost for each in found]
    if border not in (None, *BORDERS):
        raise ValueError(
            f"tiles have a border of {' or '.join(map(repr, BORDERS))}, received "
            f"{border!r}."
        )
    if border == "network" and any(lost):
        raise ValueError(
            f"the network gives {lost} answers fewer than the image has positions, and "
            "so has no border of its own: take border='mirror'."
        )
    return border or ("mirror" if any(lost) else "network")


def _each(name, value, axes):
    """Give a number for each axis, or `None`."""
    if value is None:
        return None
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) != axes or not all(isinstance(n, numbers.Integral) for n in values):
        raise ValueError(
            f"{name} must be a whole number, or one for each of {axes} axes, received "
            f"{value!r}."
        )
    return tuple(map(int, values))


def _default(margin, axes):
    """Choose a tile of which half is used, and which is no trifle."""
    used = 0.5 ** (1 / axes)
    least = round(POSITIONS ** (1 / axes))
    return max(math.ceil(2 * margin / (1 - used)), least)


def _check_numbers(model, margins, strides, found):
    for margin, stride, each in zip(margins, strides, found, strict=True):
        if stride < 1 or stride % each.stride:
            raise ValueError(
                f"{model.name} repeats every {each.stride} positions, received a "
                f"stride of {stride}: leave it out, or give a multiple."
            )
        if 2 * margin < each.lost:
            raise ValueError(
                f"{model.name} gives {each.lost} answers fewer than there are "
                f"positions, received a margin of {margin}: leave it out, or give "
                f"{math.ceil(each.lost / 2)} at least."
            )


def _tile(plan, graph, axis, wanted):
    """Choose the size of a tile, that which was asked for if it does."""
    size, stride = plan.tile[axis], plan.stride[axis]
    if plan.fit[axis] == "tile":
        if wanted in (None, size):
            return size
        raise ValueError(
            f"the model takes images of {size} positions along axis {axis} only, "
            f"received a tile of {wanted}: leave it out."
        )
    least = plan.smallest(axis)
    spare = stride - 1 if plan.fit[axis] == "any" else 0
    while graph is not None and not graph.is_regular(axis, least - spare):
        least += stride
    if wanted is None:
        return max(size, least)
    if wanted < least:
        raise ValueError(
            f"a tile of {wanted} positions along axis {axis} is too small for a margin "
            f"of {plan.margin[axis]} and a stride of {stride}: take {least} at least."
        )
    return wanted if plan.fit[axis] == "any" else wanted - (wanted - size) % stride
