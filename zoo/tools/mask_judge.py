"""Judging a network of segmentation on its test images."""

import dataclasses

import keras
import numpy as np

from ..data.masks import IGNORED

SHOWN = 6  # examples in the order of the test split
WORST = 10  # those whose masks fit least


def middle(masks, sizes):
    """Cut masks to their middle.

    Args:
        masks: Array or tensor of shape `(batch, height, width, ...)`.
        sizes: Height and width of what stays.

    Returns:
        Array or tensor of shape `(batch, *sizes, ...)`.

    Example:

    >>> middle(np.arange(5).reshape(1, 1, 5), (1, 2)).tolist()
    [[[1, 2]]]
    """
    height, width = masks.shape[1:3]
    top, left = (height - sizes[0]) // 2, (width - sizes[1]) // 2
    return masks[:, top : top + sizes[0], left : left + sizes[1]]


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What a network answered for one image.

    Args:
        number: Which image of the split, from 0.
        fit: Mean intersection over union of its classes.
        image: `uint8` array of shape `(height, width, channels)`.
        truth: The true classes, `(height, width)`.
        prediction: The most likely classes, `(height, width)`.

    Example:

    >>> nothing = np.zeros((2, 2))
    >>> Answer(0, 0.5, nothing[..., None], nothing, nothing).masks[1].shape
    (2, 2)
    """

    number: int
    fit: float
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray

    @property
    def masks(self):
        """Image, truth and prediction."""
        return self.image, self.truth, self.prediction


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a network answered on the test images.

    Args:
        matrix: Pixels by class, a row a true class, ignored ones left out.
        loss: Mean loss.
        examples: `Answer` to each of the first images.
        worst: Those that fit least, the worst first.

    Example:

    >>> Verdict(np.array([[8, 2], [0, 10]]), 0.1, [], []).scores["test_pixel_accuracy"]
    0.9
    """

    matrix: np.ndarray
    loss: float
    examples: list
    worst: list

    @property
    def scores(self):
        """The figures of the results of a run."""
        union, dice = (np.nanmean(each) for each in overlaps(self.matrix))
        return {
            "test_mean_iou": float(union),
            "test_mean_dice": float(dice),
            "test_pixel_accuracy": float(self.matrix.trace() / self.matrix.sum()),
            "test_loss": self.loss,
        }


def overlaps(matrix):
    """Compute intersection over union and Dice's coefficient of each class.

    Args:
        matrix: Counts of shape `(classes, classes)`, a row a true class.

    Returns:
        Two arrays of shape `(classes,)`, NaN where a class never occurs.

    Example:

    >>> [each.round(3).tolist() for each in overlaps(np.array([[8, 2], [0, 10]]))]
    [[0.8, 0.833], [0.889, 0.909]]
    """
    hits, both = matrix.diagonal(), matrix.sum(0) + matrix.sum(1)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return hits / (both - hits), 2 * hits / both


def judge(recipe, model, data):
    """Judge a model by the test images.

    Args:
        recipe: `Recipe`.
        model: The trained model of logits for each pixel.
        data: `Data`.

    Returns:
        `Verdict`.

    Example:

    >>> judge.__name__
    'judge'
    """
    classes = data.description.classes
    loss = keras.losses.get(recipe.loss)
    matrix = np.zeros((classes, classes), "int64")
    examples, worst, losses, number = [], [], [], 0
    for images, masks in data.test:
        logits = np.asarray(model.predict_on_batch(images), "float32")
        masks = middle(np.asarray(masks), logits.shape[1:3])
        losses.append(float(loss(masks, logits)) * len(masks))
        images = _raw(middle(np.asarray(images), logits.shape[1:3]), recipe)
        for triple in zip(images, masks, logits.argmax(-1), strict=True):
            counts = _count(*triple[1:], classes)
            matrix += counts
            answer = Answer(number, _fit(counts), *triple)
            worst.append(answer)
            examples += [answer] * (number < SHOWN)
            number += 1
        worst = sorted(worst, key=lambda answer: answer.fit)[:WORST]
    return Verdict(matrix, sum(losses) / number, examples, worst)


def _raw(images, recipe):
    """Give images as they were before they were scaled."""
    pixels = np.round((images - recipe.offset) / recipe.scale)
    return np.clip(pixels, 0, 255).astype("uint8")


def _count(truth, prediction, classes):
    """Count which class was taken for which, ignored pixels left out."""
    known = truth != IGNORED
    pairs = truth[known] * classes + prediction[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _fit(counts):
    """Tell how well one mask fits; where every pixel is ignored, nothing is wrong."""
    return float(np.nanmean(overlaps(counts)[0])) if counts.any() else 1.0
