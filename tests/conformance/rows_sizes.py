"""Rows of layers that continue and cut maps."""

import keras
from conformance.row import Row

from kerasmith import layers


def matched(align, step):
    """Build a model that gives maps the size of every so many of their positions."""
    maps = keras.Input((None, None, 4))
    others = maps[:, ::step, 1:]
    if step == 1:
        others = keras.layers.ZeroPadding2D(((2, 1), (0, 0)))(others)
    result = layers.MatchSize(align)([maps, others])
    # as of any model: its result has float32
    return keras.Model(maps, keras.layers.Identity(dtype="float32")(result))


LAYERS = {
    "mirror_padding": Row(
        lambda: layers.MirrorPadding(4), (3, 5, 9, 4), unknown=(1, 2)
    ),
    "mirror_padding_of_little": Row(
        lambda: layers.MirrorPadding(3, minimum=12), (3, 5, 4), unknown=(1,)
    ),
    "match_size_cut": Row(
        lambda: matched("center", 2),
        (3, 5, 8, 4),
        unknown=(1, 2),
        part=layers.MatchSize,
    ),
    "match_size_continued": Row(
        lambda: matched("start", 1),
        (3, 5, 8, 4),
        unknown=(1, 2),
        part=lambda: layers.MatchSize("start"),
    ),
}
