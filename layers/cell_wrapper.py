"""What the wrappers of RNN cells share."""

import copy
from typing import Any

import keras
from keras import ops

# `keras.layers.RNN` tells cells of this kind when a loop begins and when it has
# ended. The class has no public name, but Keras' own cells are of it
_ToldOfLoops: Any = next(
    kind
    for kind in keras.layers.LSTMCell.__mro__
    if "reset_recurrent_dropout_mask" in vars(kind)
)


class CellWrapper(keras.layers.Layer, _ToldOfLoops):
    """Base of RNN cells that hold another cell, or a stack of them, in `cell`.

    A loop's body is traced once for all steps. What must not happen in it, a subclass
    does in `begin_loop`, and takes back in `end_loop`.

    Args:
        cell: An RNN cell, or a list of cells to be stacked.

    Raises:
        TypeError: If it is no cell.

    Example:

    >>> CellWrapper(keras.layers.Dense(3))
    Traceback (most recent call last):
    TypeError: CellWrapper needs an RNN cell, such as keras.layers.LSTMCell(32), ...
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)) and cell:
            cell = keras.layers.StackedRNNCells(list(cell))
        is_cell = isinstance(cell, keras.layers.Layer) and hasattr(cell, "state_size")
        if not is_cell or isinstance(cell, keras.layers.RNN):
            raise TypeError(
                f"{type(self).__name__} needs an RNN cell, such as "
                "keras.layers.LSTMCell(32), or a list of cells, received "
                f"cell={cell!r}."
            )
        self.cell: Any = cell

    def begin_loop(self, inputs, state):
        """Do what a loop's body must not do.

        Args:
            inputs: The first step's inputs.
            state: The first of the initial states, as the RNN hands it over.
        """
        announce(self.cell, inputs)

    def end_loop(self):
        """Forget what `begin_loop` has kept."""
        dismiss(self.cell)

    # the names under which the RNN tells

    def get_dropout_mask(self, step_input):
        self._first_inputs = step_input

    def get_recurrent_dropout_mask(self, state):
        self.begin_loop(self._first_inputs, state)

    def reset_dropout_mask(self):
        self._first_inputs = None

    def reset_recurrent_dropout_mask(self):
        self.end_loop()

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.cell)
        # what the cell learns from being built is no part of a configuration
        cell.pop("build_config", None)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # Keras takes a stack's cells out of the dictionary that it is given
        cell = keras.saving.deserialize_keras_object(
            copy.deepcopy(config["cell"]), custom_objects=custom_objects
        )
        return cls(**{**config, "cell": cell})


def announce(cell, inputs):
    """Tell a cell, and those stacked in it, that a loop is about to begin.

    Args:
        cell: An RNN cell.
        inputs: The first step's inputs, of which only the size matters.

    Example:

    >>> cell = keras.layers.GRUCell(3, dropout=0.5)
    >>> announce(cell, ops.ones((2, 4)))
    >>> cell.get_dropout_mask(ops.ones((2, 4))) is cell.get_dropout_mask(None)
    True
    """
    batch = ops.shape(inputs)[0]
    for one in leaves(cell):
        if isinstance(one, _ToldOfLoops):
            one.get_dropout_mask(inputs)
            size = keras.tree.flatten(one.state_size)[0]
            one.get_recurrent_dropout_mask(
                ops.zeros((batch, size), dtype=one.compute_dtype)
            )
        inputs = ops.zeros((batch, output_size(one)), dtype=one.compute_dtype)


def dismiss(cell):
    """Tell a cell, and those stacked in it, that the loop has ended.

    Args:
        cell: An RNN cell.

    Example:

    >>> dismiss(keras.layers.GRUCell(3, dropout=0.5))
    """
    for one in leaves(cell):
        if isinstance(one, _ToldOfLoops):
            one.reset_dropout_mask()
            one.reset_recurrent_dropout_mask()


def leaves(cell):
    """List the cells of a stack from the input upwards, or the one cell there is.

    Args:
        cell: An RNN cell.

    Example:

    >>> first, second = keras.layers.GRUCell(3), keras.layers.LSTMCell(2)
    >>> leaves(keras.layers.StackedRNNCells([first, second])) == [first, second]
    True
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [leaf for one in cell.cells for leaf in leaves(one)]
    return [cell]


def output_size(cell):
    """Give the size of a cell's output, which is that of its first state if unsaid.

    Args:
        cell: An RNN cell.

    Example:

    >>> output_size(keras.layers.LSTMCell(3))
    3
    """
    size = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size)[0] if size is None else size
