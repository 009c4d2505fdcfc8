"""Layers that compare two embeddings, for networks of two towers."""

import keras
from keras import ops

from .l2_normalization import scale_to_length_one
from .pair_distances import floating

DISTANCES = ("euclidean", "squared", "cosine")
FEATURES = ("absolute", "chi_square")
LEAST = 1e-15  # sums of two features below it count as 0: their squares may be 0


class _Comparison(keras.layers.Layer):
    """What is called on two tensors of one shape."""

    def build(self, input_shape):
        shapes = _pair(input_shape)
        if shapes is None or len(shapes[0]) < 2 or not _agree(*shapes):
            raise ValueError(
                f"{type(self).__name__} compares two embeddings of one shape: call it "
                f"on a list of two such tensors, received {input_shape}."
            )

    def call(self, inputs):
        one, other = (floating(x) for x in inputs)
        return ops.cast(self._compare(one, other), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable("kerasmith")
class PairDistance(_Comparison):
    """Give the distance of two embeddings.

    - `"euclidean"`: `sqrt(sum((a - b)^2))`. Its slope is taken as 0 where both are
      equal.
    - `"squared"`: the square of that.
    - `"cosine"`: `1 - cos(a, b)`, 0 to 2; 1 where one of them is zero, with a slope of
      0 there.

    Args:
        kind: `"euclidean"`, `"squared"` or `"cosine"`.

    Call arguments:
        inputs: List of two tensors of shape `(batch, ..., dim)`.

    Returns:
        Tensor of shape `(batch, ..., 1)` in the compute dtype, computed in float32
        at least.

    Raises:
        ValueError: If the kind is unknown, or `inputs` are not two of one shape.

    Example:

    >>> import numpy as np
    >>> pair = [np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])]
    >>> [float(PairDistance(kind)(pair)[0, 0]) for kind in ("euclidean", "cosine")]
    [5.0, 1.0]

    Reference:
        Hadsell et al., 2006, Dimensionality Reduction by Learning an Invariant
        Mapping, https://doi.org/10.1109/CVPR.2006.100
    """

    def __init__(self, kind="euclidean", **kwargs):
        super().__init__(**kwargs)
        self.kind = _choice(self, kind, DISTANCES)

    def _compare(self, one, other):
        if self.kind == "cosine":
            return _cosine_distance(one, other)
        squared = _inner(one - other, one - other)
        return squared if self.kind == "squared" else _root(squared)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], 1)


@keras.saving.register_keras_serializable("kerasmith")
class PairFeatures(_Comparison):
    """Compare two embeddings feature by feature.

    - `"absolute"`: `|a - b|`, with a slope of 0 where both are equal. With a `Dense(1)`
      behind it, it is the weighted L1 distance of a verification head.
    - `"chi_square"`: `(a - b)^2 / (a + b)`, 0 where both are 0, for features that are
      never negative, such as those behind a ReLU. With a `Dense(1)` behind it, it is
      DeepFace's weighted chi-square distance. Of negative features the sizes are
      added, so that it stays finite.

    Args:
        kind: `"absolute"` or `"chi_square"`.

    Call arguments:
        inputs: List of two tensors of shape `(batch, ..., dim)`.

    Returns:
        Tensor of that shape in the compute dtype. It is computed in float32
        at least.

    Raises:
        ValueError: If the kind is unknown, or `inputs` are not two of one shape.

    Example:

    >>> import numpy as np
    >>> pair = [np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]])]
    >>> keras.ops.convert_to_numpy(PairFeatures("chi_square")(pair)).tolist()
    [[1.0, 0.0]]

    Reference:
        Taigman et al., 2014, DeepFace: Closing the Gap to Human-Level Performance in
        Face Verification, https://doi.org/10.1109/CVPR.2014.220
    """

    def __init__(self, kind="absolute", **kwargs):
        super().__init__(**kwargs)
        self.kind = _choice(self, kind, FEATURES)

    def _compare(self, one, other):
        if self.kind == "absolute":
            difference = one - other
            # not `ops.abs`: on JAX its slope at 0 is 1
            return difference * ops.sign(difference)
        total = _size(one) + _size(other)
        some = total > LEAST
        # nothing is chosen at the end: its slope would be 0 times infinity
        difference = ops.where(some, one - other, 0)
        return difference * (difference / ops.where(some, total, 1))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])


def _choice(layer, kind, choices):
    if kind not in choices:
        raise ValueError(
            f"{type(layer).__name__} needs kind to be one of "
            f"{', '.join(map(repr, choices))}, received kind={kind!r}."
        )
    return kind


def _pair(shapes):
    """Give two shapes, or `None` where there are not two."""
    if not isinstance(shapes, (list, tuple)) or len(shapes) != 2:
        return None
    if not all(isinstance(shape, (list, tuple)) for shape in shapes):
        return None
    return shapes


def _agree(one, other):
    return len(one) == len(other) and all(
        a == b or None in (a, b) for a, b in zip(one, other, strict=True)
    )


def _inner(one, other):
    return ops.sum(one * other, axis=-1, keepdims=True)


def _root(squared):
    """Take the square root, with a slope of 0 at 0."""
    some = squared > 0
    return ops.where(some, ops.sqrt(ops.where(some, squared, 1)), 0)


def _size(x):
    """Give the size of numbers. At 0 the slope is 1, as on the positive side."""
    return ops.where(x < 0, -x, x)


def _cosine_distance(one, other):
    (a, a_is_zero), (b, b_is_zero) = map(scale_to_length_one, (one, other))
    # half the square between units: 1 - cos would lose the digits of a small angle
    return 0.5 * (_inner(a - b, a - b) + a_is_zero + b_is_zero)
