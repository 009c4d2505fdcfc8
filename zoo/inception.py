"""Inception networks: Szegedy et al., 2015, Going Deeper with Convolutions (table 1),
and Szegedy et al., 2016, Rethinking the Inception Architecture (table 1, figures 5-7).

Variants:
- `googlenet` has biases, local response normalisation, and two auxiliary heads for
  training where they are asked for.
- `googlenet_bn` has batch norm behind each convolution instead.
- `inception_v3` is the network that was released, which Keras hosts weights of.

Deviations: the first paper gives no constants of its local response normalisation,
here those of its Caffe model. Where maps of an odd size are halved, one position more
of the edges is seen than in Caffe. The auxiliary head of `inception_v3`, worth 0.4 % in
its paper, is left out.
"""

import collections
import dataclasses
from typing import Any, Unpack

import keras

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark, max_pool
from .space_rows import PLAIN_NETWORK, norms

# the smallest images whose maps fill the window of an auxiliary head, by stem
WITH_HEADS = {"paper": 65, "small": 17}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A network of modules whose branches see the same maps side by side.

    A step is what it does -- filters of a convolution, `"max"`, `"average"` or
    `"respond"` -- with the size of its window, its stride and its padding. A branch is
    a row of steps, at whose end convolutions may stand side by side.

    Args:
        before: Steps of the stem.
        modules: Of each stage the modules, of each module the branches.
        pooled: Whether a pooling stands between stages; their first modules halve the
            maps otherwise.
        heads: Modules behind which the auxiliary heads stand.
        smallest: Height and width of the smallest image that works.

    Example:

    >>> [len(stage) for stage in VARIANTS["googlenet"].modules]
    [2, 5, 2]
    """

    before: tuple
    modules: tuple
    pooled: bool = False
    heads: tuple[str, ...] = ()
    smallest: int = 1


def _first(ones, before_threes, threes, before_fives, fives, pooled):
    """Give the branches of a row of GoogLeNet's table."""
    return (
        ((ones, 1),),
        ((before_threes, 1), (threes, 3)),
        ((before_fives, 1), (fives, 5)),
        (("max", 3), (pooled, 1)),
    )


def _fives(pooled):
    return (
        ((64, 1),),
        ((48, 1), (64, 5)),
        ((64, 1), (96, 3), (96, 3)),
        (("average", 3), (pooled, 1)),
    )


ROW, COLUMN = (1, 7), (7, 1)


def _sevens(width):
    return (
        ((192, 1),),
        ((width, 1), (width, ROW), (192, COLUMN)),
        ((width, 1), (width, COLUMN), (width, ROW), (width, COLUMN), (192, ROW)),
        (("average", 3), (192, 1)),
    )


HALVE = (3, 2, "valid")
SIDES = ((384, (1, 3)), (384, (3, 1)))
WIDE = (
    ((320, 1),),
    ((384, 1), SIDES),
    ((448, 1), (384, 3), SIDES),
    (("average", 3), (192, 1)),
)
TO_SEVENS = (
    ((384, *HALVE),),
    ((64, 1), (96, 3), (96, *HALVE)),
    (("max", *HALVE),),
)
TO_WIDE = (
    ((192, 1), (320, *HALVE)),
    ((192, 1), (192, ROW), (192, COLUMN), (192, *HALVE)),
    (("max", *HALVE),),
)

GOOGLENET = {
    "paper": "Szegedy et al., 2015, https://arxiv.org/abs/1409.4842",
    "before": (
        (64, 7, 2, "symmetric"),
        ("max", 3, 2),
        ("respond", 5),
        (64, 1),
        (192, 3),
        ("respond", 5),
        ("max", 3, 2),
    ),
    "modules": (
        (_first(64, 96, 128, 16, 32, 32), _first(128, 128, 192, 32, 96, 64)),
        (
            _first(192, 96, 208, 16, 48, 64),
            _first(160, 112, 224, 24, 64, 64),
            _first(128, 128, 256, 24, 64, 64),
            _first(112, 144, 288, 32, 64, 64),
            _first(256, 160, 320, 32, 128, 128),
        ),
        (_first(256, 160, 320, 32, 128, 128), _first(384, 192, 384, 48, 128, 128)),
    ),
    "pooled": True,
    "heads": ("stage2_module1", "stage2_module4"),
}
VARIANTS = {
    "googlenet": Variant(
        summary="GoogLeNet, local response normalisation",
        accuracy="10.07 % top-5 error of one crop, 6.67 % of 7 networks and 144 crops",
        parts=Parts(dropout="dropout:0.4"),
        **GOOGLENET,
    ),
    "googlenet_bn": Variant(
        summary="GoogLeNet with batch norm",
        parts=Parts(norm="batch", dropout="dropout:0.4"),
        **GOOGLENET,
    ),
    "inception_v3": Variant(
        summary="Inception v3, as released and as in Keras",
        paper="Szegedy et al., 2016, https://arxiv.org/abs/1512.00567",
        accuracy="21.2 / 5.6 % error",
        input_shape=(299, 299, 3),
        parts=Parts(
            norm=lambda: layers.BatchNormalization(scale=False),
            dropout="dropout:0.2",
        ),
        before=(
            (32, *HALVE),
            (32, 3, 1, "valid"),
            (64, 3),
            ("max", *HALVE),
            (80, 1),
            (192, 3, 1, "valid"),
            ("max", *HALVE),
        ),
        modules=(
            (_fives(32), _fives(64), _fives(64)),
            (TO_SEVENS, _sevens(128), _sevens(160), _sevens(160), _sevens(192)),
            (TO_WIDE, WIDE, WIDE),
        ),
        smallest=75,
    ),
}
SPACE = {**PLAIN_NETWORK, "norm": norms(2, 4, 8)}


def inception(
    variant="googlenet",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    auxiliary=False,
    **parts: Unpack[PartKeywords],
):
    """Build an Inception network.

    Endpoints: `stem`, all before the first module; `stage1` to `stage3`, `features`,
    `logits`.

    Args:
        variant: A name of the table `VARIANTS`.
        classes: Number of classes, the paper's if `None`.
        input_shape: Height, width and channels, the paper's if `None`. Any size works,
            for `inception_v3` from 75 x 75 up, and `None` leaves one open.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"`, or `"small"` for images of about 32 x 32: a 3 x 3 convolution
            that keeps their size, no pooling but the stem's last, and zeros around
            all maps. Such images have 4 x 4 positions at the end.
        weights: `None`, `"imagenet"` (`inception_v3`), or the path of a file that
            Kerasmith wrote.
        auxiliary: Whether the two auxiliary heads of GoogLeNet are there, for training:
            see `kerasmith.zoo.compile_with_auxiliary`. Images are of at least 65 x 65
            then, 17 x 17 with the small stem.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`. `attention` stands at
            the end of each module; there is no `drop_path`, as nothing is residual.
            The local response normalisation stands where there is no `norm`.
            A `dropout` is that of the auxiliary heads, too; it is 0.7 there otherwise.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, channels)`. With auxiliary heads, to a dictionary of logits: `logits`,
        `auxiliary1`, `auxiliary2`.

    Raises:
        ValueError: If the variant or a part is unknown, it has no auxiliary heads, the
            images are too small, or the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = inception(classes=5, input_shape=(33, 18, 1), stem="small")
    >>> model.output_shape, model.get_layer("stage3").output.shape
    ((None, 5), (None, 5, 3, 1024))

    Reference:
        Szegedy et al., 2015, https://arxiv.org/abs/1409.4842 and 2016,
        https://arxiv.org/abs/1512.00567
    """
    chosen = choose("variant of inception", variant, VARIANTS)
    part = chosen.parts.override(
        "inception", parts, without=("drop_path",), options=("auxiliary",)
    )
    small = stem == "small"
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=1 if small else chosen.smallest,
    )
    if auxiliary:
        _check_heads(variant, chosen, image.shape[1:], top, stem)
    before = _shortened(chosen.before) if small else chosen.before
    x = mark(_follow(part, x, before, "stem", small), "stem")
    seen = {}
    for stage, modules in enumerate(chosen.modules, 1):
        if chosen.pooled and stage > 1:
            x = max_pool(x, 3, 2, name=f"stage{stage}_pool")
        for number, branches in enumerate(modules, 1):
            name = f"stage{stage}_module{number}"
            seen[name] = x = _module(part, x, branches, name, small)
        x = mark(x, f"stage{stage}")
    options = {"classes": classes, "top": top}
    if not auxiliary:
        return classifier.classify(variant, part, image, x, weights=weights, **options)
    model = classifier.classify(variant, part, image, x, weights=None, **options)
    if "dropout" not in parts:
        part = dataclasses.replace(part, dropout="dropout:0.7")
    outputs = {"logits": model.output}
    for number, name in enumerate(chosen.heads, 1):
        outputs[f"auxiliary{number}"] = _head(part, seen[name], classes, number)
    return classifier.finish(variant, image, outputs, weights)


def _check_heads(variant, chosen, shape, top, stem):
    """Refuse auxiliary heads where there are none, or where they do not fit."""
    if not chosen.heads:
        having = ", ".join(name for name, row in VARIANTS.items() if row.heads)
        raise ValueError(
            f"{variant} has no auxiliary heads, received auxiliary=True; {having} have."
        )
    if not top:
        raise ValueError(
            f"{variant} received auxiliary=True and top=False: auxiliary heads are for "
            "training with logits. Leave one of the two out."
        )
    smallest = WITH_HEADS[stem]
    if any(size is None or size < smallest for size in shape[:2]):
        raise ValueError(
            f"{variant} with auxiliary heads needs images of a known size of at least "
            f"{smallest} x {smallest}, received input_shape {shape}: resize them, or "
            "leave the heads out."
        )


def _shortened(steps):
    """Leave out the early halvings of a stem: its first stride, its first pooling."""
    first, *between, last = steps
    return ((first[0], 3), *(step for step in between if step[0] != "max"), last)


def _follow(part, x, steps, name, padded):
    """Go step by step; count the steps of each kind for their names."""
    counts = collections.Counter()
    for what, size, *rest in steps:
        kind = {"max": "pool", "average": "pool"}.get(what, what)
        kind = kind if isinstance(kind, str) else "conv"
        counts[kind] += 1
        x = _step(part, x, f"{name}_{kind}{counts[kind]}", padded, what, size, *rest)
    return x


def _step(part, x, name, padded, what, size, stride=1, padding="same"):
    padding = "same" if padded else padding
    if what == "respond":
        if part.norm is not None:
            return x
        # divided by the window in Caffe, where the constants come from
        return layers.LocalResponseNormalization(
            size, k=1.0, alpha=1e-4 / size, beta=0.75, name=name
        )(x)
    if what == "max":
        return max_pool(x, size, stride, name=name, padding=padding)
    if what == "average":
        # the zeros around the maps are not counted
        return keras.layers.AveragePooling2D(size, stride, padding, name=name)(x)
    return part.conv(x, what, size, stride, name=name, padding=padding)


def _module(part, x, branches, name, padded):
    """Put the ends of all branches behind each other."""
    ends = []
    for number, steps in enumerate(branches, 1):
        branch = f"{name}_branch{number}"
        sides: Any = ()
        if isinstance(steps[-1][0], tuple):
            *steps, sides = steps
        y = _follow(part, x, steps, branch, padded)
        ends += [
            part.conv(y, filters, size, name=f"{branch}_side{side}")
            for side, (filters, size) in enumerate(sides, 1)
        ] or [y]
    x = keras.layers.Concatenate(name=name)(ends)
    return part.attend(x, f"{name}_attention")


def _head(part, x, classes, number):
    """End in logits early, so that the first stages get gradients of their own."""
    name = f"auxiliary{number}"
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = part.conv(x, 128, 1, name=f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flat")(x)
    x = dataclasses.replace(part, dropout=None).dense(x, 1024, name=f"{name}_dense")
    x = part.activate(x, f"{name}_dense_activation")
    return part.dense(x, classes, dtype="float32", name=name)
