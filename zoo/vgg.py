"""VGG: Simonyan and Zisserman, 2015, Very Deep Convolutional Networks for Large-Scale
Image Recognition, table 1.

`vgg11`, `vgg13`, `vgg16` and `vgg19` are its columns A, B, D and E. Those with `_bn`
have batch norm behind each convolution, which is younger than the paper, and keep the
biases before it, as torchvision does: 2,752 to 5,504 parameters without effect.

Deviation: kernels begin as in He et al., 2015. The paper takes those of a trained
`vgg11`, or the uniform ones of Glorot and Bengio.
"""

import dataclasses
from typing import Unpack

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, max_pool
from .space_rows import PLAIN_NETWORK

PAPER = "Simonyan and Zisserman, 2015, https://arxiv.org/abs/1409.1556"
PARTS = Parts(dropout="dropout:0.5", kernel_initializer="he_normal")
WIDTHS = (64, 128, 256, 512, 512)
# the smallest image that leaves one position behind the last pooling
SMALLEST = {"paper": 32, "small": 8}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A column of the paper's table 1.

    Args:
        depths: Convolutions of each stage.
        use_bias: Whether convolutions have biases; where there is no norm if `None`.

    Example:

    >>> VARIANTS["vgg16"].depths
    (2, 2, 3, 3, 3)
    """

    paper: str = PAPER
    parts: Parts = PARTS
    depths: tuple[int, ...]
    use_bias: bool | None = None


DEPTHS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
# error in %, one size of images for training and one for the test
ERRORS = {11: "29.6 / 10.4", 13: "28.7 / 9.9", 16: "27.0 / 8.8", 19: "27.3 / 9.0"}
NORMALIZED = dataclasses.replace(
    PARTS, norm=lambda: layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
)
VARIANTS = {
    **{
        f"vgg{n}": Variant(
            summary=f"VGG-{n}", accuracy=f"{ERRORS[n]} % error", depths=DEPTHS[n]
        )
        for n in DEPTHS
    },
    **{
        f"vgg{n}_bn": Variant(
            summary=f"VGG-{n} with batch norm",
            depths=DEPTHS[n],
            parts=NORMALIZED,
            use_bias=True,
        )
        for n in DEPTHS
    },
}
SPACE = PLAIN_NETWORK


def vgg(
    variant="vgg16",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build a VGG network.

    Endpoints: `stem` (the first convolution), `stage1` to `stage5` (each before its
    pooling), `features`, `logits`. With `top=True` the features are the second dense
    layer's 4,096 values, with `top=False` the means of the last pooled maps over their
    positions.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, 1,000 if `None`.
        input_shape: Height, width and channels, 224 x 224 x 3 if `None`; sizes from 32
            up, from 8 with the small stem. With `top=False` sizes may be `None`: the
            dense layers are as large as the maps before them.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: without the pooling
            of the first two stages, so that 4 x 4 positions are left at the end.
        weights: `None`, `"imagenet"` (`vgg16` and `vgg19`), or the path of a file that
            Kerasmith wrote.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`; all but `drop_path`,
            since there is no residual branch. `dropout` is that of both dense layers,
            behind them. `attention` stands at the end of each stage.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, 512)`.

    Raises:
        ValueError: If the variant or a part is unknown, the image too small, or the
            weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = vgg("vgg11", top=False, input_shape=(None, None, 1))
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 512), (None, None, None, 128))

    Reference:
        Simonyan and Zisserman, 2015, https://arxiv.org/abs/1409.1556
    """
    chosen = choose("variant of vgg", variant, VARIANTS)
    part = chosen.parts.override("vgg", parts, without=("drop_path",))
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
    for stage, (depth, width) in enumerate(zip(chosen.depths, WIDTHS, strict=True), 1):
        for number in range(1, depth + 1):
            first = stage == number == 1
            x = part.conv(
                x,
                width,
                3,
                name=f"stage{stage}_conv{number}",
                endpoint="stem" if first else None,
                use_bias=chosen.use_bias,
            )
        x = mark(part.attend(x, f"stage{stage}_attention"), f"stage{stage}")
        if stem == "paper" or stage > 2:
            x = max_pool(x, 2, 2, name=f"stage{stage}_pool", padding="valid")
    options = {"classes": classes, "top": top, "weights": weights}
    return classifier.classify_densely(variant, part, image, x, **options)
