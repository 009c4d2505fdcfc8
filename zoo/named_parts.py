"""What the exchangeable parts may be given as: text, callables, Keras' own names."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypedDict

import keras

from .. import layers
from .choices import choose

LayerFactory = Callable[[], keras.layers.Layer]


class PartKeywords(TypedDict, total=False):
    """The keywords by which every family takes its parts: see `kerasmith.zoo.Parts`."""

    norm: LayerFactory | str | None
    activation: Any
    dropout: LayerFactory | str | None
    drop_path: float
    attention: LayerFactory | str | None
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any


# What text may name, with the values behind the colon: "group:8", "dropout:0.5".
NAMED = {
    "norm": {
        "batch": lambda momentum=0.99: layers.BatchNormalization(momentum=momentum),
        "group": lambda groups=32: layers.GroupNormalization(int(groups)),
        "instance": layers.InstanceNormalization,
        "layer": keras.layers.LayerNormalization,
        "rms": keras.layers.RMSNormalization,
    },
    "dropout": {
        "dropout": keras.layers.Dropout,
        "gaussian": keras.layers.GaussianDropout,
        "alpha": keras.layers.AlphaDropout,
        "drop_block": lambda rate, size=7: layers.DropBlock(rate, int(size)),
        "locked": layers.LockedDropout,
    },
    "attention": {
        "squeeze_excite": lambda ratio=16: layers.SqueezeExcite(int(ratio)),
    },
    "kernel_regularizer": {
        "l1": keras.regularizers.L1,
        "l2": keras.regularizers.L2,
    },
    "kernel_constraint": {
        "max_norm": layers.MaxNorm,
        "unit_norm": layers.UnitNorm,
        "min_max_norm": layers.MinMaxNorm,
    },
}


@dataclasses.dataclass(frozen=True)
class NamedPart:
    """A part that text named, which makes a new layer each time.

    Args:
        text: The text.
        make: Callable without arguments that returns the layer.

    Example:

    >>> NamedPart("group:8", lambda: layers.GroupNormalization(8))().groups
    8
    """

    text: str
    make: Callable[[], Any]

    def __call__(self):
        return self.make()


def makes_layers(activation):
    """Tell a layer class, or a partial of one, from a function on tensors.

    Args:
        activation: What was given as the activation.

    Returns:
        Whether calling it makes a layer.

    Raises:
        TypeError: If it is a layer already, which every place would share.

    Example:

    >>> makes_layers(keras.layers.PReLU), makes_layers("relu")
    (True, False)
    """
    if isinstance(activation, keras.layers.Layer):
        raise TypeError(
            f"activation needs a name, a function or a layer class, received the layer "
            f"{activation!r}, which every place would share. Pass its class."
        )
    kind = getattr(activation, "func", activation)
    return isinstance(kind, type) and issubclass(kind, keras.layers.Layer)


def factory(kind, part) -> Any:
    """Make a callable of whatever was given as a part that makes layers.

    Args:
        kind: The part's keyword: `"norm"`, `"dropout"`, `"attention"`.
        part: A callable, text such as `"group:8"`, or `None`.

    Returns:
        Callable without arguments, or `None`.

    Raises:
        ValueError: If the text names nothing.
        TypeError: If it is a layer, or cannot be called.

    Example:

    >>> factory("norm", "group:8")().groups
    8
    """
    if part is None or part == "none":
        return None
    if isinstance(part, str):
        name, _, value = part.partition(":")
        make = choose(kind, name, NAMED[kind])
        values = [_number(kind, part, text) for text in value.split(",") if text]
        return NamedPart(part, lambda: make(*values))
    if isinstance(part, keras.layers.Layer) or not callable(part):
        raise TypeError(
            f"{kind} needs a callable without arguments that returns a new layer, "
            f"received {part!r}. Pass a class, a functools.partial, or a lambda."
        )
    return part


def named_or_found(kind, part, get):
    """Make what text with a value names; leave the rest to Keras' own look-up.

    Args:
        kind: The part's keyword: `"kernel_regularizer"`, `"kernel_constraint"`.
        part: Text such as `"max_norm:3"`, what Keras looks up, or `None`.
        get: Keras' look-up.

    Returns:
        The object, or `None`.

    Raises:
        ValueError: If the text names nothing.

    Example:

    >>> named_or_found("kernel_constraint", "max_norm:3", keras.constraints.get)
    ... # doctest: +ELLIPSIS
    <kerasmith.layers.constraints.MaxNorm object at ...>
    """
    if part == "none":
        return None
    if isinstance(part, str) and (":" in part or part in NAMED[kind]):
        return factory(kind, part)()
    return get(part)


def _number(kind, part, text):
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{kind}={part!r}: {text!r} is no number; write it like 'group:8' or "
            "'dropout:0.5'."
        ) from None
