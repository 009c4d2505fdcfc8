"""How far a network looks around each position that it answers for.

Araujo, Norris and Sim, 2019, Computing Receptive Fields of Convolutional Neural
Networks. Where they give one size for the whole network, the phases of strided layers
are told apart here: of two neighbours that share a position of the lowest maps, one may
look farther to the left and the other to the right.
"""

import dataclasses
from fractions import Fraction

import numpy as np

from .position_graph import FAR, LARGEST, PositionGraph
from .position_rules import Misfit


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """How far a network looks, along each axis of positions.

    The own position of an answer is the one in the middle: an answer for 388 of 572
    positions has 92 of them on either side.

    Args:
        before: How many positions before its own an answer needs at the most.
        after: How many behind it.
        margin: How many positions at the border of a part of an image answer otherwise
            than within the image, or not at all, where the part begins at a multiple
            of the stride.
        stride: Shifting an image by a multiple shifts its answers and changes none.
        spacing: Positions of the image from one answer to the next.
        whole: Names of the layers that see the whole image, or where in it they are:
            what the other layers look at says little then.

    Example:

    >>> field = ReceptiveField((1, 2), (1, 2), (1, 2), (1, 1), (1, 1))
    >>> field.size
    (3, 5)
    """

    before: tuple
    after: tuple
    margin: tuple
    stride: tuple
    spacing: tuple
    whole: tuple = ()

    @property
    def size(self):
        """Positions that an answer looks at, at the most."""
        both = zip(self.before, self.after, strict=True)
        return tuple(before + 1 + after for before, after in both)


@dataclasses.dataclass(frozen=True)
class Reach:
    """What was found along one axis.

    Args:
        before: As of `ReceptiveField`.
        after: Likewise.
        margin: Likewise.
        stride: Likewise.
        spacing: Likewise.
        remainders: Which sizes, modulo the stride, lose the fewest positions.
        lost: How many these lose.

    Example:

    >>> Reach(92, 92, 92, 16, 1, (12,), 184).remainders
    (12,)
    """

    before: int
    after: int
    margin: int
    stride: int
    spacing: int | Fraction
    remainders: tuple
    lost: int | Fraction


def receptive_field(model):
    """Find how far a network looks around each position that it answers for.

    Nothing is computed: the layers are followed by what they look at at inference.
    Along each axis the numbers hold for the worst position, and for all sizes of which
    the network answers for the most positions.

    Args:
        model: Functional or sequential model of images `(batch, ..., channels)` with
            one to three axes of positions, and one answer for each position, or each
            few. It may hold other models.

    Returns:
        `ReceptiveField`.

    Raises:
        ValueError: If the model has no such inputs or outputs, a layer of which nobody
            knows how far it looks, or channels that are not on the last axis.

    Example:

    >>> import keras
    >>> image = keras.Input((None, None, 3))
    >>> x = keras.layers.Conv2D(8, (3, 5), padding="same")(image)
    >>> x = keras.layers.MaxPooling2D(2)(x)
    >>> field = receptive_field(keras.Model(image, keras.layers.UpSampling2D(2)(x)))
    >>> field.before, field.after, field.stride
    ((2, 3), (2, 3), (2, 2))
    >>> field.margin  # parts begin where windows of the pooling do
    (2, 2)

    Reference:
        Araujo et al., 2019, https://distill.pub/2019/computing-receptive-fields
    """
    graph = PositionGraph(model)
    found = reaches(graph)
    names = [each.name for each in dataclasses.fields(ReceptiveField)][:-1]
    columns = {name: tuple(getattr(each, name) for each in found) for name in names}
    return ReceptiveField(**columns, whole=tuple(graph.whole))


def reaches(graph):
    """Find how far a network looks along each axis.

    Args:
        graph: `PositionGraph`.

    Returns:
        List of `Reach`, one for each axis of positions.

    Raises:
        ValueError: If the network runs at no size.

    Example:

    >>> import keras
    >>> image = keras.Input((None, 3))
    >>> graph = PositionGraph(keras.Model(image, keras.layers.Conv1D(8, 5)(image)))
    >>> reaches(graph)
    [Reach(before=2, after=2, margin=2, stride=1, spacing=1, remainders=(0,), lost=4)]
    """
    known, found = {}, []
    for axis in range(graph.axes):
        # most networks treat their axes alike
        kind = graph.sizes_known[axis], *(node.rules[axis] for node in graph.nodes)
        known[kind] = known[kind] if kind in known else _reach(graph, axis)
        found.append(known[kind])
    return found


def _reach(graph, axis):
    stride, spacing = graph.stride(axis), graph.distances(axis)[graph.output]
    known = graph.sizes_known[axis]
    tried = range(stride) if known is None else [known % stride]
    losses = {n: _lost(graph, axis, FAR * stride + n, spacing) for n in tried}
    losses = {n: loss for n, loss in losses.items() if loss is not None}
    if not losses:
        raise ValueError(
            f"the network joins maps that never have the same size along axis {axis}."
        )
    least = min(losses.values(), key=lambda loss: (abs(loss), -loss))
    remainders = tuple(n for n, loss in losses.items() if loss == least)
    found = np.array([_extents(graph, axis, n, spacing) for n in remainders])
    spacing = int(spacing) if spacing.denominator == 1 else spacing
    least = int(least) if least.denominator == 1 else least
    before, after, margin = found.max(axis=0).tolist()
    return Reach(before, after, margin, stride, spacing, remainders, least)


def _lost(graph, axis, size, spacing):
    try:
        return size - spacing * graph.sizes(axis, size)[graph.output]
    except Misfit:
        return None


def _extents(graph, axis, remainder, spacing):
    """Measure at a size where some answers see no border, whatever their phase."""
    stride = graph.stride(axis)
    size = 4 * stride + remainder
    while True:
        if graph.is_regular(axis, size):
            look = graph.look(axis, size)
            inside = ~look.before & ~look.after
            if inside.sum() * spacing >= stride:
                break
        if size > LARGEST:
            raise ValueError(
                f"the network looks at more than {LARGEST} positions along axis {axis}."
            )
        size += size - remainder
    own = _own(np.arange(len(inside)), size, len(inside), spacing)
    before = (own - look.low)[inside].max()
    after = (look.high - own)[inside].max()
    margin = max(own[~look.before].min(), size - 1 - own[~look.after].max())
    return before, after, margin


def _own(answers, size, number, spacing):
    """Give the position of the image that stands in the middle of each answer's."""
    up, down = spacing.numerator, spacing.denominator
    free = (size - 1) * down - up * (number - 1)
    return (2 * up * answers + free) // (2 * down)
