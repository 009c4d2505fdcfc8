"""LeNet-5 (LeCun et al., 1998), Gradient-Based Learning Applied to Document
Recognition, section II-B and figure 2.

`lenet5` is the network of the paper: the connection table of C3, trainable
sub-sampling, scaled tanh, radial-basis outputs with fixed codes; exactly 60,000
trainable parameters. Its logits are minus the paper's penalties, so that the class
of the largest one is the answer and `layers.MaximumAPosteriori` its loss.
`lenet5_modern` has every connection, max-pooling, ReLU and a dense output behind
which a softmax belongs: 61,706 parameters.

Deviations: the paper prints its 7 x 12 codes as a picture only, so those below are
drawn anew. Outputs beyond ten classes have random codes, which the paper names as
the alternative. Where the image is larger than 32 x 32, the features are the mean
over the positions of C5, which has the one position for 32 x 32.
"""

import dataclasses
from typing import Unpack

import keras
import numpy as np

from .. import layers
from . import classifier
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .pieces import mark
from .space_rows import PLAIN_NETWORK, norms

# table I of the paper: the maps of S2 that each map of C3 sees
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

GLYPHS = """
..###.. ...#... .#####. ####### .....#. ####### ..####. ####### .#####. ..###..
.#...#. ..##... #.....# ......# ....##. #...... .#....# ......# #.....# .#...#.
#.....# .#.#... #.....# .....#. ...#.#. #...... #...... ......# #.....# #.....#
#.....# #..#... ......# ....#.. ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ...#... .#...#. #.####. #.####. .....#. .#...#. #.....#
#.....# ...#... .....#. ..####. #....#. ##....# ##....# ....#.. ..###.. #....##
#.....# ...#... ....#.. ......# ####### ......# #.....# ....#.. .#...#. .####.#
#.....# ...#... ...#... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... ......# .....#. ......# #.....# ..#.... #.....# ......#
.#...#. ...#... #...... #.....# .....#. #.....# .#...#. ..#.... #.....# #....#.
..###.. ####### ####### .#####. .....#. .#####. ..###.. .#..... .#####. .####..
"""


PAPER = "LeCun et al., 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-01a.pdf"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """What tells one LeNet-5 from the other.

    Example:

    >>> VARIANTS["lenet5"].original
    True
    """

    paper: str = PAPER
    classes: int = 10
    input_shape: tuple[int, int, int] = (32, 32, 1)
    original: bool


VARIANTS = {
    "lenet5": Variant(
        summary="LeNet-5 of 1998: connection table, trainable sub-sampling, RBF output",
        accuracy="MNIST: 0.95 % error, 0.8 % with distortions",
        original=True,
        parts=Parts(
            activation=layers.scaled_tanh, kernel_initializer=layers.FanInUniform()
        ),
    ),
    "lenet5_modern": Variant(
        summary="LeNet-5 as built today: full C3, max-pooling, ReLU, softmax",
        original=False,
    ),
}
SPACE = {**PLAIN_NETWORK, "norm": norms(2)}


def lenet(
    variant="lenet5",
    *,
    classes=None,
    input_shape=None,
    top=True,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build LeNet-5.

    Endpoints: `stem` (C1), `stage1` (S2), `stage2` (S4), `features` (F6), `logits`.

    Args:
        variant: `"lenet5"` or `"lenet5_modern"`.
        classes: Number of classes, 10 if `None`.
        input_shape: Height, width and channels, 32 x 32 x 1 if `None`; sizes from 32
            up, or `None`. The paper's inputs have the background at -0.1 and the ink
            at 1.175.
        top: Whether the model ends in logits; it ends in features otherwise.
        stem: `"paper"` or `"small"`, which is the same here: the paper's images are
            small.
        weights: Path of a file that Kerasmith wrote, or `None`.
        **parts: Parts to exchange, see `kerasmith.zoo.Parts`; all but `drop_path`,
            since there is no residual branch.

    Returns:
        Functional `keras.Model` of images `(batch, *input_shape)` to logits
        `(batch, classes)`, in float32 under every dtype policy, or features
        `(batch, 84)`.

    Raises:
        ValueError: If the variant or a part is unknown, the image too small, or the
            weights do not fit.

    Example:

    >>> model = lenet("lenet5")
    >>> sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    60000

    Reference:
        LeCun et al., 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-01a.pdf
    """
    chosen = choose("variant of lenet", variant, VARIANTS)
    part = chosen.parts.override("lenet", parts, without=("drop_path",))
    image, x, classes = classifier.begin(
        variant,
        chosen,
        classes=classes,
        input_shape=input_shape,
        stem=stem,
        weights=weights,
        smallest=32,
    )
    x = part.conv(x, 6, 5, padding="valid", name="c1", endpoint="stem")
    x = _pool(part, x, chosen.original, "s2", endpoint="stage1")
    x = _c3(part, x, chosen.original)
    x = _pool(part, x, chosen.original, "s4", endpoint="stage2")
    x = part.conv(x, 120, 5, padding="valid", name="c5")
    x = keras.layers.GlobalAveragePooling2D(name="c5_mean")(x)
    x = part.activate(part.dense(x, 84, name="f6"), "features")
    if top and chosen.original:
        codes = class_codes(classes)
        x = layers.RadialBasis(codes, dtype="float32", name="logits")(x)
    elif top:
        x = part.dense(x, classes, dtype="float32", name="logits")
    return classifier.finish(variant, image, x, weights)


def class_codes(classes):
    """Give the target of F6 for each class: digits as 7 x 12 pictures.

    Args:
        classes: Number of classes; beyond ten the codes are random, always the same.

    Returns:
        Array of shape `(classes, 84)` of -1 and 1.

    Example:

    >>> class_codes(10).shape
    (10, 84)
    """
    if classes > 10:
        return np.random.default_rng(1998).choice([-1.0, 1.0], (classes, 84))
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    glyphs = ["".join(row[digit] for row in rows) for digit in range(classes)]
    return np.array([[1.0 if dot == "#" else -1.0 for dot in g] for g in glyphs])


def _pool(part, x, original, name, *, endpoint):
    if original:
        x = layers.Subsampling2D(2, name=name)(x)
        x = part.activate(x, f"{name}_activation")
    else:
        x = keras.layers.MaxPooling2D(2, name=name)(x)
    return mark(part.attend(x, f"{endpoint}_attention"), endpoint)


def _c3(part, x, original):
    if not original:
        return part.conv(x, 16, 5, padding="valid", name="c3")
    convolution = layers.ConnectionTableConv2D(
        C3_TABLE, 5, use_bias=part.norm is None, name="c3", **part.kernel_keywords()
    )
    return part.finish(convolution(x), "c3")
