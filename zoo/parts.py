"""The exchangeable parts that every architecture is built from."""

import dataclasses
from typing import Any

import keras

from .. import layers
from .choices import choose
from .named_parts import factory, makes_layers, named_or_found
from .pieces import CONVOLUTIONS, apply_new, pad
from .space import declare
from .space_rows import RESIDUAL_NETWORK

# what every family takes beside its parts
OPTIONS = ("classes", "input_shape", "top", "stem", "weights")


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
        attention: Layer on the end of a residual branch, or on the output of a stage
            where there are none.
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
            object.__setattr__(self, name, factory(name, getattr(self, name)))
        for name, get in (
            ("kernel_regularizer", keras.regularizers.get),
            ("kernel_constraint", keras.constraints.get),
        ):
            object.__setattr__(
                self, name, named_or_found(name, getattr(self, name), get)
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(
                f"drop_path needs a rate in [0, 1), received {self.drop_path}."
            )

    @classmethod
    def from_hyperparameters(cls, hp, *, without=(), **fixed):
        """Let a search choose the parts of a model of one's own.

        Args:
            hp: `keras_tuner.HyperParameters`.
            without: Names of parts that keep their defaults.
            **fixed: Parts that do not vary, such as `norm="group:8"`.

        Returns:
            New `Parts`.

        Raises:
            ValueError: If a part cannot be what it is fixed to.

        Example:

        >>> import keras_tuner
        >>> Parts.from_hyperparameters(keras_tuner.HyperParameters()).activation
        'relu'
        """
        rows = RESIDUAL_NETWORK.items()
        table = {name: row for name, row in rows if name not in without}
        return cls(**declare(hp, table, fixed=fixed))

    def override(self, family, keywords, *, without=(), options=()):
        """Exchange parts by keyword.

        Args:
            family: Name of the architecture, for messages.
            keywords: Mapping of the parts to exchange.
            without: Parts that have no place in this architecture.
            options: Options of this architecture that not every family has.

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
            choose(f"option of {family}", name, [*OPTIONS, *options, *places])
        return dataclasses.replace(self, **keywords)

    def conv(self, x, filters, size, stride=1, *, name, endpoint=None, **options):
        """Convolve, normalise and activate; no bias where a norm follows.

        Args:
            x: Symbolic tensor of shape `(batch, height, width, channels)`.
            filters: Number of filters.
            size: Height and width of the window, or one number for both.
            stride: Step of the window.
            name: Name of the convolution, from which the others' are made.
            endpoint: Name of the activation, where other code looks for it.
            **options: `padding`, `groups` of `convolve`.

        Returns:
            Symbolic tensor.

        Example:

        >>> Parts().conv(keras.Input((9, 7, 3)), 4, 3, 2, name="c").shape
        (None, 5, 4, 4)
        """
        x = self.convolve(x, filters, size, stride, name=name, **options)
        return self.finish(x, name, endpoint)

    def conv_norm(self, x, filters, size, stride=1, *, name, **options):
        """Convolve and normalise, as at the end of a residual branch.

        Args:
            x: Symbolic tensor of shape `(batch, height, width, channels)`.
            filters: Number of filters.
            size: Height and width of the window, or one number for both.
            stride: Step of the window.
            name: Name of the convolution, from which the norm's is made.
            **options: `padding`, `groups` of `convolve`.

        Returns:
            Symbolic tensor.

        Example:

        >>> Parts(norm="batch").conv_norm(keras.Input((9, 7, 3)), 4, 1, name="c").shape
        (None, 9, 7, 4)
        """
        x = self.convolve(x, filters, size, stride, name=name, **options)
        return self.normalize(x, f"{name}_norm")

    def convolve(
        self,
        x,
        filters,
        size,
        stride=1,
        *,
        name,
        padding="same",
        groups=1,
        use_bias=None,
    ):
        """Convolve, and nothing else.

        Args:
            x: Symbolic tensor of shape `(batch, ..., channels)`, with one to three
                axes of positions.
            filters: Number of filters.
            size: Height and width of the window, or one number for both.
            stride: Step of the window.
            name: Name of the convolution.
            padding: `"same"`, `"valid"`, or `"symmetric"`: `size // 2` zeros on each
                side. That differs from `"same"` where there is a stride: Caffe and
                PyTorch pad so, TensorFlow puts the odd one behind.
            groups: Number of groups of channels that do not see each other.
            use_bias: Whether there is a bias; where there is no norm if `None`.

        Returns:
            Symbolic tensor.

        Example:

        >>> image = keras.Input((9, 7, 3))
        >>> Parts().convolve(image, 4, 3, 2, name="c", padding="symmetric").shape
        (None, 5, 4, 4)
        """
        x, padding = pad(x, size, stride, padding, name)
        convolution = CONVOLUTIONS[len(x.shape) - 2](
            filters,
            size,
            stride,
            padding=padding,
            groups=groups,
            use_bias=self.norm is None if use_bias is None else use_bias,
            name=name,
            **self.kernel_keywords(),
        )
        return convolution(x)

    def depthwise(self, x, size, stride=1, *, name, padding="same", endpoint=None):
        """Convolve each channel by itself, normalise and activate.

        Args:
            x: Symbolic tensor of shape `(batch, height, width, channels)`.
            size: Width of the square window.
            stride: Step of the window.
            name: Name of the convolution, from which the others' are made.
            padding: As for `convolve`.
            endpoint: Name of the activation, where other code looks for it.

        Returns:
            Symbolic tensor.

        Example:

        >>> Parts().depthwise(keras.Input((9, 7, 3)), 3, 2, name="d").shape
        (None, 5, 4, 3)
        """
        x, padding = pad(x, size, stride, padding, name)
        keywords = {"use_bias": self.norm is None, "name": name, "padding": padding}
        keywords |= self.kernel_keywords("depthwise")
        convolution = layers.DepthwiseConv2D(size, stride, **keywords)
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
        x = self.normalize(x, f"{name}_norm")
        return self.activate(x, endpoint or f"{name}_activation")

    def normalize(self, x, name):
        """Normalise, where there is a norm.

        Args:
            x: Symbolic tensor.
            name: Name of the layer.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> Parts(norm="batch").normalize(keras.Input((9, 7, 3)), "norm").shape
        (None, 9, 7, 3)
        """
        return apply_new(self.norm, x, name)

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
        if makes_layers(self.activation):
            return apply_new(self.activation, x, name)
        return layers.Activation(self.activation, name=name)(x)

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
        return apply_new(self.dropout, x, name)

    def attend(self, x, name):
        """Apply attention, where there is such a part.

        Args:
            x: Symbolic tensor.
            name: Name of the layer.

        Returns:
            Symbolic tensor of the same shape.

        Example:

        >>> parts = Parts(attention="squeeze_excite:4")
        >>> parts.attend(keras.Input((9, 7, 8)), "stage1_attention").shape
        (None, 9, 7, 8)
        """
        return apply_new(self.attention, x, name)

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

    def kernel_keywords(self, kind="kernel"):
        """Give the keywords of a layer with a kernel, the initialiser a new copy.

        Args:
            kind: What Keras calls the kernel there: `"kernel"`, `"depthwise"`.

        Returns:
            Dictionary for the layer's constructor.

        Example:

        >>> sorted(Parts().kernel_keywords())
        ['kernel_constraint', 'kernel_initializer', 'kernel_regularizer']
        """
        # one initialiser object draws the same numbers at every call
        initializer = keras.initializers.get(self.kernel_initializer).clone()
        return {
            f"{kind}_initializer": initializer,
            f"{kind}_regularizer": self.kernel_regularizer,
            f"{kind}_constraint": self.kernel_constraint,
        }
