"""What `kerasmith bench` measures of losses on embeddings."""

import functools

from kerasmith.scripts.bench import Pair

SHAPE = (1024, 128)
# classes, and examples of each
BATCHES = ((256, 4), (32, 32))


def triplet():
    """Time the loss and its gradient against the distances of all pairs alone.

    Ours mines semi-hard triplets and gives the gradient of all embeddings; the peer
    gives the squared distances and no gradient. Each side is compiled as the backend
    does it.

    Returns:
        List of `Pair`.

    Example:

    >>> [pair.label.split(",")[1] for pair in triplet()]
    [' 256 classes x 4', ' 32 classes x 32']
    """
    return [
        Pair(
            f"Triplet at {SHAPE[0]} x {SHAPE[1]}, {classes} classes x {examples}, "
            "forward and backward, against the distances of all pairs, forward",
            _loss(classes, examples),
            _distances(),
        )
        for classes, examples in BATCHES
    ]


def _loss(classes, examples):
    """Compile at the first call, so that a list of pairs costs nothing."""

    @functools.cache
    def compiled():
        import keras
        import numpy as np

        from kerasmith import layers
        from kerasmith.zoo.tools.training_step import training_step

        labels = np.repeat(np.arange(classes), examples)
        labels = np.random.default_rng(0).permutation(labels)
        loss = layers.Triplet(reduction=None)

        class Values(keras.layers.Layer):
            def call(self, embeddings):
                return loss(labels, embeddings)

        return training_step([Values()], SHAPE)

    return lambda: compiled()()


def _distances():
    @functools.cache
    def compiled():
        import keras
        from keras import ops

        from kerasmith.zoo.tools.forward_step import forward_step

        def distances(x):
            squares = ops.sum(x * x, axis=1)
            products = ops.matmul(x, ops.transpose(x))
            return ops.maximum(squares[:, None] + squares[None] - 2 * products, 0)

        return forward_step(distances, keras.random.normal(SHAPE, seed=1))

    return lambda: compiled()()


ROWS = {"triplet": triplet}
