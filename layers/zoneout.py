"""Zoneout of recurrent states."""

import keras
from keras import ops

from . import native
from .cell_wrapper import CellWrapper, leaves, output_size
from .rates import add_rate, check_rate, rate_of


@keras.saving.register_keras_serializable("kerasmith")
class Zoneout(CellWrapper):
    """Let units of an RNN cell keep their previous state at random.

    In training each unit of each example tosses a coin at each step: with probability
    `rate` it keeps its value of the step before. At inference each unit takes the
    expectation:

        training:   h_t = d_t * h_{t-1} + (1 - d_t) * h~_t,  d_t ~ Bernoulli(rate)
        inference:  h_t = rate * h_{t-1} + (1 - rate) * h~_t

    where `h~_t` is what the cell computes. The LSTM's cell state has a rate and coins
    of its own; `h~_t` is computed from its candidate, before zoneout. The output is
    `h_t`. In a stack each cell is treated so, and hands its `h_t` to the next. Steps
    that are masked change nothing, as with any cell.

    `ZoneoutLSTM` and `ZoneoutGRU` compute the same in less time.

    Args:
        cell: `keras.layers.SimpleRNNCell`, `GRUCell`, `LSTMCell`, any other cell whose
            only state is its output, a `StackedRNNCells` or a list of such cells.
        hidden_rate: Probability in [0, 1) to keep a unit of the hidden state. It is
            held in the variable `zoneout.hidden_rate`: `assign` acts inside an already
            compiled `fit`. Neither rate counts among `weights`, so that these are the
            cell's.
        cell_rate: The same for the cell state of LSTM cells, in
            `zoneout.cell_rate`.
        seed: Integer seed of the coin tosses.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: The cell's states.
        training: Whether to toss coins.

    Returns:
        The output, and the new states in the cell's own structure.

    Raises:
        TypeError: If `cell` is no cell.
        ValueError: If it is not known which of its states are hidden ones, a rate is
            not in [0, 1), or there is a `cell_rate` and no LSTM cell.

    Example:

    >>> import numpy as np
    >>> cell = Zoneout(keras.layers.LSTMCell(4), hidden_rate=0.05, cell_rate=0.5)
    >>> layer = keras.layers.RNN(cell, return_sequences=True)
    >>> layer(np.ones((2, 5, 3), "float32"), training=True).shape == (2, 5, 4)
    True

    Reference:
        Krueger et al., 2016, https://arxiv.org/abs/1606.01305
    """

    def __init__(self, cell, hidden_rate=0.0, cell_rate=0.0, *, seed=None, **kwargs):
        super().__init__(cell, **kwargs)
        for one in leaves(self.cell):
            _check_cell(one)
        lstm = any(isinstance(c, keras.layers.LSTMCell) for c in leaves(self.cell))
        if cell_rate and not lstm:
            raise ValueError(
                "Zoneout's cell_rate is for the cell state of an LSTMCell, received "
                f"cell_rate={cell_rate!r} with cell={self.cell!r}, which has none: "
                "leave it out."
            )
        rates = {"hidden_rate": hidden_rate, "cell_rate": cell_rate}
        for name, rate in rates.items():
            rate = check_rate("Zoneout", rate, name)
            setattr(self, name, add_rate(self, rate, name))
        self.seed = seed
        self.coins = keras.random.SeedGenerator(seed)
        self._loop = None

    @property
    def state_size(self):
        return self.cell.state_size

    @property
    def output_size(self):
        return output_size(self.cell)

    @property
    def weights(self):
        rates = {id(self.hidden_rate), id(self.cell_rate)}
        return [weight for weight in super().weights if id(weight) not in rates]

    def get_initial_state(self, batch_size=None):
        """Give the states that the cell inside starts from."""
        return self.cell.get_initial_state(batch_size=batch_size)

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build(input_shape)

    def begin_loop(self, inputs, state):
        super().begin_loop(inputs, state)
        self._loop = native.of("recurrent").begin(self.coins)

    def end_loop(self):
        super().end_loop()
        native.of("recurrent").end(self.coins, self._loop)
        self._loop = None

    def call(self, inputs, states, training=False):
        left, new = keras.tree.flatten(states), []
        for cell in leaves(self.cell):
            count = len(keras.tree.flatten(cell.state_size))
            before, left = left[:count], left[count:]
            after = keras.tree.flatten(cell(inputs, before)[1])
            rates = (self.hidden_rate, self.cell_rate)[:count]
            after = [
                self._zone(rate, old, fresh, training)
                for rate, old, fresh in zip(rates, before, after, strict=True)
            ]
            inputs = after[0]
            new += after
        return inputs, keras.tree.pack_sequence_as(states, new)

    def _zone(self, rate, old, new, training):
        rate = ops.convert_to_tensor(rate)
        if not training:
            return new + ops.cast(rate, new.dtype) * (old - new)
        draws = native.of("recurrent").uniform(ops.shape(new), self.coins, self._loop)
        return ops.where(draws < rate, old, new)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_rate": rate_of(self.hidden_rate),
            "cell_rate": rate_of(self.cell_rate),
            "seed": self.seed,
        }


def _check_cell(cell):
    """Refuse a cell of which it is not known which states are hidden ones."""
    if isinstance(cell, CellWrapper):
        raise ValueError(
            f"Zoneout cannot wrap a {type(cell).__name__}, which wraps a cell itself: "
            f"put Zoneout round the cell within, as in {type(cell).__name__}"
            "(Zoneout(cell))."
        )
    states = keras.tree.flatten(cell.state_size)
    single = len(states) == 1 and output_size(cell) == states[0]
    if not single and not isinstance(cell, keras.layers.LSTMCell):
        raise ValueError(
            "Zoneout knows SimpleRNNCell, GRUCell, LSTMCell, stacks of them, and cells "
            "whose only state is their output, received cell="
            f"{cell!r} with state_size={cell.state_size} and output size "
            f"{output_size(cell)}. Which of its states are hidden ones is not known: "
            "apply zoneout within the cell's own call."
        )
