"""Weights of pixels that are large where two objects nearly touch, as for U-Net.

The paper's sum stands for all pixels, and there force the network to learn "the small
separation borders" between objects. So here the second term is that of the background:
inside an object the weight is that of its class alone. Distances are Euclidean and
exact, from the middle of a pixel to the middle of the nearest pixel of an object. The
paper first cuts a border between objects that touch; here masks stay as they are, and
where two objects touch no background is left between them to be weighed.
"""

import numpy as np
import tensorflow as tf

from .python_calls import call_python


def boundary_weights(
    mask,
    instances=None,
    *,
    w0=10.0,
    sigma=5.0,
    class_weights=None,
    ignore_class=None,
):
    """Compute the weights of the pixels of one mask.

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

    `d1` and `d2` are the distances to the nearest and the second nearest object. The
    second term is added where the mask is background, and where there are two objects.

    Args:
        mask: Whole numbers of shape `(height, width)`, 0 for the background, otherwise
            the class.
        instances: Whole numbers of the same shape, 0 for the background, otherwise
            which object. Without it the objects are what hangs together of one class,
            over sides, not over corners.
        w0: Height of the second term.
        sigma: Its width in pixels.
        class_weights: `w_c`: `None` for 1 everywhere, one number for each class, or
            `"balanced"` for those that let the classes of this mask weigh alike, 1 in
            the mean. The paper balances over the whole training set: count its pixels
            and give numbers for that.
        ignore_class: Value of pixels that take no part: they have weight 0 and are no
            object.

    Returns:
        Float32 array of shape `(height, width)`, made in about one distance transform
        an object.

    Raises:
        ValueError: If shapes or numbers cannot be right.

    Example:

    >>> mask = np.array([[1, 0, 0, 1, 0, 0, 0]])
    >>> weights = boundary_weights(mask, sigma=3.0)
    >>> [round(float(weight), 2) for weight in weights[0]]
    [1.0, 7.07, 7.07, 1.0, 3.49, 1.66, 1.11]

    Reference:
        Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597, equation 2.
    """
    _check_numbers(w0, sigma)
    mask = _checked("mask", mask)
    counted = (
        np.ones(mask.shape, bool) if ignore_class is None else mask != ignore_class
    )
    objects = np.where(counted, _objects(np.where(counted, mask, 0), instances), 0)
    first, second = _two_nearest(objects)
    near = w0 * np.exp(-((first + second) ** 2) / (2.0 * sigma**2))
    background = (mask == 0) & (objects == 0)
    weights = _of_classes(mask, counted, class_weights) + np.where(background, near, 0)
    return np.where(counted, weights, 0).astype("float32")


def with_boundary_weights(*, w0=10.0, sigma=5.0, class_weights=None, ignore_class=None):
    """Make a function for `dataset.map` that adds the weights of the pixels.

    They become the `sample_weight` of `fit`. Put `cache` behind it where the data set
    fits into memory: distances take longer than a small network's step.

    Args:
        w0: As for `boundary_weights`.
        sigma: As for `boundary_weights`.
        class_weights: As for `boundary_weights`; `"balanced"` is by each mask.
        ignore_class: As for `boundary_weights`.

    Returns:
        Function from an image and a mask, and maybe its instances, to the image, the
        mask and float32 weights. Masks are `(height, width)` or
        `(height, width, 1)`, or a batch of either; weights have the shape of the mask
        without the last axis of 1.

    Raises:
        ValueError: If numbers cannot be right; when it is mapped, if a shape is not.

    Example:

    >>> masks = np.array([[[1, 0, 1]], [[1, 1, 0]]])
    >>> pairs = tf.data.Dataset.from_tensor_slices((np.zeros((2, 1, 3, 1)), masks))
    >>> image, mask, weights = next(iter(pairs.map(with_boundary_weights())))
    >>> [round(float(weight), 1) for weight in weights[0]]
    [1.0, 10.2, 1.0]
    """
    _check_numbers(w0, sigma)
    keywords = {"w0": w0, "sigma": sigma, "class_weights": class_weights}
    keywords["ignore_class"] = ignore_class

    def of_all(*arrays):
        flat = [array.reshape(-1, *array.shape[-2:]) for array in arrays]
        each = [boundary_weights(*one, **keywords) for one in zip(*flat, strict=True)]
        return np.array(each, "float32").reshape(arrays[0].shape)

    def add(image, mask, instances=None):
        arrays = [_flat(part) for part in (mask, instances) if part is not None]
        weights = call_python(of_all, arrays, tf.float32, _nothing, parallel=True)
        return image, mask, tf.ensure_shape(weights, arrays[0].shape)

    return add


def _flat(mask):
    """Take a last axis of 1 off a mask."""
    shape = mask.shape
    if shape.rank is None or not 2 <= shape.rank <= 4:
        raise ValueError(
            "with_boundary_weights needs masks of shape (height, width) or "
            f"(height, width, 1), or a batch of them, received {shape}."
        )
    if shape.rank == 4 and shape[-1] != 1:
        raise ValueError(
            "with_boundary_weights needs classes, not one-hot rows, received masks of "
            f"shape {shape}: take the argmax over the last axis."
        )
    return mask[..., 0] if shape.rank > 2 and shape[-1] == 1 else mask


def _nothing(mask, *rest):
    return np.zeros(mask.shape, "float32")


def _objects(mask, instances):
    """Number the objects from 1, in a map with 0 elsewhere."""
    if instances is not None:
        instances = _checked("instances", instances)
        if instances.shape != mask.shape:
            raise ValueError(
                f"boundary_weights received a mask of shape {mask.shape} and instances "
                f"of shape {instances.shape}: both show the same pixels."
            )
        return instances
    from scipy import ndimage

    objects = np.zeros(mask.shape, int)
    for value in np.unique(mask[mask != 0]):
        parts = np.empty(mask.shape, "int32")
        ndimage.label(mask == value, output=parts)
        objects[parts > 0] = parts[parts > 0] + objects.max()
    return objects


def _two_nearest(objects):
    """Give the distances to the nearest and the second nearest object."""
    from scipy import ndimage

    first = np.full(objects.shape, np.inf)
    second, distance = first.copy(), first.copy()
    for value in np.unique(objects[objects != 0]):
        ndimage.distance_transform_edt(objects != value, distances=distance)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return first, second


def _of_classes(mask, counted, class_weights):
    if class_weights is None:
        return np.ones(mask.shape)
    values, places, counts = np.unique(
        mask[counted], return_inverse=True, return_counts=True
    )
    if isinstance(class_weights, str):
        if class_weights != "balanced":
            raise ValueError(
                "boundary_weights needs class_weights of 'balanced', None or a number "
                f"for each class, received {class_weights!r}."
            )
        each = counts.sum() / (len(values) * np.maximum(counts, 1))
    else:
        if len(values) and not 0 <= values[0] <= values[-1] < len(class_weights):
            raise ValueError(
                f"boundary_weights received {len(class_weights)} class_weights and a "
                f"mask with the classes {values.tolist()}: give one for each class, "
                "the background first, and ignore_class for what is no class."
            )
        each = np.asarray(class_weights, "float64")[values]
    weights = np.zeros(mask.shape)
    weights[counted] = each[places]
    return weights


def _checked(name, array):
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "biu":
        raise ValueError(
            f"boundary_weights needs {name} of whole numbers of shape (height, width), "
            f"received {array.dtype} of shape {array.shape}."
        )
    return array.astype("int64")


def _check_numbers(w0, sigma):
    if not (0 <= w0 < np.inf and 0 < sigma < np.inf):
        raise ValueError(
            "the boundary weights need a w0 of at least 0 and a sigma above 0, "
            f"received w0={w0}, sigma={sigma}."
        )
