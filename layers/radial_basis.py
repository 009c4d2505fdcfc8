"""Output units that compare features with a code for each class."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class RadialBasis(keras.layers.Layer):
    """Minus the squared distance of the features to each class's code.

    The distance is the negative logarithm of an unnormalised Gaussian, so the
    result serves as logits: the nearest code has the largest one, and their
    softmax is the posterior over classes of equal prior. The distances are taken
    in float32 whatever the dtype policy.

    Args:
        codes: One vector a class, array-like of shape `(classes, features)`.
        trainable: Whether the codes are learned. The paper keeps them fixed.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.

    Returns:
        Tensor of shape `(batch, classes)`, none of it above 0.

    Raises:
        ValueError: If the codes are no matrix, or the inputs have another number
            of features.

    Example:

    >>> import numpy as np
    >>> layer = RadialBasis([[-1.0, -1.0], [1.0, 1.0]])
    >>> np.asarray(layer(np.array([[1.0, 0.5]], "float32"))).tolist()
    [[-6.25, -0.25]]

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, equation 7.
    """

    def __init__(self, codes, *, trainable=False, **kwargs):
        super().__init__(trainable=trainable, **kwargs)
        matrix = np.asarray(codes, "float32")
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(
                "RadialBasis needs codes of shape (classes, features), received an "
                f"array of shape {matrix.shape}."
            )
        self.codes = matrix.tolist()

    def build(self, input_shape):
        features = len(self.codes[0])
        if len(input_shape) != 2 or input_shape[-1] != features:
            raise ValueError(
                f"RadialBasis has codes of {features} features and needs inputs of "
                f"shape (batch, {features}), received {tuple(input_shape)}."
            )
        self.centers = self.add_weight(
            shape=(len(self.codes), features),
            # an array, not Constant: it must not be copied into the config twice
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.codes, dtype),
            dtype="float32",
            autocast=False,
            name="centers",
        )

    def call(self, inputs):
        features = ops.expand_dims(ops.cast(inputs, "float32"), 1)
        distances = ops.sum(ops.square(features - self.centers), axis=-1)
        return ops.cast(-distances, self.compute_dtype)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count one square an element of the codes."""
        return len(self.codes) * len(self.codes[0])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.codes))

    def get_config(self):
        return {**super().get_config(), "codes": self.codes}
