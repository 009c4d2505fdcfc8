"""What `kerasmith bench` measures of the layers that drop, against Keras' dropout."""

import functools
import math

from kerasmith.scripts.bench import Pair

SHAPE = (32, 56, 56, 64)
RATE = 0.1


def dropouts():
    """Time each layer that drops, forward and backward, against Keras' dropout.

    All see maps of (32, 56, 56, 64), a locked dropout the same numbers as sequences.
    Wrappers stand round a convolution of 1 x 1 with 64 filters, and the peer is
    dropout before the same convolution. Each side is compiled as the backend does it.

    Returns:
        List of `Pair`.

    Example:

    >>> len(dropouts()) >= 5
    True
    """
    import keras

    from kerasmith import layers

    def convolution():
        return keras.layers.Conv2D(SHAPE[-1], 1)

    sequence = (SHAPE[0], math.prod(SHAPE[1:3]), SHAPE[3])
    alone = {
        "DropBlock": (lambda: layers.DropBlock(RATE, 7), SHAPE),
        "DropPath": (lambda: layers.DropPath(RATE), SHAPE),
        "LockedDropout": (lambda: layers.LockedDropout(RATE), sequence),
        "RandomizedLeakyReLU": (layers.RandomizedLeakyReLU, SHAPE),
    }
    wrappers = {
        "ConcreteDropout": lambda: layers.ConcreteDropout(convolution(), RATE),
        "DropConnect": lambda: layers.DropConnect(convolution(), RATE),
        "Shakeout": lambda: layers.Shakeout(convolution(), RATE, 0.1),
        "Whiteout": lambda: layers.Whiteout(convolution(), 0.01),
        "WeightNoise": lambda: layers.WeightNoise(convolution(), 0.1),
    }
    pairs = [
        _pair(f"{name} at {shape}, against Dropout", [build], [_dropout], shape)
        for name, (build, shape) in alone.items()
    ]
    pairs += [
        _pair(
            f"{name} of Conv2D 1x1 at {SHAPE}, against Dropout and Conv2D",
            [build],
            [_dropout, convolution],
            SHAPE,
        )
        for name, build in wrappers.items()
    ]
    return pairs


def _dropout():
    import keras

    return keras.layers.Dropout(RATE)


def _pair(label, ours, peer, shape):
    return Pair(label, _step(ours, shape), _step(peer, shape))


def _step(builders, shape):
    """Compile at the first call, so that a list of pairs costs nothing."""

    @functools.cache
    def compiled():
        from kerasmith.zoo.tools.training_step import training_step

        return training_step([build() for build in builders], shape)

    return lambda: compiled()()


ROWS = {"dropouts": dropouts}
