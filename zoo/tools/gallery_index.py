"""Named unit vectors: searched by one matrix product, and exact in their order."""

import difflib

import numpy as np

from ..choices import choose

EMPTY = "the gallery is empty: enroll(name, images) first."
NAMES_TOLD = 20  # in an error
# similarities of a block of queries at once, in numbers
BLOCK = 2**24


class GalleryIndex:
    """Vectors of length 1 under names, in one matrix that grows by doubling.

    Euclidean distances `d` of unit vectors follow from their cosines: `d^2` is
    `2 - 2 cosine`. A product in float32 finds those that can be among the nearest;
    their distances are then computed from the differences, in float64. What stands
    in the results is exact, in the order of the distances, and for equal distances
    in the order in which the vectors were added.

    Args:
        width: Numbers in a vector.

    Example:

    >>> index = GalleryIndex(2)
    >>> index.add(["a", "b", "a"], np.array([[1, 0], [0, 1], [0.6, 0.8]], "float32"))
    >>> index.nearest(np.array([[0, 1]], "float32"), 2)[0][0]
    ('b', 0.0)
    """

    def __init__(self, width):
        self.width = width
        self._room = np.empty((0, width), "float32")
        self._owners = np.empty(0, "int32")  # number of the name of each row
        self._count = 0
        self._names = {}  # by their numbers, which rise
        self._numbers = {}  # by their names

    @property
    def names(self):
        """The names in the order in which they came, a tuple."""
        return tuple(self._numbers)

    @property
    def counts(self):
        """Dictionary of each name to the number of its vectors."""
        each = np.bincount(self.owners, minlength=len(self._numbers)).tolist()
        return dict(zip(self._numbers, each, strict=True))

    @property
    def vectors(self):
        """float32 array `(count, width)` of the vectors as they were added, a view."""
        return self._room[: self._count]

    @property
    def owners(self):
        """The place among the names that each vector's name has, an array."""
        # numbers have gaps where names were removed
        numbers = np.array(list(self._names), "int32")
        return np.searchsorted(numbers, self._owners[: self._count])

    def __len__(self):
        """Count the names."""
        return len(self._numbers)

    def __contains__(self, name):
        return isinstance(name, str) and name in self._numbers

    def add(self, names, vectors):
        """Add vectors.

        Args:
            names: Name of each.
            vectors: Array `(n, width)`, each of length 1.
        """
        total = self._count + len(vectors)
        if total > len(self._room):
            capacity = max(total, 2 * len(self._room))
            room = np.empty((capacity, self.width), "float32")
            owners = np.empty(capacity, "int32")
            room[: self._count] = self.vectors
            owners[: self._count] = self._owners[: self._count]
            self._room, self._owners = room, owners
        for name in names:
            if name not in self._numbers:
                number = next(reversed(self._names), -1) + 1
                self._numbers[name], self._names[number] = number, name
        self._room[self._count : total] = vectors
        self._owners[self._count : total] = [self._numbers[name] for name in names]
        self._count = total

    def remove(self, name):
        """Take the vectors of a name out; the others close up in their order.

        Args:
            name: A name that is there.

        Returns:
            How many there were.

        Raises:
            ValueError: If there is no such name.
        """
        number = self._number(name)
        kept = np.flatnonzero(self._owners[: self._count] != number)
        removed = self._count - len(kept)
        self._room[: len(kept)] = self._room[kept]
        self._owners[: len(kept)] = self._owners[kept]
        self._count = len(kept)
        del self._numbers[name], self._names[number]
        return removed

    def distance(self, query, name):
        """Give the distance of a vector from the nearest of a name's.

        Args:
            query: Array `(width,)` of length 1.
            name: A name that is there.

        Returns:
            Number.

        Raises:
            ValueError: If there is no such name.
        """
        number = self._number(name)
        places = np.flatnonzero(self._owners[: self._count] == number)
        return float(self._exact(query, places).min())

    def _number(self, name):
        if name in self:
            return self._numbers[name]
        if not self._numbers:
            raise ValueError(EMPTY)
        near = self.names
        if len(near) > NAMES_TOLD:
            near = difflib.get_close_matches(str(name), near, NAMES_TOLD, 0.5)
        return choose("enrolled name", name, near or self.names[:NAMES_TOLD])

    def nearest(self, queries, most):
        """Find for each query the names nearest to it, each by its nearest vector.

        Args:
            queries: Array `(n, width)`, each of length 1.
            most: How many names to give.

        Returns:
            For each query a list of pairs of a name and its distance, nearest first;
            fewer than `most` where there are fewer names.

        Raises:
            ValueError: If there are no vectors.
        """
        if not self._count:
            raise ValueError(EMPTY)
        found = []
        rows = max(1, BLOCK // self._count)
        for start in range(0, len(queries), rows):
            block = queries[start : start + rows]
            # the product of a matrix and one vector needs no room for a second matrix
            if len(block) == 1:
                similar = (self.vectors @ block[0])[None]
            else:
                similar = block @ self.vectors.T
            found += map(self._rank, block, similar, [most] * len(block))
        return found

    def _rank(self, query, similar, most):
        """Order the candidates exactly; ask for more until there are names enough."""
        wanted = most
        while True:
            wanted = min(wanted, self._count)
            places = np.flatnonzero(similar >= self._limit(similar, wanted))
            distances = self._exact(query, places)
            # stable: of equal distances the one added first stays first
            order = np.argsort(distances, kind="stable")[:wanted]
            ranked = {}
            owners = self._owners[places[order]].tolist()
            for owner, distance in zip(owners, distances[order].tolist(), strict=True):
                ranked.setdefault(self._names[owner], distance)
            if len(ranked) >= most or wanted == self._count:
                return list(ranked.items())[:most]
            wanted *= 4

    def _limit(self, similar, wanted):
        """Give the similarity below which none is among the `wanted` nearest."""
        if wanted == 1:
            least = similar.max()
        else:
            least = np.partition(similar, -wanted)[-wanted]
        # no product of this width is off by more: its rounding, and that of the lengths
        return least - (self.width + 8) * np.finfo("float32").eps

    def _exact(self, query, places):
        differences = self._room[places].astype("float64") - query
        distances = np.sqrt(np.sum(differences * differences, axis=1))
        return np.minimum(distances, 2.0)  # lengths of 1 are rounded
