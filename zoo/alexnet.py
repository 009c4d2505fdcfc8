"""AlexNet: Krizhevsky et al., 2012, ImageNet Classification with Deep Convolutional
Neural Networks, and Krizhevsky, 2014, One Weird Trick.

Variants:
- `alexnet` is the paper's network, its second, fourth and fifth convolution in the two
  groups that two graphics cards held.
- `alexnet_ungrouped` has the same widths, which are those of CaffeNet, in one group.
- `alexnet_one_weird_trick` has 64, 192, 384, 256 and 256 filters, and no local response
  normalisation, as torchvision builds it.

The paper's images of 224 x 224 do not fill its 55 x 55 windows: two zeros are put on
each side, of which the last is out of reach. That makes 227 x 227, and it is what
torchvision does.

Deviations: all biases begin at zero, where the paper has ones in five layers; kernels
begin as in He et al., 2015, not at a standard deviation of 0.01.
"""

import dataclasses
from typing import Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, max_pool
from .space_rows import PLAIN_NETWORK

PAPER = (
    "Krizhevsky et al., 2012, https://papers.nips.cc/paper/"
    "4824-imagenet-classification-with-deep-convolutional-neural-networks"
)
WEIRD = "Krizhevsky, 2014, https://arxiv.org/abs/1404.5997"
# the smallest image that leaves one position behind the last pooling
SMALLEST = {"paper": 63, "small": 15}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """What tells one AlexNet from the other.

    Args:
        filters: Filters of the five convolutions.
        groups: Groups of the second, the fourth and the fifth.
        local_response: Whether local response normalisation stands behind the first
            and the second.

    Example:

    >>> VARIANTS["alexnet"].filters
    (96, 256, 384, 384, 256)
    """

    paper: str = PAPER
    parts: Parts = Parts(dropout="dropout:0.5", kernel_initializer="he_normal")
    filters: tuple[int, ...] = (96, 256, 384, 384, 256)
    groups: int = 1
    local_response: bool = True


VARIANTS = {
    "alexnet": Variant(
        summary="AlexNet of 2012, in two groups",
        accuracy="40.7 / 18.2 % error (validation, one network)",
        groups=2,
    ),
    "alexnet_ungrouped": Variant(summary="AlexNet in one group"),
    "alexnet_one_weird_trick": Variant(
        summary="AlexNet of 2014, in one group, fewer filters, no normalisation",
        paper=WEIRD,
        filters=(64, 192, 384, 256, 256),
        local_response=False,
    ),
}
SPACE = PLAIN_NETWORK


def alexnet(
    variant="alexnet",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build AlexNet.

    Endpoints: `stem` (the first convolution, pooled), `stage1` (the second), `stage2`
    (the fifth), `features`, `logits`. With `top=True` the features are the second dense
    layer's 4,096 values, with `top=False` the means of the last pooled maps over their
    positions.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, 1,000 if `None`.
        input_shape: Height, width and channels, 224 x 224 x 3 if `None`; sizes from 63
            up, from 15 with the small stem. With `top=False` sizes may be `None`: the
            dense layers are as large as the maps before them.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: a 3 x 3 convolution
            that keeps their size, so that 3 x 3 positions are left at the end.
        weights: Path of a file that Kerasmith wrote, or `None`.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`; all but `drop_path`,
            since there is no residual branch. `norm` stands behind each convolution,
            in place of local response normalisation, which `norm=None` removes too.
            `dropout` is that of both dense layers, behind them as in the paper
            (torchvision: before them). `attention` stands at the end of each stage.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, 256)`.

    Raises:
        ValueError: If the variant or a part is unknown, the image too small, or the
            weights do not fit.
        OSError: If the weights cannot be read.

    Example:

    >>> model = alexnet(top=False, input_shape=(None, None, 1))
    >>> model.output_shape, model.get_layer("stage1_conv1").groups
    ((None, 256), 2)

    Reference:
        Krizhevsky et al., 2012,
        https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
        and Krizhevsky, 2014, https://arxiv.org/abs/1404.5997
    """
    chosen = choose("variant of alexnet", variant, VARIANTS)
    part = chosen.parts.override("alexnet", parts, without=("drop_path",))
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=SMALLEST.get(stem),
        open_sizes=not top,
    )
    local_response = chosen.local_response and "norm" not in parts
    x = _stem(part, x, chosen.filters[0], stem == "small")
    x = _respond(x, "stem_local_response", local_response)
    x = mark(max_pool(x, 3, 2, name="stem_pool", padding="valid"), "stem")
    x = part.conv(x, chosen.filters[1], 5, groups=chosen.groups, name="stage1_conv1")
    x = _respond(x, "stage1_local_response", local_response)
    x = mark(part.attend(x, "stage1_attention"), "stage1")
    x = max_pool(x, 3, 2, name="stage1_pool", padding="valid")
    for number, filters in enumerate(chosen.filters[2:], 1):
        groups = 1 if number == 1 else chosen.groups
        x = part.conv(x, filters, 3, groups=groups, name=f"stage2_conv{number}")
    x = mark(part.attend(x, "stage2_attention"), "stage2")
    x = max_pool(x, 3, 2, name="stage2_pool", padding="valid")
    options = {"classes": classes, "top": top, "weights": weights}
    return classifier.classify_densely(variant, part, image, x, **options)


def _stem(part, x, filters, small):
    if small:
        return part.conv(x, filters, 3, name="stem_conv")
    x = keras.layers.ZeroPadding2D(2, name="stem_conv_pad")(x)
    return part.conv(x, filters, 11, 4, name="stem_conv", padding="valid")


def _respond(x, name, wanted):
    return layers.LocalResponseNormalization(name=name)(x) if wanted else x
