"""The digits canvas: scenes of several digits to segment, to detect and to read."""

import dataclasses
import operator

import numpy as np

from .dataset import SPLITS
from .scenes import BITMAP, Scene, make_scene


@dataclasses.dataclass(frozen=True)
class Canvas:
    """A set of scenes of digits; `digits_canvas` makes it.

    `canvas[i]` makes the `Scene` number `i`. It follows from `i` and the arguments
    alone, whatever was asked for before, in every process and on every machine; it
    takes about a millisecond. Nothing is kept.

    Args:
        split: Whose digits the scenes show: `"train"`, `"dev"` or `"test"`.
        count: Number of scenes.
        size: Height and width in pixels.
        digits: Least and greatest number of digits of a scene.
        digit_size: Least and greatest side of the square that a digit is drawn into.
        overlap: Share of the smaller of two boxes that the other may cover.
        noise: Standard deviation of the grain in grey levels.
        seed: Integer that everything random follows from.

    Example:

    >>> from kerasmith.zoo import data
    >>> canvas = data.digits_canvas("train", 100, size=(48, 64))
    >>> len(canvas), canvas[7].image.shape
    (100, (48, 64, 1))
    """

    split: str
    count: int
    size: tuple[int, int]
    digits: tuple[int, int]
    digit_size: tuple[int, int]
    overlap: float
    noise: float
    seed: int

    def __len__(self):
        return self.count

    def __getitem__(self, index) -> Scene:
        number = operator.index(index)
        number += self.count if number < 0 else 0
        if not 0 <= number < self.count:
            raise IndexError(f"there are {self.count} scenes, received index {index}.")
        return make_scene(self, number)

    def __iter__(self):
        return map(self.__getitem__, range(self.count))

    def arrays(self):
        """Make all scenes and stack what they are made of.

        Returns:
            Dictionary of arrays: `"images"`, `"masks"` and `"instances"`, as in
            `Scene`; `"counts"`, the digits of each scene; `"boxes"`, `"classes"` and
            `"sources"`, in reading order, as long as the greatest number of digits
            and -1 where there are fewer; `"texts"`.

        Example:

        >>> from kerasmith.zoo import data
        >>> arrays = data.digits_canvas("dev", 5, size=(32, 40)).arrays()
        >>> arrays["boxes"].shape, arrays["masks"].shape
        ((5, 6, 4), (5, 32, 40))
        """
        most, pixels = self.digits[1], (self.count, *self.size)
        arrays = {
            "images": np.empty((*pixels, 1), "uint8"),
            "masks": np.empty(pixels, "uint8"),
            "instances": np.empty(pixels, "uint8"),
            "counts": np.empty(self.count, "int32"),
            "boxes": np.full((self.count, most, 4), -1, "int32"),
            "classes": np.full((self.count, most), -1, "int32"),
            "sources": np.full((self.count, most), -1, "int32"),
        }
        texts = []
        for number, scene in enumerate(self):
            arrays["images"][number] = scene.image
            arrays["masks"][number] = scene.mask
            arrays["instances"][number] = scene.instances
            digits = arrays["counts"][number] = len(scene.classes)
            arrays["boxes"][number, :digits] = scene.boxes
            arrays["classes"][number, :digits] = scene.classes
            arrays["sources"][number, :digits] = scene.sources
            texts.append(scene.text)
        return {**arrays, "texts": np.array(texts)}

    def dataset(self, batch_size, what="masks", *, shuffle=False):
        """Make all scenes and give them in batches for `fit`, on every backend.

        The scenes are held in memory as `uint8`; the last batch may be smaller.

        Args:
            batch_size: Scenes in a batch.
            what: What goes with the images, which are float32 from 0 to 1 of shape
                `(batch, height, width, 1)`. `"masks"`: int32 `(batch, height,
                width)`, 0 for the background and otherwise the class plus one.
                `"boxes"`: a dictionary of `"boxes"`, float32 `(batch, most, 4)` in
                pixels, and `"classes"`, int32 `(batch, most)`, both -1 where a scene
                has fewer digits. `"text"`: these `"classes"` alone, without the line
                breaks.
            shuffle: Whether each pass over the set is in another order, which
                follows from the canvas' seed and the number of the pass.

        Returns:
            `tf.data.Dataset` that knows its length.

        Raises:
            ValueError: If an argument cannot be right, or the images need more than
                2 GiB.

        Example:

        >>> from kerasmith.zoo import data
        >>> canvas = data.digits_canvas("train", 20, size=(40, 64))
        >>> images, masks = next(iter(canvas.dataset(8)))
        >>> images.shape.as_list(), masks.shape.as_list()
        ([8, 40, 64, 1], [8, 40, 64])
        """
        from .canvas_pipeline import batches

        return batches(self, batch_size, what, shuffle)


def digits_canvas(
    split,
    count,
    *,
    size=(96, 96),
    digits=(2, 6),
    digit_size=None,
    overlap=0.1,
    noise=8.0,
    seed=0,
):
    """Describe a set of scenes: several real digits on a noisy background.

    Each scene shows digits of one split at random places, sizes and grey levels,
    darker or lighter than the background, which runs smoothly about a mean and has
    grain. Classes are drawn evenly, and so are the digits of a class. No digit of
    another split is ever shown.

    A digit is put where its box overlaps no other box too much and half of the ink of
    every other digit stays to be seen; one that finds no such place in 50 attempts is
    left out. So a crowded scene can have fewer digits than were asked for.

    Args:
        split: Whose digits: `"train"`, `"dev"` or `"test"`.
        count: Number of scenes.
        size: Height and width of the scenes in pixels, or one number for both.
        digits: Least and greatest number of digits of a scene, 0 to 255, or one
            number for both.
        digit_size: Least and greatest side, in pixels, of the square that a digit is
            drawn into, or one number for both; 8 at least. Boxes are about nine
            tenths as high. By default from an eighth to three eighths of the shorter
            side of the scene, and not below 12. For one line of text, make the scene
            hardly higher than the digits: `size=(32, 128), digit_size=(24, 28)`.
        overlap: Greatest share of the smaller of two boxes that the other may cover,
            from 0 to 1.
        noise: Standard deviation of the grain, in grey levels of 255.
        seed: Integer from 0 that everything random follows from.

    Returns:
        `Canvas`.

    Raises:
        ValueError: If an argument cannot be right, or the scenes are smaller than the
            digits.
        TypeError: If an argument is no number.

    Example:

    >>> canvas = digits_canvas("train", 1000, seed=1)
    >>> scene = canvas[0]
    >>> scene.image.shape, len(scene.boxes) == len(scene.classes)
    ((96, 96, 1), True)
    """
    from ..choices import choose

    choose("split", split, SPLITS)
    count = _integer("count", count, 1)
    size = _pair("size", size, 1)
    digits = _range("digits", digits, 0, 255)
    shorter = min(size)
    if digit_size is None:
        least = max(12, shorter // 8)
        digit_size = (least, max(least, shorter * 3 // 8))
    digit_size = _range("digit_size", digit_size, BITMAP)
    if digit_size[1] > shorter:
        raise ValueError(
            f"scenes of size={size} are too small for digits of {digit_size[1]} "
            f"pixels: the smallest is ({digit_size[1]}, {digit_size[1]}); or pass a "
            f"smaller digit_size, down to {BITMAP}."
        )
    return Canvas(
        split=split,
        count=count,
        size=size,
        digits=digits,
        digit_size=digit_size,
        overlap=_number("overlap", overlap, 1),
        noise=_number("noise", noise, 255),
        seed=_integer("seed", seed, 0),
    )


def _pair(name, value, least, most=None):
    """Read two integers, or one for both."""
    if isinstance(value, (tuple, list)) and len(value) != 2:
        raise ValueError(f"{name} needs one integer or two, received {value!r}.")
    both = value if isinstance(value, (tuple, list)) else (value, value)
    first, second = (_integer(name, each, least, most) for each in both)
    return first, second


def _range(name, value, least, most=None):
    low, high = _pair(name, value, least, most)
    if low > high:
        raise ValueError(
            f"{name} needs the least number first, received {value!r}: write "
            f"{name}=({high}, {low})."
        )
    return low, high


def _integer(name, value, least, most=None):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} needs integers, received {value!r}.") from None
    if number < least or (most is not None and number > most):
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} needs integers {span}, received {value!r}.")
    return number


def _number(name, value, most):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} needs a number, received {value!r}.") from None
    if not 0 <= number <= most:
        raise ValueError(f"{name} needs a number from 0 to {most}, received {value!r}.")
    return number
