"""A look at the data before the first step, when a mistake is still cheap."""

import math
import warnings

import numpy as np

from .dataset import SPLITS, Data
from .masks import IGNORED

LOOKED_AT = 2000  # examples of each split of a set that is not in memory
_CHUNK = 2048  # examples of a set in memory that are looked at together


def check(data, model=None, *, classes=None, input_shape=None):
    """Refuse data that a model cannot learn from, naming the first offender.

    TensorFlow turns a label out of range into NaN without a word; this is where it
    is found. Looked at: labels that are whole numbers, in range, every class in the
    training examples; finite inputs of the model's shape; no empty split. A class
    that is missing only from dev or test is a warning: it cannot be judged there.

    Sets in memory and arrays are looked at whole. Of others, the first 2,000
    examples of each split are, and missing classes are not looked for unless that is
    the whole split.

    Args:
        data: `Data`, a pair of arrays `(images, labels)`, or a batched
            `tf.data.Dataset` of such pairs.
        model: Keras model; its output has one value for each class.
        classes: Number of classes, instead of the model's or the data's own.
        input_shape: Shape of one input, instead of the model's.

    Raises:
        TypeError: If `data` is none of these.
        ValueError: If something is wrong.

    Example:

    >>> images = np.zeros((3, 8, 8, 1), "float32")
    >>> check((images, np.array([0, 2, 1])), classes=2)
    Traceback (most recent call last):
    ValueError: train label 2 at index 1 is out of range: with 2 classes ...
    """
    shape = input_shape or _input_shape(model)
    if isinstance(data, Data):
        described = data.description
        classes = classes or _classes(model) or described.classes
        _check_classes(described, classes)
        for split in SPLITS:
            _check_split(split, _batches(data, split), classes, shape)
    else:
        classes = classes or _classes(model)
        _check_split("train", _batches(data), classes, shape)


def _check_split(split, batches, classes, shape):
    """Look at one split; `batches` gives pairs of arrays and whether they are all."""
    seen, whole, count = set(), True, 0
    for images, labels, last in batches:
        _check_pair(split, images, labels)
        if images.ndim == 4 and labels.ndim == 3 and labels.shape[1:] != (1, 1):
            known = _check_masks(split, labels, images, classes, count)
        else:
            known = labels = _check_labels(split, labels, classes, count)
        _check_images(split, images, shape, count)
        seen.update(np.unique(known).tolist())
        count, whole = count + len(labels), last
    if not count:
        raise ValueError(
            f"the {split} split is empty: there is nothing to "
            f"{'learn from' if split == 'train' else 'judge by'}."
        )
    if whole and classes is not None:
        _check_coverage(split, seen, classes)


def _check_pair(split, images, labels):
    if len(images) != len(labels):
        raise ValueError(
            f"{split} has {len(images)} inputs and {len(labels)} labels; every input "
            "needs one label."
        )


def _check_masks(split, masks, images, classes, start):
    """Look at the classes of all pixels; those marked as ignored take no part."""
    _check_whole(split, "masks", masks, start)
    if masks.shape[1:] != images.shape[1:3]:
        raise ValueError(
            f"{split} masks have the shape {masks.shape[1:]} and their images "
            f"{images.shape[1:]}: a mask has a class for each pixel."
        )
    kept = masks != IGNORED
    wrong = kept & ((masks < 0) | (masks >= (classes or 256)))
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), masks.shape)
        raise ValueError(
            f"{split} mask {start + int(place[0])} holds the class {masks[place]} at "
            f"{tuple(int(i) for i in place[1:])}: with {classes or 'these'} classes "
            f"they are 0 to {(classes or 255) - 1}, and {IGNORED} for pixels that take "
            "no part."
        )
    return masks[kept]


def _check_whole(split, what, labels, start):
    if labels.dtype.kind not in "iub":
        shown = f", {labels[:1].tolist()} at index {start}" if labels.ndim == 1 else ""
        raise ValueError(
            f"{split} {what} are {labels.dtype}{shown}: pass whole numbers, such as "
            f"{what}.astype('int32')."
        )


def _check_labels(split, labels, classes, start):
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{split} labels have the shape {labels.shape} and look one-hot: pass "
            "whole numbers, such as np.argmax(labels, axis=-1)."
        )
    if labels.ndim == 2:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"{split} labels have the shape {labels.shape}; each input needs one label."
        )
    _check_whole(split, "labels", labels, start)
    wrong = labels < 0
    if classes is not None:
        wrong |= labels >= classes
    if wrong.any():
        index = int(np.argmax(wrong))
        span = "0, 1, ..." if classes is None else f"0 to {classes - 1}"
        raise ValueError(
            f"{split} label {labels[index]} at index {start + index} is out of range: "
            f"with {classes or 'these'} classes labels are {span}."
        )
    return labels


def _check_images(split, images, shape, start):
    if shape is not None and not _fits(images.shape[1:], shape):
        raise ValueError(
            f"{split} inputs have the shape {images.shape[1:]}, but the model takes "
            f"{tuple(shape)}: load the data with input_shape={tuple(shape)}."
        )
    if images.dtype.kind in "fcV":
        # bfloat16 is of kind V
        finite = np.isfinite(images.astype("float32", copy=False))
        if not finite.all():
            place = np.unravel_index(int(np.argmin(finite)), images.shape)
            raise ValueError(
                f"{split} input at index {start + int(place[0])} holds "
                f"{images[place]} at {tuple(int(i) for i in place[1:])}: inputs need "
                "finite numbers."
            )
    elif images.dtype.kind not in "iub":
        raise ValueError(
            f"{split} inputs are {images.dtype}; a model takes numbers. Convert them "
            "with astype('float32')."
        )


def _check_coverage(split, seen, classes):
    missing = sorted(set(range(classes)) - seen)
    if not missing:
        return
    told = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    if split == "train":
        raise ValueError(
            f"class {missing[0]} has no example in train ({len(missing)} of {classes} "
            f"classes: {told}): add examples, or build the model with fewer classes."
        )
    warnings.warn(
        f"classes without an example in {split} ({told}) cannot be judged there.",
        stacklevel=4,
    )


def _check_classes(description, classes):
    if classes != description.classes:
        raise ValueError(
            f"the model has {classes} classes and {description.name} has "
            f"{description.classes}: build it with classes={description.classes}."
        )


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(
        length is None or have == length
        for have, length in zip(shape, wanted, strict=True)
    )


def _classes(model):
    """Read the number of classes from the outputs; one output tells two apart."""
    shape = _shape_of(model, "output_shape")
    if shape is None or shape[-1] is None:
        return None
    return max(2, shape[-1])


def _input_shape(model):
    shape = _shape_of(model, "input_shape")
    return None if shape is None else shape[1:]


def _shape_of(model, attribute):
    if model is None:
        return None
    shape = getattr(model, attribute, None)
    if not isinstance(shape, tuple) or not all(
        length is None or isinstance(length, int) for length in shape
    ):
        raise ValueError(
            f"{model.name} has no single {attribute} (received {shape}): build it "
            "first, or pass classes and input_shape instead of the model."
        )
    return shape


def _batches(data, split=None):
    """Give `(images, labels, whether nothing was left out)` batch by batch."""
    limit = LOOKED_AT
    if isinstance(data, Data):
        limit = math.inf if data.held else LOOKED_AT
        data = data.batches(split).rebatch(_CHUNK) if data.held else data.batches(split)
    if hasattr(data, "as_numpy_iterator"):
        yield from _first_batches(data, limit)
        return
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(
            "check takes Data, a pair (images, labels) or a batched tf.data.Dataset of "
            f"such pairs, received {type(data).__name__}."
        )
    images, labels = (np.asarray(part) for part in data)
    yield images, labels, True


def _first_batches(dataset, limit):
    count, length = 0, int(dataset.cardinality())
    for number, batch in enumerate(dataset.as_numpy_iterator(), 1):
        if not isinstance(batch, tuple) or len(batch) < 2:
            raise TypeError(
                "check needs batches (images, labels), received "
                f"{type(batch).__name__} of the spec {dataset.element_spec}."
            )
        images, labels = batch[:2]
        count += len(labels)
        enough = count >= limit
        yield images, labels, not enough or number == length
        if enough:
            return
