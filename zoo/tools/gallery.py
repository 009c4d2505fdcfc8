"""One-shot recognition: a few images of each name, and the distance to a new one."""

import numbers

import numpy as np

from .gallery_embedder import ImageEmbedder
from .gallery_files import check_model, fingerprint, read_gallery, write_gallery
from .gallery_index import GalleryIndex
from .gallery_threshold import Verification, balanced_threshold


class Gallery:
    """Images enrolled under names, and whose a new image is.

    The model gives embeddings, which are scaled to length 1 here; distances between
    them are Euclidean, 0 to 2, and order as cosines do: `d^2 = 2 - 2 cosine`. An
    image belongs to the name of the nearest enrolled image, or to nobody who is
    enrolled if that is farther than the threshold.

    Images are arrays `(height, width, channels)`, of any real dtype and in the scale
    that `preprocess` takes, or the model where there is none. Grey ones may come
    without their channel.

    Args:
        model: Functional or sequential `keras.Model` from images `(batch, height,
            width, channels)` to embeddings `(batch, width)`, or a Siamese model with
            such a model as its layer `"embedder"`.
        threshold: Largest distance of two images of the same, 0 to 2; `None` to name
            the nearest however far it is.
        preprocess: Layer, `keras.layers.Pipeline` or `keras.Sequential` that turns
            raw images into the model's inputs; with a `Resizing` in it images may
            have any size.

    Attributes:
        threshold: May be set at any time.
        embedder: `ImageEmbedder` of the model and the preprocessing; its `model` is
            the one from images to embeddings.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If the model gives no embeddings, or a threshold is out of range.

    Example:

    >>> import keras
    >>> flat = [keras.Input((2, 2, 1)), keras.layers.Flatten()]
    >>> gallery = Gallery(keras.Sequential(flat), threshold=0.5)
    >>> gallery.enroll(["left", "right"], [[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    >>> gallery.identify(np.array([[5, 0], [5, 0]]))
    ('left', 0.0)
    >>> bool(gallery.verify(np.array([[5, 0], [5, 0]]), "right"))
    False
    >>> gallery.identify(np.array([[1, 1], [0, 0]]))[0] is None
    True

    Reference:
        Koch et al., 2015, Siamese Neural Networks for One-shot Image Recognition,
        https://www.cs.cmu.edu/~rsalakhu/papers/oneshot1.pdf
    """

    def __init__(self, model, *, threshold=None, preprocess=None):
        self.embedder = ImageEmbedder(model, preprocess)
        self.threshold = threshold
        self._index = GalleryIndex(self.embedder.width)
        self._weights = None  # their fingerprint when the first image was enrolled

    @property
    def threshold(self):
        """The largest distance of two images of the same, or `None`."""
        return self._threshold

    @threshold.setter
    def threshold(self, value):
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if value is not None and not (real and 0 <= float(value) <= 2):
            raise ValueError(
                "Gallery needs a threshold from 0 to 2, a distance of embeddings of "
                f"length 1, or None, received {value!r}."
            )
        self._threshold = None if value is None else float(value)

    @property
    def names(self):
        """The names in the order in which they were enrolled, a tuple."""
        return self._index.names

    @property
    def counts(self):
        """Dictionary of each name to the number of its images."""
        return self._index.counts

    def __len__(self):
        """Count the names."""
        return len(self._index)

    def __contains__(self, name):
        return name in self._index

    def embed(self, images, *, batch_size=32):
        """Give the embeddings of images.

        Args:
            images: One image or a batch of them.
            batch_size: How many go through the model at once.

        Returns:
            float32 array `(images, width)`, each row of length 1.

        Raises:
            ValueError: If images do not fit the model, or they or their embeddings
                hold NaN, infinity or only zeros.
        """
        return self.embedder(images, batch_size)

    def _one(self, image, method):
        embeddings = self.embed(image)
        if len(embeddings) != 1:
            raise ValueError(
                f"{method} takes one image, received {len(embeddings)}; identify_many "
                "takes several."
            )
        return embeddings[0]

    def enroll(self, name, images, *, batch_size=32):
        """Add images under a name. Those it has already stay.

        Args:
            name: Text, or a list with the name of each image.
            images: One image or a batch of them.
            batch_size: How many go through the model at once.

        Raises:
            TypeError: If a name is no text.
            ValueError: If a name is empty, there are no images, or they do not fit.
        """
        images = self.embedder.batch(images)
        given = [name] * len(images) if isinstance(name, str) else name
        if not isinstance(given, (list, tuple, np.ndarray)):
            raise TypeError(
                "a name is text, or a list with the text of each image, received "
                f"{name!r}."
            )
        if not len(images) or len(given) != len(images):
            raise ValueError(
                f"enroll needs one image or more and a name for each, received "
                f"{len(given)} names and {len(images)} images."
            )
        given = [_check_name(each) for each in given]
        embeddings = self.embed(images, batch_size=batch_size)
        if not len(self._index):
            self._weights = fingerprint(self.embedder.model)
        self._index.add(given, embeddings)

    def remove(self, name):
        """Take a name and its images out.

        Args:
            name: An enrolled name.

        Returns:
            How many images it had.

        Raises:
            ValueError: If the name is not enrolled; it tells the nearest ones.
        """
        return self._index.remove(name)

    def identify(self, image):
        """Tell whose an image is.

        Args:
            image: One image.

        Returns:
            Pair of the name whose image is nearest, and its distance. The name is
            `None` where the distance is above the threshold.

        Raises:
            ValueError: If nothing is enrolled or the image does not fit.
        """
        return self._identify(self._one(image, "identify")[None])[0]

    def identify_many(self, images, *, batch_size=32):
        """Tell whose each of some images is.

        Args:
            images: Batch of images.
            batch_size: How many go through the model at once.

        Returns:
            List of pairs as `identify` gives them.

        Raises:
            ValueError: If nothing is enrolled or an image does not fit.
        """
        return self._identify(self.embed(images, batch_size=batch_size))

    def _identify(self, embeddings):
        limit = 2.0 if self.threshold is None else self.threshold
        return [
            (name if distance <= limit else None, distance)
            for ((name, distance),) in self._index.nearest(embeddings, 1)
        ]

    def nearest(self, image, most=5):
        """List the names nearest to an image, whatever the threshold.

        Args:
            image: One image.
            most: How many names to give.

        Returns:
            List of pairs of a name and the distance of its nearest image, nearest
            first; of equal ones the one enrolled first.

        Raises:
            ValueError: If nothing is enrolled or the image does not fit.
        """
        if not isinstance(most, int) or most < 1:
            raise ValueError(f"nearest needs 1 name or more, received {most!r}.")
        return self._index.nearest(self._one(image, "nearest")[None], most)[0]

    def verify(self, image, name):
        """Tell whether an image shows what a name stands for.

        Args:
            image: One image.
            name: An enrolled name.

        Returns:
            `Verification`, with `same` and the `distance` from the nearest image of
            the name. It is true in a condition if they are the same.

        Raises:
            ValueError: If there is no threshold, the name is not enrolled, or the
                image does not fit.
        """
        if self.threshold is None:
            raise ValueError(
                "verify needs a threshold, the largest distance of two images of the "
                "same: set the attribute threshold, or calibrate on images that were "
                "not trained on."
            )
        distance = self._index.distance(self._one(image, "verify"), name)
        return Verification(distance <= self.threshold, distance)

    def calibrate(self, images, labels, *, batch_size=32):
        """Set the threshold by images that the model was not trained on.

        It is the distance at which the share of pairs of the same that lie within
        it, and the share of other pairs that do not, have the largest mean. All
        pairs are compared, half a million for a thousand images.

        Args:
            images: Batch of images, two or more of each of two or more labels.
            labels: What each shows; they need not be enrolled.
            batch_size: How many go through the model at once.

        Returns:
            The threshold.

        Raises:
            ValueError: If images or labels do not fit.
        """
        embeddings = self.embed(images, batch_size=batch_size)
        self.threshold = balanced_threshold(embeddings, labels)
        return self.threshold

    def save(self, path):
        """Write the names, embeddings and threshold into one file.

        It is written beside and renamed: what stood there stays until the new one is
        whole. The model is not in it, only a fingerprint of its weights.

        Args:
            path: Where the file is to stand, by custom with the suffix `.npz`.

        Returns:
            The path as a `pathlib.Path`.

        Raises:
            ValueError: If the model was trained since images were enrolled.
            OSError: If the file cannot be written.
        """
        names, owners, embeddings = self.entries()
        about = {
            "names": names,
            "threshold": self.threshold,
            "fingerprint": fingerprint(self.embedder.model),
        }
        probe = self.embedder.probe()
        arrays = {"embeddings": embeddings, "owners": owners, "probe": probe}
        return write_gallery(path, about, arrays)

    @classmethod
    def load(cls, path, model, *, preprocess=None):
        """Read a gallery that `save` wrote.

        Args:
            path: The file.
            model: The model that the images were enrolled with, or a copy of it, on
                any backend.
            preprocess: The preprocessing they were enrolled with.

        Returns:
            `Gallery`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is cut short, or was made with another model or
                preprocessing.
        """
        about, arrays = read_gallery(path)
        gallery = cls(model, threshold=about["threshold"], preprocess=preprocess)
        check_model(path, about["fingerprint"], arrays["probe"], gallery.embedder)
        names = [about["names"][owner] for owner in arrays["owners"]]
        if names:
            gallery._index.add(names, arrays["embeddings"])
            gallery._weights = about["fingerprint"]
        return gallery

    def entries(self):
        """Give what is enrolled.

        Returns:
            Tuple of the names; an array with the place among them of each image's
            name; and an array of the images' embeddings.

        Raises:
            ValueError: If the model was trained since images were enrolled.
        """
        if len(self) and fingerprint(self.embedder.model) != self._weights:
            raise ValueError(
                "the model's weights have changed since images were enrolled, and "
                "their embeddings with them: enrol the images in a new Gallery."
            )
        index = self._index
        return index.names, index.owners, index.vectors.copy()

    def export(self, path, *, dtype="uint8", samples=None):
        """Write a SavedModel that embeds, verifies and identifies without Keras.

        It is run in a process without Keras and compared with this gallery before it
        takes its place. Its signatures, all on raw images `(batch, height, width,
        channels)`:

        | signature | takes | gives |
        |---|---|---|
        | `embed` | `images` | `embeddings` |
        | `verify` | `first`, `second` | `distance`, `same` |
        | `identify` | `images` | `name`, `distance` |
        | `names` | nothing | `names` |

        `verify` compares batches of one length, or one image with many. `identify`
        gives an empty name to images above the threshold; an empty gallery has
        neither it nor `names`.

        Args:
            path: Folder that receives `saved_model/`.
            dtype: Of the images, `"uint8"` or `"float32"`.
            samples: Images to check with, as the gallery takes them; random if
                `None`.

        Returns:
            Path of the SavedModel.

        Raises:
            ExportMismatch: If the SavedModel answers differently. It is removed;
                what stood there before stays.
            ValueError: If there is no threshold, the model was trained since images
                were enrolled, or cannot be converted.
            OSError: If the folder cannot be written.
        """
        from .gallery_export import export_gallery

        return export_gallery(self, path, dtype=dtype, samples=samples)


def _check_name(name):
    if not isinstance(name, str):
        raise TypeError(f"a name is text, received {name!r}.")
    if not name.strip():
        raise ValueError(f"a name needs a letter or more, received {name!r}.")
    return str(name)
