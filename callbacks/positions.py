"""Whether a data set can be brought back to where an interrupted training stood."""

import itertools

import keras
import numpy as np

REMEDY = (
    "Make the order follow from the epoch's number: give arrays as "
    "kerasmith.callbacks.ShuffledBatches(x, y, batch_size=..., seed=...); give your "
    "own data set a method seek(epoch); or shuffle a tf.data.Dataset with "
    "reshuffle_each_iteration=False."
)


def check(data):
    """Refuse data whose next pass cannot be repeated in another process.

    Data with a method `seek(epoch)` is trusted. Of other data the first two batches
    are drawn twice and compared.

    Args:
        data: What is given to `fit`.

    Raises:
        TypeError: If it is of a kind of which the order cannot be known.
        ValueError: If it comes in another order each time.

    Example:

    >>> check((number for number in range(3)))
    Traceback (most recent call last):
    TypeError: Resume cannot bring a generator back to where it was. Make the order ...
    """
    if hasattr(data, "seek"):
        return
    kind = type(data)
    if isinstance(data, keras.utils.PyDataset):
        if kind.on_epoch_end is not keras.utils.PyDataset.on_epoch_end:
            raise TypeError(
                f"Resume cannot know the order of {kind.__name__}, which changes in "
                f"on_epoch_end. {REMEDY}"
            )
        return
    if isinstance(data, (tuple, list, dict, np.ndarray)) or hasattr(data, "__array__"):
        raise TypeError(f"Resume cannot know in which order fit takes arrays. {REMEDY}")
    if isinstance(data, _Loader):
        return  # draws from PyTorch's generator, whose state is kept
    if not hasattr(data, "__iter__") or iter(data) is data:
        raise TypeError(
            f"Resume cannot bring a {kind.__name__} back to where it was. {REMEDY}"
        )
    first, second = (list(itertools.islice(iter(data), 2)) for _ in range(2))
    if not _equal(first, second):
        raise ValueError(
            f"Resume cannot bring this {kind.__name__} back to where it was: it comes "
            f"in another order each time. {REMEDY}"
        )


def length(data):
    """Give the number of batches in an epoch, `None` if it is not known.

    Args:
        data: What is given to `fit`.

    Returns:
        Integer or `None`.

    Example:

    >>> length([1, 2])
    2
    """
    try:
        return len(data)
    except TypeError:
        return None


class _LoaderKind(type):
    """Knows PyTorch's loaders without importing PyTorch."""

    def __instancecheck__(cls, thing):
        names = {f"{kind.__module__}.{kind.__name__}" for kind in type(thing).__mro__}
        return "torch.utils.data.dataloader.DataLoader" in names


class _Loader(metaclass=_LoaderKind):
    pass


def _equal(first, second):
    first, second = keras.tree.flatten(first), keras.tree.flatten(second)
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(
        np.array_equal(np.asarray(one), np.asarray(other)) for one, other in pairs
    )
