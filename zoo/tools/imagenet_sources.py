"""Where ImageNet's weights come from, layer by layer, in the shapes that Keras has."""

from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np

# PyTorch's names of what a batch norm has
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
COUNT = "num_batches_tracked"  # of a batch norm without a momentum, which none is here


class Source(NamedTuple):
    """A layer that weights are copied from.

    Args:
        name: Its name there.
        arrays: Its weights, by the names that Keras gives them.
        epsilon: What is added to its variance, if it is a norm.

    Example:

    >>> Source("conv1", {"kernel": np.ones((3, 3, 3, 8))}).arrays["kernel"].shape
    (3, 3, 3, 8)
    """

    name: str
    arrays: Mapping[str, np.ndarray]
    epsilon: float = 0.0


def from_application(model):
    """List the layers of a model of Keras, but for its preprocessing.

    Args:
        model: Model of `keras.applications`.

    Returns:
        Dictionary of names to `Source`.

    Example:

    >>> image = keras.Input((5, 7, 3))
    >>> model = keras.Model(image, keras.layers.Conv2D(4, 3, name="conv1")(image))
    >>> list(from_application(model)["conv1"].arrays)
    ['kernel', 'bias']
    """
    sources = {}
    for layer in model.layers:
        if layer.weights and not isinstance(layer, keras.layers.Normalization):
            arrays = {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}
            epsilon = getattr(layer, "epsilon", 0.0)
            sources[layer.name] = Source(layer.name, arrays, epsilon)
    return sources


def from_torch(arrays, epsilon=1e-5):
    """List the layers of a network of PyTorch.

    Args:
        arrays: Dictionary of PyTorch's names of the weights to arrays.
        epsilon: What its batch norms add to the variance.

    Returns:
        Dictionary of names to `Source`; names that are none of a convolution, a dense
        layer or a batch norm are kept as they are.

    Example:

    >>> sources = from_torch({"conv1.weight": np.ones((8, 3, 7, 5))})
    >>> sources["conv1"].arrays["kernel"].shape
    (7, 5, 3, 8)
    """
    layers = {}
    for name, array in arrays.items():
        layer, _, weight = name.rpartition(".")
        # PyTorch takes no arrays that are not to be written to
        layers.setdefault(layer, {})[weight] = np.array(array)
    return {
        name: Source(name, _as_in_keras(found), epsilon)
        for name, found in layers.items()
    }


def _as_in_keras(found: dict[str, np.ndarray]):
    if "running_var" in found:
        return {NORM.get(key, key): found[key] for key in found if key != COUNT}
    if "weight" not in found or found["weight"].ndim not in (2, 4):
        return found
    kernel = found["weight"]
    # out, in, height, width; or out, in
    kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
    rest = {key: array for key, array in found.items() if key != "weight"}
    return {"kernel": np.ascontiguousarray(kernel), **rest}
