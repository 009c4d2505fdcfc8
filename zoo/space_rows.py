"""What may vary in an architecture and in its training, and how far.

Each family has a table `SPACE` of such rows beside its table of variants; here are the
rows that families share. `kerasmith.zoo.space.declare` declares them to a tuner.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class OneOf:
    """A choice of values.

    Args:
        values: The values, all text, or all numbers in their order.
        sets: The setting that it is, where that has another name.

    Example:

    >>> OneOf((16, 32, 64)).values
    (16, 32, 64)
    """

    values: Sequence[Any]
    sets: str | None = None


@dataclasses.dataclass(frozen=True)
class Between:
    """A range of numbers.

    Args:
        low: The least.
        high: The greatest.
        log: Whether each order of magnitude is as likely as the next.
        sets: The setting that it is, where that has another name.
        complement: Whether the setting is 1 minus the number, as for a momentum of
            `1 - 10^-u`, whose `10^-u` is on a logarithmic scale.
        step: Distance between values; any number of the range if `None`.

    Example:

    >>> Between(1e-3, 0.5, log=True, sets="momentum", complement=True).low
    0.001
    """

    low: float
    high: float
    log: bool = False
    sets: str | None = None
    complement: bool = False
    step: float | None = None


@dataclasses.dataclass(frozen=True)
class Kinds:
    """A choice of kinds, some of which open further rows.

    Args:
        kinds: Names of the kinds.
        opens: Pairs of the kinds that open rows, and those rows by name.
        text: Whether the setting is text of the kind and its numbers, such as
            `"group:8"`; each row is a setting of its own otherwise.

    Example:

    >>> NORM.kinds[:2]
    ('batch', 'group')
    """

    kinds: Sequence[str]
    opens: Sequence[tuple[Sequence[str], Mapping[str, Any]]] = ()
    text: bool = True


def norms(*groups):
    """Give the row of norms behind convolutions.

    Args:
        *groups: Numbers of groups that divide the channels of the architecture.

    Returns:
        `Kinds`.

    Example:

    >>> norms(2, 4).opens[1]
    (('group',), {'groups': OneOf(values=(2, 4), sets=None)})
    """
    kinds = ("batch", "group", "instance", "layer", "none")
    return Kinds(
        kinds,
        (
            (("batch",), {"batch_momentum": OneOf((0.9, 0.99))}),
            (("group",), {"groups": OneOf(groups)}),
        ),
    )


NORM = norms(2, 4, 8, 16)
RATE = {"dropout_rate": Between(0.05, 0.6)}
DROPOUT = Kinds(
    ("none", "dropout", "gaussian", "alpha"),
    ((("dropout", "gaussian", "alpha"), RATE),),
)
# of maps, whole blocks too
MAP_DROPOUT = Kinds(
    ("none", "dropout", "gaussian", "drop_block"),
    (
        (("dropout", "gaussian", "drop_block"), RATE),
        (("drop_block",), {"block_size": OneOf((3, 5, 7))}),
    ),
)
DROP_PATH = Between(0.0, 0.3)
ATTENTION = Kinds(
    ("none", "squeeze_excite"),
    ((("squeeze_excite",), {"squeeze_ratio": OneOf((4, 8, 16))}),),
)
KERNELS = {
    "kernel_initializer": OneOf(
        ("he_normal", "he_uniform", "glorot_uniform", "lecun_normal", "orthogonal")
    ),
    "kernel_regularizer": Kinds(
        ("none", "l2"), ((("l2",), {"l2": Between(1e-6, 1e-2, log=True)}),)
    ),
    "kernel_constraint": Kinds(
        ("none", "max_norm", "unit_norm"),
        ((("max_norm",), {"max_norm": Between(0.5, 8.0, log=True)}),),
    ),
}
ACTIVATION = OneOf(("relu", "leaky_relu", "elu", "selu", "silu", "gelu", "mish"))
# an image network without residual branches
PLAIN_NETWORK = {
    "norm": NORM,
    "activation": ACTIVATION,
    "dropout": DROPOUT,
    "attention": ATTENTION,
    **KERNELS,
}
RESIDUAL_NETWORK = {**PLAIN_NETWORK, "drop_path": DROP_PATH}

ADAPTIVE = ("adam", "adamw", "nadam", "rmsprop")
TRAINING = {
    "optimizer": Kinds(
        ("sgd", *ADAPTIVE),
        (
            (
                ("sgd",),
                {
                    "sgd_learning_rate": Between(
                        1e-3, 1.0, log=True, sets="learning_rate"
                    ),
                    "one_minus_momentum": Between(
                        1e-3, 0.5, log=True, sets="momentum", complement=True
                    ),
                    "nesterov": OneOf((False, True)),
                },
            ),
            (
                ADAPTIVE,
                {
                    "adaptive_learning_rate": Between(
                        1e-5, 3e-2, log=True, sets="learning_rate"
                    )
                },
            ),
            (("adamw",), {"weight_decay": Between(1e-5, 1e-1, log=True)}),
        ),
        text=False,
    ),
    "batch_size": OneOf((16, 32, 64, 128)),
    "schedule": OneOf(("constant", "cosine", "linear", "exponential", "step")),
    "warmup": Between(0.0, 0.2),
    "clipping": Kinds(
        ("none", "global_norm", "adaptive"),
        (
            (("global_norm",), {"clip_norm": Between(0.1, 10.0, log=True)}),
            (("adaptive",), {"clip_ratio": Between(1e-3, 1e-1, log=True)}),
        ),
    ),
    "stopping": Kinds(
        (
            "none",
            "patience",
            "generalization_loss",
            "progress_quotient",
            "up_successive",
        ),
        (
            (("patience",), {"patience": OneOf((3, 5, 8, 12))}),
            (("generalization_loss",), {"alpha": Between(1.0, 50.0, log=True)}),
            (("progress_quotient",), {"quotient": Between(0.5, 5.0, log=True)}),
            (("up_successive",), {"successive": OneOf((2, 3, 4))}),
        ),
    ),
}
LABEL_SMOOTHING = {"label_smoothing": Between(0.0, 0.2)}
