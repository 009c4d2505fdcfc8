"""Residual networks: He et al., 2016, Deep Residual Learning for Image Recognition
(tables 1 and 6), and Identity Mappings in Deep Residual Networks.

Variants:
- `resnet18` to `resnet152` halve the maps in the first convolution of a stage, as the
  paper does: for the deep ones in a 1 x 1.
- `resnet50_v1_5` and deeper halve them in the 3 x 3 instead, as most do today.
- `resnet18_v2` to `resnet200_v2` normalise before they convolve (pre-activation).
- `resnet50_v2_slim` and deeper are the pre-activation networks of TF-Slim, which halve
  the maps in the last block of a stage and have a bias in the stem: the weights that
  Keras hosts are theirs.
- `resnet20` to `resnet110`, with `_b` those with projections as shortcuts, and
  `preresnet110` to `preresnet1001` are for the 32 x 32 images of CIFAR.

Deviation: where the activation can be negative, the zeros around the maps that the
stem pools are not the identity of a maximum.
"""

import dataclasses
from typing import Unpack

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, max_pool
from .space_rows import RESIDUAL_NETWORK

RESIDUAL = "He et al., 2016, https://arxiv.org/abs/1512.03385"
IDENTITY = "He et al., 2016, https://arxiv.org/abs/1603.05027"
SLIM = f"{IDENTITY}, as in TF-Slim"
BEFORE = {"paper": IDENTITY, "pre_activation": True}
PARTS = Parts(
    norm=lambda: layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
    kernel_initializer="he_normal",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A column of the paper's tables.

    Args:
        depths: Blocks of each stage.
        bottleneck: Whether a block is 1 x 1, 3 x 3, 1 x 1, four times as wide at its
            end; two 3 x 3 otherwise.
        stride_in: Which convolution of a block has the stride, counted from 1.
        pre_activation: Whether norm and activation come before the convolution.
        stride_last: Whether the last block of a stage halves the maps for the next.
        shortcut: `"B"` projects where the size changes, `"A"` pads with zeros.
        width: Filters of the first stage.
        small: Whether the paper's images are small.

    Example:

    >>> VARIANTS["resnet50"].depths
    (3, 4, 6, 3)
    """

    paper: str = RESIDUAL
    parts: Parts = PARTS
    depths: tuple[int, ...]
    bottleneck: bool = False
    stride_in: int = 1
    pre_activation: bool = False
    stride_last: bool = False
    shortcut: str = "B"
    width: int = 64
    small: bool = False


DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
# of one crop, where nothing else is said
ERRORS = {
    18: "27.88 % error (ten crops)",
    34: "24.52 % error (ten crops)",
    50: "24.7 / 7.8 % error",
    101: "23.6 / 7.1 % error",
    152: "23.0 / 6.7 % error",
}
ERRORS_V2 = {
    152: "21.1 / 5.5 % error (at 320 x 320)",
    200: "20.7 / 5.3 % error (at 320 x 320)",
}
CIFAR = {20: "8.75", 32: "7.51", 44: "7.17", 56: "6.97", 110: "6.43"}


def _imagenet(number, kind, errors=None, **options):
    return Variant(
        summary=f"ResNet-{number}{kind}",
        accuracy=(errors or {}).get(number, ""),
        depths=DEPTHS[number],
        bottleneck=number >= 50,
        **options,
    )


def _pre_activation(number, kind="", errors=None, paper=IDENTITY, **options):
    kind = f", pre-activation{kind}"
    options |= {"paper": paper, "pre_activation": True}
    options["stride_in"] = 2 if number >= 50 else 1
    return _imagenet(number, kind, errors, **options)


def _cifar(number, kind, error=None, *, convolutions=2, **options):
    return Variant(
        summary=f"ResNet-{number} for CIFAR{kind}",
        accuracy=f"CIFAR-10: {error} % error" if error else "",
        depths=((number - 2) // (3 * convolutions),) * 3,
        bottleneck=convolutions == 3,
        stride_in=convolutions - 1,
        classes=10,
        input_shape=(32, 32, 3),
        width=16,
        small=True,
        **options,
    )


VARIANTS = {
    **{f"resnet{n}": _imagenet(n, "", ERRORS) for n in (18, 34, 50, 101, 152)},
    **{
        f"resnet{n}_v1_5": _imagenet(n, ", stride in the 3 x 3", stride_in=2)
        for n in (50, 101, 152)
    },
    **{f"resnet{n}_v2": _pre_activation(n, errors=ERRORS_V2) for n in DEPTHS},
    **{
        f"resnet{n}_v2_slim": _pre_activation(
            n, ", as in TF-Slim and Keras", paper=SLIM, stride_last=True
        )
        for n in (50, 101, 152)
    },
    **{
        f"resnet{n}": _cifar(n, ", padded shortcuts", CIFAR[n], shortcut="A")
        for n in CIFAR
    },
    **{f"resnet{n}_b": _cifar(n, ", projected shortcuts") for n in CIFAR},
    "preresnet110": _cifar(110, ", pre-activation", "6.37", shortcut="A", **BEFORE),
    "preresnet164": _cifar(
        164, ", pre-activation, bottlenecks", "5.46", convolutions=3, **BEFORE
    ),
    "preresnet1001": _cifar(
        1001, ", pre-activation, bottlenecks", "4.92", convolutions=3, **BEFORE
    ),
}
SPACE = RESIDUAL_NETWORK


def resnet(
    variant="resnet50",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build a residual network.

    Endpoints: `stem`, `stage1` to `stage4` (`stage3` for CIFAR), `features`, `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`. Any size
            works, and `None` leaves one open.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: a 3 x 3 convolution
            that keeps their size, and no pooling.
        weights: `None`, `"imagenet"` (18, 34, 50, 101 and 152 layers; those of v2 are
            `resnet50_v2_slim` and so on), or the path of a file that Kerasmith wrote.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`. `drop_path` is the rate
            of the last block; it grows from the first in equal steps. `attention`
            stands at the end of each residual branch.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`.

    Raises:
        ValueError: If the variant or a part is unknown, or the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = resnet("resnet20", classes=5, input_shape=(24, 17, 1))
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 5), (None, 12, 9, 32))

    Reference:
        He et al., 2016, https://arxiv.org/abs/1512.03385 and
        https://arxiv.org/abs/1603.05027
    """
    chosen = choose("variant of resnet", variant, VARIANTS)
    part = chosen.parts.override("resnet", parts)
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=1,
    )
    x = _stem(part, x, chosen, stem == "small")
    number = 0
    for stage, depth in enumerate(chosen.depths, 1):
        for block in range(1, depth + 1):
            number += 1
            width = chosen.width * 2 ** (stage - 1)
            stride = _stride(chosen, stage, block)
            rate = part.drop_path * number / sum(chosen.depths)
            name = f"stage{stage}_block{block}"
            x = _block(part, x, chosen, width, stride, rate, name)
        x = mark(x, f"stage{stage}")
    if chosen.pre_activation:
        x = part.finish(x, "end")
    options = {"classes": classes, "top": top, "weights": weights}
    return classifier.classify(variant, part, image, x, **options)


def _stem(part, x, chosen, small):
    size, stride = (3, 1) if small or chosen.small else (7, 2)
    options = {"name": "stem_conv", "padding": "symmetric"}
    if chosen.stride_last:
        x = part.convolve(x, chosen.width, size, stride, use_bias=True, **options)
    else:
        x = part.conv(x, chosen.width, size, stride, **options)
    if stride == 2:
        x = max_pool(x, 3, 2, name="stem_pool", padding="symmetric")
    return mark(x, "stem")


def _stride(chosen, stage, block):
    """Tell where maps are halved: on entering a stage, or on leaving it."""
    if chosen.stride_last:
        halving = block == chosen.depths[stage - 1] and stage < len(chosen.depths)
    else:
        halving = block == 1 and stage > 1
    return 2 if halving else 1


def _block(part, x, chosen, width, stride, rate, name):
    """Add a branch of two or three convolutions to its shortcut."""
    sizes = ((width, 3), (width, 3))
    if chosen.bottleneck:
        sizes = ((width, 1), (width, 3), (4 * width, 1))
    before = chosen.pre_activation
    # the stem has activated already, in front of both paths
    activated = not before or (name == "stage1_block1" and not chosen.stride_last)
    y = start = x if activated else part.finish(x, f"{name}_start")
    for number, (filters, size) in enumerate(sizes, 1):
        end = number == len(sizes)
        convolve = part.conv if not end else part.convolve if before else part.conv_norm
        y = convolve(
            y,
            filters,
            size,
            stride if number == chosen.stride_in else 1,
            name=f"{name}_conv{number}",
            padding="symmetric",
        )
    y = part.attend(y, f"{name}_attention")
    shortcut = _shortcut(part, x, start, y.shape[-1], chosen, stride, name)
    x = part.residual(shortcut, y, rate, f"{name}_sum")
    return x if before else part.activate(x, f"{name}_activation")


def _shortcut(part, x, start, filters, chosen, stride, name):
    name = f"{name}_shortcut"
    if x.shape[-1] == filters and stride == 1:
        return x
    if x.shape[-1] == filters and chosen.stride_last:
        return max_pool(x, 1, stride, name=name)
    if chosen.shortcut == "A":
        return layers.PaddedShortcut(filters, stride, name=name)(start)
    project = part.convolve if chosen.pre_activation else part.conv_norm
    return project(start, filters, 1, stride, name=name)
