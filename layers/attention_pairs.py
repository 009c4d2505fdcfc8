"""Which queries of an attention may attend to which keys."""

import dataclasses
from typing import Any

import keras
from keras import ops


@dataclasses.dataclass(frozen=True)
class Pairs:
    """All that hides a key from a query, by block or as a whole.

    Attributes:
        start: Position of the first query among the keys, an integer or an integer
            scalar tensor.
        causal: Whether keys behind a query are hidden from it.
        window: Keys so far from a query or farther are hidden, `None` for no limit.
        key_mask: Boolean tensor of shape `(batch, keys)`, or `None`.
        attention_mask: Boolean tensor of shape `(batch or 1, heads or 1, queries,
            keys)`, or `None`.

    Example:

    >>> mask = Pairs(start=1, causal=True).allowed(2, 3)
    >>> ops.convert_to_numpy(mask)[0, 0].tolist()
    [[True, True, False], [True, True, True]]
    """

    start: Any = 0
    causal: bool = False
    window: int | None = None
    key_mask: Any = None
    attention_mask: Any = None

    def allowed(self, queries, keys, first=0):
        """Tell of a block of queries which of the first keys each may attend to.

        Args:
            queries: Number of queries of the block.
            keys: Number of keys, counted from the first key.
            first: Number of the block's first query.

        Returns:
            Boolean tensor that broadcasts to `(batch, heads, queries, keys)`, or
            `None` where nothing is hidden.
        """
        masks = []
        if self.causal or self.window is not None:
            here = ops.arange(queries, dtype="int32")[:, None] + (self.start + first)
            there = ops.arange(keys, dtype="int32")[None]
            if self.causal:
                masks.append((there <= here)[None, None])
            if self.window is not None:
                masks.append((ops.abs(there - here) < self.window)[None, None])
        if self.key_mask is not None:
            masks.append(self.key_mask[:, None, None, :keys])
        if self.attention_mask is not None:
            masks.append(self._rows(queries, first)[..., :keys])
        return conjunction(masks)

    def _rows(self, queries, first):
        mask = self.attention_mask
        if mask.shape[2] == 1 or (isinstance(first, int) and mask.shape[2] == queries):
            return mask
        shape = ops.shape(mask)
        return ops.slice(mask, (0, 0, first, 0), (*shape[:2], queries, shape[3]))

    def part(self, example, head, heads):
        """Take the masks of some heads of one example.

        Args:
            example: Number of the example.
            head: Number of the first head.
            heads: Number of heads.

        Returns:
            `Pairs` whose masks have a batch of one.
        """
        key_mask, attention_mask = self.key_mask, self.attention_mask
        if key_mask is not None and key_mask.shape[0] != 1:
            key_mask = ops.slice(key_mask, (example, 0), (1, ops.shape(key_mask)[1]))
        if attention_mask is not None:
            one_for_all, one_for_heads = (n == 1 for n in attention_mask.shape[:2])
            attention_mask = ops.slice(
                attention_mask,
                (0 if one_for_all else example, 0 if one_for_heads else head, 0, 0),
                (1, 1 if one_for_heads else heads, *ops.shape(attention_mask)[2:]),
            )
        return dataclasses.replace(
            self, key_mask=key_mask, attention_mask=attention_mask
        )

    def padded(self, queries):
        """Add rows to the table of pairs, so that blocks of equal size cover it.

        Args:
            queries: Number of rows to add.

        Returns:
            `Pairs`.
        """
        mask = self.attention_mask
        if (
            mask is None
            or mask.shape[2] == 1
            or (isinstance(queries, int) and not queries)
        ):
            return self
        mask = ops.pad(mask, ((0, 0), (0, 0), (0, queries), (0, 0)))
        return dataclasses.replace(self, attention_mask=mask)

    def blind(self, queries, keys):
        """Tell which queries may attend to nothing, without the table where possible.

        Args:
            queries: Number of queries.
            keys: Number of keys.

        Returns:
            Boolean tensor that broadcasts to `(batch, heads, queries)`, or `None`
            where each may attend to something.
        """
        if self.attention_mask is not None:
            return ops.logical_not(ops.any(self.allowed(queries, keys), axis=-1))
        shown = self.key_mask
        if shown is None:
            if self.window is None or self._each_has_its_key(queries, keys):
                return None
            shown = ops.ones((1, keys), "bool")
        # how many keys are shown before each position, and by difference in a range
        shown = ops.cumsum(ops.cast(shown, "int32"), axis=1)
        shown = ops.pad(shown, ((0, 0), (1, 0)))
        here = ops.arange(queries, dtype="int32") + self.start
        low, high = ops.zeros_like(here), ops.zeros_like(here) + keys
        if self.window is not None:
            low, high = here - (self.window - 1), here + self.window
        if self.causal:
            high = here + 1
        low, high = (ops.clip(edge, 0, keys) for edge in (low, high))
        found = ops.take(shown, high, axis=1) - ops.take(shown, low, axis=1)
        return (found <= 0)[:, None]

    def _each_has_its_key(self, queries, keys):
        sizes = (self.start, queries, keys)
        known = all(isinstance(size, int) for size in sizes)
        return known and self.start + queries <= keys


def conjunction(masks):
    """Combine masks: what all of them allow is allowed.

    Args:
        masks: List of boolean tensors, or `None` for what allows everything.

    Returns:
        Boolean tensor, or `None` if all is allowed.

    Example:

    >>> conjunction([None, None]) is None
    True
    """
    together = None
    for mask in masks:
        if mask is not None:
            mask = ops.cast(mask, "bool")
            together = mask if together is None else ops.logical_and(together, mask)
    return together


def with_heads(attention_mask):
    """Give a mask of pairs the axes that it lacks.

    Args:
        attention_mask: Tensor of shape `(queries, keys)`, `(batch, queries, keys)` or
            `(batch, heads, queries, keys)`, or `None`.

    Returns:
        Boolean tensor of four axes, or `None`.

    Raises:
        ValueError: If it has other axes.

    Example:

    >>> with_heads(ops.ones((3, 5, 7))).shape == (3, 1, 5, 7)
    True
    """
    if attention_mask is None:
        return None
    mask = ops.cast(attention_mask, "bool")
    if len(mask.shape) == 2:
        mask = mask[None]
    if len(mask.shape) == 3:
        mask = mask[:, None]
    if len(mask.shape) != 4:
        raise ValueError(
            "an attention_mask has the shape (batch, queries, keys), perhaps with "
            f"heads behind the batch; received {tuple(attention_mask.shape)}."
        )
    return mask


def mean_where_blind(result, value, blind):
    """Give queries that may attend to nothing the mean of all values.

    Args:
        result: Tensor of shape `(batch, queries, heads, value_dim)`.
        value: Tensor of shape `(batch, keys, key_heads, value_dim)`.
        blind: Boolean tensor that broadcasts to `(batch, heads, queries)`.

    Returns:
        Tensor like `result`.

    Example:

    >>> result = mean_where_blind(
    ...     ops.zeros((1, 2, 1, 1)), ops.ones((1, 3, 1, 1)), ops.ones((1, 1, 2), "bool")
    ... )
    >>> ops.convert_to_numpy(result).ravel().tolist()
    [1.0, 1.0]
    """
    mean = ops.mean(ops.cast(value, wide(value)), 1, keepdims=True)
    mean = ops.cast(mean, value.dtype)
    mean = ops.repeat(mean, result.shape[2] // value.shape[2], axis=2)
    blind = ops.transpose(blind, (0, 2, 1))[..., None]
    return ops.where(blind, mean, result)


def is_half(tensor):
    """Tell whether a tensor is of float16, whose range ends at 65,504.

    Example:

    >>> is_half(ops.ones((2,), "float16")), is_half(ops.ones((2,), "bfloat16"))
    (True, False)
    """
    return keras.backend.standardize_dtype(tensor.dtype) == "float16"


def wide(tensor):
    """Give the type that scores and sums are computed in: float32 at the least.

    Example:

    >>> [wide(ops.ones((2,), dtype)) for dtype in ("bfloat16", "float64")]
    ['float32', 'float64']
    """
    return keras.backend.result_type(tensor.dtype, "float32")
