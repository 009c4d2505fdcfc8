"""Batches whose order is that of seed and epoch."""

import keras
import numpy as np


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays in an order that follows from the seed and the epoch alone.

    What `fit(x, y, shuffle=True)` draws cannot be drawn again; this can, so that
    `Resume` goes on in the middle of an epoch. Give it to `fit` in the place of the
    arrays, and to `Resume` as `data`.

    Args:
        x: Array, or a list or dictionary of arrays, of the same length.
        y: Likewise; `None` for data without labels.
        batch_size: Examples in a batch; the last may be smaller.
        seed: Integer seed of the order; `None` for the order of the arrays.
        sample_weight: Array of weights, or `None`.
        **kwargs: As for `keras.utils.PyDataset`.

    Raises:
        ValueError: If the lengths differ or the batch size is below 1.

    Example:

    >>> batches = ShuffledBatches(np.arange(5), np.arange(5), batch_size=2, seed=1)
    >>> first = [x.tolist() for x, y in (batches[0], batches[1], batches[2])]
    >>> batches.seek(1)
    >>> again = [x.tolist() for x, y in (batches[0], batches[1], batches[2])]
    >>> sorted(sum(first, [])) == sorted(sum(again, [])), first == again
    (True, False)
    """

    def __init__(
        self, x, y=None, *, batch_size=32, seed=0, sample_weight=None, **kwargs
    ):
        super().__init__(**kwargs)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                "ShuffledBatches needs a batch_size of 1, 2, ..., received "
                f"{batch_size!r}."
            )
        parts = (x,) if y is None else (x, y)
        parts = parts if sample_weight is None else (x, y, sample_weight)
        self.arrays = keras.tree.map_structure(np.asarray, parts)
        lengths = {len(array) for array in keras.tree.flatten(self.arrays)}
        if len(lengths) != 1:
            raise ValueError(
                f"ShuffledBatches needs arrays of one length, received {lengths}."
            )
        self.size, self.batch_size, self.seed = lengths.pop(), batch_size, seed
        self.seek(0)

    def __len__(self):
        return -(-self.size // self.batch_size)

    def __getitem__(self, index):
        begin = index * self.batch_size
        places = self.order[begin : begin + self.batch_size]
        batch = keras.tree.map_structure(lambda array: array[places], self.arrays)
        return batch[0] if len(batch) == 1 else batch

    def on_epoch_end(self):
        self.seek(self.epoch + 1)

    def seek(self, epoch):
        """Put the examples into the order of an epoch.

        Args:
            epoch: The epoch, counted from 0.
        """
        self.epoch = epoch
        self.order = np.arange(self.size)
        if self.seed is not None:
            np.random.default_rng((self.seed, epoch)).shuffle(self.order)
