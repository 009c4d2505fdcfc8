"""The lowest number of each row, found by a tree of minima between slices.

XLA makes one pass of the slices, each number looked at in full vectors and for several
limits at once, where a reduction along the rows would go number by number.
"""

import numpy as np
from keras import ops

FAN = 8  # slices that become one
SMALL = 128  # rows that are shorter are no matter of speed, and compile sooner


def nearest_above(matrix, limits):
    """Find in each row the lowest number above each limit.

    Args:
        matrix: Tensor of shape `(rows, columns)`; what is infinite is never found.
        limits: List of tensors of shape `(rows,)`.

    Returns:
        List of pairs: the column, `(rows,)` and int32, and whether there is one.
    """
    if _is_small(matrix):
        return [nearest(_above(matrix, limit)) for limit in limits]
    slices, starts = _slices(matrix)
    above = ([_above(part, limit) for part in slices] for limit in limits)
    return [_locate(matrix, parts, starts) for parts in above]


def nearest(matrix):
    """Find in each row the lowest number.

    Args:
        matrix: Tensor of shape `(rows, columns)`; what is infinite is never found.

    Returns:
        The column, `(rows,)` and int32, and whether there is one.
    """
    if _is_small(matrix):
        column = ops.cast(ops.argmin(matrix, axis=1), "int32")
        return column, ops.min(matrix, axis=1) < np.inf
    return _locate(matrix, *_slices(matrix))


def farthest(matrix):
    """Find in each row the highest number that is finite.

    Args:
        matrix: Tensor of shape `(rows, columns)`, nowhere negative.

    Returns:
        The column, `(rows,)` and int32; any where nothing is finite.
    """
    return nearest(ops.where(matrix < np.inf, -matrix, np.inf))[0]


def _is_small(matrix):
    columns = ops.shape(matrix)[1]
    return isinstance(columns, int) and columns < SMALL


def _above(part, limit):
    return ops.where(part > limit[:, None], part, np.inf)


def _slices(matrix):
    """Cut a matrix into slices of one width, which may overlap."""
    columns = ops.shape(matrix)[1]
    width = -(-columns // FAN)
    smaller = min if isinstance(columns, int) else ops.minimum
    starts = [smaller(k * width, columns - width) for k in range(FAN)]
    return [matrix[:, start : start + width] for start in starts], starts


def _locate(matrix, slices, starts):
    """Find the lowest number of the slices, and go back the way that it came."""
    first = _lowest(slices)
    more_slices, more_starts = _slices(first)
    second = _lowest(more_slices)
    found = ops.min(second, axis=1)
    column = _among(first, _place(second, found), more_starts, found)
    return _among(matrix, column, starts, found), found < np.inf


def _lowest(parts):
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [ops.minimum(one, other) for one, other in pairs]
    return parts[0]


def _among(matrix, column, starts, found):
    """Tell which slice a number found in that column of the slices came from."""
    columns = column[:, None] + ops.cast(ops.stack(starts), "int32")[None]
    place = _place(ops.take_along_axis(matrix, columns, axis=1), found)
    return ops.take_along_axis(columns, place[:, None], axis=1)[:, 0]


def _place(matrix, found):
    return ops.cast(ops.argmax(matrix == found[:, None], axis=1), "int32")
