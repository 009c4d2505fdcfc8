"""Local response normalisation."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmith")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide each value by what its neighbours among the channels hold.

        y_i = x_i / (k + alpha * sum of x_j^2 over size channels around i) ^ beta

    At the first and the last channels the sum has fewer terms. There is nothing to
    learn; statistics are float32 or wider.

    `alpha` multiplies the sum, as in the paper. Caffe and PyTorch multiply the mean:
    what they call `alpha` is `size` times ours.

    Args:
        size: Channels in a sum, an odd number: the paper's `n`.
        alpha: Factor of the sum, at least 0.
        beta: Exponent, at least 0.
        k: What is added to the sum, above 0.
        axis: Axis of the channels.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., channels)`, or with the channels on
            `axis`. A mask is passed on; masked positions are positions like others.

    Returns:
        Tensor of the same shape as `inputs`, in the layer's compute dtype.

    Raises:
        ValueError: If a number is out of its range, the number of channels is
            unknown, or `axis` is the axis of the samples.

    Example:

    >>> layer = LocalResponseNormalization(3, alpha=1.0, beta=1.0, k=1.0)
    >>> y = layer(np.array([[1.0, 1.0, 0.0, 3.0]], "float32"))
    >>> np.round(100 * ops.convert_to_numpy(y)).tolist()
    [[33.0, 33.0, 0.0, 30.0]]

    Reference:
        Krizhevsky et al., 2012,
        https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    """

    def __init__(self, size=5, *, alpha=1e-4, beta=0.75, k=2.0, axis=-1, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(size, int) or size < 1 or size % 2 == 0:
            raise ValueError(
                "LocalResponseNormalization needs an odd size, as many channels before "
                f"a channel as behind it, received size={size!r}; the paper's is 5."
            )
        if not (alpha >= 0 and beta >= 0 and k > 0):
            raise ValueError(
                "LocalResponseNormalization needs alpha >= 0, beta >= 0 and k > 0, "
                f"received alpha={alpha}, beta={beta}, k={k}; the paper has 1e-4, 0.75 "
                "and 2."
            )
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape):
        shape = tuple(input_shape)
        if not -len(shape) <= self.axis < len(shape) or not self.axis % len(shape):
            raise ValueError(
                f"LocalResponseNormalization received axis={self.axis} for inputs of "
                f"shape {shape}: give the axis of the channels, which is neither "
                "missing nor the first."
            )
        if shape[self.axis] is None:
            raise ValueError(
                "LocalResponseNormalization needs to know the size of axis "
                f"{self.axis}, the channels, received inputs of shape {shape}."
            )

    def call(self, inputs):
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.moveaxis(ops.cast(inputs, dtype), self.axis, -1)
        # a product with a band of ones has a faster gradient than shifted sums, and
        # than TensorFlow's own kernel for this layer
        sums = ops.matmul(x * x, ops.convert_to_tensor(self._band(x.shape[-1]), dtype))
        outputs = x * _power(self.k + sums, self.beta)
        return ops.cast(ops.moveaxis(outputs, -1, self.axis), self.compute_dtype)

    def _band(self, channels):
        """Give alpha where two channels are neighbours, 0 elsewhere."""
        places = np.arange(channels)
        return self.alpha * (abs(places[:, None] - places) <= self.size // 2)

    def compute_output_shape(self, input_shape):
        return input_shape

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing, as for other norms: the product above stands for a sum."""
        return 0

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
            "axis": self.axis,
        }


def _power(x, beta):
    """Give x to the power of -beta; roots take a fraction of the time of a power."""
    if beta != 0.75:
        return ops.power(x, -beta)
    root = ops.rsqrt(x)
    return root * ops.sqrt(root)
