"""Scenes of handwritten digits, each made from its number alone.

A scene is the same to the last bit on every machine and in every version of the
libraries: everything random comes from the raw words of a bit generator, whose
stream NumPy promises to keep, and sums are of whole numbers that double precision
holds exactly, so that their order does not matter.
"""

import dataclasses
import functools
import math

import numpy as np

from .dataset import SPLITS
from .digit_splits import digit_splits
from .reading import reading_lines

BITMAP = 8  # pixels of a side of the digits as they are
CONTRAST = 80  # grey levels at least between a digit and the mean of the background
SLOPE = 24  # grey levels at most by which the background departs from its mean
KNOTS = 5  # places a side between which the background runs smoothly
FAINT, FULL = 32, 160  # of 255: what the upscaled bitmap's values become no, full ink
INK = 128  # of 255: from here on a pixel belongs to a digit
TRIES = 50  # places tried for a digit
UNIT = 1024  # interpolation weights are whole numbers of this part
GRAIN = math.sqrt(4 * (256**2 - 1) / 12)  # standard deviation of the sum of four bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """One scene: an image and all that is to be seen on it.

    The digits stand in reading order (`reading_lines`), everywhere. A digit's box
    holds all of its ink and no row or column more, whether or not another digit
    covers some of it; its mask is what can be seen, at least half of the ink. Ink
    is where the digit makes up at least half of the grey level.

    Args:
        image: Grey levels, `uint8` of shape `(height, width, 1)`.
        mask: What each pixel shows, `uint8` of shape `(height, width)`: 0 for the
            background, otherwise the class plus one.
        instances: Which digit each pixel shows, `uint8` of shape `(height, width)`:
            0 for the background, otherwise its number in reading order plus one.
        boxes: `int32` of shape `(count, 4)`: left, top, right and bottom in pixels,
            right and bottom being the first column and row outside.
        classes: Which digits, `int32` of shape `(count,)`.
        sources: Which of scikit-learn's digits they are, `int32` of shape `(count,)`.
        text: The digits in reading order, with a line break between lines.

    Example:

    >>> from kerasmith.zoo import data
    >>> scene = data.digits_canvas("train", 10)[3]
    >>> left, top, right, bottom = scene.boxes[0]
    >>> scene.image[top:bottom, left:right].shape == (bottom - top, right - left, 1)
    True
    """

    image: np.ndarray
    mask: np.ndarray
    instances: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    sources: np.ndarray
    text: str

    def plot(self, path=None):
        """Draw the image, the boxes and the masks side by side, with the text.

        Args:
            path: Where the picture is written, if anywhere.

        Returns:
            The `matplotlib.figure.Figure`.
        """
        from .scene_picture import draw

        return draw(self, path)


def make_scene(canvas, index):
    """Make one scene of a canvas.

    Args:
        canvas: `Canvas`.
        index: Number of the scene, from 0.

    Returns:
        `Scene`.

    Example:

    >>> from kerasmith.zoo import data
    >>> make_scene(data.digits_canvas("dev", 1, size=(40, 70)), 0).image.shape
    (40, 70, 1)
    """
    draws = _Draws(canvas.seed, SPLITS.index(canvas.split), index)
    mean = draws.integer(CONTRAST - SLOPE, 255 - CONTRAST + SLOPE)
    image = _background(draws, mean, canvas.size)
    placed = _Placed(canvas.size, canvas.overlap)
    for _ in range(draws.integer(*canvas.digits)):
        source, label = _pick(draws, canvas.split)
        patch = _ink(source, draws.integer(*canvas.digit_size))
        level = _level(draws, mean)
        region = placed.find(draws, patch)
        if region is not None:
            placed.add(region, patch, source, label)
            image[region] += (level - image[region]) * (patch / 255)
    image += draws.grain(canvas.size) * (canvas.noise / GRAIN)
    image = np.clip(np.floor(image + 0.5), 0, 255).astype("uint8")
    return placed.scene(image[..., None])


class _Draws:
    """Random numbers that follow from a few integers, everywhere alike."""

    def __init__(self, seed, *key):
        sequence = np.random.SeedSequence(seed, spawn_key=key)
        self.words = np.random.PCG64(sequence).random_raw

    def integers(self, count, low, high):
        """Draw integers from `low` to `high`, both included."""
        uniform = (self.words(count) >> np.uint64(11)) * 2.0**-53
        return (low + np.floor(uniform * (high - low + 1))).astype("int64")

    def integer(self, low, high):
        return int(self.integers(1, low, high)[0])

    def grain(self, size):
        """Draw a whole number a pixel, nearly normal: four bytes less their mean."""
        height, width = size
        words = self.words(-(-height * width // 2)).astype("<u8")
        grains = words.view("uint8").reshape(-1, 4).sum(axis=1, dtype="int64")
        return grains[: height * width].reshape(size) - 510


class _Placed:
    """The digits that have found a place, in the order in which they came."""

    def __init__(self, size, overlap):
        self.overlap = overlap
        self.instances = np.zeros(size, "uint8")
        self.boxes = np.empty((0, 4), "int64")
        # pixels of ink and what is seen of them; the first stands for the background
        self.ink = self.seen = np.zeros(1, "int64")
        self.sources, self.classes = [], []

    def find(self, draws, patch):
        """Find the region of a place for a patch of ink, if there is one."""
        rooms = np.subtract(self.instances.shape, patch.shape)
        tops, lefts = (draws.integers(TRIES, 0, room) for room in rooms)
        boxes = _box(patch) + np.stack([lefts, tops, lefts, tops], axis=1)
        free = (_shared(boxes, self.boxes) <= self.overlap).all(axis=1)
        for top, left in zip(tops[free], lefts[free], strict=True):
            region = np.s_[top : top + patch.shape[0], left : left + patch.shape[1]]
            seen = self.seen - self._hidden(region, patch)
            if (2 * seen[1:] >= self.ink[1:]).all():
                return region
        return None

    def add(self, region, patch, source, label):
        inside = patch >= INK
        self.seen = np.append(self.seen - self._hidden(region, patch), inside.sum())
        self.instances[region][inside] = len(self.ink)
        self.ink = np.append(self.ink, inside.sum())
        start = [region[1].start, region[0].start]
        self.boxes = np.vstack([self.boxes, _box(patch) + start * 2])
        self.sources.append(source)
        self.classes.append(label)

    def scene(self, image):
        """Give everything in reading order."""
        lines = reading_lines(self.boxes)
        order = np.array([number for line in lines for number in line], "int64")
        classes = np.array(self.classes, "int32")[order]
        ranks = np.zeros(len(order) + 1, "uint8")
        ranks[order + 1] = np.arange(1, len(order) + 1)
        instances = ranks[self.instances]
        return Scene(
            image=image,
            mask=np.append(0, classes + 1).astype("uint8")[instances],
            instances=instances,
            boxes=self.boxes[order].astype("int32"),
            classes=classes,
            sources=np.array(self.sources, "int32")[order],
            text="\n".join(
                "".join(str(self.classes[n]) for n in line) for line in lines
            ),
        )

    def _hidden(self, region, patch):
        """Count the pixels of each digit that a patch there would hide."""
        covered = self.instances[region][patch >= INK]
        hidden = np.bincount(covered, minlength=len(self.ink))
        hidden[0] = 0
        return hidden


def _pick(draws, split):
    """Choose a class, then one of its digits."""
    _, labels, members = digit_splits()
    members = members[split]
    label = draws.integer(0, 9)
    own = members[labels[members] == label]
    return int(own[draws.integer(0, len(own) - 1)]), label


def _level(draws, mean):
    """Choose a grey level that stands out, darker or lighter."""
    darker = max(0, mean - CONTRAST + 1)
    lighter = max(0, 256 - mean - CONTRAST)
    chosen = draws.integer(0, darker + lighter - 1)
    return chosen if chosen < darker else chosen - darker + mean + CONTRAST


def _ink(source, side):
    """Draw a digit into a square and cut off what has no ink.

    Returns whole numbers from 0 to 255. The bitmap's outermost pixels lie half a
    pixel inside, so that strokes end smoothly.
    """
    weights = _cubic(side)
    bitmap = digit_splits()[0][source, :, :, 0].astype("float64")
    values = weights @ bitmap @ weights.T / UNIT**2
    ink = np.clip(np.floor((values - FAINT) * 255 / (FULL - FAINT)), 0, 255)
    left, top, right, bottom = _box(ink, 1)
    return ink[top:bottom, left:right]


def _box(ink, least=INK):
    """Give left, top, right and bottom of what has at least so much ink."""
    ends = []
    for axis in (0, 1):
        inside = np.flatnonzero((ink >= least).any(axis=axis))
        ends.append((inside[0], inside[-1] + 1))
    (left, right), (top, bottom) = ends
    return np.array([left, top, right, bottom], "int32")


def _shared(boxes, others):
    """Give the share of the smaller of two boxes that lies in the other, all pairs."""
    boxes, others = boxes[:, None], others[None]
    starts = np.maximum(boxes[..., :2], others[..., :2])
    ends = np.minimum(boxes[..., 2:], others[..., 2:])
    areas = [
        np.prod(each[..., 2:] - each[..., :2], axis=-1) for each in (boxes, others)
    ]
    return np.prod(np.maximum(ends - starts, 0), axis=-1) / np.minimum(*areas)


def _background(draws, mean, size):
    """Let a grey level run smoothly about its mean."""
    knots = draws.integers(KNOTS**2, -SLOPE, SLOPE).reshape(KNOTS, KNOTS)
    down, right = (_smooth(length) for length in size)
    return mean + down @ knots.astype("float64") @ right.T / UNIT**2


@functools.lru_cache(1024)
def _cubic(side):
    """Weights of cubic convolution from a bitmap, without ink around it, to a side.

    Keys, 1981, Cubic Convolution Interpolation for Digital Image Processing,
    https://doi.org/10.1109/TASSP.1981.1163711
    """
    places = (np.arange(side) + 0.5) * (BITMAP + 1) / side - 1
    far = abs(places[:, None] - np.arange(BITMAP))
    near = (1.5 * far - 2.5) * far * far + 1
    tail = ((2.5 - 0.5 * far) * far - 4) * far + 2
    weights = np.where(far < 1, near, np.where(far < 2, tail, 0))
    return np.floor(weights * UNIT + 0.5)


@functools.lru_cache(1024)
def _smooth(length):
    """Weights that ease from knot to knot without a kink."""
    places = (np.arange(length) + 0.5) * (KNOTS - 1) / length
    near = np.clip(1 - abs(places[:, None] - np.arange(KNOTS)), 0, 1)
    return np.floor(near * near * (3 - 2 * near) * UNIT + 0.5)
