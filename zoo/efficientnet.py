"""EfficientNets: Tan and Le, 2019, EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks (table 1 and section 3.3).

Variants: `efficientnet_b0` is the network that the authors found by a search;
`efficientnet_b1` to `efficientnet_b7` are the same one deeper, wider, and for larger
images, by the numbers of the authors' code. `scale` makes others:

    from kerasmith.zoo.efficientnet import efficientnet, scale

    model = efficientnet(scale(depth=1.3, width=1.15, resolution=256))

What the paper leaves open is that of the authors' code: channels are multiples of 8,
zeros around the maps are TensorFlow's "same", kernels of convolutions are drawn with
the variance 2 / fan out, those of the logits uniformly with 1 / (3 fan out).

Deviations:
- Kernels are drawn from a normal distribution cut off at two deviations, as in
  `keras.applications`; the authors' has its tails.
- Images are expected to be scaled and normalised: `keras.applications` does so in the
  network.
"""

import dataclasses
import functools
import math
from typing import Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, whole_eights
from .space_rows import RESIDUAL_NETWORK, norms

# a block gives it a quarter of the channels that it begins with as units
squeeze_excite = functools.partial(layers.SqueezeExcite, activation="silu")

PARTS = Parts(
    norm=lambda: layers.BatchNormalization(momentum=0.99, epsilon=1e-3),
    activation="silu",
    drop_path=0.2,
    attention=squeeze_excite,
    kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
)
LOGITS_INITIALIZER = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")

# blocks of each stage: window, expansion, filters, how often
STAGES = (
    ((3, 1, 16, 1),),
    ((3, 6, 24, 2),),
    ((5, 6, 40, 2),),
    ((3, 6, 80, 3), (5, 6, 112, 3)),
    ((5, 6, 192, 4), (3, 6, 320, 1)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A size of the network.

    Args:
        depth: What the blocks of each row of the paper's table are multiplied by.
        width: What all channels are multiplied by.

    Example:

    >>> VARIANTS["efficientnet_b4"].depth
    1.8
    """

    paper: str = "Tan and Le, 2019, https://arxiv.org/abs/1905.11946"
    depth: float
    width: float


def scale(depth=1.0, width=1.0, resolution=224, *, dropout=0.2):
    """Scale the network in its depth, its width and the size of its images.

    The paper multiplies the three by the same power of 1.2, 1.1 and 1.15, so that the
    multiply-adds double with each.

    Args:
        depth: What the blocks of each row of the paper's table are multiplied by;
            rounded up.
        width: What all channels are multiplied by; rounded to multiples of 8.
        resolution: Height and width of the images.
        dropout: Rate at which the features are dropped in front of the logits.

    Returns:
        `Variant` that `efficientnet` builds.

    Raises:
        ValueError: If a number is not above 0, or the rate outside [0, 1).

    Example:

    >>> power = 1.5
    >>> variant = scale(1.2**power, 1.1**power, round(224 * 1.15**power))
    >>> variant.input_shape
    (276, 276, 3)

    Reference:
        Tan and Le, 2019, https://arxiv.org/abs/1905.11946
    """
    numbers = {"depth": depth, "width": width, "resolution": resolution}
    for name, number in numbers.items():
        if number <= 0:
            raise ValueError(f"scale needs a {name} above 0, received {number}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"scale needs a dropout in [0, 1), received {dropout}.")
    return Variant(
        summary=f"EfficientNet, depth {depth:g}, width {width:g}, at {resolution}",
        input_shape=(resolution, resolution, 3),
        parts=dataclasses.replace(PARTS, dropout=f"dropout:{dropout}"),
        depth=depth,
        width=width,
    )


def _published(name, accuracy, *numbers, dropout):
    variant = scale(*numbers, dropout=dropout)
    return dataclasses.replace(
        variant,
        summary=variant.summary.replace("EfficientNet", f"EfficientNet-{name}"),
        accuracy=f"{accuracy} % accuracy",
    )


VARIANTS = {
    "efficientnet_b0": _published("B0", "77.1 / 93.3", 1.0, 1.0, 224, dropout=0.2),
    "efficientnet_b1": _published("B1", "79.1 / 94.4", 1.1, 1.0, 240, dropout=0.2),
    "efficientnet_b2": _published("B2", "80.1 / 94.9", 1.2, 1.1, 260, dropout=0.3),
    "efficientnet_b3": _published("B3", "81.6 / 95.7", 1.4, 1.2, 300, dropout=0.3),
    "efficientnet_b4": _published("B4", "82.9 / 96.4", 1.8, 1.4, 380, dropout=0.4),
    "efficientnet_b5": _published("B5", "83.6 / 96.7", 2.2, 1.6, 456, dropout=0.4),
    "efficientnet_b6": _published("B6", "84.0 / 96.8", 2.6, 1.8, 528, dropout=0.5),
    "efficientnet_b7": _published("B7", "84.3 / 97.0", 3.1, 2.0, 600, dropout=0.5),
}
# squeeze-and-excitation is part of its blocks
SPACE = {name: row for name, row in RESIDUAL_NETWORK.items() if name != "attention"}
SPACE |= {"norm": norms(2, 4, 8)}


def efficientnet(
    variant="efficientnet_b0",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build an EfficientNet.

    Endpoints: `stem`, `stage1` to `stage5`, `features`, `logits`.

    Args:
        variant: A name of the table `VARIANTS`, or what `scale` gives; the model is
            named `efficientnet` then.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the variant's if `None`. Any size
            works, and `None` leaves one open.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: the first two of
            the five halvings are left out.
        weights: `None`, `"imagenet"`, or the path of a file that Kerasmith wrote.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`. `drop_path` grows in
            equal steps from 0 in the first block, and would reach its rate one block
            behind the last. `attention` stands behind each depthwise convolution; the
            paper's is squeeze and excitation in SiLU, a quarter as wide as its block's
            input.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`.

    Raises:
        ValueError: If the variant or a part is unknown, or the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> variant = scale(depth=0.5, width=0.25)
    >>> model = efficientnet(variant, classes=5, input_shape=(33, 20, 1))
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 5), (None, 9, 5, 8))

    Reference:
        Tan and Le, 2019, https://arxiv.org/abs/1905.11946
    """
    if isinstance(variant, Variant):
        name, chosen = "efficientnet", variant
    else:
        name, chosen = variant, choose("variant of efficientnet", variant, VARIANTS)
    part = chosen.parts.override("efficientnet", parts)
    image, x, classes = classifier.begin(
        name,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=1,
    )
    x = _stages(part, x, chosen, small=stem == "small")
    if part.kernel_initializer is PARTS.kernel_initializer:
        part = dataclasses.replace(part, kernel_initializer=LOGITS_INITIALIZER)
    options = {"classes": classes, "top": top, "weights": weights}
    return classifier.classify(name, part, image, x, **options)


def _stages(part, x, chosen, *, small):
    stem = whole_eights(32 * chosen.width)
    x = part.conv(x, stem, 3, 1 if small else 2, name="stem_conv", endpoint="stem")
    stages = [_blocks(rows, chosen) for rows in STAGES]
    number, total = 0, sum(len(blocks) for blocks in stages)
    for stage, blocks in enumerate(stages, 1):
        for block, (size, expansion, filters) in enumerate(blocks, 1):
            halves = block == 1 and stage > (2 if small else 1)
            x = _block(
                part,
                x,
                filters,
                size,
                stride=2 if halves else 1,
                expansion=expansion,
                rate=part.drop_path * number / total,
                name=f"stage{stage}_block{block}",
            )
            number += 1
        x = mark(x, f"stage{stage}")
    return part.conv(x, whole_eights(1280 * chosen.width), 1, name="head_conv")


def _blocks(rows, chosen):
    """Give the window, the expansion and the filters of each block of a stage."""
    return [
        (size, expansion, whole_eights(filters * chosen.width))
        for size, expansion, filters, repeats in rows
        for _ in range(math.ceil(repeats * chosen.depth))
    ]


def _block(part, x, filters, size, *, stride, expansion, rate, name):
    """Widen, convolve each channel by itself, weigh the channels, narrow."""
    y = x
    if expansion != 1:
        y = part.conv(y, expansion * x.shape[-1], 1, name=f"{name}_expand")
    y = part.depthwise(y, size, stride, name=f"{name}_depthwise")
    y = _attend(part, y, max(1, x.shape[-1] // 4), f"{name}_attention")
    y = part.conv_norm(y, filters, 1, name=f"{name}_project")
    if stride != 1 or x.shape[-1] != filters:
        return y
    return part.residual(x, y, rate, f"{name}_sum")


def _attend(part, x, units, name):
    if part.attention is not squeeze_excite:
        return part.attend(x, name)
    return squeeze_excite(units=units, name=name, **part.kernel_keywords())(x)
