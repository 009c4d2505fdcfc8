"""Batches of inputs from data of any kind that `fit` takes."""

import inspect
import itertools
from typing import Any

import keras
import numpy as np
from keras import ops


def check(data, batches, asker):
    """Refuse data that cannot be read to an end.

    Args:
        data: What `inputs_of` takes.
        batches: Number of batches to read, or `None` for all.
        asker: Name of who asks, for the message.

    Raises:
        TypeError: If the data are `None` or nothing that gives batches.
        ValueError: If `batches` is below 1, or `None` for data without an end.

    Example:

    >>> check(np.ones((4, 2)), None, "PreciseBatchNorm")
    >>> check(iter([]), None, "PreciseBatchNorm")
    Traceback (most recent call last):
    ValueError: PreciseBatchNorm received a generator: tell with batches= how many ...
    """
    if batches is not None and (not isinstance(batches, int) or batches < 1):
        raise ValueError(
            f"{asker} needs batches of 1 or more, or None for all that the data have, "
            f"received batches={batches!r}."
        )
    if data is None or isinstance(data, str | bytes | int | float):
        raise TypeError(
            f"{asker} needs the training data: an array, a tuple (x, y), a "
            f"tf.data.Dataset or a PyDataset, received {data!r}."
        )
    if batches is None and _endless(data):
        kind = "a generator" if _is_iterator(data) else "data without an end"
        raise ValueError(
            f"{asker} received {kind}: tell with batches= how many batches to read."
        )


def inputs_of(data, batches=None, batch_size=32):
    """Give the inputs of the model, batch by batch.

    Arrays are shuffled, always in the same way, so that samples sorted by class do
    no harm. Targets and sample weights are left aside.

    Args:
        data: Array, tensor, dictionary or list of them for a model of several inputs,
            or a tuple `(x, y)`; or what gives batches: a `tf.data.Dataset`, a
            `PyDataset`, a `DataLoader`, a generator, or a function without arguments
            that makes one of these.
        batches: Number of batches at most; `None` for all.
        batch_size: Samples of a batch where the data are arrays.

    Yields:
        Inputs of one batch.

    Example:

    >>> [x.shape for x in inputs_of((np.ones((5, 2)), np.ones(5)), batch_size=3)]
    [(3, 2), (2, 2)]
    """
    if inspect.isroutine(data):
        data = data()
    if isinstance(data, keras.utils.PyDataset):
        # by number: iterating would tell the data that an epoch has ended
        size = data.num_batches
        numbers = itertools.count() if size is None else range(size)
        found = (data[number] for number in numbers)
    elif _is_array(data) or isinstance(data, tuple | list | dict):
        x = data[0] if isinstance(data, tuple) else data
        found = _slices(x, batch_size)
    else:
        found = iter(data)
    for batch in itertools.islice(found, batches):
        x = keras.utils.unpack_x_y_sample_weight(batch)[0]
        yield keras.tree.map_structure(_native, x)


def _slices(x, batch_size):
    x = keras.tree.map_structure(_as_numpy, x)
    samples = len(keras.tree.flatten(x)[0])
    order = np.random.default_rng(0).permutation(samples)
    for start in range(0, samples, batch_size):
        chosen = order[start : start + batch_size]
        # a tuple of one: a list alone would be taken for inputs and targets
        yield (keras.tree.map_structure(lambda part, at=chosen: part[at], x),)


def _is_array(data):
    return hasattr(data, "shape") and hasattr(data, "dtype") or hasattr(data, "iloc")


def _is_iterator(data):
    return hasattr(data, "__next__")


def _endless(data):
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    # tf.data says -1 where there is no end; -2 where it does not know
    cardinality: Any = getattr(data, "cardinality", None)
    return _is_iterator(data) or (callable(cardinality) and int(cardinality()) == -1)


def _as_numpy(part):
    return ops.convert_to_numpy(part) if ops.is_tensor(part) else np.asarray(part)


def _native(part):
    """Bring a tensor of another framework into an array that the backend reads."""
    return part if ops.is_tensor(part) else np.asarray(part)
