"""Activations that Keras does not have, to be named or called."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
def scaled_tanh(inputs):
    """Hyperbolic tangent with f(1) = 1, f(-1) = -1: `1.7159 tanh(2/3 x)`.

    Its second derivative is largest near 1 and -1, so that units driven to the
    targets 1 and -1 stay out of the flat ends.

    Args:
        inputs: Tensor of any shape.

    Returns:
        Tensor of the same shape, between -1.7159 and 1.7159.

    Example:

    >>> round(float(scaled_tanh(1.0)), 4)
    1.0

    Reference:
        LeCun et al., 1998, Gradient-Based Learning Applied to Document
        Recognition, appendix A.
    """
    return 1.7159 * ops.tanh(inputs * (2 / 3))
