"""Networks run over large images, tile by tile.

Ronneberger et al., 2015, figure 2: to answer for a part of an image, a network is shown
the part and as much around it as it looks at. Put together, the answers are those for
the whole image. Images and answers are read and written a tile at a time, so that both
may lie on disk.
"""

import itertools
from typing import Any

import keras
import numpy as np

from .position_graph import shape_of
from .tile_plan import plan_tiles


def predict_tiled(
    model,
    image,
    *,
    tile=None,
    margin=None,
    stride=None,
    border=None,
    batch_size=1,
    activation=None,
    out=None,
    progress=True,
):
    """Answer for each position of an image of any size, in tiles.

    The answers are those of `model.predict` for the whole image, to the rounding of
    float32. A network without padding is shown the image's mirror images around it, so
    that it answers for each position, too. For many images of one model, plan once and
    call `in_tiles`.

    Args:
        model: Functional or sequential model of images `(batch, ..., channels)` with
            one to three axes of positions, whose answers are `(batch, ..., classes)`,
            one for each position or, without padding, for those in the middle.
        image: Array `(..., channels)` as the model takes it, without the axis of the
            batch. May be a `numpy.memmap`, or anything else with a shape that gives
            arrays for slices.
        tile: Size of a tile at the most, an integer or one for each axis, see
            `plan_tiles`.
        margin: How far from the border of a tile answers are not used, likewise; as
            far as the network looks if `None`. Less is faster, and seams show.
        stride: Of which the beginnings of tiles are multiples, likewise; needed for
            networks with layers that Kerasmith does not know.
        border: What the network sees around the image: `"network"`, what it makes of a
            border itself, or `"mirror"`, the image's mirror images. The first if
            `None`, where the network keeps the size of the image.
        batch_size: Number of tiles at a time.
        activation: What is done to the answers before they are written: a name such as
            `"softmax"`, or a function of an array `(tiles, ..., classes)`.
        out: Array to write to, which may be a `numpy.memmap`.
        progress: Whether to show a progress bar, where there are several tiles.

    Returns:
        Array `(..., classes)`; `out` where it is given.

    Raises:
        ValueError: If the image does not fit the model, or `out` the answers; or as of
            `plan_tiles`, if the network sees the whole image, or the tile is too small.
        TypeError: If `model` is no Keras model: `in_tiles` runs any function.

    Example:

    >>> inputs = keras.Input((None, None, 1))
    >>> outputs = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    >>> image = np.ones((50, 70, 1), "float32")
    >>> model = keras.Model(inputs, outputs)
    >>> answers = predict_tiled(model, image, tile=32, progress=False)
    >>> answers.shape, bool(np.allclose(answers, model(image[None])[0], atol=1e-5))
    ((50, 70, 2), True)

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, figure 2
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"predict_tiled runs a Keras model, received {type(model).__name__}: run "
            "other functions by in_tiles, with a Plan."
        )
    image = image if hasattr(image, "shape") else np.asarray(image)
    shape, given = shape_of(model)[1:], tuple(image.shape)
    if len(given) != len(shape) or shape[-1] not in (None, given[-1]):
        raise ValueError(
            f"{model.name} takes images of shape {shape}, None being any size, "
            f"received one of shape {given}: the axis of the channels comes last, and "
            "there is none of a batch."
        )
    plan = plan_tiles(model, tile=tile, margin=margin, stride=stride, border=border)
    last = keras.activations.get(activation) if activation is not None else None

    def run(tiles):
        answers = keras.tree.flatten(model.predict_on_batch(tiles))[0]
        return answers if last is None else keras.ops.convert_to_numpy(last(answers))

    options = {"batch_size": batch_size, "out": out, "progress": progress}
    return in_tiles(run, image, plan, **options)


def in_tiles(run, image, plan, *, batch_size=1, out=None, progress=True):
    """Run a function over an image in tiles.

    All tiles are of one shape, so that what is compiled is compiled once.

    Args:
        run: Function of tiles `(batch, ..., channels)` that gives an array
            `(batch, ..., classes)`: an answer for each position of a tile, or for
            those in the middle.
        image: As of `predict_tiled`.
        plan: `Plan`.
        batch_size: As of `predict_tiled`.
        out: Likewise.
        progress: Likewise.

    Returns:
        Array `(..., classes)`; `out` where it is given.

    Raises:
        ValueError: If the axes of the image and the plan differ, the function leaves
            too few answers of a tile, or `out` does not fit them.

    Example:

    >>> from kerasmith.zoo.tools import Plan
    >>> plan = Plan((4,), (1,), (1,), ("any",))
    >>> image = np.arange(9.0).reshape(9, 1)
    >>> in_tiles(lambda tiles: 2 * tiles, image, plan, progress=False).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]
    """
    axes, shape = len(plan.tile), tuple(image.shape)
    if len(shape) != axes + 1 or 0 in shape:
        raise ValueError(
            f"the plan is for images with {axes} axes and one of channels, received "
            f"one of shape {shape}."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, received {batch_size}.")
    laid = [plan.spans(axis, size) for axis, size in enumerate(shape[:-1])]
    sizes = [size for size, _ in laid]
    tiles = list(itertools.product(*(spans for _, spans in laid)))
    batch_size = min(batch_size, len(tiles))
    progress = progress and len(tiles) > 1
    written: Any = out
    bar = keras.utils.Progbar(len(tiles), unit_name="tile") if progress else None
    for start in range(0, len(tiles), batch_size):
        now = tiles[start : start + batch_size]
        # the last batch is filled up: another shape would be compiled anew
        filled = now + now[:1] * (batch_size - len(now))
        answers = np.asarray(run(np.stack([_cut(image, t, sizes) for t in filled])))
        written = _room(written, answers, shape)
        for spans, answer in zip(now, answers, strict=False):
            _write(written, answer, spans, sizes)
        if bar is not None:
            bar.update(start + len(now))
    return written


def _cut(image, spans, sizes):
    """Read a tile, with the image's mirror images around it."""
    slices, places = [], []
    for span, size, length in zip(spans, sizes, image.shape[:-1], strict=True):
        # positions of the image and its image, which repeat for ever
        within = np.arange(span.start, span.start + size) % (2 * length)
        within = np.minimum(within, 2 * length - 1 - within)
        slices.append(slice(int(within.min()), int(within.max()) + 1))
        places.append(within - within.min())
    tile = np.asarray(image[tuple(slices)])
    for axis, within in enumerate(places):
        if np.any(np.diff(within) != 1):
            tile = np.take(tile, within, axis=axis)
    return tile


def _room(out, answers, shape):
    """Make the array to write to, or see whether the one given fits."""
    if len(answers.shape) != len(shape) + 1:
        raise ValueError(
            f"tiles of {len(shape) - 1} axes got answers of shape {answers.shape}: "
            "expected (batch, ..., classes)."
        )
    expected = (*shape[:-1], answers.shape[-1])
    if out is None:
        return np.empty(expected, answers.dtype)
    fits = np.can_cast(answers.dtype, out.dtype, "same_kind")
    if tuple(out.shape) != expected or not fits:
        raise ValueError(
            f"the answers are {answers.dtype} of shape {expected}, received an array "
            f"out of {out.dtype} and shape {tuple(out.shape)}."
        )
    return out


def _write(out, answer, spans, sizes):
    """Write the part of a tile's answers that is wanted of it."""
    places, taken = [], []
    for span, size, number in zip(spans, sizes, answer.shape[:-1], strict=True):
        begin = span.start + (size - number) // 2  # answers are for the middle
        places.append(slice(span.first, span.last))
        taken.append(slice(span.first - begin, span.last - begin))
        if span.first < begin or span.last > begin + number:
            raise ValueError(
                f"a tile of {size} positions got {number} answers, too few for the "
                f"positions {span.first} to {span.last - 1} of the image, beginning at "
                f"{span.start}: give the plan a larger margin, or border='mirror'."
            )
    out[tuple(places)] = answer[tuple(taken)]
