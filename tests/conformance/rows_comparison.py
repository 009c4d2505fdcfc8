"""Rows of what scales and compares embeddings."""

import keras
from conformance.row import Row

from kerasmith import layers


def compared(part, shape):
    """Build a model in which embeddings are compared with what a sigmoid makes."""
    embeddings = keras.Input(shape)
    others = keras.layers.Activation("sigmoid")(embeddings)
    result = part()([embeddings, others])
    # as of any model: its result has float32
    return keras.Model(
        embeddings, keras.layers.Activation("linear", dtype="float32")(result)
    )


def row(part, **keywords):
    """Give a row of a layer that takes two tensors."""
    return Row(lambda: compared(part, (7,)), (3, 7), part=part, **keywords)


LAYERS = {
    "l2_normalization": Row(
        layers.L2Normalization, (3, 5, 4), unknown=(1,), mask="passed"
    ),
    "l2_normalization_first": Row(
        lambda: layers.L2Normalization(1), (3, 4, 7, 5), unknown=(2,), mask="passed"
    ),
    "pair_distance": row(layers.PairDistance),
    "pair_distance_squared": row(lambda: layers.PairDistance("squared")),
    "pair_distance_cosine": row(lambda: layers.PairDistance("cosine")),
    "pair_features": row(layers.PairFeatures, corners=True),
    "pair_features_chi_square": row(
        lambda: layers.PairFeatures("chi_square"), corners=True
    ),
    "pair_features_positions": Row(
        lambda: compared(layers.PairFeatures, (None, 4)),
        (3, 5, 4),
        unknown=(1,),
        corners=True,
        part=layers.PairFeatures,
    ),
}
