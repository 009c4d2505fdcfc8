"""Pictures of a Siamese network: its ROC, pairs with distances, its embeddings."""

import pathlib

import numpy as np

from ...callbacks.drawing import BLUE, ORANGE, SOFT, figure, save
from . import verification
from .findings import DOTS
from .mask_pictures import palette

COLUMNS = 6  # pairs in a row
SHOWN = 2000  # embeddings drawn at the most


def roc(distances, same, threshold, path):
    """Draw the share of pairs accepted rightly against that accepted wrongly.

    Args:
        distances: Distance of each pair.
        same: Whether a pair is of one class.
        threshold: The distance up to which pairs are taken for the same.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/roc.png"
    >>> roc([0.1, 0.4, 0.3, 0.9], [True, True, False, False], 0.35, path).name
    'roc.png'
    """
    distances, same = np.asarray(distances), np.asarray(same, bool)
    false, true, _ = verification.roc(distances, same)
    taken = distances <= threshold
    with figure((8.4, 4)) as drawn:
        left, right = drawn.subplots(1, 2)
        left.plot([0, 1], [1, 0], ls=(0, (1, 2)), color=SOFT, label="equal errors")
        left.plot(false, true, color=BLUE, label="all thresholds")
        place = taken[~same].mean(), taken[same].mean()
        left.plot(*place, "o", color=ORANGE, label="threshold from dev")
        left.set(xlabel="false accept rate", ylabel="true accept rate")
        left.legend(loc="lower right")
        left.grid()
        bins = np.linspace(0, max(distances.max(), 1e-6), 61)
        right.hist(distances[same], bins, color=BLUE, alpha=0.7, label="same class")
        right.hist(distances[~same], bins, color=SOFT, alpha=0.5, label="different")
        right.axvline(threshold, color=ORANGE)
        right.set(xlabel="distance", ylabel="pairs")
        right.legend()
    save(drawn, path, DOTS)
    return pathlib.Path(path)


def pairs(images, numbers, same, distances, threshold, path):
    """Draw pairs of images with their distances: typical ones, and the worst.

    Args:
        images: `uint8` images of shape `(images, height, width, 1 or 3)`.
        numbers: Numbers of two images each.
        same: Whether a pair is of one class.
        distances: Distance of each pair.
        threshold: The distance up to which pairs are taken for the same.
        path: Where the picture is to stand; its suffix names the format.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/pairs.png"
    >>> two = np.zeros((2, 8, 8, 1), "uint8"), [[0, 1], [1, 0]]
    >>> pairs(*two, [True, False], [0.1, 0.9], 0.5, path).name
    'pairs.png'
    """
    numbers, same = np.asarray(numbers), np.asarray(same, bool)
    distances = np.asarray(distances)
    rows = _rows(same, distances, threshold)
    with figure((1.75 * COLUMNS, 1.45 * len(rows) + 0.3)) as drawn:
        bare = {"frame_on": False, "xticks": [], "yticks": []}
        shape = {"squeeze": False, "subplot_kw": bare}
        grid = drawn.subplots(len(rows), COLUMNS, **shape)
        for line, (name, chosen) in zip(grid, rows.items(), strict=True):
            line[0].set_ylabel(name, size=9, color=SOFT)
            for axes, pair in zip(line, chosen, strict=False):
                both = np.concatenate(images[numbers[pair]], axis=1)
                axes.imshow(both.squeeze(), "gray", vmin=0, vmax=255)
                right = same[pair] == (distances[pair] <= threshold)
                colour = BLUE if right else ORANGE
                axes.set_title(f"{distances[pair]:.2f}", color=colour, size=9, pad=3)
    save(drawn, path, DOTS)
    return pathlib.Path(path)


def _rows(same, distances, threshold):
    """Choose pairs: quantiles of each kind, and those farthest on the wrong side."""
    rows = {}
    for name, kind in (("same", same), ("different", ~same)):
        order = np.flatnonzero(kind)[np.argsort(distances[kind])]
        places = np.linspace(0, len(order) - 1, min(COLUMNS, len(order))).astype(int)
        rows[name] = order[places]
    wrong = same != (distances <= threshold)
    for name, kind in (("taken apart", same), ("taken for one", ~same)):
        among = np.flatnonzero(kind & wrong)
        if among.size:
            far = np.abs(distances[among] - threshold)
            rows[name] = among[np.argsort(-far)][:COLUMNS]
    return rows


def embedding(embeddings, labels, names, path, seed=0):
    """Draw embeddings in two dimensions, by t-SNE.

    Args:
        embeddings: Array of shape `(images, values)`.
        labels: Class of each image.
        names: Names of the classes.
        path: Where the picture is to stand; its suffix names the format.
        seed: Seed of t-SNE, and of the choice where there are many images.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> points = np.random.default_rng(0).normal(size=(12, 4))
    >>> path = tempfile.mkdtemp() + "/embedding.png"
    >>> embedding(points, np.arange(12) % 2, ["a", "b"], path).name
    'embedding.png'

    Reference:
        van der Maaten and Hinton, 2008, Visualizing Data using t-SNE, JMLR 9.
    """
    from sklearn.manifold import TSNE

    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(labels))[:SHOWN]
    labels = labels[chosen]
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    sne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    places = sne.fit_transform(np.asarray(embeddings, "float32")[chosen])
    seen = np.unique(labels)
    colours = palette(len(seen), background=False) / 255
    with figure((6.4, 5.6)) as drawn:
        axes = drawn.subplots(subplot_kw={"xticks": [], "yticks": []})
        for colour, label in zip(colours, seen, strict=True):
            spots = places[labels == label]
            style = {"s": 14, "color": colour, "lw": 0, "label": str(names[label])}
            axes.scatter(*spots.T, **style)
        if len(seen) <= 24:
            drawn.legend(loc="outside lower center", ncols=8)
    save(drawn, path, DOTS)
    return pathlib.Path(path)
