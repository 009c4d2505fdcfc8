"""Group normalisation."""

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class GroupNormalization(keras.layers.GroupNormalization):
    """Normalise each group of channels of each sample by its mean and variance.

    Takes the arguments of `keras.layers.GroupNormalization`, has its weights in its
    order, and gives its results, with fewer passes over memory forward and backward.
    Nothing depends on the batch: one of 2 trains as one of 64 does.

    Sums are taken about one value of each group, in float32: a large mean does not
    cancel the digits of the variance, and half precision does not overflow.

    Args:
        groups: Number of groups, a divisor of the number of channels; -1 for a group
            a channel.
        axis: Axis of the channels.
        epsilon: Added to the variance. The paper has 1e-5, Keras 1e-3.
        center: Whether to add the trainable `beta`, one value a channel.
        scale: Whether to multiply by the trainable `gamma`.
        **kwargs: The other arguments of `keras.layers.GroupNormalization`:
            initialisers, regularisers and constraints of the weights.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., channels)`, or with the channels on
            `axis`. A mask is passed on; masked positions count, as in Keras.
        training: Changes no result; says that nothing need be exported.

    Returns:
        Tensor of the same shape as `inputs`, in the layer's compute dtype.

    Raises:
        ValueError: If `groups` is 0 or below -1, or does not divide the number of
            channels; if that number is unknown, or `axis` is the axis of the samples.

    Example:

    >>> import numpy as np
    >>> layer = GroupNormalization(2, epsilon=0.0)
    >>> y = layer(np.array([[1.0, 3.0, 10.0, 30.0]], "float32"))
    >>> np.round(keras.ops.convert_to_numpy(y), 3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]

    Reference:
        Wu and He, 2018, https://arxiv.org/abs/1803.08494
    """

    def __init__(
        self, groups=32, axis=-1, epsilon=1e-3, center=True, scale=True, **kwargs
    ):
        super().__init__(groups, axis, epsilon, center, scale, **kwargs)

    def build(self, input_shape):
        name, shape, groups = type(self).__name__, tuple(input_shape), self.groups
        if not -len(shape) <= self.axis < len(shape) or not self.axis % len(shape):
            raise ValueError(
                f"{name} received axis={self.axis} for inputs of shape {shape}: give "
                "the axis of the channels, which is neither missing nor the first."
            )
        channels = shape[self.axis]
        if channels is None:
            raise ValueError(
                f"{name} needs to know the size of axis {self.axis}, the channels, "
                f"received inputs of shape {shape}."
            )
        if groups != -1 and channels % groups:
            divisors = [n for n in range(1, channels + 1) if channels % n == 0]
            raise ValueError(
                f"{name} received groups={groups}, which do not divide {channels} "
                f"channels; choose one of {', '.join(map(str, divisors))}."
            )
        super().build(input_shape)
        # Keras writes the number of channels over -1, and into the configuration
        self.groups = groups

    def call(self, inputs, training=None):
        if "float" not in keras.backend.standardize_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        channels = inputs.shape[self.axis]
        last = self.axis % len(inputs.shape) == len(inputs.shape) - 1
        outputs = native.of("normalization").group_norm(
            inputs if last else ops.moveaxis(inputs, self.axis, -1),
            ops.cast(self.gamma, dtype) if self.scale else ops.ones(channels, dtype),
            ops.cast(self.beta, dtype) if self.center else ops.zeros(channels, dtype),
            groups=channels if self.groups == -1 else self.groups,
            epsilon=self.epsilon,
            training=bool(training),
        )
        outputs = outputs if last else ops.moveaxis(outputs, -1, self.axis)
        return ops.cast(outputs, self.compute_dtype)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing: this is no matrix work."""
        return 0
