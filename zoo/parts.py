"""The exchangeable parts that every architecture is built from."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypedDict

import keras

from .. import layers
from .choices import choose

LayerFactory = Callable[[], keras.layers.Layer]


class PartKeywords(TypedDict, total=False):
    """The keywords by which every family takes its parts: see `Parts`."""

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
        "batch": layers.BatchNormalization,
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
class Parts:
    """What an architecture is built from, wherever its paper leaves a choice.

    Parts that make layers are callables without arguments that return a new layer,
    a name with its value (`"group:8"`), or `None` for none. What Keras looks up by
    name may be a name or an object; initialisers are copied for each layer.

    Args:
        norm: Normalisation behind a convolution, before its activation.
        activation: Name, function, or layer class (also a `partial` of one).
        dropout: Dropout before a dense layer.
        drop_path: Rate at which residual branches are dropped, in [0, 1).
        attention: Layer on the output of a stage.
        kernel_initializer: Initialiser of every kernel.
        kernel_regularizer: Regulariser of every kernel.
        kernel_constraint: Constraint of every kernel.

    Raises:
        ValueError: If a name is unknown or the rate outside [0, 1).
        TypeError: If a layer is given where a callable that makes one is needed.

    Example:

    >>> parts = Parts(norm="group:2", activation="elu")
    >>> image = keras.Input((8, 8, 3))
    >>> parts.conv(image, 4, 3, name="c1").shape
    (None, 8, 8, 4)
    """

    norm: Any = None  # whatever came, a callable or None from here on
    activation: Any = "relu"
    dropout: Any = None
    drop_path: float = 0.0
    attention: Any = None
    kernel_initializer: Any = "glorot_uniform"
    kernel_regularizer: Any = None
    kernel_constraint: Any = None

    def __post_init__(self):
        for name in ("norm", "dropout", "attention"):
            _set(self, name, _factory(name, getattr(self, name)))
        for name, get in (
            ("kernel_regularizer", keras.regularizers.get),
            ("kernel_constraint", keras.constraints.get),
        ):
            _set(self, name, _named_or_found(name, getattr(self, name), get))
        if not 0 <= self.drop_path < 1:
            raise ValueError(
                f"drop_path needs a rate in [0, 1), received {self.drop_path}."
            )

    def override(self, family, keywords, *, without=()):
        """Exchange parts by keyword.

        Args:
            family: Name of the architecture, for messages.
            keywords: Mapping of the parts to exchange.
            without: Parts that have no place in this architecture.

        Returns:
            New `Parts`.

        Raises:
            ValueError: If a keyword is unknown or has no place.

        Example:

        >>> Parts().override("lenet", {"activation": "elu"}).activation
        'elu'
        """
        places = [field.name for field in dataclasses.fields(self)]
        places = [name for name in places if name not in without]
        for name in keywords:
            if name in without:
                raise ValueError(f"{family} has no place for the part {name!r}.")
            choose(f"option of {family}", name, ["classes", "input_shape", *places])
        return dataclasses.replace(self, **keywords)

    def conv(self, x, filters, size, stride=1, *, name, padding="same", endpoint=None):
        """Convolve, normalise and activate; no bias where a norm follows.

        Args:
            x: Symbolic tensor of shape `(batch, height, width, channels)`.
            filters: Number of filters.
            size: Width of the square window.
            stride: Step of the window.
            name: Name of the convolution, from which the others' are made.
            padding: `"same"` or `"valid"`.
            endpoint: Name of the activation, where other code looks for it.

        Returns:
            Symbolic tensor.

        Example:

        >>> Parts().conv(keras.Input((9, 7, 3)), 4, 3, 2, name="c").shape
        (None, 5, 4, 4)
        """
        convolution = keras.layers.Conv2D(
            filters,
            size,
            stride,
            padding=padding,
            use_bias=self.norm is None,
            name=name,
            **self.kernel_keywords(),
        )
        return self.finish(convolution(x), name, endpoint)

    def dense(self, x, units, *, name, dtype=None):
        """Drop out, multiply by a kernel, add a bias; no activation.

        Args:
            x: Symbolic tensor of shape `(batch, features)`.
            units: Number of units.
            name: Name of the dense layer.
            dtype: Its dtype policy, the global one if `None`.

        Returns:
            Symbolic tensor of shape `(batch, units)`.

        Example:

        >>> Parts(dropout="dropout:0.5").dense(keras.Input((9,)), 4, name="d").shape
        (None, 4)
        """
        dense = keras.layers.Dense(
            units, dtype=dtype, name=name, **self.kernel_keywords()
        )
        return dense(self.drop(x, f"{name}_dropout"))

    def finish(self, x, name, endpoint=None):
        """Normalise, then activate.

        Args:
            x: Symbolic tensor.
            name: Name of the layer before, from which the others' are made.
            endpoint: Name of the activation, where other code looks for it.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> Parts(norm="batch").finish(keras.Input((9, 7, 3)), "end").shape
        (None, 9, 7, 3)
        """
        x = _apply(self.norm, x, f"{name}_norm")
        return self.activate(x, endpoint or f"{name}_activation")

    def activate(self, x, name):
        """Apply the activation in a layer of its own.

        Args:
            x: Symbolic tensor.
            name: Name of the layer.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> Parts(activation=keras.layers.PReLU).activate(keras.Input((9,)), "a").shape
        (None, 9)
        """
        if _makes_layers(self.activation):
            return _apply(self.activation, x, name)
        return keras.layers.Activation(self.activation, name=name)(x)

    def drop(self, x, name):
        """Drop out, where there is a dropout part.

        Args:
            x: Symbolic tensor.
            name: Name of the layer.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> Parts(dropout="dropout:0.5").drop(keras.Input((9,)), "drop").shape
        (None, 9)
        """
        return _apply(self.dropout, x, name)

    def attend(self, x, endpoint):
        """Apply attention, where there is such a part, and name the stage's output.

        Args:
            x: Symbolic tensor.
            endpoint: Name of the output, `"stage1"` and so on.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> Parts().attend(keras.Input((9, 7, 3)), "stage1").shape
        (None, 9, 7, 3)
        """
        x = _apply(self.attention, x, f"{endpoint}_attention")
        return keras.layers.Identity(name=endpoint)(x)

    def residual(self, shortcut, branch, rate, name):
        """Add a branch to its shortcut, dropped at a rate.

        Args:
            shortcut: Symbolic tensor.
            branch: Symbolic tensor of the same shape.
            rate: Rate for this depth: `drop_path` is that of the deepest branch.
            name: Name of the sum.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> image = keras.Input((9, 7, 3))
        >>> Parts().residual(image, image, 0.1, "sum").shape
        (None, 9, 7, 3)
        """
        if rate:
            branch = layers.DropPath(rate, name=f"{name}_drop_path")(branch)
        return keras.layers.Add(name=name)([shortcut, branch])

    def kernel_keywords(self):
        """Give the keywords of a layer with a kernel, the initialiser a new copy.

        Returns:
            Dictionary for the layer's constructor.

        Example:

        >>> sorted(Parts().kernel_keywords())
        ['kernel_constraint', 'kernel_initializer', 'kernel_regularizer']
        """
        # one initialiser object draws the same numbers at every call
        return {
            "kernel_initializer": keras.initializers.get(
                self.kernel_initializer
            ).clone(),
            "kernel_regularizer": self.kernel_regularizer,
            "kernel_constraint": self.kernel_constraint,
        }


def _set(parts, name, value):
    object.__setattr__(parts, name, value)


def _apply(factory, x, name):
    """Apply a new layer; its name is ours, so that it is the same in every process."""
    if factory is None:
        return x
    layer = factory()
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"the part for {name} made {layer!r}, which is no Keras layer.")
    layer.name = name
    return layer(x)


def _makes_layers(activation):
    """Tell a layer class, or a partial of one, from a function on tensors."""
    if isinstance(activation, keras.layers.Layer):
        raise TypeError(
            f"activation needs a name, a function or a layer class, received the layer "
            f"{activation!r}, which every place would share. Pass its class."
        )
    kind = getattr(activation, "func", activation)
    return isinstance(kind, type) and issubclass(kind, keras.layers.Layer)


def _factory(kind, part) -> Any:
    if part is None or part == "none":
        return None
    if isinstance(part, str):
        name, _, value = part.partition(":")
        make = choose(kind, name, NAMED[kind])
        values = [_number(kind, part, text) for text in value.split(",") if text]
        return lambda: make(*values)
    if isinstance(part, keras.layers.Layer) or not callable(part):
        raise TypeError(
            f"{kind} needs a callable without arguments that returns a new layer, "
            f"received {part!r}. Pass a class, a functools.partial, or a lambda."
        )
    return part


def _named_or_found(kind, part, get):
    """Make what text with a value names; leave the rest to Keras' own look-up."""
    if part == "none":
        return None
    if isinstance(part, str) and (":" in part or part in NAMED[kind]):
        return _factory(kind, part)()
    return get(part)


def _number(kind, part, text):
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{kind}={part!r}: {text!r} is no number; write it like 'group:8' or "
            "'dropout:0.5'."
        ) from None
