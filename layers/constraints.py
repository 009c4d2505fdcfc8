"""Constraints on the norm of the weights that come into a unit: exact projections."""

import math
import numbers

import keras
from keras import ops


class NormConstraint(keras.constraints.Constraint):
    """Base of those that move the weights of each unit to a norm between two bounds.

    Args:
        axis: Axes over which the weights coming into one unit lie.

    Example:

    >>> isinstance(MaxNorm(3.0), NormConstraint)
    True
    """

    low = 0.0
    high = 1.0
    rate = 1.0

    def __init__(self, axis):
        self.axis = _checked_axis(axis, type(self).__name__)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        axes = self._axes_of(tuple(w.shape))
        if self.rate == 0:
            return w
        kind = keras.backend.standardize_dtype(w.dtype)
        wide = w if kind == "float64" else ops.cast(w, "float32")
        norm = ops.square(wide)
        for axis in sorted(axes, key=lambda axis: -w.shape[axis]):
            norm = _sum_in_blocks(norm, axis)
        norm = ops.sqrt(norm)

        slack = _slack([w.shape[axis] for axis in axes], kind)
        middle = (self.low + self.high) / 2
        target = ops.clip(
            norm,
            min(self.low * (1 + slack), middle),
            max(self.high * (1 - slack), middle),
        )
        there = ops.logical_and(norm >= self.low, norm <= self.high)
        there = ops.logical_or(there, ops.abs(norm - target) <= slack * norm)
        if self.rate < 1:
            target = self.rate * target + (1 - self.rate) * norm
        there = ops.logical_or(there, norm == 0)
        # times 1 changes no bit
        factor = ops.where(there, 1, target / ops.where(there, 1, norm))
        return ops.cast(wide * factor, w.dtype)

    def _axes_of(self, shape):
        """Give the axes over which to take the norm of a tensor of this shape."""
        axes = self.axis
        if isinstance(axes, str):
            return tuple(range(len(shape) - 1))
        if isinstance(axes, dict):
            if shape not in axes:
                raise ValueError(
                    f"This {type(self).__name__} knows the axes of kernels of shape "
                    f"{', '.join(map(str, axes))}, received one of shape {shape}: "
                    "call `constrain` on the layer that it is for."
                )
            return axes[shape]
        axes = (axes,) if isinstance(axes, int) else axes
        if any(not -len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(
                f"{type(self).__name__}(axis={self.axis}) received weights of shape "
                f"{shape}, whose axes are 0 to {len(shape) - 1}."
            )
        return tuple(sorted({axis % len(shape) for axis in axes}))

    def get_config(self):
        axis = self.axis
        if isinstance(axis, dict):
            axis = [[list(shape), list(axes)] for shape, axes in axis.items()]
        return {"axis": list(axis) if isinstance(axis, tuple) else axis}


@keras.saving.register_keras_serializable("kerasmith")
class MaxNorm(NormConstraint):
    """Project the weights coming into each unit on the ball of a radius.

    A unit's weights `w` become `w * min(1, max_value / norm(w))`. Weights inside the
    ball stay as they are, bit by bit; those outside land on its surface, to the
    accuracy with which their norm is known, and not outside of it: projecting twice
    is the same as projecting once. Keras' constraint of the same name shrinks all
    weights a little at every step.

    A constraint sees a tensor, not the layer that it belongs to. `axis="auto"` takes
    the norm over all axes but the last. That is right for Dense, Conv1D to Conv3D
    and the kernels of recurrent cells. It is **wrong** for transposed and depthwise
    convolutions, the depthwise kernel of separable ones, EinsumDense with several
    axes of outputs, the query, key and value projections of attention, and Embedding:
    use `constrain` for these, which asks the layer.

    Args:
        max_value: Largest norm allowed, above 0.
        axis: Axes over which the weights coming into one unit lie: an integer, a
            sequence of integers, or `"auto"` for all but the last, so that each
            number of a vector, as of a bias, is a unit by itself. A dictionary from
            shapes to axes serves kernels of several shapes.

    Raises:
        ValueError: If `max_value` is not above 0, or the axes are none of a tensor.

    Example:

    >>> import numpy as np
    >>> kernel = np.array([[3.0, 0.3], [4.0, 0.4]], "float32")
    >>> projected = keras.ops.convert_to_numpy(MaxNorm(1.0)(kernel))
    >>> np.linalg.norm(projected, axis=0).round(4).tolist()
    [1.0, 0.5]

    Reference:
        Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(self, max_value, axis="auto"):
        super().__init__(axis)
        if not max_value > 0:
            raise ValueError(
                f"MaxNorm needs a max_value above 0, received {max_value}; dropout "
                "papers use 3 to 4."
            )
        self.max_value = self.high = max_value

    def get_config(self):
        return {"max_value": self.max_value, **super().get_config()}


@keras.saving.register_keras_serializable("kerasmith")
class UnitNorm(NormConstraint):
    """Scale the weights coming into each unit to norm 1.

    Weights that have norm 1, to the accuracy with which it is known, stay as they
    are. A unit whose weights are all zero has no direction and keeps them.

    Args:
        axis: Axes over which the weights coming into one unit lie, as for `MaxNorm`;
            `"auto"` is wrong for the layers named there.

    Raises:
        ValueError: If the axes are none of a tensor.

    Example:

    >>> import numpy as np
    >>> kernel = np.array([[3.0, 0.0], [4.0, 0.0]], "float32")
    >>> keras.ops.convert_to_numpy(UnitNorm()(kernel)).round(4).tolist()
    [[0.6000000238418579, 0.0], [0.800000011920929, 0.0]]
    """

    low = 1.0

    def __init__(self, axis="auto"):
        super().__init__(axis)


@keras.saving.register_keras_serializable("kerasmith")
class MinMaxNorm(NormConstraint):
    """Keep the norm of the weights coming into each unit between two bounds.

    Weights whose norm lies between the bounds stay as they are. Others are scaled
    so that their norm moves the share `rate` of the way to the nearest bound. A unit
    whose weights are all zero has no direction and keeps them.

    Args:
        min_value: Smallest norm, 0 or above.
        max_value: Largest norm, above 0 and not below `min_value`.
        rate: Share of the way to go at each step, in [0, 1].
        axis: Axes over which the weights coming into one unit lie, as for `MaxNorm`;
            `"auto"` is wrong for the layers named there.

    Raises:
        ValueError: If the bounds or the rate are out of range, or the axes are none
            of a tensor.

    Example:

    >>> import numpy as np
    >>> kernel = np.array([[3.0, 0.3], [4.0, 0.4]], "float32")
    >>> projected = keras.ops.convert_to_numpy(MinMaxNorm(1.0, 3.0, 0.5)(kernel))
    >>> np.linalg.norm(projected, axis=0).round(4).tolist()
    [4.0, 0.75]
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis="auto"):
        super().__init__(axis)
        if not 0 <= min_value <= max_value or not max_value > 0:
            raise ValueError(
                "MinMaxNorm needs 0 <= min_value <= max_value and a max_value above 0, "
                f"received min_value={min_value}, max_value={max_value}."
            )
        if not 0 <= rate <= 1:
            raise ValueError(
                f"MinMaxNorm needs a rate in [0, 1], received {rate}; 1 goes all the "
                "way at every step."
            )
        self.min_value = self.low = min_value
        self.max_value = self.high = max_value
        self.rate = rate

    def get_config(self):
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            **super().get_config(),
        }


def _sum_in_blocks(x, axis):
    """Sum over an axis by way of blocks, whose rounding errors do not add up."""
    size = x.shape[axis]
    blocks, length = _blocks(size)
    if blocks * length > size:
        padding = [(0, 0)] * len(x.shape)
        padding[axis] = (0, blocks * length - size)
        x = ops.pad(x, padding)
    shape = (*x.shape[:axis], blocks, length, *x.shape[axis + 1 :])
    return ops.sum(ops.sum(ops.reshape(x, shape), axis), axis, keepdims=True)


def _blocks(size):
    """Give how many blocks of which length about as many as long hold so many."""
    if size < 16:
        return 1, size
    root = math.isqrt(size)
    length = next(length for length in range(root, 0, -1) if size % length == 0)
    return (size // length, length) if 4 * length > root else (size // root + 1, root)


def _slack(sizes, dtype):
    """Give the relative accuracy with which the norm over axes is known.

    A sum of n numbers is off by n roundings at most, and its root by half of that.
    Two norms, before and after a projection, can disagree by twice as much.
    """
    computed = 2.0**-53 if dtype == "float64" else 2.0**-24
    stored = {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(dtype, 0.0)
    return computed * (8 + sum(map(sum, map(_blocks, sizes)))) + 2 * stored


def _checked_axis(axis, name):
    """Give `axis` as `"auto"`, an integer, a tuple, or a dictionary of tuples."""
    if isinstance(axis, str) and axis == "auto":
        return axis
    if _is_integer(axis):
        return int(axis)
    try:
        entries: list = list(axis.items() if isinstance(axis, dict) else axis)
        if all(map(_is_integer, entries)):
            return tuple(int(entry) for entry in entries)
        return {
            tuple(map(int, shape)): tuple(map(int, axes)) for shape, axes in entries
        }
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} takes axis='auto', an integer, a sequence of integers, or a "
            f"dictionary from shapes to axes, received {axis!r}."
        ) from None


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
