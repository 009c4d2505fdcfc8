"""Batches of whatever `fit` takes, one after the other, without an end."""

import itertools

import keras
import numpy as np
from keras import ops


def forever(data, batch_size=32, seed=0):
    """Give batches without an end, save where a generator comes to its own.

    Args:
        data: See `find_learning_rate`.
        batch_size: Samples in a batch of arrays.
        seed: Seed of the order of arrays.

    Yields:
        Tuples `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        TypeError: If the data is of no known kind.
        ValueError: If there is none, or arrays differ in length.

    Example:

    >>> feed = forever((np.arange(4), np.arange(4)), 2)
    >>> sorted(np.append(next(feed)[0], next(feed)[0]).tolist())
    [0, 1, 2, 3]
    """
    if isinstance(data, (tuple, list)):
        yield from _of_arrays(data, batch_size, seed)
    elif hasattr(data, "__next__"):
        yield from map(_checked, data)
    elif hasattr(data, "__getitem__") and hasattr(data, "num_batches"):
        yield from _of_sequence(data)
    elif hasattr(data, "__iter__"):
        while True:
            empty = True
            for batch in data:
                empty = False
                yield _checked(batch)
            if empty:
                raise _nothing()
    else:
        raise TypeError(
            "find_learning_rate takes arrays (x, y), a tf.data.Dataset, a PyDataset, a "
            f"PyTorch loader or a generator of batches, received {type(data)}."
        )


def _of_arrays(data, batch_size, seed):
    data = keras.tree.map_structure(_array, tuple(data))
    lengths = {len(array) for array in keras.tree.flatten(data)}
    if len(lengths) != 1 or not 2 <= len(data) <= 3:
        raise ValueError(
            "arrays are given as (x, y) or (x, y, sample_weight) of one length, "
            f"received {len(data)} of the lengths {sorted(lengths)}."
        )
    length, order = lengths.pop(), np.random.default_rng(seed)
    if not length:
        raise _nothing()
    size = min(batch_size, length)
    while True:
        drawn = order.permutation(length)
        # the rest is left out: another size would be compiled anew
        for begin in range(0, length - size + 1, size):
            chosen = np.sort(drawn[begin : begin + size])
            yield keras.tree.map_structure(lambda array, i=chosen: array[i], data)


def _of_sequence(data):
    # its on_epoch_end is not called: that would change what is not ours
    count = data.num_batches
    if count == 0:
        raise _nothing()
    for step in itertools.count():
        yield _checked(data[step if count is None else step % count])


def _nothing():
    return ValueError("find_learning_rate received no data: there is not one batch.")


def _checked(batch):
    if not isinstance(batch, (tuple, list)) or not 2 <= len(batch) <= 3:
        raise ValueError(
            "a batch is (x, y) or (x, y, sample_weight), received "
            f"{type(batch).__name__}."
        )
    return keras.tree.map_structure(_array, tuple(batch))


def _array(value):
    """Bring what is no tensor of the backend to NumPy, in the precision of `fit`."""
    if value is None or ops.is_tensor(value):
        return value
    array = np.asarray(value)
    if np.issubdtype(array.dtype, np.floating):
        return array.astype(keras.backend.floatx())
    return array
