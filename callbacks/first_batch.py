"""A few examples of data given in any of the ways that `fit` takes."""

import keras
import numpy as np


def first_batch(data, asker):
    """Give the inputs, labels and sample weights that come first.

    Args:
        data: Tuple `(x, y)` or `(x, y, sample_weight)` of arrays or structures of
            arrays, or what gives such batches one by one: a `tf.data.Dataset`, a
            `PyDataset`, a `DataLoader`.
        asker: Name of who asks, for the message.

    Returns:
        Tuple `(x, y, sample_weight)` of structures of arrays; `y` and `sample_weight`
        may be `None`.

    Raises:
        TypeError: If the data is none of these.

    Example:

    >>> first_batch((np.ones((3, 2)), [1, 2, 3]), "overfit")[1]
    array([1, 2, 3])
    """
    if isinstance(data, keras.utils.PyDataset):
        data = data[0]
    elif not isinstance(data, tuple) and not hasattr(data, "shape"):
        try:
            data = next(iter(data))
        except (TypeError, StopIteration):
            data = None
    if isinstance(data, list):  # what a DataLoader gives
        data = tuple(data)
    if not isinstance(data, tuple) or not 1 <= len(data) <= 3:
        raise TypeError(
            f"{asker} needs data as (x, y), (x, y, sample_weight) or batches of these, "
            f"received {type(data).__name__}."
        )
    return tuple(_arrays(part) for part in keras.utils.unpack_x_y_sample_weight(data))


def _arrays(part):
    if part is None:
        return None
    if not any(hasattr(leaf, "shape") for leaf in keras.tree.flatten(part)):
        return np.asarray(part)  # nested lists of numbers
    return keras.tree.map_structure(to_array, part)


def to_array(thing):
    """Give a tensor or a number as a NumPy array.

    Args:
        thing: Array, tensor of any backend, or number.

    Returns:
        Array.

    Example:

    >>> to_array(3).shape
    ()
    """
    if hasattr(thing, "detach"):
        thing = thing.detach().cpu()
    return np.asarray(thing)


def head(structure, count):
    """Give the first examples of a structure of arrays.

    Args:
        structure: Structure of arrays of shape `(examples, ...)`, or `None`.
        count: Number of examples.

    Returns:
        The same structure.

    Example:

    >>> head({"a": np.arange(5)}, 2)
    {'a': array([0, 1])}
    """
    if structure is None:
        return None
    return keras.tree.map_structure(lambda array: array[:count], structure)


def count(data):
    """Count the examples of a data set.

    Args:
        data: Tuple of structures of arrays, or what gives batches of these; it is read
            once for this.

    Returns:
        Integer.

    Example:

    >>> count((np.ones((4, 2)), np.ones(4)))
    4
    """
    if isinstance(data, tuple):
        return int(np.shape(keras.tree.flatten(data)[0])[0])
    batches = data
    if isinstance(data, keras.utils.PyDataset):
        batches = (data[i] for i in range(len(data)))
    return sum(int(np.shape(keras.tree.flatten(batch)[0])[0]) for batch in batches)
