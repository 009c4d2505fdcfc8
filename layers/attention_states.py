"""What an attention cell starts from."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class AttentionStates(keras.layers.Layer):
    """Lay out a memory and the first states of an `AttentionCell`.

    It has no weights. `AttentionCell.initial_state` makes one and calls it, so that
    the step stands in the graph of a functional model as any layer does.

    Args:
        memory_dim: Width of the memory.
        output_size: Width of the attention cell's output.
        cell_sizes: Widths of the inner cell's states.

    Call arguments:
        memory: Tensor of shape `(batch, positions, memory_dim)`.
        cell_states: List of the inner cell's first states, zeros if `None`.
        memory_mask: Boolean tensor of shape `(batch, positions)`, or `None`.
        mask: The same: where the memory is the only tensor, Keras hands over under
            this name the mask that it carries.

    Returns:
        List of tensors, all with two axes: the output, the inner states, the attention
        weights, the memory, its mask, and no keys yet.

    Example:

    >>> memory = keras.ops.ones((2, 7, 6))
    >>> [state.shape[1] for state in AttentionStates(6, 4, [4])(memory)]
    [4, 4, 7, 42, 7, 0]
    """

    def __init__(self, memory_dim, output_size, cell_sizes, **kwargs):
        super().__init__(**kwargs)
        self.memory_dim = memory_dim
        self.output_size = output_size
        self.cell_sizes = list(cell_sizes)

    def call(self, memory, cell_states=None, memory_mask=None, mask=None):
        mask = mask if memory_mask is None else memory_mask
        batch, positions = ops.shape(memory)[:2]
        flat = ops.reshape(memory, (batch, positions * self.memory_dim))
        if mask is None:
            mask = ops.ones_like(memory[:, :, 0], dtype="bool")
        mask = ops.cast(mask, self.compute_dtype)
        if cell_states is None:
            cell_states = [self._zeros(batch, size) for size in self.cell_sizes]
        return [
            self._zeros(batch, self.output_size),
            *cell_states,
            ops.zeros_like(mask),
            flat,
            mask,
            self._zeros(batch, 0),
        ]

    def compute_output_spec(self, memory, *others, **masks):
        batch, positions, width = memory.shape
        flat = None if positions is None else positions * width
        sizes = (self.output_size, *self.cell_sizes, positions, flat, positions, 0)
        return [
            keras.KerasTensor((batch, size), dtype=self.compute_dtype) for size in sizes
        ]

    def compute_mask(self, memory, mask=None):
        """Pass no mask on: the states have no axis of time."""

    def _zeros(self, batch, size):
        return ops.zeros((batch, size), dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "memory_dim": self.memory_dim,
            "output_size": self.output_size,
            "cell_sizes": list(self.cell_sizes),
        }
