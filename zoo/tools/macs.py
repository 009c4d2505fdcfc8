"""What one call of a Keras layer or operation multiplies and accumulates.

Conventions: one multiplication and one addition are one multiply-accumulate;
zeros of the padding and masked positions count as if they were values; biases,
activations, normalisations, pooling and everything elementwise count nothing.
Every rule counts the whole batch that it is shown.
"""

import math

import keras
from keras import layers


def declared(layer, arguments, output):
    """Ask a layer that has a method `multiply_accumulates` for its own count.

    Args:
        layer: A layer that declares its count for one example.
        arguments: Dictionary of the call's arguments, tensors as
            `keras.KerasTensor`.
        output: The call's outputs, likewise.

    Returns:
        The count for all examples of the call.

    Raises:
        TypeError: If the layer gives anything but a whole number.

    Example:

    >>> class Twice(keras.layers.Layer):
    ...     def multiply_accumulates(self, input_shape, output_shape):
    ...         return 2 * input_shape[-1]
    >>> tensor = keras.KerasTensor((3, 5))
    >>> declared(Twice(), {"inputs": tensor}, tensor)
    30
    """
    shown = [
        value
        for name, value in arguments.items()
        if "mask" not in name and tensors(value)
    ]
    inputs = shapes(shown[0] if len(shown) == 1 else shown)
    count = layer.multiply_accumulates(inputs, shapes(output))
    if not hasattr(count, "__int__") or int(count) != count:
        raise TypeError(
            f"{type(layer).__name__}.multiply_accumulates must return a whole number, "
            f"received {count!r} from the layer {layer.name!r}."
        )
    examples = tensors(shown)[0].shape[0] if shown else 1
    return int(count) * examples


def rule(layer):
    """Find the rule for a layer of Keras whose `call` is Keras' own.

    Args:
        layer: Any layer.

    Returns:
        A function of the layer, the dictionary of its call's arguments and its
        outputs, tensors as `keras.KerasTensor`, that gives the count; `None`
        where there is no rule, or a subclass computes something else.

    Example:

    >>> dense = keras.layers.Dense(7)
    >>> shape = keras.KerasTensor
    >>> rule(dense)(dense, {"inputs": shape((2, 5))}, shape((2, 7)))
    70
    >>> rule(keras.layers.Flatten()) is None
    True
    """
    for kinds, count in _LAYERS:
        for kind in kinds:
            if isinstance(layer, kind) and type(layer).call is kind.call:
                return count
    return None


def is_of_keras(layer):
    """Tell whether a layer or operation computes what Keras itself wrote.

    Args:
        layer: Any layer or operation.

    Example:

    >>> class Same(keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return inputs
    >>> is_of_keras(keras.layers.Flatten()), is_of_keras(Same())
    (True, False)
    """
    owner = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    return owner.__module__.split(".")[0] == "keras"


def is_free(layer, weights):
    """Tell whether a layer without a rule is known to do no matrix work itself.

    Args:
        layer: Any layer without a rule.
        weights: The weights that are the layer's own, not its sublayers'.

    Returns:
        `True` for Keras' elementwise layers, norms, pooling, look-ups and
        containers; `False` for what must be looked into.

    Example:

    >>> is_free(keras.layers.MaxPooling2D(), [])
    True
    >>> is_free(keras.layers.Lambda(keras.ops.transpose), [])
    False
    """
    if not is_of_keras(layer) or isinstance(layer, _OPAQUE):
        return False
    return not weights or isinstance(layer, _FREE)


def of_operation(operation, arguments, output):
    """Count one operation of `keras.ops`.

    Args:
        operation: The `keras.Operation`.
        arguments: Dictionary of the call's arguments, tensors as
            `keras.KerasTensor`.
        output: The call's outputs, likewise.

    Returns:
        The count; 0 for elementwise operations, `None` for work that has no rule.

    Example:

    >>> a, b = keras.KerasTensor((2, 3, 5)), keras.KerasTensor((5, 7))
    >>> product = keras.ops.matmul(a, b)
    >>> matmul = keras.Function([a, b], product).operations[-1]
    >>> of_operation(matmul, {"x1": a, "x2": b}, product)
    210
    """
    kind = type(operation)
    if not is_of_keras(operation) or kind.__name__ in _UNCOUNTED:
        return None
    if kind.__name__ not in _OPERATIONS:
        return 0
    sizes = [tensor.shape for tensor in tensors(list(arguments.values()))]
    return _OPERATIONS[kind.__name__](operation, sizes, tensors(output)[0].shape)


def tensors(structure):
    """List the `keras.KerasTensor`s of a structure.

    Example:

    >>> len(tensors({"inputs": [keras.KerasTensor((2, 3))], "mask": None}))
    1
    """
    leaves = keras.tree.flatten(structure)
    return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]


def shapes(structure):
    """Put its shape in the place of each tensor of a structure, `()` for the rest.

    Example:

    >>> shapes([keras.KerasTensor((2, 3)), None])
    [(2, 3), ()]
    """
    return keras.tree.map_structure(
        lambda leaf: tuple(getattr(leaf, "shape", ())), structure
    )


def _sizes(arguments, output):
    return tensors([*arguments.values()])[0].shape, tensors(output)[0].shape


def _dense(layer, arguments, output):
    inputs, outputs = _sizes(arguments, output)
    return math.prod(outputs) * inputs[-1]


def _einsum_dense(layer, arguments, output):
    inputs, outputs = _sizes(arguments, output)
    return _contraction(layer.equation, [inputs, layer.kernel.shape])


def _channels(layer, shape):
    return shape[-1] if layer.data_format == "channels_last" else shape[1]


def _convolution(layer, arguments, output):
    inputs, outputs = _sizes(arguments, output)
    window = math.prod(layer.kernel_size) * _channels(layer, inputs) // layer.groups
    return math.prod(outputs) * window


def _depthwise(layer, arguments, output):
    return math.prod(_sizes(arguments, output)[1]) * math.prod(layer.kernel_size)


def _separable(layer, arguments, output):
    inputs, outputs = _sizes(arguments, output)
    between = _channels(layer, inputs) * layer.depth_multiplier
    positions = math.prod(outputs) // layer.filters
    return positions * between * (math.prod(layer.kernel_size) + layer.filters)


def _transposed(layer, arguments, output):
    inputs, _ = _sizes(arguments, output)
    return math.prod(inputs) * math.prod(layer.kernel_size) * layer.filters


def _reversible(layer, arguments, output):
    inputs, outputs = _sizes(arguments, output)
    return math.prod(outputs) * inputs[-1] if arguments.get("reverse") else 0


def _attention(layer, arguments, output):
    query, value = tensors(arguments["inputs"])[:2]
    pairs = math.prod(query.shape[:-1]) * value.shape[1]
    # the concatenating score only sums: no weight meets each unit
    scored = layer.score_mode == "dot"
    return pairs * (value.shape[-1] + scored * query.shape[-1])


def _additive_attention(layer, arguments, output):
    query, value = tensors(arguments["inputs"])[:2]
    pairs = math.prod(query.shape[:-1]) * value.shape[1]
    return pairs * (value.shape[-1] + bool(layer.use_scale) * query.shape[-1])


def _multi_head(layer, arguments, output):
    """Count queries times keys and weights times values; projections are parts."""
    query, value = arguments["query"].shape, arguments["value"].shape
    keys = math.prod(value[axis] for axis in layer.attention_axes)
    width = layer.num_heads * (layer.key_dim + layer.value_dim)
    return math.prod(query[:-1]) * keys * width


def _grouped_query(layer, arguments, output):
    query, value = arguments["query"].shape, arguments["value"].shape
    width = 2 * layer.num_query_heads * layer.head_dim
    return math.prod(query[:-1]) * value[1] * width


def _cell(gates):
    def count(layer, arguments, output):
        inputs, _ = _sizes(arguments, output)
        return gates * inputs[0] * layer.units * (inputs[1] + layer.units)

    return count


def _merging_dot(layer, arguments, output):
    one, two = (tensor.shape for tensor in tensors(arguments["inputs"]))
    axis = layer.axes if isinstance(layer.axes, int) else layer.axes[0]
    return math.prod(one) * math.prod(two[1:]) // one[axis]


def _contraction(equation, shapes):
    """Count an einsum of two operands from its labels.

    >>> _contraction("...ij,jk->...ik", [(2, 3, 5), (5, 7)])
    210
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_labels(*pair) for pair in zip(left.split(","), shapes, strict=True)]
    if len(terms) != 2:
        return 0 if len(terms) == 1 else None
    one, two = terms
    # an axis of one operand only that is not in the result is summed beforehand
    shared = one.keys() & two.keys()
    kept = [
        name
        for name in {**one, **two}
        if not arrow or name in right or name in shared or name.isdigit()
    ]
    return math.prod(max(one.get(n, 1), two.get(n, 1)) for n in kept)


def _labels(term, shape):
    """Map the axes' names to sizes; those under an ellipsis are numbered."""
    head, dots, tail = term.partition("...")
    unnamed = len(shape) - len(head) - len(tail) if dots else 0
    names = [*head, *map(str, reversed(range(unnamed))), *tail]
    return dict(zip(names, shape, strict=True))


def _matmul(operation, shapes, output):
    return math.prod(output) * shapes[0][-1]


def _tensordot(operation, shapes, output):
    # the contracted axes are in both operands, all others in one and the result
    return math.isqrt(math.prod(map(math.prod, (*shapes[:2], output))))


def _conv(operation, shapes, output):
    return math.prod(output) * math.prod(shapes[1][:-1])


def _depthwise_conv(operation, shapes, output):
    return math.prod(output) * math.prod(shapes[1][:-2])


def _separable_conv(operation, shapes, output):
    positions = math.prod(output) // shapes[2][-1]
    return positions * (math.prod(shapes[1]) + math.prod(shapes[2]))


def _dot_product_attention(operation, shapes, output):
    return (math.prod(shapes[0]) + math.prod(output)) * shapes[1][1]


_LAYERS = (
    ((layers.Dense,), _dense),
    ((layers.EinsumDense,), _einsum_dense),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    ((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise),
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    (
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
        _transposed,
    ),
    ((layers.ReversibleEmbedding,), _reversible),
    ((layers.AdditiveAttention,), _additive_attention),
    ((layers.Attention,), _attention),
    ((layers.MultiHeadAttention,), _multi_head),
    ((layers.GroupQueryAttention,), _grouped_query),
    ((layers.SimpleRNNCell,), _cell(1)),
    ((layers.GRUCell,), _cell(3)),
    ((layers.LSTMCell,), _cell(4)),
    ((layers.Dot,), _merging_dot),
)

# layers whose sublayers are their own business: one row of a card
WHOLE = (layers.MultiHeadAttention, layers.GroupQueryAttention, layers.RNN)

# layers with weights that look up, normalise or scale
_FREE = (
    layers.BatchNormalization,
    layers.Discretization,
    layers.Embedding,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.Normalization,
    layers.PReLU,
    layers.RMSNormalization,
    layers.SpectralNormalization,
)

# layers of Keras that run what others wrote, or transforms
_OPAQUE = (
    layers.Lambda,
    layers.MelSpectrogram,
    layers.STFTSpectrogram,
    layers.TFSMLayer,
    layers.JaxLayer,
    layers.FlaxLayer,
    layers.TorchModuleWrapper,
)

_OPERATIONS = {
    "Matmul": _matmul,
    "Einsum": lambda operation, shapes, _: _contraction(operation.subscripts, shapes),
    "Dot": _tensordot,
    "Outer": _tensordot,
    "Tensordot": _tensordot,
    "Vdot": _tensordot,
    "Conv": _conv,
    "DepthwiseConv": _depthwise_conv,
    "SeparableConv": _separable_conv,
    "DotProductAttention": _dot_product_attention,
}

_UNCOUNTED = frozenset(
    """
    AssociativeScan CDist Cholesky CholeskyInverse Cond ConvTranspose Corrcoef
    Correlate Det Eig Eigh FFT FFT2 ForiLoop GaussianBlur IFFT2 IRFFT ISTFT Inner Inv
    JVP Kron Logdet Lstsq LuFactor Map MatrixRank Pinv Qr RFFT SSIM STFT SVD Scan
    Slogdet SobelEdges Solve SolveTriangular Switch VectorizedMap WhileLoop
    """.split()
)
