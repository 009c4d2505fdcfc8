"""How well distances tell the same from the different: verification and retrieval.

The lower a distance, the more alike are two examples. A pair is accepted, that is
taken for the same, up to a threshold: where its distance is below or equal to it.
"""

import dataclasses

import numpy as np

# distances of a block of queries at once, in numbers
BLOCK = 2**22
# 95 % of a normal distribution lie so many standard deviations around its mean
DEVIATIONS = 1.959964


def roc(distances, same):
    """Give the rates of pairs accepted wrongly and rightly at every threshold.

    Args:
        distances: Distance of each pair, of shape `(pairs,)` or `(pairs, 1)`.
        same: Whether a pair is the same, true or false, 1 or 0.

    Returns:
        Three arrays of equal length: the false accept rates, the share of the
        different pairs that are accepted; the true accept rates, the share of the same
        pairs; and the thresholds. The first threshold is minus infinity, which accepts
        nothing; the others are the distances that there are, rising.

    Raises:
        ValueError: If the shapes do not fit, a distance is not finite, or there are no
            pairs of one of the kinds.

    Example:

    >>> false, true, thresholds = roc([0.1, 0.4, 0.3, 0.9], [1, 1, 0, 0])
    >>> false.tolist(), true.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    >>> thresholds.tolist()
    [-inf, 0.1, 0.3, 0.4, 0.9]
    """
    distances, same = _pairs(distances, same)
    if same.all() or not same.any():
        kind = "different" if same.all() else "same"
        raise ValueError(
            "the rates need pairs that are the same and pairs that are different, "
            f"received {len(same)} pairs and none that is {kind}."
        )
    order = np.argsort(distances)
    distances, same = distances[order], same[order]
    # equal distances are accepted together
    last = np.append(distances[1:] > distances[:-1], True)
    true = np.cumsum(same)[last] / same.sum()
    false = np.cumsum(~same)[last] / (~same).sum()
    rates = (np.concatenate([[0.0], rate]) for rate in (false, true))
    return *rates, np.concatenate([[-np.inf], distances[last]])


def equal_error_rate(distances, same):
    """Give the error where as many are accepted wrongly as are rejected wrongly.

    Between two thresholds both rates are taken as straight lines.

    Args:
        distances: Distance of each pair, of shape `(pairs,)` or `(pairs, 1)`.
        same: Whether a pair is the same.

    Returns:
        Number, 0 to 1.

    Raises:
        ValueError: As `roc`.

    Example:

    >>> equal_error_rate([0.1, 0.4, 0.3, 0.9], [1, 1, 0, 0])
    0.5
    """
    false, true, _ = roc(distances, same)
    # rises from -1 to 1, with every threshold
    gap = false - (1 - true)
    after = int(np.argmax(gap >= 0))
    before = after - 1
    along = gap[before] / (gap[before] - gap[after])
    return float(false[before] + along * (false[after] - false[before]))


def area_under_curve(distances, same):
    """Give the area under the curve of `roc`.

    It is the chance that a same pair is closer than a different one, where equal
    distances count half.

    Args:
        distances: Distance of each pair, of shape `(pairs,)` or `(pairs, 1)`.
        same: Whether a pair is the same.

    Returns:
        Number, 0 to 1; 0.5 is that of distances which say nothing.

    Raises:
        ValueError: As `roc`.

    Example:

    >>> area_under_curve([0.1, 0.4, 0.3, 0.9], [1, 1, 0, 0])
    0.75
    """
    false, true, _ = roc(distances, same)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)


def best_threshold(distances, same):
    """Choose the threshold by which most pairs are told rightly.

    It lies midway between the last distance that it accepts and the first that it does
    not. Of several that are equally good it is the one whose two error rates differ
    least, and of those the lowest. Choose it by other pairs than those that judge.

    Args:
        distances: Distance of each pair, of shape `(pairs,)` or `(pairs, 1)`.
        same: Whether a pair is the same.

    Returns:
        Number. Where it is best to accept everything, the largest distance; where it
        is best to accept nothing, the number below the smallest.

    Raises:
        ValueError: As `roc`.

    Example:

    >>> best_threshold([0.25, 0.5, 1.0, 1.5], [1, 1, 0, 0])
    0.75
    """
    false, true, distances = roc(distances, same)
    same = np.asarray(same, bool)
    accepted_right = np.rint(true * same.sum())
    accepted_wrong = np.rint(false * (~same).sum())
    # whole numbers of pairs: rates would not be equal where they should be
    right = accepted_right - accepted_wrong
    candidates = np.flatnonzero(right == right.max())
    uneven = np.abs(false - (1 - true))[candidates].round(12)
    best = candidates[np.argmin(uneven)]
    if best == 0:
        return float(np.nextafter(distances[1], -np.inf))
    low, high = distances[best], distances[min(best + 1, len(distances) - 1)]
    middle = low + (high - low) / 2
    # neighbouring numbers have none between them
    return float(middle if middle < high else low)


def accuracy_at(distances, same, threshold):
    """Give the share of pairs that a threshold tells rightly.

    Args:
        distances: Distance of each pair, of shape `(pairs,)` or `(pairs, 1)`.
        same: Whether a pair is the same.
        threshold: The largest distance that is taken for the same.

    Returns:
        Number, 0 to 1.

    Raises:
        ValueError: If there are no pairs, the shapes do not fit, or a distance is not
            finite.

    Example:

    >>> accuracy_at([0.1, 0.4, 0.3, 0.9], [1, 1, 0, 0], 0.5)
    0.75
    """
    distances, same = _pairs(distances, same)
    return float(np.mean((distances <= threshold) == same))


def recall_at_k(embeddings, labels, k):
    """Give the share of examples with one of their class among the `k` nearest.

    Each example is compared with all others, by the euclidean distance. Of equal
    distances those to other classes come first, so that embeddings which are all the
    same find nothing. An example that is alone in its class is not asked.

    Args:
        embeddings: Array of shape `(examples, values)`.
        labels: Class of each example, of shape `(examples,)`.
        k: How many of the nearest count, 1, 2, ...

    Returns:
        Number, 0 to 1.

    Raises:
        ValueError: If `k` is no such number, the shapes do not fit, an embedding is not
            finite, or no class has two examples.

    Example:

    >>> recall_at_k([[0.0], [1.0], [3.0], [3.5]], ["a", "a", "a", "b"], 1)
    0.6666666666666666

    Reference:
        Oh Song et al., 2016, https://arxiv.org/abs/1511.06452, section 6.1
    """
    _check_counts("recall_at_k", k=(k, 1))
    embeddings, _, labels = _examples(embeddings, labels)
    queries = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not queries.size:
        raise ValueError(
            f"recall_at_k needs two examples of a class, received {len(labels)} "
            "examples of as many classes."
        )
    # far from the origin the squares would lose the digits of the distances
    embeddings = embeddings - embeddings.mean(axis=0)
    squares = np.sum(embeddings**2, axis=1)
    slack = 1e-12 * squares.max()
    rows, found = max(1, BLOCK // len(labels)), 0
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows]
        apart = squares - 2 * embeddings[block] @ embeddings.T
        alike = labels[block][:, None] == labels
        apart[np.arange(len(block)), block] = np.inf
        nearest = np.where(alike, apart, np.inf).min(axis=1, keepdims=True)
        before = np.sum((apart <= nearest + slack) & ~alike, axis=1)
        found += np.sum(before < k)
    return float(found / len(queries))


@dataclasses.dataclass(frozen=True)
class OneShot:
    """How well new classes are recognised by few examples of each.

    Args:
        accuracy: Share of queries that were recognised.
        interval: From where to where the accuracy lies with a confidence of 95 %, two
            numbers.

    Example:

    >>> OneShot(0.9, (0.88, 0.92)).accuracy
    0.9
    """

    accuracy: float
    interval: tuple[float, float]


def one_shot_accuracy(embeddings, labels, *, ways, shots=1, episodes=1000, seed=0):
    """Measure how well classes are recognised by one example of each, or a few.

    An episode draws `ways` classes, and of each class `shots` examples to enroll and
    another as a query. A query is taken for the class of the nearest enrolled example.

    Args:
        embeddings: Array of shape `(examples, values)`.
        labels: Class of each example, of shape `(examples,)`. Classes of `shots`
            examples or fewer are not drawn.
        ways: Classes of an episode, at least 2.
        shots: Examples of a class that are enrolled, at least 1.
        episodes: How many episodes, at least 2.
        seed: Seed of the draws.

    Returns:
        `OneShot`. The interval is the mean of the episodes' accuracies, and 1.96
        standard errors to both sides.

    Raises:
        ValueError: If a count is too low, the shapes do not fit, an embedding is not
            finite, or too few classes have examples enough.

    Example:

    >>> rows, labels = [[0.0], [0.1], [5.0], [5.2]], ["a", "a", "b", "b"]
    >>> one_shot_accuracy(rows, labels, ways=2).accuracy
    1.0

    Reference:
        Vinyals et al., 2016, https://arxiv.org/abs/1606.04080
    """
    counts = {"ways": (ways, 2), "shots": (shots, 1), "episodes": (episodes, 2)}
    _check_counts("one_shot_accuracy", **counts)
    embeddings, names, labels = _examples(embeddings, labels)
    members = [np.flatnonzero(labels == number) for number in range(len(names))]
    members = [each for each in members if len(each) > shots]
    if len(members) < ways:
        raise ValueError(
            f"one_shot_accuracy needs {ways} classes of {shots + 1} examples or more, "
            f"received {len(members)} such classes among {len(names)}: lower ways or "
            "shots."
        )
    random = np.random.default_rng(seed)
    each = [_episode(embeddings, members, ways, shots, random) for _ in range(episodes)]
    mean, spread = np.mean(each), np.std(each, ddof=1)
    half = DEVIATIONS * spread / np.sqrt(episodes)
    interval = max(mean - half, 0.0), min(mean + half, 1.0)
    return OneShot(float(mean), (float(interval[0]), float(interval[1])))


def _episode(embeddings, members, ways, shots, random):
    """Draw an episode; give the share of its queries that are recognised."""
    classes = random.choice(len(members), ways, replace=False)
    drawn = [random.choice(members[c], shots + 1, replace=False) for c in classes]
    rows = embeddings[np.array(drawn)]
    queries, enrolled = rows[:, 0], rows[:, 1:]
    apart = np.sum((queries[:, None, None] - enrolled) ** 2, axis=-1)
    return np.mean(apart.min(axis=-1).argmin(axis=1) == np.arange(ways))


def _pairs(distances, same):
    """Give distances in float64 and whether pairs are the same, both `(pairs,)`."""
    distances, same = np.asarray(distances), np.asarray(same)
    # as a model gives them, (pairs, 1)
    distances, same = (a[:, 0] if a.shape[1:] == (1,) else a for a in (distances, same))
    if distances.ndim != 1 or same.shape != distances.shape or not same.size:
        raise ValueError(
            "there must be a distance and an answer for each of one or more pairs, of "
            f"shape (pairs,), received shapes {distances.shape} and {same.shape}."
        )
    if not np.all(np.isfinite(distances)):
        raise ValueError(
            f"{np.sum(~np.isfinite(distances))} of {len(distances)} distances are not "
            "finite: a model that gives such numbers has diverged."
        )
    if not np.all((same == 0) | (same == 1)):
        raise ValueError(
            "same must be true or false, or 1 or 0, received "
            f"{np.unique(same)[:5].tolist()}."
        )
    return distances.astype("float64"), same.astype(bool)


def _examples(embeddings, labels):
    """Give embeddings in float64, the names of the classes and the number of each."""
    embeddings, labels = np.asarray(embeddings, "float64"), np.asarray(labels)
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or not labels.size:
        raise ValueError(
            "there must be embeddings of shape (examples, values) and a label for "
            f"each, received shapes {embeddings.shape} and {labels.shape}."
        )
    if not np.all(np.isfinite(embeddings)):
        raise ValueError(
            f"{np.sum(~np.isfinite(embeddings).all(axis=1))} of {len(labels)} "
            "embeddings are not finite: a model that gives such numbers has diverged."
        )
    return embeddings, *np.unique(labels, return_inverse=True)


def _check_counts(owner, **counts):
    for name, (given, least) in counts.items():
        if not isinstance(given, int | np.integer) or given < least:
            raise ValueError(
                f"{owner} needs {name} to be a whole number of at least {least}, "
                f"received {given!r}."
            )
