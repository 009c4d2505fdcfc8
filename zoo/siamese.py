"""Siamese networks: Bromley et al., 1994, Signature Verification using a "Siamese" Time
Delay Neural Network; Chopra et al., 2005; Taigman et al., 2014 (DeepFace); Schroff et
al., 2015 (FaceNet).

One encoder, any network of the zoo, turns images into embeddings of length 1; how two
images are compared is the head:

- `triplet`: there is none. The model gives embeddings, and `kerasmith.layers.Triplet`
  chooses its triplets inside of batches of several images of several classes each.
- `contrastive`: two images to the distance of their embeddings, for
  `kerasmith.layers.Contrastive`.
- `logistic`: two images to the logit that they show the same, a weighted sum over
  `|f_i - f_j|` or DeepFace's `(f_i - f_j)^2 / (f_i + f_j)`, for a binary cross-entropy.
"""

import dataclasses
from typing import Unpack

import keras

from .. import layers
from . import classifier, registry
from .choices import choose
from .named_parts import PartKeywords
from .parts import Parts
from .space_rows import PLAIN_NETWORK, OneOf, norms

COMPARISONS = ("absolute", "chi_square")
EMBEDDER = "embedder"
KERNELS = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant(classifier.Variant):
    """A way to compare two images.

    Args:
        head: Its name.

    Example:

    >>> VARIANTS["siamese_triplet"].head
    'triplet'
    """

    task: str = "similarity"
    input_shape: tuple[int, int, int] = (32, 32, 1)
    head: str


VARIANTS = {
    "siamese_triplet": Variant(
        summary="Embeddings for a triplet loss",
        paper="Schroff et al., 2015, https://arxiv.org/abs/1503.03832",
        head="triplet",
    ),
    "siamese_contrastive": Variant(
        summary="Two images to the distance of their embeddings",
        paper="Hadsell et al., 2006, https://doi.org/10.1109/CVPR.2006.100",
        head="contrastive",
    ),
    "siamese_logistic": Variant(
        summary="Two images to the logit that they show the same",
        paper="Taigman et al., 2014, https://doi.org/10.1109/CVPR.2014.220",
        head="logistic",
    ),
}
SPACE = {
    **PLAIN_NETWORK,
    "norm": norms(2),
    "embedding": OneOf((16, 32, 64, 128, 256)),
}
HEADS = tuple(row.head for row in VARIANTS.values())


def siamese(
    encoder="lenet5_modern",
    *,
    embedding=128,
    head="triplet",
    comparison="absolute",
    input_shape=None,
    stem="paper",
    weights=None,
    **parts: Unpack[PartKeywords],
):
    """Build a Siamese network.

    The shared encoder, with the layer `embedding` and the scaling to length 1 at its
    end, is one layer of the model: `model.get_layer("embedder")` is a `keras.Model` of
    images to embeddings, which `kerasmith.zoo.Gallery` takes, too. The encoder's
    endpoints are in it.

    Args:
        encoder: Name of a network of the zoo for images.
        embedding: Number of values of an embedding.
        head: `"triplet"`, `"contrastive"` or `"logistic"`.
        comparison: What the logistic head weighs, `"absolute"` differences or
            `"chi_square"`; the latter makes embeddings non-negative by a ReLU.
        input_shape: Height, width and channels of an image, the encoder's own if
            `None`.
        stem: Of the encoder, see there.
        weights: `None`, `"imagenet"` for those of the encoder, or the path of a file
            that Kerasmith wrote of the same network.
        **parts: Parts to exchange in the encoder, see `kerasmith.zoo.Parts`.

    Returns:
        Functional `keras.Model`. Triplet: of images `(batch, *input_shape)` to
        embeddings `(batch, embedding)` of length 1. The others: of a list of two such
        images to `(batch, 1)`, the euclidean distance from 0 to 2, or the logit. All
        in float32 under every dtype policy.

    Raises:
        ValueError: If the encoder, the head, the comparison or a part is unknown, or
            the weights do not fit.
        OSError: If the weights cannot be read, or downloaded.

    Example:

    >>> model = siamese("lenet5_modern", embedding=16, head="contrastive")
    >>> model.output_shape, model.get_layer("embedder").output_shape
    ((None, 1), (None, 16))

    Reference:
        Schroff et al., 2015, https://arxiv.org/abs/1503.03832, Hadsell et al., 2006,
        https://doi.org/10.1109/CVPR.2006.100, Taigman et al., 2014,
        https://doi.org/10.1109/CVPR.2014.220
    """
    choose("head of siamese", head, HEADS)
    choose("comparison of siamese", comparison, COMPARISONS)
    if type(embedding) is not int or embedding < 1:
        raise ValueError(
            f"siamese needs an embedding of 1, 2, ... values, received {embedding!r}."
        )
    if comparison != "absolute" and head != "logistic":
        raise ValueError(
            f"siamese compares by {comparison!r} in the logistic head alone, received "
            f"head={head!r}."
        )
    positive = comparison == "chi_square"
    pretrained = weights if weights == "imagenet" else None
    options = {"stem": stem, "weights": pretrained, **parts}
    embedder = _embedder(encoder, embedding, input_shape, positive, options)
    name = f"siamese_{head}"
    shape = embedder.input_shape[1:]
    if head == "triplet":
        image = keras.Input(shape, name="image")
        inputs, outputs = image, embedder(image)
    else:
        inputs = [keras.Input(shape, name=place) for place in ("first", "second")]
        outputs = _compare(head, comparison, [embedder(image) for image in inputs])
    return classifier.finish(name, inputs, outputs, None if pretrained else weights)


def build(name, **options):
    """Build a Siamese network by its name in the zoo.

    Args:
        name: A name of the table `VARIANTS`.
        **options: Those of `siamese` beside the head.

    Returns:
        Functional `keras.Model`.

    Raises:
        ValueError: If an option is unknown.

    Example:

    >>> build("siamese_triplet", embedding=9).output_shape
    (None, 9)
    """
    return siamese(head=choose("variant of siamese", name, VARIANTS).head, **options)


def _embedder(encoder, embedding, input_shape, positive, options):
    """Put the embedding behind an encoder."""
    rows = {name: registry.variant(name).task for name in registry.names()}
    choose("encoder", encoder, [n for n in rows if rows[n] == "classification"])
    shape = {} if input_shape is None else {"input_shape": input_shape}
    net = registry.build(encoder, top=False, **shape, **options)
    kernels = {name: options[name] for name in options if name in KERNELS}
    dense = Parts(**kernels).kernel_keywords()
    activation = "relu" if positive else None
    x = keras.layers.Dense(
        embedding, activation=activation, name="embedding", dtype="float32", **dense
    )(net.output)
    x = layers.L2Normalization(name="unit", dtype="float32")(x)
    return keras.Model(net.input, x, name=EMBEDDER)


def _compare(head, comparison, embeddings):
    if head == "contrastive":
        return layers.PairDistance(name="distance", dtype="float32")(embeddings)
    pair = layers.PairFeatures(comparison, name="comparison", dtype="float32")
    return keras.layers.Dense(1, name="logits", dtype="float32")(pair(embeddings))
