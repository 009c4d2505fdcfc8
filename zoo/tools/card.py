"""What a model costs: parameters, multiply-accumulates, memory of activations."""

import dataclasses
import inspect
import math

import keras

from . import calls, macs


@dataclasses.dataclass(frozen=True)
class Row:
    """One call of one layer.

    Args:
        name: The layer's name, after the names of the models that it is part of.
        kind: The layer's class.
        output_shape: Shape of the output with `None` for the batch, a structure of
            shapes where there are several; `None` alone for a layer that has weights
            but is not called at inference.
        parameters: Weights that no earlier row has counted, trainable or not.
        trainable_parameters: Those of them that are trained.
        multiply_accumulates: Count for one example.
        activation_bytes: Size of the output for one example.

    Example:

    >>> Row("flatten", "Flatten", (None, 120), 0, 0, 0, 480).multiply_accumulates
    0
    """

    name: str
    kind: str
    output_shape: tuple | list | dict | None
    parameters: int
    trainable_parameters: int
    multiply_accumulates: int
    activation_bytes: int


@dataclasses.dataclass(frozen=True)
class Card:
    """What a model costs, layer by layer; printed, it is a table.

    Args:
        name: The model's name.
        input_shape: Shape of the input with `None` for the batch, a structure of
            shapes where there are several.
        output_shape: Likewise for the output.
        rows: A `Row` a layer call, in the order of the calls.
        uncounted: Names and classes of layers that do, or may do, matrix work which
            is in no number of this card.

    Example:

    >>> row = Row("dense", "Dense", (None, 200), 60_200, 60_200, 60_000, 800)
    >>> print(Card("tiny", (None, 300), (None, 200), (row,)))
    tiny: 300 -> 200
    <BLANKLINE>
    layer  kind   output  parameters  multiply accumulates  activation bytes
    dense  Dense  200         60,200                60,000               800
    <BLANKLINE>
    parameters            60,200 (60.200 K), all trainable
    multiply-accumulates  60,000 (60.000 K) for one example
    activations           800 bytes for one example
    """

    name: str
    input_shape: tuple | list | dict
    output_shape: tuple | list | dict
    rows: tuple[Row, ...]
    uncounted: tuple[str, ...] = ()

    @property
    def parameters(self):
        """Number of weights, each once: what `model.count_params()` gives."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable_parameters(self):
        """Number of weights that are trained."""
        return sum(row.trainable_parameters for row in self.rows)

    @property
    def multiply_accumulates(self):
        """Multiply-accumulates of one example, those of `uncounted` left out."""
        return sum(row.multiply_accumulates for row in self.rows)

    @property
    def activation_bytes(self):
        """Bytes of all layers' outputs for one example."""
        return sum(row.activation_bytes for row in self.rows)

    def to_dict(self):
        """Give everything, totals included, as data that JSON can hold."""
        totals = {name: getattr(self, name) for name in _TOTALS}
        data = {**dataclasses.asdict(self), **totals}
        return {name: _jsonable(value) for name, value in data.items()}

    def __str__(self):
        """Give the table and the totals as text."""
        fixed = self.parameters - self.trainable_parameters
        trained = f"{fixed:,} of them not trainable" if fixed else "all trainable"
        lines = [
            f"{self.name}: {_shape_text(self.input_shape)} -> "
            f"{_shape_text(self.output_shape)}",
            "",
            *_table(self.rows),
            "",
            f"parameters            {_number_text(self.parameters)}, {trained}",
            f"multiply-accumulates  {_number_text(self.multiply_accumulates)} "
            "for one example",
            f"activations           {_bytes_text(self.activation_bytes)} "
            "for one example",
        ]
        if self.uncounted:
            lines += [
                f"NOT COUNTED           {', '.join(self.uncounted)}",
                "",
                "What is not counted is missing above; a method of the class,",
                "multiply_accumulates(input_shape, output_shape), counts it.",
            ]
        return "\n".join(lines)


def card(model, input_shape=None):
    """Count parameters, multiply-accumulates and activations of a built model.

    The model runs once on symbols, for inference on one example: no number is
    computed and nothing in the model changes. Models within it are followed. A layer
    that is called several times has a row for each call, and its parameters in the
    first.

    Keras' dense, convolutional, attention and recurrent layers are counted by rules,
    the operations of `keras.ops` too, and layers written by others by the operations
    that they call. A layer's method `multiply_accumulates(input_shape, output_shape)`
    wins over all that: it gets shapes with the batch axis first (a list of them where
    the layer takes several tensors) and returns the number for one example. Biases,
    activations, norms, pooling, look-ups and everything elementwise count 0; zeros
    of the padding and masked positions count like others. What could not be counted
    is named in `Card.uncounted`.

    Activations are the outputs of all rows, also where one is a view of another.

    Args:
        model: A built `keras.Model`, or a single built layer.
        input_shape: Shape of one example, or a structure of shapes, for a model that
            leaves sizes open. A leading `None` for the batch may be there.

    Returns:
        A `Card`.

    Raises:
        TypeError: If `model` is no Keras model or layer, or `input_shape` no shape.
        ValueError: If the model is not built, the sizes of its input are open, or
            `input_shape` does not fit it.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((9, 7, 3)),
    ...     keras.layers.Conv2D(4, 3, strides=2),
    ... ])
    >>> result = card(model)
    >>> result.parameters  # 3 x 3 x 3 weights and a bias for each of 4 filters
    112
    >>> result.multiply_accumulates  # 4 x 3 positions x 4 filters x 27 weights
    1296
    """
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"card takes a built Keras model or layer, received {model!r} of type "
            f"{type(model).__name__}."
        )
    if not isinstance(input_shape, (tuple, list, dict, type(None))):
        raise TypeError(
            "card takes an input_shape such as (32, 32, 3), or a list or dictionary of "
            f"shapes, received {input_shape!r}."
        )
    if not model.built:
        raise ValueError(
            f"card needs a built model, and {model.name!r} has no weights yet: call it "
            "once on data, or call its build(input_shape)."
        )
    args, kwargs = _inputs(model, input_shape)
    inputs = [*args, *kwargs.values()]
    batch = macs.tensors(inputs)[0].shape[0]
    if "training" in inspect.signature(model.call).parameters:
        kwargs = {**kwargs, "training": False}
    try:
        entries, output = calls.record(model, *args, **kwargs)
    except Exception as error:
        raise ValueError(
            f"card could not run {model.name!r} on one example of shape "
            f"{_shape_text(_open_batch(macs.shapes(inputs), batch))}: {error}"
        ) from error
    return Card(
        model.name,
        _open_batch(macs.shapes(inputs[0] if len(inputs) == 1 else inputs), batch),
        _open_batch(macs.shapes(output), batch),
        _rows(model, entries, batch),
        tuple(
            f"{entry.name} ({entry.kind})" for entry in entries if entry.count is None
        ),
    )


def _rows(model, entries, batch):
    trainable = {id(weight) for weight in model.trainable_weights}
    seen, rows = set(), []
    for entry in entries:
        weights = {id(weight): weight for weight in entry.weights}
        new = [weight for key, weight in weights.items() if key not in seen]
        seen.update(weights)
        row = Row(
            entry.name,
            entry.kind,
            None if entry.output is None else _open_batch(entry.output, batch),
            sum(math.prod(w.shape) for w in new),
            sum(math.prod(w.shape) for w in new if id(w) in trainable),
            (entry.count or 0) // batch,
            entry.size // batch,
        )
        rows.append(row)
    return tuple(rows)


def _inputs(model, input_shape):
    """Give symbols for the arguments of one call: a list and a dictionary."""
    structure, names = _declared_inputs(model, open_sizes=input_shape is not None)
    if structure is None and input_shape is None:
        raise ValueError(
            f"card cannot know the shape of the inputs of {model.name!r}: give that of "
            "one example, as in card(model, input_shape=(32, 32, 3))."
        )
    if structure is None:
        shape = keras.tree.map_shape_structure(_known_batch, input_shape)
        return [keras.tree.map_shape_structure(_symbol, shape)], {}
    known = macs.tensors(structure)
    given = _given(model, structure, len(known), input_shape)
    fixed = [_fix(model, *pair) for pair in zip(known, given, strict=True)]
    declared, structure = structure, keras.tree.pack_sequence_as(structure, fixed)
    _refuse_open(model, declared, structure)
    if names is None:
        return [structure], {}
    return [], dict(zip(names, structure, strict=True))


def _given(model, structure, number, input_shape):
    """List the shapes that were given, one for each input."""
    if input_shape is None:
        return [None] * number
    given = []
    keras.tree.map_shape_structure(given.append, input_shape)
    if len(given) != number:
        raise ValueError(
            f"{model.name!r} has {number} inputs, received input_shape="
            f"{input_shape!r} with {len(given)} shapes."
        )
    by_name = isinstance(structure, dict) and isinstance(input_shape, dict)
    if by_name and structure.keys() != input_shape.keys():
        names = ", ".join(structure)
        raise ValueError(f"{model.name!r} has inputs {names}, received {input_shape}.")
    return given


def _declared_inputs(model, open_sizes):
    """Give the inputs as symbols, and the arguments' names where there are several.

    A model that is no graph was built for one shape and may take others.
    """

    def symbol(shape):
        sizes = [None] * (len(shape) - 1) if open_sizes else shape[1:]
        return _symbol((None, *sizes))

    if isinstance(model, keras.Sequential) and hasattr(model, "inputs"):
        return model.inputs[0], None
    if isinstance(model, keras.Model) and isinstance(model, keras.Function):
        return model.input, None
    config = model.get_build_config() or {}
    shapes = config.get("shapes_dict") or config.get("input_shape")
    if not shapes:
        return None, None
    if "shapes_dict" not in config:
        return keras.tree.map_shape_structure(symbol, shapes), None
    names = [name.removesuffix("_shape") for name in shapes]
    return keras.tree.map_shape_structure(symbol, [*shapes.values()]), names


def _symbol(shape):
    return keras.KerasTensor(shape, keras.config.floatx(), name="symbol")


def _known_batch(shape):
    return (1, *(shape[1:] if shape[:1] == (None,) else shape))


def _fix(model, known, given):
    """Put the given sizes, and one example, in the place of those left open."""
    sizes = known.shape[1:]
    if given is not None:
        given = tuple(given)
        given = given[1:] if given[:1] == (None,) else given
        fits = len(given) == len(sizes) and all(
            size in (None, new) for size, new in zip(sizes, given, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{model.name!r} takes examples of shape {_shape_text(known.shape)}, "
                f"received input_shape={given}; leave the batch out."
            )
        sizes = given
    return keras.KerasTensor((known.shape[0] or 1, *sizes), known.dtype, name="symbol")


def _refuse_open(model, declared, structure):
    """Tell which sizes are open, and how to give those of all inputs."""
    if any(None in tensor.shape for tensor in macs.tensors(structure)):
        example = keras.tree.map_structure(
            lambda tensor: tuple(size or 32 for size in tensor.shape[1:]), structure
        )
        raise ValueError(
            f"{model.name!r} leaves sizes of its input open: "
            f"{_shape_text(macs.shapes(declared))}. Give them, as in "
            f"card(model, input_shape={example})."
        )


def _open_batch(structure, batch):
    def opened(shape):
        return (None, *shape[1:]) if shape and shape[0] == batch else tuple(shape)

    return keras.tree.map_shape_structure(opened, structure)


_COUNTS = ("parameters", "multiply_accumulates", "activation_bytes")
_TOTALS = (*_COUNTS, "trainable_parameters")


def _jsonable(value):
    if isinstance(value, dict):
        return {key: _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry) for entry in value]
    return value


def _table(rows):
    header = ("layer", "kind", "output", *(name.replace("_", " ") for name in _COUNTS))
    cells = [header]
    for row in rows:
        counts = (f"{getattr(row, name):,}" for name in _COUNTS)
        cells += [(row.name, row.kind, _shape_text(row.output_shape), *counts)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        texts = [
            text.ljust(width) for text, width in zip(line[:3], widths, strict=False)
        ]
        texts += [text.rjust(n) for text, n in zip(line[3:], widths[3:], strict=True)]
        lines.append("  ".join(texts))
    return lines


def _shape_text(structure):
    """Write shapes without the open batch axis.

    >>> _shape_text([(None, 28, 28, 1), (None,), None])
    '28 x 28 x 1, scalar, not called'
    """
    if structure is None:
        return "not called"
    if isinstance(structure, dict):
        return ", ".join(f"{k} {_shape_text(v)}" for k, v in structure.items())
    if any(not isinstance(size, (int, type(None))) for size in structure):
        return ", ".join(map(_shape_text, structure))
    sizes = structure[1:] if tuple(structure[:1]) == (None,) else structure
    return " x ".join("?" if n is None else str(n) for n in sizes) or "scalar"


def _number_text(number):
    """Write a number exactly and, where it is long, in thousands of thousands.

    >>> _number_text(15470264320), _number_text(28)
    ('15,470,264,320 (15.470 G)', '28')
    """
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            return f"{number:,} ({number / unit:.3f} {name})"
    return str(number)


def _bytes_text(number):
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= unit:
            return f"{number:,} bytes ({number / unit:.1f} {name})"
    return f"{number} bytes"
