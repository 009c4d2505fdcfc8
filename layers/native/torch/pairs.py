"""Losses over pairs with gradients made by hand, on PyTorch."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]

PARTS = 32  # columns between which the second look chooses
ROWS = 128  # rows that are looked at together, and stay in the processor's cache
# whole numbers of as many bits, and which of them are the bits of infinity
WHOLE = {torch.float32: torch.int32, torch.float64: torch.int64}
INFINITY = {torch.float32: 0x7F800000, torch.float64: 0x7FF0000000000000}


def squared_distances(x):
    """Give the squared distances of all pairs of rows, in few passes over them.

    Args:
        x: Tensor of shape `(rows, dim)`. No gradient goes through.

    Returns:
        Tensor of shape `(rows, rows)`.

    Example:

    >>> squared_distances(torch.tensor([[1.0], [3.0]]))
    tensor([[0., 4.],
            [4., 0.]])
    """
    with torch.no_grad():
        squares = (x * x).sum(dim=1)
        result = torch.addmm(squares, x, x.T, alpha=-2)
        return result.add_(squares[:, None]).clamp_(min=0)


def distances_to_others(x, labels):
    """Give the squared distances of all pairs of two classes, infinite within one.

    Args:
        x: Tensor of shape `(rows, dim)`. No gradient goes through.
        labels: Whole numbers of shape `(rows,)`, in their order.

    Returns:
        Tensor of shape `(rows, rows)`.

    Example:

    >>> distances_to_others(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1]))
    tensor([[inf, 4.],
            [4., inf]])
    """
    _, number, counts = labels.unique_consecutive(
        return_inverse=True, return_counts=True
    )
    # of each row only the columns of its own class are written
    begins = (counts.cumsum(0) - counts)[number][:, None]
    steps = torch.arange(int(counts.max()), device=x.device)[None]
    columns = begins + torch.minimum(steps, counts[number][:, None] - 1)
    return squared_distances(x).scatter_(1, columns, torch.inf)


def nearest_above(matrix, limits):
    """Find in each row the lowest number above each limit.

    Args:
        matrix: Tensor of shape `(rows, columns)`, nowhere negative; what is infinite
            is never found.
        limits: List of tensors of shape `(rows,)`, nowhere negative.

    Returns:
        List of pairs: the column, `(rows,)`, and whether there is one.

    Example:

    >>> nearest_above(torch.tensor([[3.0, 1.0, 2.0]]), [torch.tensor([1.0])])
    [(tensor([2]), tensor([True]))]
    """
    found, bits = [], matrix.view(WHOLE[matrix.dtype])
    for limit in limits:
        # positive numbers are in the order of their bits. Less those of the limit and
        # one, what is not above it goes round to the highest whole numbers of all
        origin = limit.contiguous().view(bits.dtype) + 1 + torch.iinfo(bits.dtype).min
        column = _extreme(bits, origin[:, None], torch.amin, torch.argmin)
        number = matrix.gather(1, column[:, None])[:, 0]
        found.append((column, (number > limit) & (number < torch.inf)))
    return found


def nearest(matrix):
    """Find in each row the lowest number.

    Args:
        matrix: Tensor of shape `(rows, columns)`; what is infinite is never found.

    Returns:
        The column, `(rows,)`, and whether there is one.

    Example:

    >>> nearest(torch.tensor([[3.0, 1.0, 2.0]]))
    (tensor([1]), tensor([True]))
    """
    zero = torch.zeros_like(matrix[:, :1])
    column = _extreme(matrix, zero, torch.amin, torch.argmin)
    return column, matrix.gather(1, column[:, None])[:, 0] < torch.inf


def farthest(matrix):
    """Find in each row the highest number that is finite.

    Args:
        matrix: Tensor of shape `(rows, columns)`, nowhere negative.

    Returns:
        The column, `(rows,)`; any where nothing is finite.

    Example:

    >>> farthest(torch.tensor([[3.0, 1.0, torch.inf, 2.0]]))
    tensor([0])
    """
    bits = matrix.view(WHOLE[matrix.dtype])
    # infinity goes round to the lowest whole number of all
    origin = INFINITY[matrix.dtype] + torch.iinfo(bits.dtype).min
    origins = torch.full_like(bits[:, :1], origin)
    return _extreme(bits, origins, torch.amax, torch.argmax)


def _extreme(matrix, origins, best, place):
    """Find the lowest or highest number of each row, less that row's origin."""
    rows, columns = matrix.shape
    if columns % PARTS:
        return place(matrix - origins, dim=1)
    # the best of whole vectors is found much faster than its place
    parts, found = matrix.view(rows, -1, PARTS), matrix.new_empty((rows, PARTS))
    room = matrix.new_empty((min(rows, ROWS), columns // PARTS, PARTS))
    for begin in range(0, rows, ROWS):
        some = slice(begin, begin + ROWS)
        less = room[: len(parts[some])]
        torch.sub(parts[some], origins[some, None], out=less)
        found[some] = best(less, dim=1)
    part = place(found, dim=1)
    where = part[:, None, None].expand(-1, columns // PARTS, 1)
    picked = parts.gather(2, where)[..., 0] - origins
    return place(picked, dim=1) * PARTS + part


def put_rows(table, at, rows):
    """Write rows into a table, which no gradient may need as it was.

    Args:
        table: Tensor of shape `(size, columns)`.
        at: Where the first of them goes.
        rows: Tensor of shape `(count, columns)`.

    Returns:
        The table.

    Example:

    >>> put_rows(torch.zeros((3, 2)), 1, torch.ones((1, 2))).tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    table[int(at) : int(at) + len(rows)] = rows
    return table


def with_gradient(values, gradient):
    """Make a differentiable function of a function and of its gradient.

    Args:
        values: Takes classes, tensors of whole numbers, and embeddings; gives values
            and what the gradient needs.
        gradient: Takes that and the gradient of the values; gives that of the
            embeddings.

    Returns:
        Function of classes and embeddings that gives the values.

    Example:

    >>> double = with_gradient(lambda classes, x: (2 * x, ()), lambda kept, up: 2 * up)
    >>> x = torch.tensor(1.5, requires_grad=True)
    >>> torch.autograd.grad(double(torch.tensor(0), x), x)
    (tensor(2.),)
    """

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs):
            result, ctx.kept = values(*inputs)
            return result

        @staticmethod
        def backward(ctx: Any, *upstream):
            return None, gradient(ctx.kept, *upstream)

    return Differentiable.apply
