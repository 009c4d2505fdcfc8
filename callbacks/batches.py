"""Batches of whatever `fit` takes.

That is arrays, alone or as `(x, y)` or `(x, y, sample_weight)`, each perhaps a list or
a dictionary of several; or what gives batches of these: a `tf.data.Dataset`, a
`PyDataset`, a `DataLoader`, a generator; or a function without arguments that makes
one of all these. `once` turns them into batches, and all else here stands on it.
"""

import inspect
import itertools
from typing import Any

import keras
import numpy as np
from keras import ops


def once(data, asker, size=None, seed=None, *, rest=True, labelled=False):
    """Give the batches of one pass over the data.

    A `PyDataset` is asked by number: iterating would tell it that an epoch has ended.

    Args:
        data: Whatever `fit` takes.
        asker: Name of who asks, for the messages.
        size: Samples of a batch where the data are arrays; `None` for all in one.
        seed: Seed of the order of arrays; `None` to leave it.
        rest: Whether arrays end with a smaller batch, if there are samples left.
        labelled: Whether inputs must come in a tuple, as with labels.

    Yields:
        Tuples `(x, y, sample_weight)` of structures of arrays or of the backend's
        tensors; what there is not is `None`.

    Raises:
        TypeError: If the data are nothing that gives batches, or batches are no tuples.
        ValueError: If arrays differ in length.

    Example:

    >>> data = np.arange(5), np.arange(5)
    >>> [(x.tolist(), y.tolist()) for x, y, _ in once(data, "count", 3)]
    [([0, 1, 2], [0, 1, 2]), ([3, 4], [3, 4])]
    """
    for batch in _pass_over(data, asker, (size, seed, rest), labelled):
        bare = not isinstance(batch, list | tuple)
        parts = (batch,) if bare else tuple(batch)
        if (bare and labelled) or not 1 <= len(parts) <= 3:
            raise _no_data(asker, batch)
        x, y, weight = (*map(_native, parts), None, None)[:3]
        yield x, y, weight


def forever(data, asker, size=32, seed=0):
    """Give batches without an end, for a training without epochs.

    Arrays come in another order each time, and in batches of one size: another would
    be compiled anew. Numbers are of the precision in which `fit` brings them.

    Args:
        data: Whatever `fit` takes with labels; a generator ends where it ends.
        asker: Name of who asks, for the messages.
        size: Samples of a batch where the data are arrays.
        seed: Seed of the order of arrays.

    Yields:
        Tuples `(x, y, sample_weight)`.

    Raises:
        TypeError: If the data are nothing that gives batches with labels.
        ValueError: If there are none.

    Example:

    >>> feed = forever((np.arange(4), np.arange(4)), "find_learning_rate", 2)
    >>> sorted(np.append(next(feed)[0], next(feed)[0]).tolist())
    [0, 1, 2, 3]
    """
    for turn in itertools.count():
        batch = None
        for batch in once(data, asker, size, (seed, turn), rest=False, labelled=True):
            yield keras.tree.map_structure(_in_precision_of_fit, batch)
        if batch is None and turn == 0:
            raise _nothing(asker)
        if batch is None:
            return


def first_batch(data, asker):
    """Give the inputs, labels and sample weights that come first.

    Args:
        data: Whatever `fit` takes with labels. Arrays are given whole.
        asker: Name of who asks, for the messages.

    Returns:
        Tuple `(x, y, sample_weight)` of structures of NumPy arrays; `y` and
        `sample_weight` may be `None`.

    Raises:
        TypeError: If the data are nothing that gives batches with labels.
        ValueError: If there are none.

    Example:

    >>> first_batch((np.ones((3, 2)), [1, 2, 3]), "overfit_small_batch")[1]
    array([1, 2, 3])
    """
    for batch in once(data, asker, labelled=True):
        return keras.tree.map_structure(to_array, batch)
    raise _nothing(asker)


def inputs_of(data, asker, batches=None, size=32):
    """Give the inputs of the model, batch by batch.

    Arrays are shuffled, always in the same way, so that samples sorted by class do
    no harm. Targets and sample weights are left aside.

    Args:
        data: Whatever `fit` takes.
        asker: Name of who asks, for the messages.
        batches: Number of batches at most; `None` for all.
        size: Samples of a batch where the data are arrays.

    Yields:
        Inputs of one batch.

    Example:

    >>> data = np.ones((5, 2)), np.ones(5)
    >>> [x.shape for x in inputs_of(data, "PreciseBatchNorm", size=3)]
    [(3, 2), (2, 2)]
    """
    for x, _, _ in itertools.islice(once(data, asker, size, seed=0), batches):
        yield x


def count(data, asker):
    """Count the examples of a data set.

    Args:
        data: Whatever `fit` takes; batches are read once for this.
        asker: Name of who asks, for the messages.

    Returns:
        Integer.

    Example:

    >>> count((np.ones((4, 2)), np.ones(4)), "BiasVariance")
    4
    """
    batches = once(data, asker)
    return sum(int(np.shape(keras.tree.flatten(x)[0])[0]) for x, _, _ in batches)


def check(data, batches, asker):
    """Refuse data that cannot be read to an end.

    Args:
        data: Whatever `fit` takes.
        batches: Number of batches to read, or `None` for all.
        asker: Name of who asks, for the messages.

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
        kind = "a generator" if hasattr(data, "__next__") else "data without an end"
        raise ValueError(
            f"{asker} received {kind}: tell with batches= how many batches to read."
        )


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
    return keras.tree.map_structure(
        lambda array: None if array is None else array[:count], structure
    )


def to_array(thing):
    """Give a tensor or a number as a NumPy array.

    Args:
        thing: Array, tensor of any framework, number, or `None`, which stays.

    Returns:
        Array.

    Example:

    >>> to_array(3).shape
    ()
    """
    if thing is None:
        return None
    if ops.is_tensor(thing):
        return ops.convert_to_numpy(thing)
    if hasattr(thing, "detach"):  # PyTorch's, where another backend is in use
        thing = thing.detach().cpu()
    return np.asarray(thing)


def _pass_over(data: Any, asker, order, labelled):
    """Give what comes one by one, as it comes."""
    if inspect.isroutine(data):
        data = data()
        data = iter(data) if isinstance(data, list) else data
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        numbers = itertools.count() if count is None else range(count)
        return (data[number] for number in numbers)
    if isinstance(data, tuple):
        return _slices(data, *order)
    if not labelled and (isinstance(data, list | dict) or _is_array(data)):
        return _slices((data,), *order)
    whole = isinstance(data, str | bytes | dict) or _is_array(data)
    if hasattr(data, "__iter__") and not whole:
        return iter(data)
    raise _no_data(asker, data)


def _slices(data, size, seed, rest):
    """Cut arrays into batches."""
    data = keras.tree.map_structure(to_array, tuple(map(_native, data)))
    leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
    lengths = {len(leaf) for leaf in leaves}
    if len(lengths) > 1:
        raise ValueError(
            "arrays given together have one length, the number of samples; received "
            f"the lengths {sorted(lengths)}."
        )
    samples = max(lengths, default=0)
    if not samples:
        return
    size = min(size or samples, samples)
    order: Any = np.arange(samples)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(samples)
    elif size == samples:
        order = slice(None)  # no copy
    for start in range(0, samples if rest else samples - size + 1, size):
        chosen = order if size == samples else order[start : start + size]
        yield keras.tree.map_structure(
            lambda leaf, at=chosen: None if leaf is None else leaf[at], data
        )


def _is_array(data):
    return hasattr(data, "shape") and hasattr(data, "dtype") or hasattr(data, "iloc")


def _endless(data):
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    # tf.data says -1 where there is no end; -2 where it does not know
    cardinality: Any = getattr(data, "cardinality", None)
    size: Any = cardinality() if callable(cardinality) else 0
    return hasattr(data, "__next__") or int(size) == -1


def _native(part):
    """Bring tensors of another framework, or numbers, into arrays."""
    if not any(hasattr(leaf, "shape") for leaf in keras.tree.flatten(part)):
        return to_array(part)  # nested lists of numbers
    return keras.tree.map_structure(
        lambda leaf: leaf if ops.is_tensor(leaf) else to_array(leaf), part
    )


def _in_precision_of_fit(leaf):
    if isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.floating):
        return leaf.astype(keras.backend.floatx())
    return leaf


def _no_data(asker, received):
    return TypeError(
        f"{asker} needs data as (x, y), (x, y, sample_weight) or batches of these, "
        f"received {type(received).__name__}."
    )


def _nothing(asker):
    return ValueError(f"{asker} received no data: there is not one batch.")
