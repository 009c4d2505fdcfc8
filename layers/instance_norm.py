"""Instance normalisation."""

import keras

from .group_norm import GroupNormalization


@keras.saving.register_keras_serializable("kerasmith")
class InstanceNormalization(GroupNormalization):
    """Normalise each channel of each sample by its own mean and variance.

    Group normalisation with a group a channel. It takes contrast and brightness out of
    each image, which style transfer wants and recognition mostly does not. Inputs of
    one position a channel become `beta`: it needs a map.

    Args:
        axis: Axis of the channels.
        epsilon: Added to the variance.
        center: Whether to add the trainable `beta`, one value a channel.
        scale: Whether to multiply by the trainable `gamma`.
        **kwargs: Initialisers, regularisers and constraints of the weights, named as
            in `keras.layers.GroupNormalization`.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., channels)`, or with the channels on
            `axis`. A mask is passed on; masked positions count.
        training: Changes no result; says that nothing need be exported.

    Returns:
        Tensor of the same shape as `inputs`, in the layer's compute dtype.

    Raises:
        ValueError: If the number of channels is unknown, or `axis` is the axis of the
            samples.

    Example:

    >>> import numpy as np
    >>> x = np.array([[[1.0, 10.0], [3.0, 30.0]]], "float32")
    >>> y = InstanceNormalization()(x)
    >>> np.round(keras.ops.convert_to_numpy(y), 3).tolist()
    [[[-1.0, -1.0], [1.0, 1.0]]]

    Reference:
        Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022
    """

    def __init__(self, axis=-1, epsilon=1e-5, center=True, scale=True, **kwargs):
        super().__init__(-1, axis, epsilon, center, scale, **kwargs)

    def get_config(self):
        config = super().get_config()
        del config["groups"]
        return config
