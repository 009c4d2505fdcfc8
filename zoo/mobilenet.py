"""MobileNets: Howard et al., 2017, MobileNets (table 1), and Sandler et al., 2018,
MobileNetV2: Inverted Residuals and Linear Bottlenecks (table 2).

Variants:
- `mobilenet_v1` and `mobilenet_v1_075` to `_025` are rows of depthwise and pointwise
  convolutions, of which each width multiplies all channels.
- `mobilenet_v2` and `mobilenet_v2_035` to `_140` widen each map, convolve its channels
  one by one and narrow it again, with a residual around. Channels are multiples of 8;
  the last convolution grows with widths above 1, and does not shrink with others.

What the papers leave open is that of the authors' code (TF-Slim): every kernel is drawn
from a normal distribution of 0.09, cut off at two deviations, also in front of the
logits; 0.1 % (V2: 20 %) of the features are dropped; zeros around the maps are
TensorFlow's "same". The norm is that of `keras.applications`, which hosts the weights.

Deviations:
- V1 in Keras pads maps that it halves below and on the right. "Same" is equal to that
  for even sizes; it pads odd ones on all sides, as the authors' code does.
- The paper counts 6.9 M parameters for V2 of width 1.4. Its code, and all others, have
  6.1 M.
"""

import dataclasses
from typing import Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, whole_eights
from .space_rows import PLAIN_NETWORK, OneOf, norms

V1 = "Howard et al., 2017, https://arxiv.org/abs/1704.04861"
V2 = "Sandler et al., 2018, https://arxiv.org/abs/1801.04381"
PARTS = Parts(
    norm=lambda: layers.BatchNormalization(momentum=0.99, epsilon=1e-3),
    activation="relu6",
    dropout="dropout:0.001",
    kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.09),
)
PARTS_V2 = dataclasses.replace(
    PARTS,
    norm=lambda: layers.BatchNormalization(momentum=0.999, epsilon=1e-3),
    dropout="dropout:0.2",
)

# filters of the blocks of each stage
STAGES_V1 = ((64,), (128,) * 2, (256,) * 2, (512,) * 6, (1024,) * 2)
STAGES_V2 = ((16,), (24,) * 2, (32,) * 3, (64,) * 4 + (96,) * 3, (160,) * 3 + (320,))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A width of one of the two networks.

    Args:
        width: What all channels are multiplied by.
        inverted: Whether blocks are inverted residuals (V2).

    Example:

    >>> VARIANTS["mobilenet_v2_140"].width
    1.4
    """

    width: float
    inverted: bool = False


def _v1(width, accuracy):
    return Variant(
        summary=f"MobileNet V1, width {width}",
        paper=V1,
        accuracy=f"{accuracy} % accuracy",
        parts=PARTS,
        width=width,
    )


def _v2(width, accuracy, source=""):
    return Variant(
        summary=f"MobileNet V2, width {width}",
        paper=V2,
        accuracy=f"{accuracy} % accuracy{source}",
        parts=PARTS_V2,
        width=width,
        inverted=True,
    )


VARIANTS = {
    "mobilenet_v1": _v1(1.0, "70.6"),
    "mobilenet_v1_075": _v1(0.75, "68.4"),
    "mobilenet_v1_050": _v1(0.5, "63.7"),
    "mobilenet_v1_025": _v1(0.25, "50.6"),
    "mobilenet_v2": _v2(1.0, "72.0"),
    # the paper states 1.0 and 1.4
    "mobilenet_v2_035": _v2(0.35, "60.3", " (TF-Slim)"),
    "mobilenet_v2_050": _v2(0.5, "65.4", " (TF-Slim)"),
    "mobilenet_v2_075": _v2(0.75, "69.8", " (TF-Slim)"),
    "mobilenet_v2_130": _v2(1.3, "74.4", " (TF-Slim)"),
    "mobilenet_v2_140": _v2(1.4, "74.7"),
}
SPACE = {
    **PLAIN_NETWORK,
    "norm": norms(2, 4, 8),
    "width": OneOf((0.25, 0.35, 0.5, 0.75, 1.0, 1.4)),
}


def mobilenet(
    variant="mobilenet_v2",
    *,
    width=None,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build a MobileNet.

    Endpoints: `stem`, `stage1` to `stage5`, `features`, `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        width: What all channels are multiplied by, the variant's if `None`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`. Any size
            works, and `None` leaves one open.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: the first two of
            the five halvings are left out.
        weights: `None`, `"imagenet"`, or the path of a file that Kerasmith wrote.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`. `attention` stands at
            the end of each block of V2, and of each stage of V1. `drop_path` is the
            rate of V2's last block, and grows from the first in equal steps; V1 has no
            branches to drop.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`.

    Raises:
        ValueError: If the variant or a part is unknown, the width is not above 0, or
            the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = mobilenet("mobilenet_v1_025", classes=5, input_shape=(33, 20, 1))
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 5), (None, 9, 5, 32))

    Reference:
        Howard et al., 2017, https://arxiv.org/abs/1704.04861, and
        Sandler et al., 2018, https://arxiv.org/abs/1801.04381
    """
    chosen = choose("variant of mobilenet", variant, VARIANTS)
    without = () if chosen.inverted else ("drop_path",)
    part = chosen.parts.override(variant, parts, without=without, options=("width",))
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=1,
    )
    width = chosen.width if width is None else width
    if width <= 0:
        raise ValueError(f"{variant} needs a width above 0, received {width}.")
    strides = (1, 1, 1, 2, 2, 2) if stem == "small" else (2, 1, 2, 2, 2, 2)
    network = _version_2 if chosen.inverted else _version_1
    x = network(part, x, width, strides)
    options = {"classes": classes, "top": top, "weights": weights}
    return classifier.classify(variant, part, image, x, **options)


def _version_1(part, x, width, strides):
    """Alternate depthwise and pointwise convolutions."""

    def wide(filters):
        return max(8, int(filters * width))

    x = part.conv(x, wide(32), 3, strides[0], name="stem_conv", endpoint="stem")
    for stage, row in enumerate(STAGES_V1, 1):
        for block, filters in enumerate(row, 1):
            stride = strides[stage] if block == 1 else 1
            name = f"stage{stage}_block{block}"
            x = part.depthwise(x, 3, stride, name=f"{name}_depthwise")
            x = part.conv(x, wide(filters), 1, name=f"{name}_pointwise")
        x = mark(part.attend(x, f"stage{stage}_attention"), f"stage{stage}")
    return x


def _version_2(part, x, width, strides):
    """Put inverted residuals behind each other."""
    x = part.conv(
        x, whole_eights(32 * width), 3, strides[0], name="stem_conv", endpoint="stem"
    )
    number, blocks = 0, sum(len(row) for row in STAGES_V2)
    for stage, row in enumerate(STAGES_V2, 1):
        for block, filters in enumerate(row, 1):
            number += 1
            x = _inverted(
                part,
                x,
                whole_eights(filters * width),
                strides[stage] if block == 1 else 1,
                expansion=1 if number == 1 else 6,
                rate=part.drop_path * number / blocks,
                name=f"stage{stage}_block{block}",
            )
        x = mark(x, f"stage{stage}")
    last = whole_eights(1280 * max(1, width))
    return part.conv(x, last, 1, name="head_conv")


def _inverted(part, x, filters, stride, *, expansion, rate, name):
    """Widen, convolve each channel by itself, narrow without an activation."""
    y = x
    if expansion != 1:
        y = part.conv(y, expansion * x.shape[-1], 1, name=f"{name}_expand")
    y = part.depthwise(y, 3, stride, name=f"{name}_depthwise")
    y = part.conv_norm(y, filters, 1, name=f"{name}_project")
    y = part.attend(y, f"{name}_attention")
    if stride != 1 or x.shape[-1] != filters:
        return y
    return part.residual(x, y, rate, f"{name}_sum")
