"""Which distance still counts as the same: the answer, and how to choose it."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Verification:
    """Whether an image shows what a name stands for. True in a condition if so.

    Args:
        same: Whether the distance is within the threshold.
        distance: Distance to the nearest image of the name, 0 to 2.

    Example:

    >>> "same" if Verification(False, 1.3) else "another"
    'another'
    """

    same: bool
    distance: float

    def __bool__(self):
        return self.same


def balanced_threshold(embeddings, labels):
    """Choose the distance that tells pairs of the same from pairs of others best.

    All pairs are compared. Pairs of others are many more, so the share of pairs of
    the same within the threshold and the share of the others beyond it count alike:
    their mean is the largest there is. The threshold lies midway between the last
    distance within and the first beyond.

    Args:
        embeddings: Array `(n, width)` of rows of length 1.
        labels: What each shows, a sequence of length `n`.

    Returns:
        Number, 0 to 2.

    Raises:
        ValueError: If the labels do not fit, or there are no pairs of the same or of
            others.

    Example:

    >>> corners = np.array([[1, 0], [0.96, 0.28], [0, 1], [-0.28, 0.96]])
    >>> round(balanced_threshold(corners, ["a", "a", "b", "b"]), 3)
    0.741
    """
    labels = np.asarray(labels)
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"there must be a label for each of {len(embeddings)} images, received "
            f"labels of shape {labels.shape}."
        )
    first, second = np.triu_indices(len(labels), 1)
    same = labels[first] == labels[second]
    if same.all() or not same.any():
        kind = "no two show different ones" if same.any() else "no two show the same"
        raise ValueError(
            f"a threshold cannot be chosen by these {len(labels)} images: {kind}. Give "
            "two or more images of each of two or more labels."
        )
    rows = embeddings.astype("float64")
    squares = np.sum(rows * rows, axis=1)
    products = squares[:, None] + squares - 2 * rows @ rows.T
    distances = np.sqrt(np.clip(products[first, second], 0, 4))
    order = np.argsort(distances)
    distances, same = distances[order], same[order]
    accepted = np.cumsum(same) / same.sum() - np.cumsum(~same) / (~same).sum()
    # equal distances are within the threshold together
    accepted[:-1][distances[:-1] == distances[1:]] = -1
    best = int(np.argmax(accepted))
    return float(distances[best : best + 2].mean())
