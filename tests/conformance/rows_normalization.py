"""Rows of the layers that normalise activations."""

import keras
from conformance.row import Row

from kerasmith import layers

# nine channels, and statistics that move slowly: what fit learns by the statistics of
# the batch holds by those at inference too
LAYERS = {
    "batch_norm": Row(
        layers.BatchNormalization,
        (3, 5, 3, 9),
        unknown=(1, 2),
        mask="passed",
    ),
    "batch_norm_first": Row(
        lambda: layers.BatchNormalization(
            1, 0.99, 1e-2, scale=False, unbiased=False, beta_initializer="ones"
        ),
        (3, 2, 9),
        mask="passed",
    ),
    "batch_norm_ghosts": Row(
        lambda: layers.BatchNormalization(
            virtual_batch_size=2,
            gamma_regularizer=keras.regularizers.L2(0.01),
            beta_constraint=keras.constraints.NonNeg(),
        ),
        (3, 5, 9),
        unknown=(1,),
        mask="passed",
    ),
    "group_norm": Row(
        lambda: layers.GroupNormalization(3),
        (3, 5, 7, 6),
        unknown=(1, 2),
        mask="passed",
    ),
    "group_norm_first": Row(
        lambda: layers.GroupNormalization(2, 1, 1e-5, scale=False),
        (3, 6, 5, 2),
        unknown=(2,),
        mask="passed",
    ),
    "instance_norm": Row(
        lambda: layers.InstanceNormalization(beta_initializer="ones"),
        (3, 5, 7, 2),
        unknown=(1, 2),
        mask="passed",
    ),
    "local_response_norm": Row(
        # numbers that make a difference to inputs of about one
        lambda: layers.LocalResponseNormalization(3, alpha=0.4, k=1.0),
        (3, 5, 7, 4),
        unknown=(1, 2),
        mask="passed",
    ),
    "local_response_norm_first": Row(
        lambda: layers.LocalResponseNormalization(alpha=0.4, beta=0.6, axis=1),
        (3, 6, 5, 4),
        unknown=(2,),
        mask="passed",
    ),
}
