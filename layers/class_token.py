"""A learned vector in front of a sequence, which gathers what a classifier needs."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class ClassToken(keras.layers.Layer):
    """Put a learned vector in front of every sequence.

    Attention lets it gather from all positions what tells the class, so that the first
    of the outputs behind the last block speaks for the whole sequence. It stands behind
    the embedding and before the positions, of which there is one more then.

    Args:
        token_initializer: Initialiser of the vector.

    Call arguments:
        inputs: Tensor of shape `(batch, time, depth)`.
        mask: Boolean tensor of shape `(batch, time)`, false at padding. It is passed on
            with a true position in front.

    Returns:
        Tensor of shape `(batch, 1 + time, depth)`, in the compute dtype.

    Raises:
        ValueError: If the depth of the inputs is not known.

    Example:

    >>> import numpy as np
    >>> layer = ClassToken(token_initializer="ones")
    >>> np.asarray(layer(np.zeros((1, 2, 3), "float32"))).tolist()
    [[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]

    Reference:
        Dosovitskiy et al., 2021, equation 1, https://arxiv.org/abs/2010.11929
    """

    def __init__(self, *, token_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.token_initializer = keras.initializers.get(token_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def build(self, input_shape):
        depth = input_shape[-1]
        if depth is None:
            raise ValueError(
                "ClassToken needs to know the depth of its inputs, received shape "
                f"{tuple(input_shape)}: give the input a fixed last size."
            )
        self.token = self.add_weight(
            shape=(1, 1, depth), initializer=self.token_initializer, name="token"
        )

    def call(self, inputs, mask=None):
        shape = (ops.shape(inputs)[0], 1, inputs.shape[-1])
        token = ops.broadcast_to(ops.convert_to_tensor(self.token), shape)
        return ops.concatenate([token, inputs], axis=1)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        return ops.concatenate([ops.ones_like(mask[:, :1]), mask], axis=1)

    def compute_output_shape(self, input_shape):
        batch, time, depth = input_shape
        return (batch, None if time is None else time + 1, depth)

    def get_config(self):
        initializer = keras.initializers.serialize(self.token_initializer)
        return {**super().get_config(), "token_initializer": initializer}
