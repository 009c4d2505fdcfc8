"""Class labels on their way through a Keras loss, which makes them floating numbers.

A float32 cannot tell 16,777,217 from 16,777,216, and a bfloat16 not 257 from 256: two
classes would become one. So labels go in as four digits of eight bits each.
"""

from keras import ops

DIGITS = 4
BASE = 256


def as_digits(labels, embeddings):
    """Turn labels into digits that every floating dtype holds.

    Args:
        labels: Whole numbers of shape `(batch,)` or `(batch, 1)`.
        embeddings: Tensor of shape `(batch, dim)`, looked at for its shape.

    Returns:
        Tensor of shape `(batch, 4)`.

    Raises:
        ValueError: If the shapes are others.
    """
    labels = ops.convert_to_tensor(labels)
    shape, others = tuple(labels.shape), tuple(embeddings.shape)
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)) or len(others) != 2:
        raise ValueError(
            "the loss needs labels of shape (batch,) or (batch, 1) and embeddings of "
            f"shape (batch, dim), received {shape} and {others}. One-hot labels become "
            "whole numbers by argmax, longer embeddings by Flatten one row each."
        )
    known = {shape[0], others[0]} - {None}
    if len(known) > 1:
        raise ValueError(
            f"the loss needs a label for each embedding, received {shape[0]} labels "
            f"and {others[0]} embeddings."
        )
    whole = ops.cast(ops.reshape(labels, (-1,)), "int32")
    places = [BASE**k for k in range(DIGITS)]
    return ops.stack([whole // place % BASE for place in places], axis=1)


def from_digits(digits):
    """Put labels together again.

    Args:
        digits: What `as_digits` made, or labels themselves, of any dtype.

    Returns:
        int32 tensor of shape `(batch,)`.
    """
    digits = ops.cast(digits, "int32")
    if len(digits.shape) == 1 or digits.shape[1] == 1:
        return ops.reshape(digits, (-1,))
    return sum(digits[:, k] * BASE**k for k in range(DIGITS))
