"""Vision Transformers: Dosovitskiy et al., 2021, An Image is Worth 16x16 Words
(table 1), and Touvron et al., 2021, Training data-efficient image transformers (table
1).

An image is cut into square patches, each of which a matrix turns into a vector. The
vectors, with learned positions, pass the blocks of a Transformer's encoder, the norms
in front of the sub-layers. A class token, or the mean over the patches, goes into the
logits.

Variants:
- `vit_base` and `vit_large` (ViT-B/16, ViT-L/16) with patches of 16 x 16 pixels, and
  `vit_base_32` and `vit_large_32` with patches of 32 x 32.
- `vit_tiny` and `vit_small` (DeiT-Ti, DeiT-S) are narrower ones that learn from
  ImageNet alone, without the distillation.

A fourth of the blocks is a stage, as Ranftl et al., 2021, take them for dense
prediction (https://arxiv.org/abs/2103.13413): all stages have maps of the same size.

Choices and deviations:
- All kernels, the class token and the positions are drawn from a normal distribution of
  0.02, cut off at two deviations, as in DeiT's code; the kernel of the patches has
  PyTorch's uniform distribution for convolutions there.
- Nothing is dropped but residual branches, as in DeiT. Dosovitskiy et al. drop 0.1 of
  the positions' sum and of what each dense layer in the blocks gives where they train
  on ImageNet alone: `block_dropout=0.1` drops it of each sub-layer's output, and
  `dropout="dropout:0.1"` behind the positions and, in addition, before the logits.
- The mean is taken behind the last norm, as in the first paper; others normalise it.
"""

import dataclasses
from typing import Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords, makes_layers
from .parts import Parts
from .pieces import mark
from .space_rows import ACTIVATION, DROP_PATH, DROPOUT, KERNELS, Between, OneOf

VIT = "Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929"
DEIT = "Touvron et al., 2021, https://arxiv.org/abs/2012.12877"
STAGES = 4
SMALL_PATCH = 4
POOLINGS = ("token", "average")
OPTIONS = ("patch_size", "depth", "pooling", "block_dropout")
# blocks have their own norms, and are attention
WITHOUT = ("norm", "attention")
DRAWN = keras.initializers.TruncatedNormal(stddev=0.02)
PARTS = Parts(activation="gelu", kernel_initializer=DRAWN)
PARTS_DEIT = dataclasses.replace(PARTS, drop_path=0.1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A row of the papers' tables.

    Args:
        width: Length of the vector of each patch.
        heads: Attention heads.
        depth: Number of blocks.
        patch_size: Height and width of a patch in pixels.

    Example:

    >>> VARIANTS["vit_base"].heads
    12
    """

    paper: str = VIT
    parts: Parts = PARTS
    width: int
    heads: int
    depth: int = 12
    patch_size: int = 16


def _vit(letter, accuracy, patch_size=16, **sizes):
    return Variant(
        summary=f"ViT-{letter}/{patch_size}",
        accuracy=f"{accuracy} % accuracy (trained on ImageNet alone, at 384 x 384)",
        patch_size=patch_size,
        **sizes,
    )


def _deit(letters, accuracy, **sizes):
    return Variant(
        summary=f"DeiT-{letters}, patches of 16 x 16, no distillation",
        paper=DEIT,
        accuracy=f"{accuracy} % accuracy",
        parts=PARTS_DEIT,
        **sizes,
    )


BASE = {"width": 768, "heads": 12}
LARGE = {"width": 1024, "heads": 16, "depth": 24}
VARIANTS = {
    "vit_tiny": _deit("Ti", "72.2", width=192, heads=3),
    "vit_small": _deit("S", "79.8", width=384, heads=6),
    "vit_base": _vit("B", "77.91", **BASE),
    "vit_base_32": _vit("B", "73.38", 32, **BASE),
    "vit_large": _vit("L", "76.53", **LARGE),
    "vit_large_32": _vit("L", "71.16", 32, **LARGE),
}
SPACE = {
    "depth": OneOf((2, 4, 6, 8, 12)),
    "pooling": OneOf(POOLINGS),
    "block_dropout": Between(0.0, 0.3),
    "activation": ACTIVATION,
    "dropout": DROPOUT,
    "drop_path": DROP_PATH,
    **KERNELS,
}


def vit(
    variant="vit_base",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    patch_size=None,
    depth=None,
    pooling="token",
    block_dropout=0.0,
    **parts: Unpack[PartKeywords],
):
    """Build a Vision Transformer.

    Endpoints: `stem` (the patches, before the positions), `stage1` to `stage4`,
    `features`, `logits`. Stages give the patches as maps, the class token left out.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`. Height and width
            are multiples of the patch's. They cannot be left open, and weights fit
            images of the size that they come from: each position is learned.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: patches of 4 x 4.
        weights: `None`, or the path of a file that Kerasmith wrote.
        patch_size: Height and width of a patch, the variant's or the stem's if `None`.
        depth: Number of blocks, at least 4, the variant's if `None`.
        pooling: `"token"` for features from a class token, `"average"` for the mean
            over the patches, and no such token.
        block_dropout: Rate of what is dropped of each sub-layer's output in the blocks,
            in [0, 1).
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`. `dropout` stands behind
            the positions and before the logits. `activation` is that of the blocks, a
            name or a function. `drop_path` is the rate of the last block; it grows from
            0 in the first in equal steps. There is no place for `norm` and `attention`.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`.

    Raises:
        ValueError: If the variant or a part is unknown, a size is open or no multiple
            of the patch's, a number is out of its range, or the weights do not fit.
        TypeError: If the activation is a layer class.
        OSError: If the weights cannot be read.

    Example:

    >>> options = {"classes": 5, "input_shape": (32, 48, 1), "depth": 4}
    >>> model = vit("vit_tiny", **options)
    >>> model.output_shape, model.get_layer("stage2").output.shape
    ((None, 5), (None, 2, 3, 192))

    Reference:
        Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929, and Touvron et al.,
        2021, https://arxiv.org/abs/2012.12877
    """
    chosen = choose("variant of vit", variant, VARIANTS)
    part = chosen.parts.override(variant, parts, without=WITHOUT, options=OPTIONS)
    choose(f"pooling of {variant}", pooling, POOLINGS)
    chosen = _sized(variant, chosen, part, stem, patch_size, depth)
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=chosen.patch_size,
    )
    _check_whole(variant, image.shape[1:], chosen.patch_size)
    maps, x = _embed(part, x, chosen, pooling)
    ends = [chosen.depth * stage // STAGES for stage in range(STAGES + 1)]
    for stage in range(1, STAGES + 1):
        for number in range(ends[stage - 1], ends[stage]):
            name = f"stage{stage}_block{number - ends[stage - 1] + 1}"
            rate = part.drop_path * number / (chosen.depth - 1)
            x = _block(part, chosen, block_dropout, rate, name)(x)
        x = _mark_maps(x, maps, f"stage{stage}")
    x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = _pool(x, pooling)
    if top:
        x = part.dense(x, classes, dtype="float32", name="logits")
    return classifier.finish(variant, image, x, weights)


def _sized(name, chosen, part, stem, patch_size, depth):
    """Put what was asked for in the row, and check it."""
    if makes_layers(part.activation):
        raise TypeError(
            f"{name} needs a name or a function as its activation, received "
            f"{part.activation!r}: blocks apply it without weights of its own."
        )
    usual = SMALL_PATCH if stem == "small" else chosen.patch_size
    patch_size = usual if patch_size is None else patch_size
    depth = chosen.depth if depth is None else depth
    for option, number, least in (
        ("patch_size", patch_size, 1),
        ("depth", depth, STAGES),
    ):
        if type(number) is not int or number < least:
            raise ValueError(
                f"{name} needs a whole {option} of at least {least}, received "
                f"{number!r}."
            )
    return dataclasses.replace(chosen, patch_size=patch_size, depth=depth)


def _check_whole(name, shape, patch):
    """Refuse sizes that are open, or would leave a part of a patch over."""
    sizes = shape[:2]
    if None in sizes:
        raise ValueError(
            f"{name} needs to know height and width, received input_shape {shape}: it "
            "learns a vector for each position. Give them, and resize images to them."
        )
    if all(size % patch == 0 for size in sizes):
        return
    below, above = (
        " x ".join(str(patch * count) for count in counts)
        for counts in ([n // patch for n in sizes], [-(-n // patch) for n in sizes])
    )
    raise ValueError(
        f"{name} cuts images into patches of {patch} x {patch}, received input_shape "
        f"{shape}: resize or pad them to multiples of {patch}, such as {below} or "
        f"{above}, or choose a patch_size that divides both sizes."
    )


def _embed(part, x, chosen, pooling):
    """Turn patches into vectors, and tell them their positions."""
    x = part.convolve(
        x,
        chosen.width,
        chosen.patch_size,
        chosen.patch_size,
        padding="valid",
        use_bias=True,
        name="stem_conv",
    )
    x = mark(x, "stem")
    maps = x.shape[1:]
    x = keras.layers.Reshape((-1, chosen.width), name="patches")(x)
    if pooling == "token":
        token = layers.ClassToken(token_initializer=DRAWN.clone(), name="token")
        x = token(x)
    positions = layers.PositionalEncoding(
        "learned", x.shape[1], embeddings_initializer=DRAWN.clone(), name="positions"
    )
    return maps, part.drop(positions(x), "positions_dropout")


def _block(part, chosen, dropout, rate, name):
    return layers.TransformerEncoderBlock(
        chosen.heads,
        4 * chosen.width,
        norm_first=True,
        activation=part.activation,
        dropout=dropout,
        drop_path=rate,
        attention_bias=True,
        epsilon=1e-6,
        name=name,
        **part.kernel_keywords(),
    )


def _mark_maps(x, maps, endpoint):
    """Give the patches as maps under the name of an endpoint, and go on with all."""
    count = maps[0] * maps[1]
    tokens = []
    if x.shape[1] > count:
        crop = keras.layers.Cropping1D
        tokens = [crop((0, count), name=f"{endpoint}_token")(x)]
        x = crop((1, 0), name=f"{endpoint}_patches")(x)
    x = keras.layers.Reshape(maps, name=endpoint)(x)
    x = keras.layers.Reshape((count, maps[-1]), name=f"{endpoint}_sequence")(x)
    if not tokens:
        return x
    return keras.layers.Concatenate(axis=1, name=f"{endpoint}_join")([*tokens, x])


def _pool(x, pooling):
    if pooling == "average":
        return keras.layers.GlobalAveragePooling1D(name="features")(x)
    x = keras.layers.Cropping1D((0, x.shape[1] - 1), name="features_token")(x)
    return keras.layers.Flatten(name="features")(x)
