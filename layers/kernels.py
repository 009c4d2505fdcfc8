"""What is known of kernels: which of their weights come into the same unit.

A kernel is a tensor; which of its axes run over the inputs of a unit is known only to
the layer that computes with it. This file holds that knowledge for the layers of Keras
and for what is built from them. A layer of one's own says it by an attribute
`kernel_axes`, a dictionary such as `{"kernel": (0,)}`.
"""

import dataclasses

import keras

from .connection_table import ConnectionTableConv2D

_layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel of a layer, and the axes over which the inputs of a unit lie.

    Attributes:
        path: Where the kernel is found from the layer that was asked, such as
            `"cell.recurrent_kernel"`. Inside models layers go by their names.
        owner: The layer that has it as an attribute and computes with it.
        attribute: The owner's attribute that holds it.
        axes: The axes over which the weights coming into one unit lie.

    Example:

    >>> layer = keras.layers.Conv2DTranspose(8, 3)
    >>> layer.build((None, 9, 9, 4))
    >>> kernel = Kernel("kernel", layer, "kernel", (0, 1, 3))
    >>> kernel.variable is layer.kernel, kernel.units
    (True, 8)
    """

    path: str
    owner: keras.layers.Layer
    attribute: str
    axes: tuple

    @property
    def variable(self):
        """The variable itself."""
        return getattr(self.owner, self.attribute)

    @property
    def units(self):
        """How many units the kernel has."""
        shape = self.variable.shape
        kept = [size for axis, size in enumerate(shape) if axis not in self.axes]
        units = 1
        for size in kept:
            units *= size
        return units


def incoming_axes(layer):
    """Map every kernel of a layer to the axes over which a unit's inputs lie.

    Args:
        layer: A built layer or model. Layers inside it are found, too.

    Returns:
        Dictionary from the kernel's path, such as `"kernel"` or
        `"cell.recurrent_kernel"`, to a tuple of axes.

    Raises:
        ValueError: If the layer is not built, has no kernel, or one whose units are
            not known.

    Example:

    >>> layer = keras.layers.SeparableConv2D(8, 3)
    >>> layer.build((None, 9, 9, 4))
    >>> incoming_axes(layer)
    {'depthwise_kernel': (0, 1), 'pointwise_kernel': (0, 1, 2)}
    """
    return {kernel.path: kernel.axes for kernel in kernels_of(layer)}


def kernels_of(layer):
    """Give every kernel of a layer, of layers inside it too, as a list of `Kernel`.

    Args:
        layer: A built layer or model.

    Raises:
        ValueError: If the layer is not built, has no kernel, or one whose units are
            not known.

    Example:

    >>> layer = keras.layers.LSTM(3)
    >>> layer.build((None, 5, 2))
    >>> [(kernel.path, kernel.units) for kernel in kernels_of(layer)]
    [('cell.kernel', 12), ('cell.recurrent_kernel', 12)]
    """
    found, unknown = survey(layer)
    if unknown:
        path, part, reason = unknown[0]
        raise ValueError(f"{_called(part)} has a kernel, but {reason}.")
    if not found:
        raise ValueError(
            f"{_called(layer)} has no kernel. Kernels are known of Dense, EinsumDense, "
            "Embedding, convolutions, recurrent layers and their cells, attention, and "
            "layers and models made of these; a layer of your own names its kernels by "
            'an attribute such as kernel_axes = {"kernel": (0,)}.'
        )
    return found


def survey(layer):
    """Give every kernel of a layer, and every part with one that is not known.

    Args:
        layer: A built layer or model.

    Returns:
        List of `Kernel`, and list of tuples of path, layer and the reason why the
        units of its kernel are not known.

    Raises:
        ValueError: If the layer is not built.

    Example:

    >>> layer = ConnectionTableConv2D([(0, 1), (1,)], 3)
    >>> layer.build((None, 9, 9, 2))
    >>> kernels, unknown = survey(layer)
    >>> len(kernels), unknown[0][1] is layer
    (0, True)
    """
    parts = parts_of(layer)
    reasons = [(path, part, _why_unusable(part)) for path, part in parts]
    unknown = [entry for entry in reasons if entry[2]]
    lost = {id(part) for _, part, _ in unknown}
    found = [
        kernel
        for path, part in parts
        if id(part) not in lost
        for kernel in _own_kernels(part, path)
    ]
    known = {id(kernel.variable) for kernel in found}
    for path, part in parts:
        if id(part) not in lost and not _own_axes(part):
            unknown += [
                (path, part, _unsaid(attribute))
                for attribute in _KERNEL_NAMES
                if _variable_id(part, attribute) not in {None, *known}
            ]
    return found, unknown


def _own_kernels(layer, path):
    prefix = f"{path}." if path else ""
    return [
        Kernel(prefix + attribute, layer, attribute, axes)
        for attribute, axes in _own_axes(layer).items()
    ]


def parts_of(layer):
    """Give a layer and every layer inside it once, as pairs of path and layer.

    Raises:
        ValueError: If one of them is not built.

    Example:

    >>> layer = keras.layers.TimeDistributed(keras.layers.Dense(3))
    >>> layer.build((None, 5, 2))
    >>> [path for path, _ in parts_of(layer)]
    ['', 'layer']
    """
    _check_is_layer(layer)
    seen, pairs, waiting = set(), [], [("", layer)]
    while waiting:
        path, part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if not part.built and (not path or _rule_of(part)):
            raise ValueError(
                f"{_called(part)} is not built, so that its kernels do not exist yet: "
                "call it on a batch, or build(input_shape) it, first."
            )
        pairs.append((path, part))
        inside = [
            (f"{path}.{name}" if path else name, child)
            for name, child in _children(part)
        ]
        waiting += reversed(inside)
    return pairs


_KERNEL_NAMES = ("kernel", "recurrent_kernel", "depthwise_kernel", "embeddings")


def _why_unusable(layer):
    """Say why the kernels that a layer is known to have cannot be used, if so."""
    if isinstance(layer, ConnectionTableConv2D):
        return (
            "its filters have different numbers of inputs, which lie on one axis "
            "beside those of the other filters, so that no axes tell them apart"
        )
    for attribute in _own_axes(layer):
        if not isinstance(getattr(layer, attribute), keras.Variable):
            return (
                f"its {attribute} is computed from other variables, as of a quantised "
                "layer or one with LoRA: take that away first"
            )
    return None


def _unsaid(attribute):
    return (
        f"which axes of its {attribute} run over the inputs of a unit is not known: "
        f'say so by an attribute such as kernel_axes = {{"{attribute}": (0,)}}'
    )


def _variable_id(layer, attribute):
    variable = vars(layer).get(attribute)
    return id(variable) if isinstance(variable, keras.Variable) else None


def _called(layer):
    return f"{type(layer).__name__} {layer.name!r}"


def _check_is_layer(layer):
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"Expected a layer or a model of Keras, received {layer!r}.")


# ---- which layers lie inside a layer -------------------------------------------------


def _children(layer):
    """Give the layers directly inside a layer, as pairs of name and layer."""
    if isinstance(layer, keras.Model):
        return [(child.name, child) for child in layer.layers]
    attributes = dict(vars(layer))
    # modules of PyTorch keep the modules inside them in a dictionary of its own
    attributes.update(attributes.pop("_modules", {}))
    direct, listed = [], []
    for name, value in attributes.items():
        if isinstance(value, keras.layers.Layer):
            direct.append((_public_name(layer, name), value))
        elif isinstance(value, list | tuple):
            listed += [
                (f"{name}.{position}", item)
                for position, item in enumerate(value)
                if isinstance(item, keras.layers.Layer)
            ]
        elif isinstance(value, dict):
            listed += [
                (f"{name}.{key}", item)
                for key, item in value.items()
                if isinstance(item, keras.layers.Layer)
            ]
    return _by_public_names_first(direct) + _by_public_names_first(listed)


def _by_public_names_first(pairs):
    return sorted(pairs, key=lambda pair: pair[0].startswith("_"))


def _public_name(layer, attribute):
    """Give the public property that shows a private attribute, if there is one."""
    public = attribute.lstrip("_")
    return (
        public
        if isinstance(getattr(type(layer), public, None), property)
        else attribute
    )


# ---- which axes of its kernels run over the inputs of a unit -------------------------


def _all_but_last(layer, attribute="kernel"):
    return tuple(range(len(getattr(layer, attribute).shape) - 1))


def _convolution(layer):
    return {"kernel": _all_but_last(layer)}


def _transposed(layer):
    # (space ..., filters, channels)
    rank = len(layer.kernel.shape)
    return {"kernel": (*range(rank - 2), rank - 1)}


def _depthwise(layer):
    # (space ..., channels, multiplier): a unit sees one channel
    return {"kernel": tuple(range(len(layer.kernel.shape) - 2))}


def _separable(layer):
    return {
        "depthwise_kernel": tuple(range(len(layer.depthwise_kernel.shape) - 2)),
        "pointwise_kernel": _all_but_last(layer, "pointwise_kernel"),
    }


def _einsum(layer):
    """Take the axes that the equation sums: those of no label of the outputs."""
    operands, outputs = layer.equation.replace(" ", "").split("->")
    labels = operands.split(",")[1]
    return {
        "kernel": tuple(i for i, label in enumerate(labels) if label not in outputs)
    }


def _recurrent_cell(layer):
    """A unit is one gate's column, or one gate's filter."""
    return {
        "kernel": _all_but_last(layer),
        "recurrent_kernel": _all_but_last(layer, "recurrent_kernel"),
    }


_RULES = [
    ((_layers.Dense,), lambda layer: {"kernel": (0,)}),
    ((_layers.EinsumDense,), _einsum),
    ((_layers.Embedding,), lambda layer: {"embeddings": (1,)}),
    ((_layers.Conv1D, _layers.Conv2D, _layers.Conv3D), _convolution),
    (
        (_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose),
        _transposed,
    ),
    ((_layers.DepthwiseConv1D, _layers.DepthwiseConv2D), _depthwise),
    ((_layers.SeparableConv1D, _layers.SeparableConv2D), _separable),
    ((_layers.SimpleRNNCell, _layers.LSTMCell, _layers.GRUCell), _recurrent_cell),
]


def _own_axes(layer):
    declared = getattr(layer, "kernel_axes", None)
    if declared is not None:
        return {name: tuple(axes) for name, axes in declared.items()}
    rule = _rule_of(layer)
    return rule(layer) if rule else {}


def _rule_of(layer):
    # the cell of ConvLSTM1D, 2D and 3D is not public
    if type(layer).__name__ == "ConvLSTMCell":
        return _recurrent_cell
    return next((rule for classes, rule in _RULES if isinstance(layer, classes)), None)
