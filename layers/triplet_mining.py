"""Which triplets of a batch a loss looks at, what they cost, and the gradient of that.

Each way of mining gives the value of each anchor and what is kept for the gradient,
and then the gradient of the embeddings. Nothing is larger than batch x batch: a loop
goes from positive to positive, as often as the largest class asks for.
"""

import dataclasses

import numpy as np
from keras import ops

from . import native
from .pair_distances import (
    centred,
    distance_of,
    distance_slope,
    same_class,
    squared_lengths,
    through_all_pairs,
    through_ways,
    to_rows,
)

# positives of each anchor that are served by one look at all distances. As many rows
# are added to the table of negatives, and by 3 it never has more rows than the batch
TOGETHER = 3


@dataclasses.dataclass(frozen=True)
class Mining:
    """What a triplet costs, and which ones the mean is taken over."""

    margin: float | str
    distance: str
    mean_over: str

    def cost(self, nearer, farther):
        """Give the cost from the distances to the positive and to the negative."""
        gap = nearer - farther
        if self.margin == "soft":
            return ops.softplus(gap)
        return ops.maximum(gap + self.margin, 0)

    def slope(self, nearer, farther):
        """Give the derivative of the cost by the first distance less the second."""
        gap = nearer - farther
        if self.margin == "soft":
            return ops.sigmoid(gap)
        return ops.cast(gap + self.margin > 0, gap.dtype)

    def prepare(self, labels):
        """Give what there is to know of the labels before any distance."""
        return in_classes(labels)

    def count(self, costs, valid):
        """Count the triplets that the mean is taken over."""
        if self.mean_over == "positive":
            valid = valid & (costs > 0)
        return ops.sum(ops.cast(valid, costs.dtype))

    def measured(self, ways):
        """Give the distances that are as long as these ways."""
        return distance_of(squared_lengths(ways), self.distance)

    def through_chosen(self, x, rows, weights, origins=None):
        """Give the gradient by `x` of a weighted sum of costs.

        `rows` are those of the positives and of the negatives of all anchors, and
        `origins` the anchors of all positives, where each has one.
        """
        ways = [to_rows(x, one) for one in rows]
        nearer, farther = (self.measured(way) for way in ways)
        weights = 2 * weights * self.slope(nearer, farther)
        sides = (
            weights * distance_slope(nearer, self.distance),
            -weights * distance_slope(farther, self.distance),
        )
        ways = [side[:, None] * way for side, way in zip(sides, ways, strict=True)]
        return through_ways(ways, rows, origins)


class SemiHard(Mining):
    """Each pair of a class, with the nearest negative beyond the positive.

    Where no negative is farther than the positive, with the farthest there is.
    """

    def values(self, classes, embeddings):
        """Give the value of each anchor, and what is kept for the gradient."""
        order, labels, places = classes
        x = ops.take(centred(embeddings), order, axis=0)
        size, counts = ops.shape(x)[0], places[-1]
        negatives = native.of("pairs").distances_to_others(x, labels)
        farthest = native.of("pairs").farthest(negatives)

        def look(shift, total, count, table):
            shifts = [shift + k for k in range(TOGETHER)]
            positives = [_partners(places, one) for one in shifts]
            limits = [squared_lengths(to_rows(x, rows)) for rows in positives]
            rows = [
                ops.where(exists, row, farthest)
                for row, exists in native.of("pairs").nearest_above(negatives, limits)
            ]
            for one, limit, row in zip(shifts, limits, rows, strict=True):
                valid = (one < counts) & (counts < size)
                nearer = distance_of(limit, self.distance)
                costs = self.cost(nearer, self.measured(to_rows(x, row)))
                total = total + ops.where(valid, costs, 0)
                count = count + self.count(costs, valid)
            table = native.of("pairs").put_rows(table, shift - 1, ops.stack(rows))
            return shift + TOGETHER, total, count, table

        end = ops.max(ops.where(counts < size, counts, 1))
        zeros = ops.zeros_like(x[:, 0])
        table = ops.zeros((size, size), dtype="int32")
        _, total, count, table = ops.while_loop(
            lambda shift, *_: shift < end, look, (_one(), zeros, ops.sum(zeros), table)
        )
        share = _share(size, count)
        return _put_back(total * share, order), (x, order, places, end, share, table)

    def gradient(self, kept, upstream):
        """Give the gradient of the embeddings from that of the values."""
        x, order, places, end, share, table = kept
        size, counts = ops.shape(x)[0], places[-1]
        weights = ops.take(upstream, order) * share

        def look(shift, total):
            valid = ops.cast((shift < counts) & (counts < size), x.dtype)
            negatives = ops.take(table, shift - 1, axis=0)
            return shift + 1, total + self.through_chosen(
                x,
                [_partners(places, shift), negatives],
                weights * valid,
                _partners(places, -shift),
            )

        state = (_one(), ops.zeros_like(x))
        _, total = ops.while_loop(lambda shift, _: shift < end, look, state)
        return _put_back(total, order)


class BatchHard(Mining):
    """Each anchor, with its farthest positive and its nearest negative."""

    def prepare(self, labels):
        """Give the labels, since their order does not matter."""
        return labels

    def values(self, labels, embeddings):
        """Give the value of each anchor, and what is kept for the gradient."""
        x, nearest = centred(embeddings), native.of("pairs").nearest
        distances = native.of("pairs").squared_distances(x)
        same = same_class(labels)
        here = ops.arange(ops.shape(x)[0])
        partners = same & (here[:, None] != here[None])
        positives, some = nearest(ops.where(partners, -distances, np.inf))
        negatives, others = nearest(ops.where(same, np.inf, distances))
        valid = some & others
        costs = self.cost(
            *(self.measured(to_rows(x, rows)) for rows in (positives, negatives))
        )
        share = _share(ops.shape(x)[0], self.count(costs, valid))
        share = share * ops.cast(valid, x.dtype)
        return ops.where(valid, share * costs, 0), (x, positives, negatives, share)

    def gradient(self, kept, upstream):
        """Give the gradient of the embeddings from that of the values."""
        x, positives, negatives, share = kept
        return self.through_chosen(x, [positives, negatives], upstream * share)


class EveryTriplet(Mining):
    """Each pair of a class, with each negative."""

    def values(self, classes, embeddings):
        """Give the value of each anchor, and what is kept for the gradient."""
        order, labels, places = classes
        x, counts = ops.take(centred(embeddings), order, axis=0), places[-1]
        here = ops.arange(ops.shape(x)[0], dtype="int32")
        different = ops.logical_not(same_class(labels))
        farther = distance_of(native.of("pairs").squared_distances(x), self.distance)
        away = distance_slope(farther, self.distance)

        def look(shift, total, count, weights):
            positives = _partners(places, shift)
            nearer = self.measured(to_rows(x, positives))
            valid = different & (shift < counts)[:, None]
            costs = ops.where(valid, self.cost(nearer[:, None], farther), 0)
            slopes = ops.where(valid, self.slope(nearer[:, None], farther), 0)
            weights = ops.scatter_update(
                weights - slopes * away,
                ops.stack([here, positives], axis=1),
                ops.sum(slopes, axis=1) * distance_slope(nearer, self.distance),
                reduction="add",
            )
            count = count + self.count(costs, valid)
            return shift + 1, total + ops.sum(costs, axis=1), count, weights

        zeros, end = ops.zeros_like(x[:, 0]), ops.max(counts)
        state = (_one(), zeros, ops.sum(zeros), ops.zeros_like(farther))
        _, total, count, weights = ops.while_loop(
            lambda shift, *_: shift < end, look, state
        )
        share = _share(ops.shape(x)[0], count)
        return _put_back(total * share, order), (x, order, share, weights)

    def gradient(self, kept, upstream):
        """Give the gradient of the embeddings from that of the values."""
        x, order, share, weights = kept
        upstream = ops.take(upstream, order) * share
        return _put_back(through_all_pairs(x, upstream[:, None] * weights), order)


def _one():
    return ops.convert_to_tensor(1, dtype="int32")


def _share(size, count):
    """Give what makes the mean over the batch the mean over what counts."""
    return ops.cast(size, count.dtype) / ops.maximum(count, 1)


def in_classes(labels):
    """Bring examples into the order of their classes.

    Gives their rows in that order, their labels, and of each where its class begins,
    its rank in it, and the size of the class.
    """
    order = ops.argsort(labels)
    labels = ops.take(labels, order)
    begins = ops.cast(ops.searchsorted(labels, labels), "int32")
    here = ops.arange(ops.shape(labels)[0], dtype="int32")
    sizes = ops.scatter_update(
        ops.zeros_like(here), begins[:, None], ops.ones_like(here), reduction="add"
    )
    return order, labels, (begins, here - begins, ops.take(sizes, begins))


def _partners(places, shift):
    """Give the row that stands so many places behind in its class, going round."""
    begins, rank, counts = places
    return begins + (rank + shift) % counts


def _put_back(rows, order):
    """Bring rows that are in the order of the classes into that of the batch."""
    return ops.scatter_update(ops.zeros_like(rows), order[:, None], rows)
