"""Finding where a number that is not finite came from."""

import numpy as np
from keras import ops, tree

from .norm_hook import by_layer


def bad_samples(inputs):
    """List the samples that hold a number that is not finite.

    Args:
        inputs: Array, or nested arrays, of a batch.

    Returns:
        List of indices.

    Example:

    >>> bad_samples(np.array([[0.0, 1.0], [np.nan, 1.0], [np.inf, 0.0]]))
    [1, 2]
    """
    found = set()
    for array in tree.flatten(inputs):
        values = np.asarray(ops.convert_to_numpy(array))
        if values.dtype.kind == "f":
            finite = np.isfinite(values).reshape(len(values), -1).all(1)
            found |= set(np.flatnonzero(~finite).tolist())
    return sorted(found)


def bad_weights(variables):
    """List the layers that hold a weight that is not finite.

    Args:
        variables: List of variables.

    Returns:
        List of names.

    Example:

    >>> import keras
    >>> bad_weights([keras.Variable([1.0, np.nan], name="kernel")])
    ['...']
    """
    return [
        name
        for name, group in by_layer(variables).items()
        if not all(np.isfinite(ops.convert_to_numpy(v)).all() for v in group)
    ]


def first_bad_layer(activations, inputs):
    """Name the first layer whose output is not finite.

    Args:
        activations: `Activations` of the model.
        inputs: Inputs of a batch.

    Returns:
        Name of the layer, or `None`.

    Example:

    >>> import keras
    >>> from kerasmith.callbacks.activations import Activations
    >>> layers = [keras.layers.Rescaling(3e38, name="a"), keras.layers.ReLU(name="b")]
    >>> found = Activations(keras.Sequential([keras.Input((1,)), *layers]))
    >>> [first_bad_layer(found, np.full((2, 1), value)) for value in (1.0, 9.0)]
    [None, 'a']
    """
    finite = activations(inputs)["finite"]
    names = zip(activations.names, finite, strict=True)
    return next((name for name, good in names if not good), None)
