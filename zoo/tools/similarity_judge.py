"""Judging a Siamese network: pairs of images of classes that it may never have seen."""

import dataclasses

import keras
import numpy as np

from . import verification

PAIRS = 20_000  # of each kind at the most
EPISODES = 1000  # of one-shot classification
NEIGHBOURS = (1, 5)
DRAWN = 1000  # embeddings that are drawn at the most


@dataclasses.dataclass(frozen=True, eq=False)
class Verdict:
    """What a network answered on the test images.

    Args:
        labels: Classes of the test images, `(images,)`.
        images: The images as they were, `uint8`.
        embeddings: Their embeddings, `(images, values)`.
        pairs: Numbers of two images each, `(pairs, 2)`, as many of one class as of
            two.
        same: Whether a pair is of one class.
        distances: The model's distance of each pair, lower for those it takes for
            the same.
        threshold: The distance up to which pairs are taken for the same; from the
            dev images.
        scores: The figures of the results of a run.

    Example:

    >>> fields = dataclasses.fields(Verdict)
    >>> fields[0].name
    'labels'
    """

    labels: np.ndarray
    images: np.ndarray
    embeddings: np.ndarray
    pairs: np.ndarray
    same: np.ndarray
    distances: np.ndarray
    threshold: float
    scores: dict


def judge(recipe, model, data):
    """Judge a Siamese network by the test images.

    The threshold is the best for pairs of dev images. Pairs are drawn by the recipe's
    seed, as many of one class as of two.

    Args:
        recipe: `Recipe`.
        model: The trained model.
        data: `Data`; the classes of its test images may be others than those of the
            training.

    Returns:
        `Verdict`.

    Raises:
        ValueError: If no class has two images.

    Example:

    >>> judge.__name__
    'judge'
    """
    compare = distances_of(model)
    dev, test = (_embed(model, data.batches(split)) for split in ("dev", "test"))
    pairs, same = draw_pairs(dev[1], recipe.seed)
    threshold = verification.best_threshold(compare(dev[0], pairs), same)
    by_length = verification.best_threshold(lengths(dev[0], pairs), same)
    embeddings, labels, images = test
    pairs, same = draw_pairs(labels, recipe.seed)
    distances = compare(embeddings, pairs)
    ways = min(5, len(np.unique(labels)))
    shots = verification.one_shot_accuracy(
        embeddings, labels, ways=ways, episodes=EPISODES, seed=recipe.seed
    )
    scores = {
        "test_verification_accuracy": verification.accuracy_at(
            distances, same, threshold
        ),
        f"test_1_shot_{ways}_way_accuracy": shots.accuracy,
        "test_equal_error_rate": verification.equal_error_rate(distances, same),
        "test_area_under_curve": verification.area_under_curve(distances, same),
        **{
            f"test_recall_at_{k}": verification.recall_at_k(embeddings, labels, k)
            for k in NEIGHBOURS
        },
        # of the distance of embeddings, by which a gallery decides
        "threshold": by_length,
    }
    scores = {name: float(value) for name, value in scores.items()}
    images = np.round((images - recipe.offset) / recipe.scale)
    images = np.clip(images, 0, 255).astype("uint8")
    return Verdict(
        labels, images, embeddings, pairs, same, distances, threshold, scores
    )


def _embed(model, batches):
    """Embed a split; give embeddings, labels and images."""
    embedder = model.get_layer("embedder")
    found = [
        (np.asarray(embedder.predict_on_batch(np.asarray(images))), labels, images)
        for images, labels in batches
    ]
    return [
        np.concatenate([np.asarray(part) for part in parts])
        for parts in zip(*found, strict=True)
    ]


def draw_pairs(labels, seed, most=PAIRS):
    """Draw as many pairs of one class as of two.

    Args:
        labels: Classes of the images.
        seed: Seed of the draw.
        most: Pairs of each kind at the most.

    Returns:
        Numbers of two images each, `(pairs, 2)`, and whether they are of one class.

    Raises:
        ValueError: If there are no two images of one class, or of two.

    Example:

    >>> pairs, same = draw_pairs([0, 0, 1, 2], 0)
    >>> same.tolist(), sorted(pairs[0].tolist())
    ([True, False], [0, 1])
    """
    labels = np.asarray(labels)
    first, second = np.triu_indices(len(labels), 1)
    alike = labels[first] == labels[second]
    kinds = np.flatnonzero(alike), np.flatnonzero(~alike)
    count = min(most, *map(len, kinds))
    if not count:
        raise ValueError(
            "pairs need two images of one class and two of different classes, "
            f"received {len(labels)} images of {len(np.unique(labels))} classes."
        )
    random = np.random.default_rng(seed)
    chosen = np.concatenate([random.choice(k, count, replace=False) for k in kinds])
    return np.stack([first, second], -1)[chosen], alike[chosen]


def lengths(embeddings, pairs):
    """Give the euclidean distances of pairs of embeddings.

    Args:
        embeddings: Array of shape `(images, values)`.
        pairs: Numbers of two images each, `(pairs, 2)`.

    Returns:
        Array of shape `(pairs,)`.

    Example:

    >>> lengths(np.eye(2), np.array([[0, 1], [1, 1]])).round(4).tolist()
    [1.4142, 0.0]
    """
    return np.linalg.norm(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]], axis=-1)


def distances_of(model):
    """Make the function that compares embeddings as a Siamese network does.

    Args:
        model: The model that `kerasmith.zoo.siamese` made.

    Returns:
        Function of embeddings and the numbers of pairs that gives a distance a pair:
        the euclidean one, or of the logistic head the probability that the two
        differ.

    Example:

    >>> embeddings, pairs = np.eye(2), np.array([[0, 1], [1, 1]])
    >>> dense = [keras.Input((2,)), keras.layers.Identity(name="embedder")]
    >>> distances_of(keras.Sequential(dense))(embeddings, pairs).round(4).tolist()
    [1.4142, 0.0]
    """
    names = {layer.name for layer in model.layers}
    if "logits" not in names:
        return lengths
    compare, logits = model.get_layer("comparison"), model.get_layer("logits")

    def differ(embeddings, pairs):
        both = [embeddings[pairs[:, place]] for place in (0, 1)]
        logit = keras.ops.convert_to_numpy(logits(compare(both)))[:, 0]
        return 1 / (1 + np.exp(logit.astype("float64")))

    return differ
