"""Pictures of masks: classes as colours over the image that they belong to."""

import colorsys
import pathlib

import numpy as np

from ...callbacks.drawing import SOFT, figure, save
from ..data.masks import IGNORED
from .findings import DOTS

SHARE = 0.65  # of a class's colour over the image
# apart from each other and from grey: Okabe and Ito's, four of Tol's, then a walk
# around the circle of hues
FIRST = ("e69f00", "56b4e9", "009e73", "f0e442", "0072b2", "d55e00", "cc79a7")
FIRST += ("882255", "99dd55", "332288", "44aa99")
COLUMNS = ("image", "truth", "prediction")


def palette(classes, background=True):
    """Choose a colour for each class.

    Args:
        classes: Number of classes.
        background: Whether the first class is left without a colour, black.

    Returns:
        `uint8` array of shape `(classes, 3)`, red, green and blue.

    Example:

    >>> palette(3).tolist()
    [[0, 0, 0], [230, 159, 0], [86, 180, 233]]
    """
    colours = [tuple(bytes.fromhex(code)) for code in FIRST]
    while len(colours) < classes:
        number = len(colours)
        hue, light = (number * 0.6180339887) % 1, (0.9, 0.6)[number % 2]
        shades = colorsys.hsv_to_rgb(hue, (0.55, 0.9)[number // 2 % 2], light)
        colours.append(tuple(round(255 * shade) for shade in shades))
    first = [(0, 0, 0)] if background else []
    return np.array([*first, *colours][:classes], "uint8")


def overlay(image, mask, colours, plain=0):
    """Lay the colours of a mask over its image.

    Args:
        image: `uint8` array of shape `(height, width, 1 or 3)`.
        mask: Classes of shape `(height, width)`; those without a colour are hatched.
        colours: What `palette` gave.
        plain: The class that leaves the image as it is, `None` for none.

    Returns:
        `uint8` array of shape `(height, width, 3)`.

    Raises:
        ValueError: If the mask is of another size than the image.

    Example:

    >>> image, mask = np.full((1, 2, 1), 100, "uint8"), np.array([[0, 1]])
    >>> overlay(image, mask, palette(2)).tolist()
    [[[100, 100, 100], [184, 138, 35]]]
    """
    image, mask = np.asarray(image), np.asarray(mask)
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"a mask of {mask.shape} does not fit an image of {image.shape[:2]}."
        )
    shown = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
    mixed = shown.astype("float32")
    known = mask < len(colours)
    over = known if plain is None else known & (mask != plain)
    mixed[over] += SHARE * (colours[mask[over].astype(int)] - mixed[over])
    rows, columns = np.indices(mask.shape)
    hatched = ~known & ((rows + columns) // 2 % 2 == 0)
    mixed[hatched] = 255
    return mixed.astype("uint8")


def compared(examples, labels, path, titles=None):
    """Draw images beside the truth and the prediction, an example a row.

    Args:
        examples: Sequence of `(image, truth, prediction)`, `uint8` images of shape
            `(height, width, 1 or 3)` and masks of theirs.
        labels: Names of the classes.
        path: Where the picture is to stand; its suffix names the format.
        titles: What to write beside each row, or `None`.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        OSError: If the file cannot be written.

    Example:

    >>> import tempfile
    >>> image, mask = np.zeros((9, 8, 1), "uint8"), np.eye(9, 8, dtype=int)
    >>> path = tempfile.mkdtemp() + "/examples.png"
    >>> compared([(image, mask, mask)], ["no", "yes"], path).name
    'examples.png'
    """
    from matplotlib.patches import Patch

    colours = palette(len(labels))
    rows = max(1, len(examples))
    with figure((7.2, 2.35 * rows + 0.8)) as drawn:
        bare = {"frame_on": False, "xticks": [], "yticks": []}
        grid = drawn.subplots(rows, 3, squeeze=False, subplot_kw=bare)
        for axes, column in zip(grid[0], COLUMNS, strict=True):
            axes.set_title(column, size=10, color=SOFT, pad=4)
        for number, (image, truth, prediction) in enumerate(examples):
            layers = [overlay(image, mask, colours) for mask in (truth, prediction)]
            plain = overlay(image, np.zeros(image.shape[:2], int), colours)
            for axes, pixels in zip(grid[number], [plain, *layers], strict=True):
                axes.imshow(pixels, interpolation="nearest")
            if titles:
                grid[number, 0].set_ylabel(titles[number], size=9, color=SOFT)
        seen = {int(c) for _, *masks in examples for m in masks for c in np.unique(m)}
        patches = [
            Patch(color=colours[c] / 255, label=str(labels[c]))
            for c in sorted(seen - {0, IGNORED})
            if c < len(labels)
        ]
        drawn.legend(
            handles=patches, loc="outside lower center", ncols=6, handlelength=0.9
        )
    save(drawn, path, DOTS)
    return pathlib.Path(path)
