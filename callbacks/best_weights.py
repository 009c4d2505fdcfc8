"""Where the best weights of a training are kept: on the device, or in a file."""

import pathlib

from keras import ops

from .files import replacing


class OnDevice:
    """Keeps a copy of a model's weights in the memory of the device.

    The copy belongs to nobody else: neither a step that writes over the weights nor
    one that takes their buffers (JAX donates them) changes it. It takes the memory of
    the weights once, and twice while a newer copy takes its place.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> kept = OnDevice()
    >>> kept.keep(model)
    >>> model.set_weights([weight + 1 for weight in model.get_weights()])
    >>> kept.put_back(model)
    True
    >>> model.get_weights()[1].tolist()
    [0.0]
    """

    def __init__(self):
        self.copies = []

    def keep(self, model):
        """Copy the weights of a model, in place of those kept so far.

        Args:
            model: A built model.
        """
        # made whole before it replaces the old: Ctrl-C may come in between
        self.copies = [
            ops.stop_gradient(ops.copy(ops.convert_to_tensor(weight)))
            for weight in model.weights
        ]

    def put_back(self, model):
        """Give a model the weights kept.

        Args:
            model: A model with weights of the same shapes.

        Returns:
            Whether there were any.

        Raises:
            ValueError: If the model has other weights.
        """
        if not self.copies:
            return False
        found = [tuple(weight.shape) for weight in model.weights]
        kept = [tuple(copy.shape) for copy in self.copies]
        if found != kept:
            raise ValueError(
                f"the weights kept have the shapes {kept}, but the model that is to "
                f"take them has {found}."
            )
        for weight, copy in zip(model.weights, self.copies, strict=True):
            # a copy again: on JAX the next training takes the buffers it is given
            weight.assign(ops.copy(copy))
        return True

    def forget(self):
        """Let go of the weights kept."""
        self.copies = []

    def get_arrays(self):
        """Give the weights kept as a list of NumPy arrays, empty if there are none."""
        return [ops.convert_to_numpy(copy) for copy in self.copies]

    def set_arrays(self, arrays):
        """Take over what `get_arrays` gave.

        Args:
            arrays: List of arrays.
        """
        self.copies = list(arrays)


class InFile:
    """Keeps a model's weights in a file, which is whole at any moment.

    Args:
        path: The file, ending in `.weights.h5`.
        owner: Name of who keeps them, for the message.

    Raises:
        ValueError: If the path ends otherwise.

    Example:

    >>> import tempfile
    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> kept = InFile(tempfile.mkdtemp() + "/best.weights.h5", "KeepBest")
    >>> kept.keep(model)
    >>> kept.put_back(model)
    True
    """

    def __init__(self, path, owner):
        self.path = pathlib.Path(path)
        if not self.path.name.endswith(".weights.h5"):
            raise ValueError(
                f"{owner} needs a path that ends in .weights.h5, received {path}."
            )

    def keep(self, model):
        """Write the weights of a model, in place of those kept so far.

        Args:
            model: A built model.
        """
        with replacing(self.path) as beside:
            model.save_weights(beside)

    def put_back(self, model):
        """Give a model the weights kept.

        Args:
            model: A model with the same layers.

        Returns:
            True.

        Raises:
            FileNotFoundError: If the file is gone.
        """
        model.load_weights(self.path)
        return True

    def forget(self):
        """Do nothing: the file stays until better weights replace it."""

    def get_arrays(self):
        """Give an empty list: the file outlives the process by itself."""
        return []

    def set_arrays(self, arrays):
        """Do nothing: the file outlives the process by itself.

        Args:
            arrays: An empty list.
        """
