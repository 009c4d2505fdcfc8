"""U-Net: Ronneberger, Fischer and Brox, 2015, Convolutional Networks for Biomedical
Image Segmentation (figure 1).

Variants:
- `unet` is the network of the paper: no convolution is padded, so 572 x 572 pixels
  give the classes of the 388 x 388 in their middle, and skip connections are cropped.
- `unet_same` pads its convolutions, as most do today, and takes images of any size:
  they are continued by their mirror images to sizes that can be halved, and the answer
  is cut back to theirs.

Either convolves along one, two or three axes, as `input_shape` says. With `encoder`,
any network of the zoo takes the place of the left half.

Choice: the paper has dropout "at the end of the contracting path"; here it stands
behind the last two stages of that path.
"""

import dataclasses
from typing import Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .doubling import BilinearDoubling
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import CONVOLUTIONS, mark, max_pool, of_positions
from .space_rows import MAP_DROPOUT, PLAIN_NETWORK, OneOf
from .unet_encoder import continue_maps, encode

PAPER = "Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597"
PARTS = Parts(dropout="dropout:0.5", kernel_initializer="he_normal")
UPSAMPLINGS = ("transposed", "nearest", "bilinear")
OPTIONS = ("encoder", "depth", "width", "upsampling", "attention_gates")
NARROW = 16  # filters at the size of the image behind an encoder of the zoo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A way to build figure 1.

    Args:
        padding: Of the convolutions, `"valid"` or `"same"`.
        depth: How often the maps are halved.
        width: Filters of the first stage, which each halving doubles.

    Example:

    >>> VARIANTS["unet"].padding
    'valid'
    """

    paper: str = PAPER
    parts: Parts = PARTS
    task: str = "segmentation"
    padding: str = "same"
    depth: int = 4
    width: int = 64


VARIANTS = {
    "unet": Variant(
        summary="U-Net without padding: 572 x 572 pixels give 388 x 388 classes",
        accuracy="PhC-U373: 92.03 % IoU, DIC-HeLa: 77.56 % IoU",
        classes=2,
        input_shape=(572, 572, 1),
        padding="valid",
    ),
    "unet_same": Variant(
        summary="U-Net with padding, for images of any size",
        classes=1,
        input_shape=(256, 256, 3),
    ),
}
SPACE = {
    **PLAIN_NETWORK,
    "dropout": MAP_DROPOUT,
    "depth": OneOf((2, 3, 4)),
    "width": OneOf((8, 16, 32, 64)),
    "upsampling": OneOf(UPSAMPLINGS),
    "attention_gates": OneOf((False, True)),
}


def unet(
    variant=None,
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    encoder=None,
    depth=None,
    width=None,
    upsampling="transposed",
    attention_gates=False,
    **parts: Unpack[PartKeywords],
):
    """Build a U-Net: a class, or its probability, for each pixel.

    Endpoints: `stem` (the first convolution), `stage1` and so on down to the lowest
    maps, `up4` and so on up to those of the image's size, `features`, `logits`. With an
    encoder, those on the way down are its own.

    Args:
        variant: A name of the table `VARIANTS`; `"unet"` if `None`, `"unet_same"` with
            an encoder.
        classes: Number of classes, the variant's if `None`. One class means one logit
            of a sigmoid.
        input_shape: Sizes and channels, the variant's if `None`: `(height, width,
            channels)`, `(steps, channels)` or `(depth, height, width, channels)`. Sizes
            may be `None`.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: Of the encoder, see there.
        weights: `None`, `"imagenet"` for those of the encoder, or the path of a file
            that Kerasmith wrote of the same network.
        encoder: Name of a network of the zoo for images, such as `"resnet34"`. Its
            maps are taken at each size, the last endpoint of that size; where no
            endpoint has one, what its pooling takes.
        depth: How often the maps are halved, 4 if `None`; of an encoder, all it has.
        width: Filters at the size of the image, doubled by each halving: 64 if `None`,
            16 behind an encoder.
        upsampling: `"transposed"` convolution, or `"nearest"` or `"bilinear"`
            repetition and a convolution of 2 x 2.
        attention_gates: Whether each skip connection passes a gate that looks at the
            maps below (Oktay et al., 2018).
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`; they are the encoder's
            as well. `attention` stands at the end of each stage, `drop_path` needs an
            encoder with residual branches.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, ..., classes)`, in float32 under every dtype policy, or features
        `(batch, ..., width)`, one for each pixel. `"unet"` answers for the pixels in
        the middle, 92 fewer on each side at a depth of 4.

    Raises:
        ValueError: If the variant, the encoder or a part is unknown, an image cannot
            be halved as often without padding, or the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = unet("unet_same", classes=3, input_shape=(75, None, 1), width=4)
    >>> model.output_shape, model.get_layer("stage5").output.shape
    ((None, 75, None, 3), (None, 5, None, 64))

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, and Oktay et al.,
        2018, https://arxiv.org/abs/1804.03999
    """
    variant = variant or ("unet_same" if encoder else "unet")
    chosen = choose("variant of unet", variant, VARIANTS)
    choose("upsampling of unet", upsampling, UPSAMPLINGS)
    name = f"{variant}_{encoder}" if encoder else variant
    part = _parts(chosen, encoder, parts)
    depth = _count("depth", depth, None if encoder else chosen.depth)
    width = _count("width", width, NARROW if encoder else chosen.width)
    _check_encoder(chosen, encoder, weights, stem)
    if upsampling == "bilinear" and len(input_shape or chosen.input_shape) != 3:
        raise ValueError(
            "bilinear upsampling is for two axes of positions, received input_shape "
            f"{input_shape}: choose 'transposed' or 'nearest'."
        )
    pretrained = weights == "imagenet"
    image, x, classes = classifier.begin(
        name,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=None if pretrained else weights,
        smallest=1 if chosen.padding == "same" else _smallest(depth),
        axes=(2,) if encoder else (2, 1, 3),
    )
    if encoder:
        options = {"stem": stem, "weights": weights if pretrained else None, **parts}
        skips, exact = encode(encoder, x, depth, options)
    else:
        skips, exact = _contract(part, x, chosen, depth, width), True
    ascent = _Ascent(part, chosen.padding, upsampling, attention_gates, exact)
    lowest = max(skips)
    x = skips[lowest]
    for level in range(lowest - 1, -1, -1):
        x = ascent.rise(x, skips.get(level), width * 2**level, f"up{level + 1}")
    sizes = x.shape[1:-1]
    if chosen.padding == "same" and (None in sizes or sizes != image.shape[1:-1]):
        x = layers.MatchSize("start", name="crop")([x, image])
    x = mark(x, "features")
    if top:
        convolution = CONVOLUTIONS[len(image.shape) - 2]
        keywords = {"dtype": "float32", "name": "logits", **part.kernel_keywords()}
        x = convolution(classes, 1, **keywords)(x)
    return classifier.finish(name, image, x, None if pretrained else weights)


def valid_size(size, depth=4):
    """Tell how many positions a U-Net without padding answers for.

    Args:
        size: Number of positions along an axis of its input.
        depth: How often the maps are halved.

    Returns:
        Number of positions along that axis of its output; `None` where none are left,
        or an odd number would have to be halved.

    Example:

    >>> valid_size(572), valid_size(570), valid_size(100)
    (388, None, None)
    """
    for _ in range(depth):
        size -= 4
        if size % 2:
            return None
        size //= 2
    size -= 4
    for _ in range(depth):
        size = 2 * size - 4
    return size if size > 0 else None


def _contract(part, x, chosen, depth, width):
    """Build the left half; give the maps before each halving, and the lowest."""
    if chosen.padding == "same":
        x = continue_maps(x, 2**depth)
    else:
        _check_sizes(x.shape[1:-1], depth)
    skips = {}
    for level in range(depth + 1):
        name = f"stage{level + 1}"
        if level:
            x = max_pool(x, 2, 2, name=f"{name}_pool", padding="valid")
        for number in (1, 2):
            x = part.conv(
                x,
                width * 2**level,
                3,
                name=f"{name}_conv{number}",
                endpoint=None if level or number == 2 else "stem",
                padding=chosen.padding,
            )
        x = part.attend(x, f"{name}_attention")
        if level >= depth - 1:
            x = part.drop(x, f"{name}_dropout")
        x = skips[level] = mark(x, name)
    return skips


@dataclasses.dataclass(frozen=True)
class _Ascent:
    """The right half of the network, stage by stage."""

    part: Parts
    padding: str
    upsampling: str
    gates: bool
    exact: bool  # whether maps are just twice as large as those below

    def rise(self, x, skip, filters, name):
        """Double the size of maps, and join them with those of the left half."""
        below = x
        x = self._double(x, filters, f"{name}_rise")
        if skip is not None:
            skip, x = self._fit(skip, x, name)
            if self.gates:
                skip = self._gate(skip, below, filters, f"{name}_gate")
            x = keras.layers.Concatenate(name=f"{name}_join")([skip, x])
        for number in (1, 2):
            step = f"{name}_conv{number}"
            x = self.part.conv(x, filters, 3, name=step, padding=self.padding)
        return mark(x, name)

    def _double(self, x, filters, name):
        if self.upsampling == "transposed":
            transposed = of_positions("Conv{}DTranspose", x)
            keywords = self.part.kernel_keywords()
            return transposed(filters, 2, 2, name=name, **keywords)(x)
        x = _repeat(x, self.upsampling, f"{name}_repeat")
        return self.part.convolve(x, filters, 2, name=name, use_bias=True)

    def _fit(self, skip, x, name):
        """Cut the maps of the left half as without padding, or those that came up."""
        match = layers.MatchSize(name=f"{name}_crop")
        if self.padding == "valid":
            return match([skip, x]), x
        return skip, x if self.exact else match([x, skip])

    def _gate(self, skip, below, filters, name):
        """Weigh positions by what the maps below see there: equations 1 to 3."""
        units = max(1, filters // 2)
        seen = self.part.convolve(skip, units, 2, 2, name=f"{name}_skip")
        if not self.exact:
            seen = layers.MatchSize(name=f"{name}_match")([seen, below])
        known = self.part.convolve(below, units, 1, name=f"{name}_below", use_bias=True)
        both = keras.layers.Add(name=f"{name}_sum")([seen, known])
        both = keras.layers.Activation("relu", name=f"{name}_relu")(both)
        gate = self.part.convolve(both, 1, 1, name=f"{name}_logit", use_bias=True)
        gate = keras.layers.Activation("sigmoid", name=f"{name}_sigmoid")(gate)
        how = "bilinear" if len(skip.shape) == 4 else "nearest"
        gate = _repeat(gate, how, f"{name}_repeat")
        if not self.exact:
            gate = layers.MatchSize(name=f"{name}_crop")([gate, skip])
        return keras.layers.Multiply(name=f"{name}_product")([skip, gate])


def _repeat(x, how, name):
    """Double the size of maps without weights."""
    if how == "bilinear":
        return BilinearDoubling(name=name)(x)
    return of_positions("UpSampling{}D", x)(2, name=name)(x)


def _parts(chosen, encoder, parts):
    part = chosen.parts
    if encoder:
        # as most networks of the zoo; the encoder's own parts are its paper's
        part = dataclasses.replace(part, norm=layers.BatchNormalization, dropout=None)
    without = () if encoder else ("drop_path",)
    return part.override("unet", parts, without=without, options=OPTIONS)


def _count(name, value, default):
    if value is None:
        return default
    if type(value) is not int or value < 1:
        raise ValueError(f"unet needs a {name} of 1, 2, ..., received {value!r}.")
    return value


def _check_encoder(chosen, encoder, weights, stem):
    if stem != "paper" and not encoder:
        raise ValueError(
            f"unet has no stem to choose, received stem={stem!r}: its maps begin at "
            "the size of the image. An encoder may have one."
        )
    if encoder and chosen.padding == "valid":
        raise ValueError(
            "unet pads nothing and has a left half of its own; build 'unet_same' with "
            f"the encoder {encoder!r}."
        )
    if weights == "imagenet" and not encoder:
        raise ValueError(
            "nobody has ImageNet weights of a bare U-Net; name an encoder that has, "
            "such as encoder='resnet34', or the path of a file."
        )


def _check_sizes(sizes, depth):
    for size in sizes:
        if size is not None and valid_size(size, depth) is None:
            near = [n for n in range(size - 1, 0, -1) if valid_size(n, depth)][:1]
            near.append(next(n for n in range(size, 2**32) if valid_size(n, depth)))
            raise ValueError(
                f"unet without padding cannot halve {size} positions {depth} times: "
                f"the nearest sizes are {' and '.join(map(str, near))}. 'unet_same' "
                "takes any size."
            )


def _smallest(depth):
    return next(size for size in range(1, 2**32) if valid_size(size, depth))
