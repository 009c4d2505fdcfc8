"""Images in, embeddings of length 1 out: a model with its preprocessing and checks."""

import keras
import numpy as np

from . import converting, serving
from .gallery_files import probe_image


class ImageEmbedder:
    """A model of embeddings behind its preprocessing, run on checked images.

    Args:
        model: Functional or sequential model from images `(batch, height, width,
            channels)` to embeddings `(batch, width)`, or one that holds such a model
            as its layer `"embedder"`.
        preprocess: Layer that turns raw images into the model's inputs, or `None`.

    Attributes:
        model: The model of embeddings.
        service: `serving.Service` of the model and its preprocessing.
        shape: Height, width and channels of the images, `None` for any size.
        width: Numbers in an embedding.

    Call arguments:
        images: One image or a batch of them.
        batch_size: How many go through the model at once.

    Returns:
        float32 array `(images, width)`, each row of length 1.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model gives no embeddings, images do not fit it, or they
            or their embeddings hold NaN, infinity or only zeros.

    Example:

    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    >>> ImageEmbedder(keras.Sequential(flat))(np.array([[3, 0], [0, 4]]))
    array([[0.6, 0. , 0. , 0.8]], dtype=float32)
    """

    def __init__(self, model, preprocess=None):
        if preprocess is not None and not isinstance(preprocess, keras.layers.Layer):
            raise TypeError(
                "Gallery needs a Keras layer or None as preprocess, received "
                f"{type(preprocess).__name__}; wrap several in keras.layers.Pipeline."
            )
        self.model = _embedder(model)
        stages = converting.stages_of(preprocess)
        self.service = serving.Service(self.model, stages, (), False)
        self.shape = self.service.shape("saved_model")
        self.width = self.model.outputs[0].shape[-1]

    def __call__(self, images, batch_size=32):
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"Gallery needs a batch_size of 1 or more, received {batch_size!r}."
            )
        images = self.batch(images)
        starts = range(0, len(images), batch_size)
        rows = [self._run(images[i : i + batch_size], i) for i in starts]
        outputs = np.concatenate([np.zeros((0, self.width)), *rows])
        lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if len(bad):
            what = "only zeros" if lengths[bad[0]] == 0 else "NaN or infinity"
            raise ValueError(
                f"the model's embedding of image {bad[0]} of {len(images)} holds "
                f"{what} and points nowhere; look at the image and at the model's "
                "weights."
            )
        return (outputs / lengths).astype("float32")

    def batch(self, images):
        """Give images as an array `(n, height, width, channels)`.

        Args:
            images: One image or a batch of them; grey ones without their channel too.

        Returns:
            Array.
        """
        told = f"shape ({str(self.shape)[1:-1]}), None being any size"
        if keras.ops.is_tensor(images):
            images = keras.ops.convert_to_numpy(images)
        try:
            images = np.asarray(images)
        except ValueError as error:  # rows of different lengths
            raise ValueError(
                f"images that come together must be of one size, each of {told}; "
                "give those of other sizes one by one."
            ) from error
        if images.dtype.kind not in "buif":
            raise TypeError(
                f"Gallery takes images as arrays of numbers of {told}, received "
                f"{images.dtype}."
            )
        received = images.shape
        if self.shape[-1] == 1 and images.ndim in (2, 3) and received[-1] != 1:
            images = images[..., None]
        images = images[None] if images.ndim == 3 else images
        fits = images.ndim == 4 and all(
            size in (None, length)
            for size, length in zip(self.shape, images.shape[1:], strict=True)
        )
        if not fits or 0 in images.shape[1:]:
            raise ValueError(
                f"the model takes images of {told}, received an array of shape "
                f"{received}."
            )
        return images

    def probe(self):
        """Embed the picture that tells models apart.

        Returns:
            float32 array `(width,)`; zeros where the model gives it no direction.
        """
        outputs = self._run(probe_image(self.shape)[None])[0]
        length = np.linalg.norm(outputs)
        directed = np.isfinite(length) and length > 0
        unit = outputs / length if directed else np.zeros(self.width)
        return unit.astype("float32")

    def _run(self, images, first=0):
        """Run a batch, whose first image has a number: its outputs in float64."""
        images = images.astype("float32")
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        if len(bad):
            raise ValueError(
                f"image {first + bad[0]} holds NaN or infinity, or a number that is "
                "none in float32."
            )
        for stage in self.service.stages:
            images = stage(images, training=False)
        images = keras.ops.convert_to_numpy(images)
        wanted = self.model.inputs[0].shape[1:]
        # on JAX, a model that raises while it predicts has lost its weights
        if images.ndim != 4 or any(
            size not in (None, length)
            for size, length in zip(wanted, images.shape[1:], strict=True)
        ):
            raise ValueError(
                f"preprocess gives images of shape {images.shape[1:]}, but the model "
                f"takes {tuple(wanted)}."
            )
        count = len(images)
        # powers of two, so that few shapes are compiled and one image costs one
        more = (1 << (count - 1).bit_length()) - count
        padded = np.concatenate([images, np.repeat(images[-1:], more, axis=0)])
        outputs = keras.tree.flatten(self.model.predict_on_batch(padded))[0]
        return np.asarray(outputs[:count], "float64")


def _embedder(model):
    """Find the model from images to embeddings."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"Gallery needs a keras.Model, received {type(model).__name__}."
        )
    for layer in model.layers:
        if layer.name == "embedder" and isinstance(layer, keras.Model):
            model = layer
    ends = [getattr(model, name, None) or [] for name in ("inputs", "outputs")]
    shapes = [[tuple(tensor.shape) for tensor in end] for end in ends]
    ranks = [[len(shape) for shape in end] for end in shapes]
    if ranks != [[4], [2]] or shapes[1][0][1] in (None, 1):
        raise ValueError(
            "Gallery needs a functional or sequential model from images (batch, "
            "height, width, channels) to embeddings (batch, 2 or more), or one with "
            f"such a model as its layer 'embedder'; received inputs of {shapes[0]} "
            f"and outputs of {shapes[1]}."
        )
    return model
