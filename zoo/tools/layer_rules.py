"""Which rule of positions each layer of Keras and Kerasmith follows.

Layers are taken as they are at inference: dropout does nothing, batch norms use the
statistics that they hold.
"""

import keras
from keras import layers as of_keras

from ... import layers
from .position_rules import (
    Alike,
    Continued,
    Matched,
    Repeated,
    Shifted,
    Transposed,
    Unknown,
    Window,
)

WHOLE = "the whole image"


def rules(part, axes):
    """Find the rules of a layer or operation.

    Args:
        part: Layer or `keras.Operation`.
        axes: Number of axes of positions.

    Returns:
        Tuple of a rule for each axis; or `WHOLE`, where each output depends on all
        positions, or on where it stands.

    Raises:
        Unknown: If nobody knows.

    Example:

    >>> rules(keras.layers.Conv2D(8, (3, 5), dilation_rate=2), 2)
    (Window(width=5, stride=1, padding='valid'), ...)
    >>> rules(layers.SqueezeExcite(), 2)
    'the whole image'
    """
    if isinstance(part, _LIKE_THE_LAYER_INSIDE) and _is_known(part):
        return rules(part.layer, axes)
    found = None
    if getattr(part, "data_format", None) != "channels_first" and _is_known(part):
        found = _found(part, axes)
    if found is None:
        raise Unknown(
            f"nobody knows how far the layer {part.name!r} ({type(part).__name__}) "
            "looks: known are the layers of Keras and Kerasmith that keep an order of "
            "positions, with the channels on the last axis."
        )
    return found


def drops_positions(part):
    """Tell whether a layer leaves no axes of positions.

    Args:
        part: Layer or `keras.Operation`.

    Example:

    >>> drops_positions(keras.layers.GlobalAveragePooling2D())
    True
    """
    return isinstance(part, _WITHOUT_POSITIONS)


def _found(part, axes):
    if not isinstance(part, keras.Layer):
        joined = type(part).__name__ == "Concatenate"
        alike = type(part).__name__ in _OPERATIONS
        return (
            (Alike(),) * axes if alike or joined and _on_channels(part, axes) else None
        )
    if isinstance(part, (*_WHOLE, *_WITHOUT_POSITIONS)):
        return WHOLE
    if isinstance(part, _OF_CHANNELS):
        return (Alike(),) * axes if _on_channels(part, axes) else WHOLE
    if isinstance(part, of_keras.Concatenate) and not _on_channels(part, axes):
        return None
    if isinstance(part, of_keras.PReLU):
        shared = set(part.shared_axes or ()) >= set(range(1, axes + 1))
        return (Alike(),) * axes if shared else WHOLE
    if isinstance(part, _ALIKE):
        return (Alike(),) * axes
    for kinds, build in _SLIDING:
        if isinstance(part, kinds):
            return build(part, axes)
    return None


def _is_known(part):
    """Tell whether a layer computes what Keras or this library wrote."""
    owner = next(kind for kind in type(part).__mro__ if "call" in vars(kind))
    return owner.__module__.partition(".")[0] in ("keras", __name__.partition(".")[0])


def _on_channels(part, axes):
    axis = part.axis
    axes_named = [axis] if isinstance(axis, int) else list(axis or ())
    return all(each in (-1, axes + 1) for each in axes_named)


def _widths(sizes, dilations):
    return [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]


def _convolution(part, axes):
    widths = _widths(part.kernel_size, part.dilation_rate)
    pairs = zip(widths, part.strides, strict=True)
    return tuple(Window(width, stride, part.padding) for width, stride in pairs)


def _transposed(part, axes):
    if part.output_padding is not None:
        return None
    widths = _widths(part.kernel_size, part.dilation_rate)
    pairs = zip(widths, part.strides, strict=True)
    return tuple(Transposed(width, stride, part.padding) for width, stride in pairs)


def _pooling(part, axes):
    pairs = zip(part.pool_size, part.strides, strict=True)
    return tuple(Window(width, stride, part.padding) for width, stride in pairs)


def _repeated(part, axes):
    times = (part.size,) if isinstance(part.size, int) else part.size
    reaches = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}
    reach = reaches[getattr(part, "interpolation", "nearest")]
    return tuple(Repeated(number, reach) for number in times)


def _shifted(part, axes):
    grows = hasattr(part, "padding")
    amounts = part.padding if grows else part.cropping
    pairs = [amounts] if axes == 1 else amounts
    sign = 1 if grows else -1
    return tuple(Shifted(sign * before, sign * after) for before, after in pairs)


def _of_all(kinds):
    """Give the layers of a kind for one, two and three axes that Keras has."""
    return tuple(
        getattr(of_keras, kind.format(axes))
        for kind in kinds
        for axes in (1, 2, 3)
        if hasattr(of_keras, kind.format(axes))
    )


_LIKE_THE_LAYER_INSIDE = (
    layers.DropConnect,
    layers.Shakeout,
    layers.WeightNoise,
    layers.WeightNormalization,
    layers.WeightStandardization,
    layers.Whiteout,
    of_keras.SpectralNormalization,
)

_WITHOUT_POSITIONS = (
    *_of_all(["GlobalAveragePooling{}D", "GlobalMaxPooling{}D"]),
    layers.MaskedAverage,
    layers.MaskedMaximum,
    of_keras.Flatten,
)

_WHOLE = (
    layers.PositionalEncoding,
    layers.RotaryEmbedding,
    layers.SqueezeExcite,
    layers.TransformerDecoderBlock,
    layers.TransformerEncoderBlock,
    of_keras.AdditiveAttention,
    of_keras.Attention,
    of_keras.Bidirectional,
    of_keras.GroupNormalization,
    of_keras.GroupQueryAttention,
    of_keras.MultiHeadAttention,
    of_keras.RNN,
)

# they look along an axis: at the channels of a position, mostly
_OF_CHANNELS = (
    layers.L2Normalization,
    layers.LocalResponseNormalization,
    of_keras.BatchNormalization,
    of_keras.LayerNormalization,
    of_keras.Normalization,
    of_keras.RMSNormalization,
    of_keras.Softmax,
    of_keras.UnitNormalization,
)

_ALIKE = (
    *_of_all(["SpatialDropout{}D"]),
    layers.DropBlock,
    layers.DropPath,
    layers.LockedDropout,
    layers.RandomizedLeakyReLU,
    of_keras.Activation,
    of_keras.ActivityRegularization,
    of_keras.Add,
    of_keras.AlphaDropout,
    of_keras.Average,
    of_keras.Concatenate,
    of_keras.Dense,
    of_keras.Dropout,
    of_keras.ELU,
    of_keras.GaussianDropout,
    of_keras.GaussianNoise,
    of_keras.Identity,
    of_keras.InputLayer,
    of_keras.LeakyReLU,
    of_keras.Maximum,
    of_keras.Minimum,
    of_keras.Multiply,
    of_keras.ReLU,
    of_keras.Rescaling,
    of_keras.Subtract,
)

_SLIDING = (
    (_of_all(["Conv{}DTranspose"]), _transposed),
    (_of_all(["Conv{}D", "DepthwiseConv{}D", "SeparableConv{}D"]), _convolution),
    (_of_all(["MaxPooling{}D", "AveragePooling{}D"]), _pooling),
    (_of_all(["UpSampling{}D"]), _repeated),
    (_of_all(["ZeroPadding{}D", "Cropping{}D"]), _shifted),
    (
        (layers.ConnectionTableConv2D,),
        lambda part, axes: tuple(Window(k, 1, part.padding) for k in part.kernel_size),
    ),
    (
        (layers.Subsampling2D,),
        lambda part, axes: tuple(Window(k, k) for k in part.pool_size),
    ),
    (
        (layers.PaddedShortcut,),
        lambda part, axes: (Window(1, part.stride, "same"),) * axes,
    ),
    (
        (layers.MirrorPadding,),
        lambda part, axes: (Continued(part.multiple, part.minimum),) * axes,
    ),
    (
        (layers.MatchSize,),
        lambda part, axes: (Matched(part.align == "center"),) * axes,
    ),
)

# operations of `keras.ops` that keep to positions
_OPERATIONS = frozenset(
    """
    Abs Absolute Add Cast Clip Divide Elu Erf Exp Expm1 Gelu HardSigmoid HardSilu
    HardTanh LeakyRelu Log Log1p Maximum Minimum Multiply Negative Power Reciprocal
    Relu Relu6 Rsqrt Selu Sigmoid Sign Silu Softplus Softsign Sqrt Square Subtract
    Tanh TrueDivide
    """.split()
)
