"""Attention over a memory, as an RNN cell."""

import math

import keras
from keras import ops

from . import native
from .attention_pairs import wide
from .attention_states import AttentionStates
from .cell_wrapper import CellWrapper, leaves, output_size

SCORES = ("additive", "multiplicative", "dot")
# the states behind those of the cell inside
_BEHIND = ("attention_weights", "memory", "mask", "keys")


@keras.saving.register_keras_serializable("kerasmith")
class AttentionCell(CellWrapper):
    """RNN cell that attends to a memory, such as an encoder's outputs, at each step.

    With `score="additive"` (Bahdanau) it looks first, and the cell sees what it saw:

        e_tj  = v . tanh(W s_{t-1} + U a_j)
        alpha = softmax of e_t over j,   c_t = sum over j of alpha_tj a_j
        s_t   = cell([x_t; c_t], s_{t-1}),   output_t = [s_t; c_t]

    With `score="multiplicative"` or `"dot"` (Luong) the cell goes first:

        s_t   = cell([x_t; h~_{t-1}], s_{t-1})
        e_tj  = s_t . W a_j,   or   s_t . a_j
        alpha and c_t as above,   output_t = h~_t = tanh(C [c_t; s_t])

    `a_j` are the memory's positions, `s` is the output of the cell (the hidden state
    of the topmost, in a stack). Positions that are masked get a weight of exactly 0;
    the others' weights sum to 1. A memory that is masked throughout gives zeros.

    The memory and what else a step needs are in the cell's state, which
    `initial_state` makes:

        cell = AttentionCell(keras.layers.LSTMCell(256), memory_dim=512)
        decoder = keras.layers.RNN(cell, return_sequences=True)
        outputs = decoder(targets, initial_state=cell.initial_state(memory))

    Where the targets are padded, pass `mask=` too: with an `initial_state` Keras' RNN
    does not look for the mask that its inputs carry.

    To decode step by step, call `output, states = cell(inputs, states)`. All states
    have the batch first, so that a beam search may repeat and pick them by
    `keras.tree.map_structure`. Memory, mask and keys may stay as they are, though:
    where there are several rows of everything else for each memory, one behind the
    other, they share it. For pictures see `align` and `named_states`.

    Args:
        cell: An RNN cell, a `Zoneout` one too, or a list of cells to be stacked.
        memory_dim: Width of the memory; its length may be any.
        units: Width of `W s + U a` in the additive score; otherwise that of the
            output. As many as the cell's by default.
        score: `"additive"`, `"multiplicative"` or `"dot"`.
        input_feeding: Whether the cell sees the previous output `h~_{t-1}`. The
            additive score feeds the context in any case.
        kernel_initializer: Initialiser of the matrices `W`, `U`, `v` and `C`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: What `initial_state` or the step before gave.
        training: Whether the cell inside shall drop or zone out.

    Returns:
        The output, of shape `(batch, cell's size + memory_dim)` for the additive
        score and `(batch, units)` otherwise, and the new states.

    Raises:
        TypeError: If `cell` is no cell.
        ValueError: If a size is not positive, the score is unknown, the cell is an
            `AttentionCell`, or a dot score meets a memory of another width than the
            cell's; when called, if there is no memory.

    Example:

    >>> import numpy as np
    >>> cell = AttentionCell(keras.layers.GRUCell(4), memory_dim=6)
    >>> states = cell.initial_state(np.ones((2, 7, 6), "float32"))
    >>> layer = keras.layers.RNN(cell, return_sequences=True)
    >>> layer(np.ones((2, 5, 3), "float32"), initial_state=states).shape == (2, 5, 10)
    True

    Reference:
        Bahdanau et al., 2014, https://arxiv.org/abs/1409.0473; Luong et al., 2015,
        https://arxiv.org/abs/1508.04025
    """

    def __init__(
        self,
        cell,
        memory_dim,
        units=None,
        *,
        score="additive",
        input_feeding=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(cell, **kwargs)
        if any(isinstance(one, AttentionCell) for one in leaves(self.cell)):
            raise ValueError(
                "AttentionCell cannot wrap an AttentionCell, received "
                f"cell={cell!r}: stack plain cells within one, as in "
                "AttentionCell([LSTMCell(32), LSTMCell(32)], ...)."
            )
        for name, size in (("memory_dim", memory_dim), ("units", units)):
            whole = isinstance(size, int) and not isinstance(size, bool) and size > 0
            if not whole and not (name == "units" and size is None):
                raise ValueError(
                    f"AttentionCell needs a positive whole number as {name}, received "
                    f"{name}={size!r}."
                )
        if score not in SCORES:
            raise ValueError(
                f"AttentionCell has no score {score!r}; choose one of "
                f"{', '.join(map(repr, SCORES))}."
            )
        self.memory_dim = memory_dim
        self.units = units
        self.score = score
        self.input_feeding = input_feeding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._cell_size = output_size(self.cell)
        self._width = units or self._cell_size
        self._seen = None
        if score == "dot" and memory_dim != self._cell_size:
            raise ValueError(
                "A dot score needs a memory as wide as the cell's output, received "
                f"memory_dim={memory_dim} and a cell of {self._cell_size}: make them "
                "equal, or take score='multiplicative'."
            )

    @property
    def cell_sizes(self):
        """Widths of the inner cell's states, in a flat list."""
        return keras.tree.flatten(self.cell.state_size)

    @property
    def state_size(self):
        # nested, so that the RNN hands over all of it before the loop
        return [[self.output_size, *self.cell_sizes, None, None, None, None]]

    @property
    def output_size(self):
        if self.score == "additive":
            return self._cell_size + self.memory_dim
        return self._width

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build((input_shape[0], input_shape[-1] + self._fed()))
        if self.score == "additive":
            self.query_kernel = self._kernel("query", self._cell_size, self._width)
            self.score_kernel = self._kernel("score", self._width, 1)
        else:
            both = self.memory_dim + self._cell_size
            self.output_kernel = self._kernel("output", both, self._width)
        if self.score != "dot":
            size = self._width if self.score == "additive" else self._cell_size
            self.memory_kernel = self._kernel("memory", self.memory_dim, size)

    def _kernel(self, name, *shape):
        # one initialiser object draws the same numbers at every call
        again = keras.initializers.get(self.kernel_initializer).clone()
        return self.add_weight(shape=shape, initializer=again, name=f"{name}_kernel")

    def initial_state(self, memory, mask=None, cell_states=None):
        """Give the states to begin with, tensors or symbols of a functional model.

        Args:
            memory: Tensor of shape `(batch, positions, memory_dim)`.
            mask: Boolean tensor of shape `(batch, positions)`, `False` where the
                memory is padding. A mask that the memory carries, from a `Masking` or
                `Embedding` layer, is found without this.
            cell_states: First state of the cell inside: a tensor or list as the
                cell's own, such as an encoder's last states. Zeros by default.

        Returns:
            The states, for `RNN(...)(inputs, initial_state=...)` and for single steps.

        Raises:
            ValueError: If the memory has another width, or the states do not fit.
        """
        if len(memory.shape) != 3 or memory.shape[-1] != self.memory_dim:
            raise ValueError(
                "AttentionCell needs a memory of shape (batch, positions, "
                f"{self.memory_dim}), received {tuple(memory.shape)}: memory_dim must "
                "be the width of the encoder's outputs."
            )
        if cell_states is not None:
            cell_states = keras.tree.flatten(cell_states)
            if [state.shape[-1] for state in cell_states] != self.cell_sizes:
                raise ValueError(
                    f"The cell inside has states of the sizes {self.cell_sizes}, "
                    f"received {[tuple(state.shape) for state in cell_states]}."
                )
        layout = AttentionStates(
            self.memory_dim, self.output_size, self.cell_sizes, dtype=self.dtype_policy
        )
        *states, keys = layout(memory, cell_states, memory_mask=mask)
        if self.built and self.score != "dot" and not keras.utils.is_keras_tensor(keys):
            # single steps need not compute them again; in a functional model the RNN
            # does it, once, so that the graph need not hold this cell twice
            *_, keys = self._look_up(*states[-2:])
            batch, positions, size = ops.shape(keys)
            keys = ops.reshape(keys, (batch, positions * size))
        return [[*states, keys]]

    def named_states(self, states):
        """Give the parts of the states by name.

        Args:
            states: What `initial_state`, a step, or an RNN with `return_state` gave.

        Returns:
            Dictionary with `"output"`, `"cell"` (list of the inner states),
            `"attention_weights"` of the last step, `"memory"` of shape `(batch,
            positions, memory_dim)`, and `"mask"`.
        """
        output, *inner = keras.tree.flatten(states)
        parts = dict(zip(_BEHIND, inner[-4:], strict=True))
        shape = (*ops.shape(parts["mask"]), self.memory_dim)
        return {
            "output": output,
            "cell": inner[:-4],
            "attention_weights": parts["attention_weights"],
            "memory": ops.reshape(parts["memory"], shape),
            "mask": ops.cast(parts["mask"], "bool"),
        }

    def align(self, inputs, states):
        """Go through all steps and give the attention weights of each, for pictures.

        Args:
            inputs: Tensor of shape `(batch, steps, features)`.
            states: What `initial_state` gave.

        Returns:
            The outputs of shape `(batch, steps, size)`, and the weights of shape
            `(batch, steps, positions)`.
        """
        inputs = ops.cast(inputs, self.compute_dtype)
        flat = tuple(keras.tree.flatten(states))

        def step(states, entries):
            output, states = self(entries[0], [list(states)])
            states = tuple(keras.tree.flatten(states))
            return (output, states[-4]), states

        if not self.built:
            self.build((None, inputs.shape[-1]))
        self.get_dropout_mask(inputs[:, 0])
        self.get_recurrent_dropout_mask(list(flat))
        in_order = ops.transpose(inputs, (1, 0, 2))
        (outputs, weights), _ = native.of("recurrent").scan(step, flat, (in_order,))
        self.reset_recurrent_dropout_mask()
        return ops.transpose(outputs, (1, 0, 2)), ops.transpose(weights, (1, 0, 2))

    def get_initial_state(self, batch_size=None):
        """Give states without any memory, which no step takes."""
        zeros = [
            ops.zeros((batch_size, size or 0), dtype=self.compute_dtype)
            for size in self.state_size[0]
        ]
        return [zeros]

    def begin_loop(self, inputs, state):
        # the loop's body shall neither project the memory nor look for it in the state
        if keras.tree.is_nested(state):
            self._seen = self._look_up(*state[-3:-1])
        fed = self._fed()
        zeros = ops.zeros((ops.shape(inputs)[0], fed), dtype=self.compute_dtype)
        inputs = ops.cast(inputs, self.compute_dtype)
        super().begin_loop(ops.concatenate([inputs, zeros], axis=-1), state)

    def end_loop(self):
        super().end_loop()
        self._seen = None

    def call(self, inputs, states, training=False):
        output, *flat = keras.tree.flatten(states)
        inner, (_, memory, mask, keys) = flat[:-4], flat[-4:]
        if mask.shape[1] == 0:
            raise ValueError(
                "AttentionCell has no memory to attend to: pass initial_state="
                "cell.initial_state(memory) to the RNN, or to the first step."
            )
        seen = self._seen or self._look_up(memory, mask, keys)
        if self.score == "additive":
            # the first state of the topmost cell
            query = inner[-len(keras.tree.flatten(_topmost(self.cell).state_size))]
            context, weights = self._attend(query, *seen)
            output, inner = self._cell_step([inputs, context], inner)
            output = ops.concatenate([output, context], axis=-1)
        else:
            fed = [output] if self.input_feeding else []
            output, inner = self._cell_step([inputs, *fed], inner)
            context, weights = self._attend(output, *seen)
            both = ops.concatenate([context, output], axis=-1)
            output = ops.tanh(ops.matmul(both, self.output_kernel))
        new = [output, *inner, weights, memory, mask, keys]
        return output, keras.tree.pack_sequence_as(states, new)

    def _cell_step(self, inputs, states):
        if isinstance(self.cell, keras.layers.StackedRNNCells):
            states = keras.tree.pack_sequence_as(self.cell.state_size, states)
        output, states = self.cell(ops.concatenate(inputs, axis=-1), states)
        return output, keras.tree.flatten(states)

    def _look_up(self, memory, mask, keys=None):
        """Give memory, mask and keys with an axis of positions."""
        batch, positions = ops.shape(mask)
        memory = ops.reshape(memory, (batch, positions, self.memory_dim))
        if self.score == "dot":
            keys = memory
        elif keys is None or keys.shape[-1] == 0:
            keys = ops.matmul(memory, self.memory_kernel)
        else:
            size = self.memory_kernel.shape[-1]
            keys = ops.reshape(keys, (batch, positions, size))
        return memory, mask, keys

    def _attend(self, query, memory, mask, keys):
        """Give the context and the weights; the softmax is at least of float32."""
        rows, batch = ops.shape(query)[0], ops.shape(memory)[0]
        shared = rows // _at_least_one(batch)
        query = ops.reshape(query, (-1, shared, query.shape[-1]))
        if self.score == "additive":
            query = ops.matmul(query, self.query_kernel)[:, :, None]
            scores = ops.matmul(ops.tanh(query + keys[:, None]), self.score_kernel)
            scores = scores[..., 0]
        else:
            scores = ops.matmul(keys, ops.transpose(query, (0, 2, 1)))
            scores = ops.transpose(scores, (0, 2, 1))
        scores = ops.cast(scores, wide(scores))
        there = mask[:, None] > 0.5
        highest = ops.max(ops.where(there, scores, -1e30), axis=-1, keepdims=True)
        scores = ops.where(there, scores - ops.stop_gradient(highest), 0.0)
        shares = ops.where(there, ops.exp(scores), 0.0)
        total = ops.sum(shares, axis=-1, keepdims=True)
        weights = shares / ops.where(total > 0, total, 1.0)
        weights = ops.cast(weights, memory.dtype)
        context = ops.reshape(ops.matmul(weights, memory), (rows, self.memory_dim))
        return context, ops.reshape(weights, (rows, ops.shape(mask)[1]))

    def multiply_accumulates_before_loop(self, states):
        """Count what a loop computes once, and a step by itself each time.

        Args:
            states: Structure of what has the shapes of the states.

        Returns:
            Multiply-accumulates of the batch.
        """
        *_, mask, keys = keras.tree.flatten(states)
        if self.score == "dot" or keys.shape[-1]:
            return 0
        return math.prod((*mask.shape, *self.memory_kernel.shape))

    def _fed(self):
        """Give how much wider the inner cell's inputs are than this cell's."""
        if self.score == "additive":
            return self.memory_dim
        return self._width if self.input_feeding else 0

    def compute_output_shape(self, inputs_shape, states_shape):
        return (inputs_shape[0], self.output_size), states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "memory_dim": self.memory_dim,
            "units": self.units,
            "score": self.score,
            "input_feeding": self.input_feeding,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _at_least_one(size):
    """Give what to divide by where there may be nothing."""
    if keras.backend.backend() == "tensorflow" and not isinstance(size, int):
        return ops.maximum(size, 1)
    return max(size, 1)  # a number, or JAX's symbol for one


def _topmost(cell):
    """Give the cell that makes the output, the last of a stack, out of wrappers."""
    while True:
        cell = leaves(cell)[-1]
        if not isinstance(cell, CellWrapper):
            return cell
        cell = cell.cell
