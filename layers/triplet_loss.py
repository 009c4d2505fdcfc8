"""Triplet loss: examples of a class closer together than to those of any other."""

import math
import numbers

import keras
from keras import ops

from . import native
from .class_labels import as_digits, from_digits
from .pair_distances import floating
from .triplet_mining import BatchHard, EveryTriplet, SemiHard

MINING = {"semi_hard": SemiHard, "batch_hard": BatchHard, "all": EveryTriplet}
DISTANCES = ("squared", "euclidean")
MEANS = ("valid", "positive")


@keras.saving.register_keras_serializable("kerasmith")
class Triplet(keras.losses.Loss):
    """Draw embeddings of a class together, and those of others a margin further off.

        max(d(anchor, positive) - d(anchor, negative) + margin, 0)

    The positive is another example of the anchor's class, the negative one of another
    class. Which triplets of the batch count is the `mining`:

    - `"semi_hard"`: each pair of anchor and positive, with the nearest negative that is
      farther from the anchor than the positive. Where there is none, with the farthest
      negative. FaceNet's, with squared distances.
    - `"batch_hard"`: each anchor, with its farthest positive and nearest negative. From
      random weights this may move all embeddings to one point, and the loss stays at
      the margin: train with another mining before.
    - `"all"`: each pair of anchor and positive, with each negative.

    The mean of the values is the mean over these triplets. An anchor without a
    positive or a negative has the value 0, and so has a batch without any triplet.
    Nothing larger than `(batch, batch)` is held. The time grows with the size of the
    largest class, except with `"batch_hard"`.

    Batches need several examples of each class: `zoo.data.class_batches` makes them.
    Unless `margin` is `"soft"`, let the embeddings end in `L2Normalization`.

    Args:
        mining: `"semi_hard"`, `"batch_hard"` or `"all"`.
        margin: Positive number, or `"soft"`: the cost is then
            `log(1 + exp(d(anchor, positive) - d(anchor, negative)))`.
        distance: `"squared"` or `"euclidean"`. The slope of the latter is taken as 0
            between equal embeddings.
        mean_over: `"valid"`, all triplets that count, or `"positive"`, those of them
            that cost anything: with `mining="all"` the latter is what Hermans et al.
            recommend.
        reduction: As for every Keras loss. The values are scaled so that their mean is
            the mean over triplets: `"sum"` gives that times the size of the batch.
        name: Name of the loss.
        dtype: Dtype of the result; the computation has float32 at least.

    Call arguments:
        y_true: Whole numbers of shape `(batch,)` or `(batch, 1)`, the classes.
        y_pred: Embeddings of shape `(batch, dim)`.
        sample_weight: Tensor of shape `(batch,)`; weighs anchors.

    Returns:
        Scalar, or `(batch,)` with `reduction=None`.

    Raises:
        ValueError: If an argument is none of these, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> embeddings = np.array([[0.0], [1.0], [1.1], [3.0]], "float32")
    >>> labels = np.array([0, 0, 1, 1])
    >>> round(float(Triplet("batch_hard", margin=0.5)(labels, embeddings)), 4)
    1.4975

    Reference:
        Schroff et al., 2015, https://arxiv.org/abs/1503.03832;
        Hermans et al., 2017, https://arxiv.org/abs/1703.07737
    """

    def __init__(
        self,
        mining="semi_hard",
        margin=0.2,
        *,
        distance="squared",
        mean_over="valid",
        reduction="sum_over_batch_size",
        name="triplet",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _check_choice("mining", mining, MINING)
        _check_choice("distance", distance, DISTANCES)
        _check_choice("mean_over", mean_over, MEANS)
        number = isinstance(margin, numbers.Real) and 0 < margin < math.inf
        if margin != "soft" and not number:
            raise ValueError(
                "Triplet needs a positive margin or 'soft', received "
                f"margin={margin!r}. FaceNet has 0.2 between unit vectors."
            )
        self.mining = mining
        self.margin = margin
        self.distance = distance
        self.mean_over = mean_over
        self._mining = MINING[mining](margin, distance, mean_over)
        self._values = native.of("pairs").with_gradient(
            self._mining.values, self._mining.gradient
        )

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(as_digits(y_true, y_pred), y_pred, sample_weight)

    def call(self, y_true, y_pred):
        classes = self._mining.prepare(from_digits(y_true))
        values = self._values(classes, floating(y_pred))
        return ops.cast(values, y_pred.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "mining": self.mining,
            "margin": self.margin,
            "distance": self.distance,
            "mean_over": self.mean_over,
            "dtype": self.dtype,
        }


def _check_choice(argument, given, choices):
    if given not in tuple(choices):
        raise ValueError(
            f"Triplet needs {argument} to be one of {', '.join(map(repr, choices))}, "
            f"received {argument}={given!r}."
        )
