"""Texts and what a model is to make of them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class TextPairs:
    """Texts and what a model is to make of each: one split of a set.

    Args:
        sources: NumPy object array of texts, `(pairs,)`.
        targets: NumPy object array of texts, or int32 array of classes, `(pairs,)`.
        labels: Name of each class, where the targets are classes.

    Raises:
        ValueError: If there are not as many targets as sources.

    Example:

    >>> sums = TextPairs.of([("1+2", "3"), ("20+4", "24")])
    >>> len(sums), sums.sources[1], sums.targets[1]
    (2, '20+4', '24')
    """

    sources: np.ndarray
    targets: np.ndarray
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        if len(self.sources) != len(self.targets):
            raise ValueError(
                f"TextPairs needs a target for each source, received "
                f"{len(self.sources)} sources and {len(self.targets)} targets."
            )

    @classmethod
    def of(cls, pairs, labels=()):
        """Make arrays of pairs.

        Args:
            pairs: List of pairs of a source and a target.
            labels: Name of each class, where the targets are classes.

        Returns:
            `TextPairs`.
        """
        sources = np.array([source for source, _ in pairs], dtype=object)
        targets = [target for _, target in pairs]
        kind = np.int32 if labels else object
        return cls(sources, np.array(targets, dtype=kind), tuple(labels))

    def __len__(self):
        return len(self.sources)
