"""Network in Network: Lin et al., 2014.

Each stage is a convolution and two of 1 x 1 behind it. The last of the network has a
map a class, and the logits are the means of these maps: there is no dense layer.

Variants:
- `nin_cifar10` is the paper's.
- `nin_imagenet` is the network of Caffe's model zoo, which the paper does not show. Its
  pooling leaves out windows that overhang, where Caffe's keeps them: 26, 12 and 5
  positions a side in place of 27, 13 and 6.

Deviation: kernels begin as in He et al., 2015, not at a fixed standard deviation.
"""

import dataclasses
from typing import Unpack

import keras

from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, max_pool
from .space_rows import MAP_DROPOUT, PLAIN_NETWORK, norms

PAPER = "Lin et al., 2014, https://arxiv.org/abs/1312.4400"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A network in network.

    Args:
        stages: For each stage the window of its convolution and the filters of all
            three; those of the last convolution are the classes.
        dropped: Stages behind which there is dropout.
        large: Whether the paper's images are large: the first convolution has a stride
            of 4, and neither it nor the pooling any padding.

    Example:

    >>> VARIANTS["nin_cifar10"].stages[0]
    (5, 192, 160, 96)
    """

    paper: str = PAPER
    parts: Parts = Parts(dropout="dropout:0.5", kernel_initializer="he_normal")
    stages: tuple[tuple[int, ...], ...]
    dropped: tuple[int, ...]
    large: bool = False


VARIANTS = {
    "nin_cifar10": Variant(
        summary="Network in network for CIFAR-10",
        accuracy="CIFAR-10: 10.41 % error, 8.81 % with augmentation",
        classes=10,
        input_shape=(32, 32, 3),
        stages=((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192)),
        dropped=(1, 2),
    ),
    "nin_imagenet": Variant(
        summary="Network in network for ImageNet, of Caffe's model zoo",
        stages=((11, 96, 96, 96), (5, 256, 256, 256), (3, 384, 384, 384))
        + ((3, 1024, 1024),),
        dropped=(3,),
        large=True,
    ),
}
SPACE = {**PLAIN_NETWORK, "norm": norms(2), "dropout": MAP_DROPOUT}


def nin(
    variant="nin_cifar10",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build a network in network.

    Endpoints: `stem` (the first convolution), `stage1` to `stage3` (`stage4` for
    ImageNet; each before its pooling, the last before the maps of the classes),
    `features`, `logits`. With `top=True` the features are the means of the classes'
    maps, which are the logits themselves; with `top=False` they are the means of the
    last stage's maps.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`; for ImageNet
            sizes from 67 up. Sizes may be `None`.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32, which changes the
            network for ImageNet: a 5 x 5 convolution that keeps their size, and pooling
            with padding, so that 4 x 4 positions are left at the end.
        weights: Path of a file that Kerasmith wrote, or `None`.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`; all but `drop_path`,
            since there is no residual branch. `norm` stands behind each convolution but
            that of the classes, `dropout` between stages, `attention` at the end of
            each. The activation is that of the classes' maps too, as in the paper: no
            logit is negative with ReLU.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`.

    Raises:
        ValueError: If the variant or a part is unknown, the image too small, or the
            weights do not fit.
        OSError: If the weights cannot be read.

    Example:

    >>> model = nin(classes=5, input_shape=(24, 17, 1))
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 5), (None, 12, 9, 192))

    Reference:
        Lin et al., 2014, https://arxiv.org/abs/1312.4400
    """
    chosen = choose("variant of nin", variant, VARIANTS)
    part = chosen.parts.override("nin", parts, without=("drop_path",))
    large = chosen.large and stem != "small"
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=67 if large else 1,
    )
    for stage in range(1, len(chosen.stages) + 1):
        x = _stage(part, x, chosen, stage, large)
        if stage < len(chosen.stages):
            padding = "valid" if large else "same"
            x = max_pool(x, 3, 2, name=f"stage{stage}_pool", padding=padding)
        if stage in chosen.dropped:
            x = part.drop(x, f"stage{stage}_dropout")
    options = {"classes": classes, "top": top, "weights": weights}
    return _classify(variant, part, image, x, **options)


def _stage(part, x, chosen, stage, large):
    """Convolve, then mix the channels of each position once or twice."""
    size, *filters = chosen.stages[stage - 1]
    name = f"stage{stage}"
    if stage > 1:
        x = part.conv(x, filters[0], size, name=f"{name}_conv1")
    else:
        size, stride, padding = (11, 4, "valid") if large else (5, 1, "same")
        options = {"padding": padding, "endpoint": "stem"}
        x = part.conv(x, filters[0], size, stride, name=f"{name}_conv1", **options)
    for number, width in enumerate(filters[1:], 2):
        x = part.conv(x, width, 1, name=f"{name}_conv{number}")
    return mark(part.attend(x, f"{name}_attention"), name)


def _classify(name, part, image, x, *, classes, top, weights):
    """Give a map to each class; its mean is the logit."""
    if top:
        x = part.convolve(x, classes, 1, use_bias=True, name="logits_conv")
        x = part.activate(x, "logits_conv_activation")
    dtype = "float32" if top else None
    mean = keras.layers.GlobalAveragePooling2D(dtype=dtype, name="features")
    x = mean(x)
    if top:
        x = keras.layers.Identity(dtype="float32", name="logits")(x)
    return classifier.finish(name, image, x, weights)
