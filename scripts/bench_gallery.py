"""What `kerasmith bench` measures of the search in a gallery, against scikit-learn."""

import functools

from kerasmith.scripts.bench import Pair

ENTRIES, WIDTH = 100_000, 128


def gallery_search():
    """Time the search among 100,000 embeddings of 128 numbers, each of its own name.

    The peer is scikit-learn's brute-force search by cosine, which gives places and not
    names, and is exact as far as cosines in float32 are.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label.split()[1] for pair in gallery_search()]
    ['1', '5', '5']
    """
    what = f"nearest of {ENTRIES:,} x {WIDTH} in a gallery, against NearestNeighbors"
    return [
        Pair(
            f"the {most} {what}, images asked about: {queries}",
            functools.partial(_ours, queries, most),
            functools.partial(_peer, queries, most),
        )
        for queries, most in ((1, 1), (1, 5), (64, 5))
    ]


@functools.cache
def _vectors(count, seed):
    import numpy as np

    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype("float32")
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@functools.cache
def _index():
    from kerasmith.zoo.tools.gallery_index import GalleryIndex

    index = GalleryIndex(WIDTH)
    index.add([str(number) for number in range(ENTRIES)], _vectors(ENTRIES, 0))
    return index


@functools.cache
def _neighbours():
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(algorithm="brute", metric="cosine").fit(
        _vectors(ENTRIES, 0)
    )


def _ours(queries, most):
    return _index().nearest(_vectors(queries, 1), most)


def _peer(queries, most):
    return _neighbours().kneighbors(_vectors(queries, 1), most)


ROWS = {"gallery_search": gallery_search}
