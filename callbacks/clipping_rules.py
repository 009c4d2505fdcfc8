"""The rules by which gradients are clipped, as pure functions on tensors.

Norms are taken in float32 whatever the dtype of a gradient. A gradient that needs no
clipping is returned bit for bit as it came.
"""

from keras import ops


def norm(tensors):
    """Take the norm of several tensors as if they were one vector.

    Args:
        tensors: List of tensors.

    Returns:
        Scalar tensor, float32.

    Example:

    >>> float(norm([ops.array([3.0, 0.0]), ops.array([[4.0]])]))
    5.0
    """
    squares = [ops.sum(ops.square(ops.cast(part, "float32"))) for part in tensors]
    return ops.sqrt(ops.sum(ops.stack(squares)))


def factor(length, limit):
    """Give the number by which what has this length must be multiplied.

    Args:
        length: Tensor of lengths.
        limit: Tensor of the lengths allowed.

    Returns:
        1 where the length is allowed, else `limit / length`; 0 for an infinite
        length, and NaN for one that is NaN.

    Example:

    >>> ops.convert_to_numpy(factor(ops.array([0.0, 2.0, 4.0]), 2.0)).tolist()
    [1.0, 1.0, 0.5]
    """
    inside = length <= limit
    return ops.where(inside, 1.0, limit / ops.where(inside, 1.0, length))


def by_value(gradients, limit):
    """Clip every number to `[-limit, limit]`.

    Args:
        gradients: List of tensors.
        limit: Scalar tensor.

    Returns:
        The gradients, and whether a number was outside.

    Example:

    >>> clipped, some = by_value([ops.array([-3.0, 0.5])], ops.array(1.0))
    >>> ops.convert_to_numpy(clipped[0]).tolist(), bool(some)
    ([-1.0, 0.5], True)
    """
    clipped = [
        ops.maximum(ops.minimum(g, ops.cast(limit, g.dtype)), -ops.cast(limit, g.dtype))
        for g in gradients
    ]
    largest = [ops.max(ops.abs(ops.cast(g, "float32"))) for g in gradients]
    return clipped, ops.max(ops.stack(largest)) > limit


def by_norm(gradients, limit):
    """Scale every variable's gradient to a norm of at most `limit`.

    Args:
        gradients: List of tensors.
        limit: Scalar tensor.

    Returns:
        The gradients, and whether one was longer.

    Example:

    >>> clipped, some = by_norm([ops.array([3.0, 4.0])], ops.array(1.0))
    >>> [round(float(value), 6) for value in clipped[0]], bool(some)
    ([0.6, 0.8], True)
    """
    lengths = [norm([g]) for g in gradients]
    clipped = [
        scaled(g, factor(length, limit))
        for g, length in zip(gradients, lengths, strict=True)
    ]
    return clipped, ops.max(ops.stack(lengths)) > limit


def by_global_norm(gradients, limit, length):
    """Scale all gradients together so that their norm is at most `limit`.

    An infinite norm makes all of them NaN, as in Keras and TensorFlow: zeros would
    look like a training at rest.

    Args:
        gradients: List of tensors.
        limit: Scalar tensor.
        length: Their norm, as `norm` gives it.

    Returns:
        The gradients, and whether they were longer.

    Example:

    >>> gradients = [ops.array([3.0]), ops.array([4.0])]
    >>> clipped, some = by_global_norm(gradients, ops.array(1.0), norm(gradients))
    >>> [round(float(value[0]), 6) for value in clipped], bool(some)
    ([0.6, 0.8], True)
    """
    by = factor(length, limit) + (length - length)
    return [scaled(g, by) for g in gradients], length > limit


def by_norm_of_all(gradients, limit, length):
    """Scale all gradients together, as AutoClip does.

    It differs from `by_global_norm` at an infinite norm, which makes the infinite
    numbers NaN and the others 0.

    Args:
        gradients: List of tensors.
        limit: Scalar tensor.
        length: Their norm, as `norm` gives it.

    Returns:
        The gradients, and whether they were longer.

    Example:

    >>> gradients = [ops.array([3.0]), ops.array([float("inf")])]
    >>> clipped, some = by_norm_of_all(gradients, ops.array(1.0), norm(gradients))
    >>> [float(value[0]) for value in clipped], bool(some)
    ([0.0, nan], True)
    """
    by = factor(length, limit)
    return [scaled(g, by) for g in gradients], length > limit


def adaptively(gradient, weight, axes, ratio, epsilon=1e-3):
    """Scale each unit's gradient to `ratio` times the norm of the unit's weights.

    `g_i <- g_i * min(1, ratio * max(||w_i||, epsilon) / ||g_i||)` for every unit i.

    Args:
        gradient: Tensor.
        weight: Tensor of its shape.
        axes: The axes over which the weights of one unit lie.
        ratio: Scalar tensor.
        epsilon: Norm that weights have at least, so that units at zero can learn.

    Returns:
        The gradient, and whether a unit was clipped.

    Example:

    >>> weight, gradient = ops.array([[3.0, 0.0], [4.0, 0.0]]), ops.ones((2, 2))
    >>> clipped, some = adaptively(gradient, weight, (0,), ops.array(0.1))
    >>> [round(float(value), 6) for value in clipped[0]], bool(some)
    ([0.353553, 7.1e-05], True)
    """

    def lengths(tensor):
        squares = ops.square(ops.cast(tensor, "float32"))
        return ops.sqrt(ops.sum(squares, axis=axes, keepdims=True))

    limits = ratio * ops.maximum(lengths(weight), epsilon)
    found = lengths(gradient)
    return scaled(gradient, factor(found, limits)), ops.any(found > limits)


def percentile(values, count, percent):
    """Take a percentile of the first of some values, interpolated as NumPy does.

    Args:
        values: Vector of float32, those behind `count` larger than any of the others.
        count: How many count, a scalar tensor of integers.
        percent: Scalar tensor in [0, 100].

    Returns:
        Scalar tensor; the first value if none counts.

    Example:

    >>> values = ops.array([4.0, 1.0, 2.0, 3.4e38])
    >>> float(percentile(values, ops.array(3), ops.array(75.0)))
    3.0
    """
    ordered = ops.sort(values)
    last = ops.maximum(ops.cast(count, "float32") - 1, 0.0)
    place = last * percent / 100
    below = ops.floor(place)
    low = ops.take(ordered, ops.cast(below, "int32"))
    high = ops.take(ordered, ops.cast(ops.minimum(below + 1, last), "int32"))
    return low + (high - low) * (place - below)


def scaled(tensor, by):
    """Multiply in float32, and give back the tensor's dtype.

    Args:
        tensor: Tensor.
        by: Tensor of factors.

    Returns:
        Tensor of the shape and dtype of the first.

    Example:

    >>> scaled(ops.ones((2,), "float16"), ops.array(0.5)).dtype == ops.ones(
    ...     (2,), "float16"
    ... ).dtype
    True
    """
    return ops.cast(ops.cast(tensor, "float32") * by, tensor.dtype)
