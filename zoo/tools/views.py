"""Several views of one image, and the mean of what a model says of them."""

import math

import keras
from keras import ops

from ..choices import choose

# how many views each kind takes of an image
VIEWS = {"flip": 2, "five": 5, "ten": 10}
# images are made larger by this much before crops are cut from them
LARGER, CROP = 256, 224


@keras.saving.register_keras_serializable("kerasmith")
class Crops(keras.layers.Layer):
    """Cut views of a fixed size from images.

    The four corners and the centre (`"five"`), these and their mirror images
    (`"ten"`), or the whole image and its mirror image (`"flip"`). Where the margin
    is odd, the centre lies half a pixel up or to the left.

    Args:
        height: Height of a view.
        width: Its width.
        kind: `"five"`, `"ten"` or `"flip"`.

    Call arguments:
        inputs: Images `(batch, larger height, larger width, channels)`.

    Returns:
        Tensor `(batch * views, height, width, channels)`, the views of an image one
        after the other.

    Raises:
        ValueError: If there is no such kind, or the images are too small for it.

    Example:

    >>> import numpy as np
    >>> image = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> ops.convert_to_numpy(Crops(2, 2, "five")(image))[:, 0, 0, 0].tolist()
    [0.0, 1.0, 3.0, 4.0, 0.0]

    Reference:
        Krizhevsky et al., 2012, section 4.1,
        https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    """

    def __init__(self, height, width, kind="ten", **kwargs):
        super().__init__(**kwargs)
        self.kind = choose("kind of crops", kind, list(VIEWS))
        self.height, self.width = height, width

    def call(self, inputs):
        size = (self.height, self.width)
        down, right = (
            large - small for large, small in zip(inputs.shape[1:3], size, strict=True)
        )
        if min(down, right) < 0 or (self.kind == "flip" and (down or right)):
            raise ValueError(
                f"Crops cuts {self.kind!r} views of {size} from images of at least "
                f"that size (for 'flip': of just that size), received {inputs.shape}."
            )
        corners = [(0, 0), (0, right), (down, 0), (down, right)]
        corners += [(down // 2, right // 2)]
        views = [
            inputs[:, top : top + self.height, left : left + self.width]
            for top, left in (corners[-1:] if self.kind == "flip" else corners)
        ]
        if self.kind != "five":
            views += [ops.flip(view, axis=2) for view in views]
        return ops.reshape(ops.stack(views, axis=1), (-1, *size, inputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        batch = input_shape[0] and input_shape[0] * VIEWS[self.kind]
        return (batch, self.height, self.width, input_shape[-1])

    def get_config(self):
        own = {"height": self.height, "width": self.width, "kind": self.kind}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasmith")
class AverageProbabilities(keras.layers.Layer):
    """Average the probabilities that several answers give, and give logits again.

    The result is the logarithm of the mean probabilities, so that a softmax behind
    it gives just these. It is computed in float32 whatever the dtype policy.

    Args:
        answers: How many logits there are for each example.
        classes: Number of classes.

    Call arguments:
        inputs: Logits `(batch * answers, classes)`, those of an example one after
            the other, or `(batch, answers * classes)`.

    Returns:
        Tensor `(batch, classes)`.

    Raises:
        ValueError: If there is no answer or no class.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[0.9, 0.1], [0.5, 0.5]])
    >>> mean = ops.exp(AverageProbabilities(2, 2)(logits))
    >>> round(float(mean[0, 0]), 3)
    0.7
    """

    def __init__(self, answers, classes, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if answers < 1 or classes < 1:
            raise ValueError(
                "AverageProbabilities needs answers >= 1 and classes >= 1, received "
                f"answers={answers} and classes={classes}."
            )
        self.answers, self.classes = answers, classes

    def call(self, inputs):
        logits = ops.reshape(inputs, (-1, self.answers, self.classes))
        told = ops.log_softmax(logits, axis=-1)
        return ops.logsumexp(told, axis=1) - math.log(self.answers)

    def compute_output_shape(self, input_shape):
        return (None, self.classes)

    def get_config(self):
        own = {"answers": self.answers, "classes": self.classes}
        return {**super().get_config(), **own}


def count_views(crops):
    """Tell how many views are taken of an image.

    Args:
        crops: `None`, `"flip"`, `"five"` or `"ten"`.

    Returns:
        The number.

    Raises:
        ValueError: If there is no such kind.

    Example:

    >>> count_views("ten"), count_views(None)
    (10, 1)
    """
    return 1 if crops is None else choose("kind of crops", crops, VIEWS)


def size_before(input_shape, crops):
    """Tell to what size images are brought before views are taken of them.

    Args:
        input_shape: Height, width and channels that the model takes.
        crops: `None`, `"flip"`, `"five"` or `"ten"`.

    Returns:
        Height, width and channels: those of the model, for crops larger by the ratio
        of the paper, 256 to 224, rounded up.

    Example:

    >>> size_before((224, 224, 3), "ten"), size_before((32, 32, 1), "flip")
    ((256, 256, 3), (32, 32, 1))
    """
    height, width, channels = input_shape
    if crops in (None, "flip"):
        return (height, width, channels)
    return (-(-height * LARGER // CROP), -(-width * LARGER // CROP), channels)


def with_views(model, crops=None, name=None):
    """Let a model judge several views of an image and average the probabilities.

    Args:
        model: Model from one batch of images to logits; its weights are shared.
        crops: `None` for the image as it is, `"flip"`, `"five"` or `"ten"`.
        name: Name of the new model.

    Returns:
        Functional model from images of the size of `size_before` to the logarithms
        of the mean probabilities.

    Raises:
        ValueError: If there is no such kind, or the model takes or gives several
            things.

    Example:

    >>> flat = [keras.Input((14, 14, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    >>> ten = with_views(keras.Sequential(flat), "ten")
    >>> ten.input_shape, ten.output_shape
    ((None, 16, 16, 1), (None, 3))
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"views need a model with one input and one output, and {model.name} has "
            f"{len(model.inputs)} and {len(model.outputs)}."
        )
    views, shape = count_views(crops), model.inputs[0].shape[1:]
    image = keras.Input(size_before(shape, crops))
    x = Crops(*shape[:2], crops, dtype="float32")(image) if crops else image
    answers = AverageProbabilities(views, model.outputs[0].shape[-1])
    return keras.Model(image, answers(model(x)), name=name)
