"""What `bench_search` searches: three analytic functions and one network."""

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

EPOCHS, BATCH = 3, 64


@dataclass(frozen=True)
class Problem:
    """A space, and what its points are worth.

    Args:
        name: What stands in the table.
        declare: Function that declares the space on `keras_tuner.HyperParameters`.
        evaluate: Function from the values and a seed to the score that a search sees
            and the one that it is judged by. Less is better.

    Example:

    >>> Problem("zero", lambda hp: None, lambda values, seed: (0.0, 0.0)).name
    'zero'
    """

    name: str
    declare: Callable[[Any], object]
    evaluate: Callable[[dict, int], tuple[float, float]]


def branin(x, y):
    """Compute the function of Branin.

    Args:
        x: Number in [-5, 10].
        y: Number in [0, 15].

    Returns:
        Its value, 0.398 in each of its three minima.

    Example:

    >>> round(branin(math.pi, 2.275), 3)
    0.398
    """
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(point):
    """Compute the function of Hartmann in six dimensions.

    Args:
        point: Six numbers in [0, 1].

    Returns:
        Its value, -3.322 in its global minimum; there are five others.

    Example:

    >>> round(hartmann6([0.20169, 0.15001, 0.476874, 0.275332, 0.311652, 0.6573]), 3)
    -3.322
    """
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    scales = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    places = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    distances = (scales * (np.asarray(point) - places) ** 2).sum(1)
    return -float(weights @ np.exp(-distances))


def ackley(point):
    """Compute the function of Ackley.

    Args:
        point: Any numbers.

    Returns:
        Its value, 0 at the origin, with many local minima round it.

    Example:

    >>> abs(ackley([0.0, 0.0])) < 1e-9
    True
    """
    point = np.asarray(point)
    slope = 20 * math.exp(-0.2 * math.sqrt((point**2).mean()))
    waves = math.exp(np.cos(2 * math.pi * point).mean())
    return 20 + math.e - slope - waves


def _declare_branin(hp):
    hp.Float("x", -5, 10)
    hp.Float("y", 0, 15)


def _declare_hartmann6(hp):
    for i in range(6):
        hp.Float(f"x{i}", 0, 1)


OFFSETS = {"a": 0.0, "b": 0.5, "c": 1.0, "d": 2.0}
NOISE = 0.1  # standard deviation of what is added to the mixed Ackley


def _declare_ackley(hp):
    for i in range(3):
        hp.Float(f"rate{i}", 1e-6, 1.0, sampling="log")
    hp.Choice("kind", list(OFFSETS))
    hp.Float(
        "momentum",
        1e-3,
        1.0,
        sampling="reverse_log",
        parent_name="kind",
        parent_values=["a", "b"],
    )


def _mixed_ackley(values, seed):
    point = [math.log10(values[f"rate{i}"]) for i in range(3)]
    point = [p + best for p, best in zip(point, (4.3, 2.1, 3.2), strict=True)]
    if values["kind"] in "ab":
        point.append(3 * (values["momentum"] - 0.9))
    truth = ackley(point) + OFFSETS[values["kind"]]
    return truth + random.Random(seed).gauss(0, NOISE), truth


def _twice(number):
    return number, number


def _declare_network(hp):
    hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    hp.Float("one_minus_momentum", 1e-2, 1.0, sampling="log")
    hp.Float("weight_decay", 1e-6, 1e-1, sampling="log")
    hp.Int("fours", 1, 8, sampling="log")  # filters
    hp.Float("dropout", 0.0, 0.6)
    hp.Choice("norm", ["none", "batch", "group:4", "layer"])
    hp.Choice("activation", ["relu", "tanh", "elu", "silu"])


@functools.cache
def digits():
    """Load scikit-learn's digits: 1,197 to train, 300 to choose by, 300 to judge by.

    Returns:
        Three pairs of images and labels.

    Example:

    >>> [len(labels) for _, labels in digits()]
    [1197, 300, 300]
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = (images / 16 - 0.3).astype("float32").reshape(-1, 8, 8, 1)[order]
    return [
        (images[part], labels[order][part])
        for part in (slice(0, 1197), slice(1197, 1497), slice(1497, None))
    ]


def network(values):
    """Build a small network of Kerasmith's parts, compiled.

    Args:
        values: Map from hyperparameter to value.

    Returns:
        `keras.Model`.

    Example:

    >>> values = dict(learning_rate=0.1, one_minus_momentum=0.1, weight_decay=1e-4)
    >>> values |= dict(fours=1, dropout=0.1, norm="batch", activation="relu")
    >>> network(values).output_shape
    (None, 10)
    """
    import keras

    from kerasmith.zoo import Parts

    parts = Parts(norm=values["norm"], activation=values["activation"])
    width = 4 * values["fours"]
    image = keras.Input((8, 8, 1))
    x = parts.conv(image, width, 3, name="c1")
    x = parts.conv(x, 2 * width, 3, 2, name="c2")
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(values["dropout"])(x)
    x = parts.dense(x, 10, name="logits")
    model = keras.Model(image, x)
    optimizer = keras.optimizers.SGD(
        values["learning_rate"],
        momentum=1 - values["one_minus_momentum"],
        weight_decay=values["weight_decay"],
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    return model


def _train(values, seed):
    import keras

    train, dev, test = digits()
    keras.utils.set_random_seed(seed)
    model = network(values)
    model.fit(*train, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    scores = [model.evaluate(*part, batch_size=300, verbose=0) for part in (dev, test)]
    return float(scores[0]), float(scores[1])


PROBLEMS = {
    "branin": Problem(
        "Branin", _declare_branin, lambda v, seed: _twice(branin(v["x"], v["y"]))
    ),
    "hartmann6": Problem(
        "Hartmann 6",
        _declare_hartmann6,
        lambda v, seed: _twice(hartmann6([v[f"x{i}"] for i in range(6)])),
    ),
    "ackley": Problem("mixed Ackley", _declare_ackley, _mixed_ackley),
    "digits": Problem("network on digits", _declare_network, _train),
}
