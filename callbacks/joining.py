"""Two data sets as one."""

import keras
import numpy as np
from keras import ops


def joined(first, second):
    """Put two data sets of the same kind together, one after the other.

    Args:
        first: Tuple of arrays, or of lists or dictionaries of arrays;
            `tf.data.Dataset`; or `keras.utils.PyDataset`.
        second: Another of the same kind.

    Returns:
        Both as one, of that kind.

    Raises:
        TypeError: If they are of other kinds, or not of the same.
        ValueError: If their tuples are not equally long.

    Example:

    >>> first = np.zeros((2, 3)), np.array([0, 1])
    >>> x, y = joined(first, (np.ones((1, 3)), np.array([1])))
    >>> x.shape, y.tolist()
    ((3, 3), [0, 1, 1])
    """
    if isinstance(first, tuple) and isinstance(second, tuple):
        if len(first) != len(second) or not 2 <= len(first) <= 3:
            raise ValueError(
                "the tuples to join hold inputs, targets and, both or neither, "
                f"weights; received {len(first)} and {len(second)} parts."
            )
        return keras.tree.map_structure(_concatenated, first, second)
    kind = keras.utils.PyDataset
    if isinstance(first, kind) and isinstance(second, kind):
        return Joined(first, second)
    # tf.data, without importing TensorFlow
    concatenate = getattr(first, "concatenate", None)
    if concatenate and hasattr(second, "element_spec"):
        return concatenate(second)
    raise TypeError(
        "refit joins two tuples of arrays, two tf.data.Datasets or two PyDatasets, "
        f"received {type(first).__name__} and {type(second).__name__}."
    )


def _concatenated(first, second):
    parts = [
        part if isinstance(part, np.ndarray) else ops.convert_to_numpy(part)
        for part in (first, second)
    ]
    return np.concatenate(parts)


class Joined(keras.utils.PyDataset):
    """Two `PyDataset`s, one after the other.

    Args:
        first: A `PyDataset`.
        second: Another.

    Example:

    >>> class Ones(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, index):
    ...         return np.ones((4, 3)), np.ones(4)
    >>> len(Joined(Ones(), Ones()))
    4
    """

    def __init__(self, first, second):
        super().__init__(
            workers=first.workers,
            use_multiprocessing=first.use_multiprocessing,
            max_queue_size=first.max_queue_size,
        )
        self.first, self.second = first, second

    def __len__(self):
        return len(self.first) + len(self.second)

    def __getitem__(self, index):
        if index < len(self.first):
            return self.first[index]
        return self.second[index - len(self.first)]

    def on_epoch_begin(self):
        self.first.on_epoch_begin()
        self.second.on_epoch_begin()

    def on_epoch_end(self):
        self.first.on_epoch_end()
        self.second.on_epoch_end()
