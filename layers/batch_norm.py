"""Batch normalisation on the backend's fused kernel."""

import math

import keras
from keras import ops

from . import native


@keras.saving.register_keras_serializable("kerasmith")
class BatchNormalization(keras.layers.BatchNormalization):
    """Normalise each channel by the mean and the variance of the batch.

    Takes the arguments of `keras.layers.BatchNormalization`, has its weights in its
    order, and gives its results; the backend's fused kernel computes them. One rule
    differs: the running variance is made of unbiased variances, n / (n - 1) times
    those of the batches, as in the paper. A bias before this layer is cancelled by
    it: leave it out.

    The kernels of TensorFlow and PyTorch add up in one row, in float32: where the mean
    is 1e4 standard deviations and a channel has 50,000 values, it is off by up to 0.2
    standard deviations (by 0.001 where it is 100). Group norm has no such limit.

    With `virtual_batch_size` each so many samples are normalised by themselves
    (ghost batch normalisation), so that a large batch is regularised as a small one.
    Samples left over join the last ghost batch; a batch smaller than one is a ghost
    batch by itself. The running statistics move to the mean over the ghost batches.

    Args:
        axis: Axis of the channels.
        momentum: Share of the running statistics that stays at each step, in [0, 1].
        epsilon: Added to the variance.
        center: Whether to add the trainable `beta`.
        scale: Whether to multiply by the trainable `gamma`.
        unbiased: Whether the running variance is unbiased. `False` is Keras' rule.
        virtual_batch_size: Samples of a ghost batch, at least 2; `None` for the whole
            batch.
        **kwargs: The other arguments of `keras.layers.BatchNormalization`:
            initialisers, regularisers and constraints of the weights, `synchronized`,
            `renorm` and what belongs to it. With these two Keras computes, with
            its own running variance.

    Call arguments:
        inputs: Tensor of any rank above 1.
        training: Whether to take the statistics of the batch, and to move the running
            ones. They stay, and are taken, while `trainable` is `False`.
        mask: Boolean tensor of one axis less than `inputs`, `True` for the positions
            that make the statistics.

    Returns:
        Tensor of the same shape as `inputs`, in the layer's compute dtype.

    Raises:
        ValueError: If `virtual_batch_size` is less than 2, or comes with
            `synchronized` or `renorm`; if the number of channels is unknown, or they
            lie on the axis of the samples while there are ghost batches.

    Example:

    >>> import numpy as np
    >>> layer = BatchNormalization(momentum=0.0, epsilon=0.0)
    >>> y = layer(np.array([[1.0, 5.0], [3.0, 5.5]], "float32"), training=True)
    >>> np.round(keras.ops.convert_to_numpy(y), 3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> keras.ops.convert_to_numpy(layer.moving_variance).tolist()
    [2.0, 0.125]

    Reference:
        Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167;
        ghost batches: Hoffer et al., 2017, https://arxiv.org/abs/1705.08741
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        *,
        unbiased=True,
        virtual_batch_size=None,
        **kwargs,
    ):
        super().__init__(axis, momentum, epsilon, center, scale, **kwargs)
        self.unbiased = unbiased
        self.virtual_batch_size = virtual_batch_size
        if virtual_batch_size is None:
            return
        if not isinstance(virtual_batch_size, int) or virtual_batch_size < 2:
            raise ValueError(
                "BatchNormalization needs a virtual_batch_size of 2 samples or more, "
                f"or None for the whole batch, received {virtual_batch_size}."
            )
        if self.renorm or self.synchronized:
            raise ValueError(
                "BatchNormalization received virtual_batch_size="
                f"{virtual_batch_size} with renorm={self.renorm} and "
                f"synchronized={self.synchronized}: choose one of the three."
            )

    def build(self, input_shape):
        rank = len(input_shape)
        if not -rank <= self.axis < rank:
            raise ValueError(
                f"BatchNormalization received axis={self.axis} for inputs of shape "
                f"{tuple(input_shape)}: give the axis of the channels."
            )
        if input_shape[self.axis] is None:
            raise ValueError(
                f"BatchNormalization needs to know the size of axis {self.axis}, the "
                f"channels, received inputs of shape {tuple(input_shape)}."
            )
        if self.virtual_batch_size and self.axis % rank == 0:
            raise ValueError(
                f"BatchNormalization received axis={self.axis} for inputs of shape "
                f"{tuple(input_shape)}: that axis holds the samples, which "
                "virtual_batch_size divides into ghost batches. Give the axis of the "
                "channels."
            )
        super().build(input_shape)

    def call(self, inputs, training=None, mask=None):
        if self.renorm or self.synchronized:
            return self._call_as_keras(inputs, training, mask)
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "BatchNormalization needs a mask of one axis less than its inputs, "
                f"received a mask of shape {tuple(mask.shape)} for inputs of shape "
                f"{tuple(inputs.shape)}."
            )
        inputs = ops.cast(inputs, self.compute_dtype)
        if not (training and self.trainable):
            return native.of("normalization").normalize(
                inputs,
                *self._wide_weights(),
                axis=self.axis,
                epsilon=self.epsilon,
            )
        if mask is None and self.virtual_batch_size is None:
            return self._call_on_batch(inputs)
        return self._call_on_ghosts(inputs, mask)

    def _call_as_keras(self, inputs, training, mask):
        kept = self.momentum * ops.cast(self.moving_variance, "float32")
        outputs = super().call(inputs, training=training, mask=mask)
        counted = training and self.trainable and mask is None
        if self.unbiased and self.synchronized and counted:
            # Keras keeps the variance of what there is, not an estimate
            channels = inputs.shape[self.axis]
            count = ops.cast(ops.size(inputs), "float32") / channels
            count = native.of("replicas").summed([count])[0]
            variance = ops.cast(self.moving_variance, "float32")
            factor = count / ops.maximum(count - 1, 1)
            self.moving_variance.assign(kept + (variance - kept) * factor)
        return outputs

    def _wide_weights(self):
        """Give gamma, beta, the running mean and variance, in float32 or wider."""
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        shape = self.moving_mean.shape
        return (
            ops.cast(self.gamma, dtype) if self.scale else ops.ones(shape, dtype),
            ops.cast(self.beta, dtype) if self.center else ops.zeros(shape, dtype),
            ops.cast(self.moving_mean, dtype),
            ops.cast(self.moving_variance, dtype),
        )

    def _call_on_batch(self, inputs):
        outputs, mean, variance = native.of("normalization").batch_norm(
            inputs,
            *self._wide_weights(),
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        if not self.unbiased:
            channels = inputs.shape[self.axis]
            count = ops.cast(ops.size(inputs), variance.dtype) / channels
            kept = self.momentum * ops.cast(self.moving_variance, variance.dtype)
            variance = kept + (variance - kept) * (count - 1) / ops.maximum(count, 1)
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return outputs

    def _call_on_ghosts(self, inputs, mask):
        """Normalise ghost batches, or the whole batch, by what a mask leaves."""
        gamma, beta, *_ = self._wide_weights()
        x = self._flat(ops.cast(inputs, gamma.dtype))
        samples, positions = ops.shape(x)[:2]
        size = self.virtual_batch_size or samples
        ones = ops.ones((samples, 1), gamma.dtype)
        if mask is None:
            kept, number = None, ones * ops.cast(positions, gamma.dtype)
        else:
            kept = ops.cast(ops.expand_dims(mask, -1), "bool")
            kept = self._flat(ops.broadcast_to(kept, ops.shape(inputs)))
            number = ops.sum(ops.cast(kept, gamma.dtype), 1)

        def ghost_sums(values):
            return native.of("normalization").ghost_sums(values, size)

        def total(values):
            values = values if kept is None else ops.where(kept, values, 0)
            return ghost_sums(ops.sum(values, 1))

        number = ghost_sums(number)
        mean = total(x) / ops.maximum(number, 1)
        centred = x - ops.expand_dims(mean, 1)
        variance = total(centred * centred) / ops.maximum(number, 1)
        scale = gamma * ops.rsqrt(variance + self.epsilon)
        outputs = centred * ops.expand_dims(scale, 1) + beta
        if self.unbiased:
            variance = variance * number / ops.maximum(number - 1, 1)
        # each ghost batch weighs 1 in all, one without any position nothing
        self._move(ops.cast(number > 0, gamma.dtype) / ghost_sums(ones), mean, variance)
        return ops.cast(self._unflat(outputs, inputs), self.compute_dtype)

    def _move(self, shares, mean, variance):
        """Move the running statistics to a mean over samples that have shares."""
        total = ops.sum(shares, 0)
        step = (1 - self.momentum) * ops.minimum(total, 1)
        for moving, values in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            start = ops.cast(moving, values.dtype)
            found = ops.sum(shares * values, 0) / ops.maximum(total, 1)
            moving.assign(start + step * (found - start))

    def _flat(self, values):
        """Bring the axes into the order samples, positions, channels."""
        values = ops.moveaxis(values, self.axis, -1)
        samples, *positions, channels = ops.shape(values)
        # spelled out: -1 is ambiguous for no samples
        return ops.reshape(values, (samples, math.prod(positions), channels))

    def _unflat(self, values, like):
        shape = list(ops.shape(like))
        shape.append(shape.pop(self.axis))
        return ops.moveaxis(ops.reshape(values, shape), -1, self.axis)

    def multiply_accumulates(self, input_shape, output_shape):
        """Count nothing: this is no matrix work."""
        return 0

    def get_config(self):
        return {
            **super().get_config(),
            "unbiased": self.unbiased,
            "virtual_batch_size": self.virtual_batch_size,
        }
