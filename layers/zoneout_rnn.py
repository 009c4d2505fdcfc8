"""LSTM and GRU layers with zoneout."""

import functools
from typing import Any

import keras
from keras import ops

from . import native
from .gates import gru_slopes, gru_step, lstm_slopes, lstm_step
from .rates import add_rate, check_rate, rate_of


class _ZoneoutLayer(keras.layers.RNN):
    """What both layers share: rates, and a loop that computes little at each step.

    The inputs of all steps are projected by one matrix product before the loop, and
    the coins of all steps are tossed there.
    """

    rates = ()  # names of the rates' variables, one for each state
    step: Any = None  # what the cell computes at a step, see `gates`
    slopes: Any = None

    def _add_rates(self, *values):
        for name, rate in zip(self.rates, values, strict=True):
            rate = check_rate(type(self).__name__, rate, name)
            setattr(self, name, add_rate(self, rate, name))

    @property
    def weights(self):
        rates = {id(getattr(self, name)) for name in self.rates}
        return [weight for weight in super().weights if id(weight) not in rates]

    def project(self, sequences):
        """Give all steps' entries, the recurrent kernel, and its bias or `None`."""
        raise NotImplementedError(f"{type(self).__name__} must define `project`.")

    def inner_loop(self, sequences, initial_state, mask, training=False):
        states = tuple(keras.tree.flatten(initial_state))
        sequences = self._in_order(sequences)
        if mask is not None:
            mask = ops.cast(keras.tree.flatten(mask)[0], "bool")
            mask = self._in_order(ops.reshape(mask, (*ops.shape(mask)[:2], 1)))
        kept = self._toss(sequences, mask) if training else None
        if training and self._is_known() and not self.unroll:
            entries, kernel, bias = self.project(self._dropped(sequences))
            loop = native.of("recurrent").recur
            step = functools.partial(self.step, *self._activations())
            outputs, states = loop(
                step, self.slopes, kernel, bias, states, entries, kept
            )
        else:
            outputs, states = self._scan(sequences, states, mask, kept, training)
        last = states[0]
        if mask is not None and self.zero_output_for_mask:
            last = ops.where(mask[-1], last, ops.zeros_like(last))
            outputs = ops.where(mask, outputs, ops.zeros_like(outputs))
        if not self.return_sequences:
            return last, last[:, None], list(states)
        return last, ops.transpose(outputs, (1, 0, 2)), list(states)

    def _scan(self, sequences, states, mask, kept, training):
        """Go through all steps in a way that suits any cell."""
        entries, advance = self._advance(sequences, training)
        rates = [ops.convert_to_tensor(getattr(self, name)) for name in self.rates]
        # a masked step is one at which all is kept
        fixed = kept if kept is not None else () if mask is None else (mask,)

        def step(states, entries):
            entry, *fixed = entries
            new = advance(entry, states)
            if kept is not None:
                new = [ops.where(*x) for x in zip(fixed, states, new, strict=True)]
            else:
                new = [_expect(*x) for x in zip(rates, states, new, strict=True)]
                if mask is not None:
                    pairs = zip(new, states, strict=True)
                    new = [ops.where(fixed[0], *pair) for pair in pairs]
            return new[0], tuple(new)

        loop = _unrolled if self.unroll else native.of("recurrent").scan
        return loop(step, states, (entries, *fixed))

    def _in_order(self, sequences):
        """Put the time first, in the order of the loop."""
        sequences = ops.transpose(sequences, (1, 0, 2))
        return ops.flip(sequences, axis=0) if self.go_backwards else sequences

    def _toss(self, sequences, mask):
        """Tell for each state where units keep their value, for all steps."""
        shape = (*ops.shape(sequences)[:2], self.cell.units)
        kept = []
        for name in self.rates:
            rate = ops.convert_to_tensor(getattr(self, name))
            coins = self.cell.seed_generator
            one = keras.random.uniform(shape, dtype="float32", seed=coins) < rate
            kept.append(one if mask is None else one | ~mask)
        return tuple(kept)

    def _advance(self, sequences, training):
        """Give all steps' entries, and a function of an entry and the states."""
        cell = self.cell
        if training and cell.implementation == 1 or not self._resets_behind():
            return sequences, lambda entry, states: cell(entry, list(states))[1]
        if training:
            sequences = self._dropped(sequences)
        entries, kernel, bias = self.project(sequences)

        def advance(entry, states):
            product = ops.matmul(states[0], kernel)
            product = product if bias is None else product + bias
            return self.step(*self._activations(), entry, product, states)[0]

        return entries, advance

    def _is_known(self):
        """Tell whether the slopes of a step are written out."""
        tanh, sigmoid = keras.activations.tanh, keras.activations.sigmoid
        usual = self._activations() == (tanh, sigmoid)
        return usual and self.cell.implementation != 1 and self._resets_behind()

    def _resets_behind(self):
        return getattr(self.cell, "reset_after", True)

    def _activations(self):
        return self.cell.activation, self.cell.recurrent_activation

    def _dropped(self, sequences):
        """Drop inputs as the cell does, the same at all steps."""
        mask = self.cell.get_dropout_mask(sequences[0])
        return sequences if mask is None else sequences * mask

    def multiply_accumulates(self, input_shape, output_shape):
        """Count the products with both kernels at each step."""
        while not isinstance(input_shape[-1], int):
            input_shape = input_shape[0]
        _, steps, features = input_shape
        return steps * (features + self.cell.units) * self.cell.kernel.shape[1]

    def get_config(self):
        rates = {name: rate_of(getattr(self, name)) for name in self.rates}
        return {**super().get_config(), **rates}


@keras.saving.register_keras_serializable("kerasmith")
class ZoneoutLSTM(_ZoneoutLayer, keras.layers.LSTM):
    """LSTM whose units keep their previous state at random.

    It computes what `keras.layers.RNN(Zoneout(keras.layers.LSTMCell(units)))` does, in
    one loop that has less to do at each step. At rates of 0 it is `keras.layers.LSTM`.

        training:   c_t = d_t * c_{t-1} + (1 - d_t) * c~_t,  d_t ~ Bernoulli(cell_rate)
                    h_t = e_t * h_{t-1} + (1 - e_t) * o_t tanh(c~_t),
                                                         e_t ~ Bernoulli(hidden_rate)
        inference:  the same with the rates in the place of d_t and e_t

    `weights` are those of `keras.layers.LSTM` in the same order, without the rates:
    `set_weights(lstm.get_weights())` works, and the other way round. cuDNN knows no
    zoneout and is not used.

    Args:
        units: Number of units.
        activation: As in `keras.layers.LSTM`.
        hidden_rate: Probability in [0, 1) to keep a unit of the hidden state, held in
            the variable `layer.hidden_rate`: `assign` acts inside an already compiled
            `fit`.
        cell_rate: The same for the cell state, in `layer.cell_rate`.
        **kwargs: All other arguments of `keras.layers.LSTM`.

    Call arguments:
        sequences: Tensor of shape `(batch, steps, features)`.
        initial_state: List of the hidden and the cell state, zeros by default.
        mask: Boolean tensor of shape `(batch, steps)`; a masked step changes nothing.
        training: Whether to toss coins.

    Returns:
        What `keras.layers.LSTM` returns: the last output, or all of them, and with
        `return_state` the two states.

    Raises:
        ValueError: If a rate is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> layer = ZoneoutLSTM(4, hidden_rate=0.05, cell_rate=0.5, seed=1)
    >>> layer(np.ones((2, 5, 3), "float32"), training=True).shape == (2, 4)
    True

    Reference:
        Krueger et al., 2016, https://arxiv.org/abs/1606.01305
    """

    rates = ("hidden_rate", "cell_rate")
    step, slopes = staticmethod(lstm_step), staticmethod(lstm_slopes)

    def __init__(
        self, units, activation="tanh", *, hidden_rate=0.0, cell_rate=0.0, **kwargs
    ):
        super().__init__(units, activation, **{**kwargs, "use_cudnn": False})
        self._add_rates(hidden_rate, cell_rate)

    def project(self, sequences):
        entries = ops.matmul(sequences, self.cell.kernel)
        if self.cell.use_bias:
            entries = entries + ops.convert_to_tensor(self.cell.bias)
        return entries, ops.convert_to_tensor(self.cell.recurrent_kernel), None


@keras.saving.register_keras_serializable("kerasmith")
class ZoneoutGRU(_ZoneoutLayer, keras.layers.GRU):
    """GRU whose units keep their previous state at random.

    It computes what `keras.layers.RNN(Zoneout(keras.layers.GRUCell(units)))` does, in
    one loop that has less to do at each step. At a rate of 0 it is `keras.layers.GRU`.

        training:   h_t = d_t * h_{t-1} + (1 - d_t) * h~_t,
                                                         d_t ~ Bernoulli(hidden_rate)
        inference:  the same with the rate in the place of d_t

    `weights` are those of `keras.layers.GRU` in the same order, without the rate:
    `set_weights(gru.get_weights())` works, and the other way round. cuDNN knows no
    zoneout and is not used.

    Args:
        units: Number of units.
        activation: As in `keras.layers.GRU`.
        hidden_rate: Probability in [0, 1) to keep a unit of the hidden state, held in
            the variable `layer.hidden_rate`: `assign` acts inside an already compiled
            `fit`.
        **kwargs: All other arguments of `keras.layers.GRU`. With `reset_after=False`
            a step takes longer.

    Call arguments:
        sequences: Tensor of shape `(batch, steps, features)`.
        initial_state: The hidden state, zeros by default.
        mask: Boolean tensor of shape `(batch, steps)`; a masked step changes nothing.
        training: Whether to toss coins.

    Returns:
        What `keras.layers.GRU` returns: the last output, or all of them, and with
        `return_state` the state.

    Raises:
        ValueError: If the rate is not in [0, 1).

    Example:

    >>> import numpy as np
    >>> layer = ZoneoutGRU(4, hidden_rate=0.1, return_sequences=True, seed=1)
    >>> layer(np.ones((2, 5, 3), "float32"), training=True).shape == (2, 5, 4)
    True

    Reference:
        Krueger et al., 2016, https://arxiv.org/abs/1606.01305
    """

    rates = ("hidden_rate",)
    step, slopes = staticmethod(gru_step), staticmethod(gru_slopes)

    def __init__(self, units, activation="tanh", *, hidden_rate=0.0, **kwargs):
        super().__init__(units, activation, **{**kwargs, "use_cudnn": False})
        self._add_rates(hidden_rate)

    def project(self, sequences):
        entries = ops.matmul(sequences, self.cell.kernel)
        kernel = ops.convert_to_tensor(self.cell.recurrent_kernel)
        if not self.cell.use_bias:
            return entries, kernel, None
        bias = ops.convert_to_tensor(self.cell.bias)
        return entries + bias[0], kernel, bias[1]


def _expect(rate, before, after):
    return after + ops.cast(rate, after.dtype) * (before - after)


def _unrolled(step, states, sequences):
    """Do what the backend's `scan` does, step behind step, without a loop."""
    outputs = []
    for time in range(sequences[0].shape[0]):
        output, states = step(states, tuple(sequence[time] for sequence in sequences))
        outputs.append(output)
    stacked = keras.tree.map_structure(lambda *steps: ops.stack(steps), *outputs)
    return stacked, states
