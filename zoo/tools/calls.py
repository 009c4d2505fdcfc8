"""Watching each layer call of a model that runs on symbols.

For as long as a model is watched, each of its layers carries a `call` of its own
that reports and then does what the class's `call` does. The model runs inside
`compute_output_spec`: no number is computed, no variable is written, and no node is
added to the graph of a functional model (`clone_model` with a `call_function` would
add one to each layer).
"""

import contextlib
import dataclasses
import functools
import inspect
import math
import re

import keras

from . import macs


@dataclasses.dataclass
class Call:
    """One call of one layer.

    Args:
        name: The layer's name, after those of the layers that it is part of.
        kind: The layer's class.
        output: Shape of the output for the batch that was traced, a structure of
            them where there are several; `None` where there was no call.
        weights: The layer's weights that no layer within it has.
        count: Multiply-accumulates of the batch; `None` where nobody knows.
        size: Bytes of the output.

    Example:

    >>> Call("flatten", "Flatten", (1, 120), [], 0, 480).count
    0
    """

    name: str
    kind: str
    output: tuple | list | dict | None
    weights: list
    count: int | None
    size: int


def record(model, *args, **kwargs):
    """Run a built model on symbols and write down its calls.

    Args:
        model: A built model or layer.
        *args: Structures of `keras.KerasTensor` without open sizes.
        **kwargs: Likewise, and any other argument of the model's `call`.

    Returns:
        The list of `Call`s in their order, those layers at the end that have weights
        and were not called, and the output as `keras.KerasTensor`.

    Raises:
        ValueError: If a layer that is called has not been built.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> calls, output = record(model, keras.KerasTensor((1, 3)))
    >>> [(call.kind, call.count) for call in calls], output.shape
    ([('Dense', 6)], (1, 2))
    """
    recorder = _Recorder(model)
    with recorder.listening(model):
        output = recorder.trace(model, *args, **kwargs)
    return recorder.calls + recorder.uncalled(), output


class _Run(keras.Layer):
    """Runs a function, on symbols by `compute_output_spec`."""

    def __init__(self, function):
        super().__init__(name="run", autocast=False)
        self.function = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


class _Recorder:
    def __init__(self, model):
        self.parts = list(_within(model))
        self.calls = []
        self.path = []  # names of the calls that are open
        self.given = [[]]  # what the calls within each of them gave
        self.deaf = False  # within a layer that is counted as a whole
        self.replies = None  # what calls give instead of running, in `_own_work`
        self.asked = []  # with what they were called there
        self.straight = functools.cache(_straight)

    @contextlib.contextmanager
    def listening(self, model):
        """Hear the calls of all layers and operations of a model, then let go."""
        parts = list(_within(model))
        before = [dict(vars(part)) for part in parts]
        for part in parts:
            vars(part)["call"] = self._ear(part, part.call)
            vars(part)["quantized_call"] = self._ear(part, part.quantized_call)
            if isinstance(part, keras.Layer) and not part.built:
                part.__dict__["build"] = functools.partial(_refuse_to_build, part)
        try:
            yield
        finally:
            # all attributes: a layer may keep what it saw, which was but a symbol
            for part, then in zip(parts, before, strict=True):
                for name in vars(part).keys() - then.keys():
                    del part.__dict__[name]
                vars(part).update(then)

    def _ear(self, part, call):
        @functools.wraps(call)
        def heard(*args, **kwargs):
            if self.replies is not None:
                self.asked += macs.tensors((args, kwargs))
                return next(self.replies)
            if self.deaf:
                return call(*args, **kwargs)
            return self._hear(part, call, args, kwargs)

        return heard

    def _hear(self, part, call, args, kwargs):
        start = len(self.calls)
        self.path.append(part.name)
        self.given.append([])
        try:
            self.deaf = _is_repeated(part) or hasattr(part, "multiply_accumulates")
            try:
                outputs = call(*args, **kwargs)
            finally:
                self.deaf = False
            self._write(part, call, args, kwargs, outputs, start)
        finally:
            self.path.pop()
            self.given.pop()
        self.given[-1].append(outputs)
        return outputs

    def trace(self, function, *args, **kwargs):
        """Run a function on symbols."""
        start, failures = len(self.calls), []

        def run(*args, **kwargs):
            del self.calls[start:]  # some backends try twice
            try:
                return function(*args, **kwargs)
            except Exception as error:
                failures.append(error)
                raise

        try:
            # called from within a layer, a model keeps the losses of its last call
            return _Run(_Run(run).__call__).compute_output_spec(*args, **kwargs)
        except Exception as error:
            # Keras adds a paragraph on a layer's output shape, which is not the matter
            raise (failures or [error])[-1] from None

    def _aside(self, function, *args):
        """Trace a function, take its calls out, give them and their total count."""
        start = len(self.calls)
        try:
            self.trace(function, *args)
            calls = self.calls[start:]
        except Exception:  # others' code, on symbols that it may not be made for
            calls = []
        del self.calls[start:]
        return calls, _total(calls) if calls else None

    def _write(self, part, call, args, kwargs, outputs, start):
        """Write the call down, or nothing where the calls within it are all of it."""
        bound = inspect.signature(call).bind(*args, **kwargs).arguments
        arguments = {name: symbols(value) for name, value in bound.items()}
        output = symbols(outputs)
        if _is_repeated(part, keras.layers.TimeDistributed):
            self.calls += self._distributed(
                part, macs.tensors([*arguments.values()])[0], output
            )
            return
        whole = isinstance(part, macs.WHOLE) or hasattr(part, "multiply_accumulates")
        weights = _weights(part) if whole else _own_weights(part)
        within, given = self.calls[start:], self.given[-1][:]
        count = self._count(part, call, args, kwargs, arguments, output, weights)
        if whole:
            count = None if count is None else _total(within, count)
            within, given = [], []
            del self.calls[start:]
        known = {id(tensor) for tensor in keras.tree.flatten(given)}
        made = [x for x in keras.tree.flatten(outputs) if id(x) not in known]
        size = sum(map(_size, macs.tensors(symbols(made))))
        if not within or weights or count != 0 or size:
            written = self._entry(part, macs.shapes(output), weights, count, size)
            self.calls.insert(start, written)

    def _entry(self, part, output, weights, count, size):
        name = "/".join(self.path[1:]) or part.name
        return Call(name, type(part).__name__, output, weights, count, size)

    def _count(self, part, call, args, kwargs, arguments, output, weights):
        """Count what a call computes itself, `None` where nobody knows."""
        open_sizes = any(None in x.shape for x in macs.tensors((arguments, output)))
        rule = macs.rule(part)
        if not isinstance(part, keras.Layer) and not isinstance(part, keras.Function):
            rule = macs.of_operation
        if hasattr(part, "multiply_accumulates"):
            rule = macs.declared
        elif _is_repeated(part):
            return self._recurrent(part, arguments)
        elif rule is None and macs.is_free(part, weights):
            return 0
        if open_sizes:
            return None
        if rule is None:
            return self._own_work(part, call, args, kwargs)
        return rule(part, arguments, output)

    def _recurrent(self, layer, arguments):
        sequence = macs.tensors([*arguments.values()])[0]
        batch, steps, *shape = sequence.shape
        states = arguments.get("initial_state")
        if states is None:
            states = symbols(layer.get_initial_state(batch))
        step = keras.KerasTensor((batch, *shape), sequence.dtype)
        count = self._aside(layer.cell, step, states)[1]
        if count is None:
            return None
        before = getattr(layer.cell, "multiply_accumulates_before_loop", None)
        once = 0 if before is None else before(states)
        return once + steps * (count - once)

    def _distributed(self, layer, sequence, output):
        """Give the calls of one step, times the steps."""
        batch, steps, *shape = sequence.shape
        step = keras.KerasTensor((batch, *shape), sequence.dtype)
        calls, count = self._aside(layer.layer, step)
        if count is None and not calls:
            size = sum(map(_size, macs.tensors(output)))
            return [self._entry(layer, macs.shapes(output), layer.weights, None, size)]
        for call in calls:
            call.output = keras.tree.map_shape_structure(
                lambda shape: (*shape[:1], steps, *shape[1:]), call.output
            )
            call.count = None if call.count is None else steps * call.count
            call.size *= steps
        return calls

    def _own_work(self, part, call, args, kwargs):
        """Count what a layer computes itself, by the operations that it calls.

        The layer runs once more on symbols of Keras' own, which remember the
        operations that made them. The layers within it are counted already: they
        are not run, but give symbols of what they gave before.
        """
        inputs = []
        args, kwargs = _roots(args, inputs), _roots(kwargs, inputs)
        given = [_roots(outputs, inputs) for outputs in self.given[-1]]
        self.replies, self.asked = iter(given), []
        try:
            with keras.StatelessScope(), self._without_nodes(given and self.parts):
                outputs = macs.tensors(call(*args, **kwargs))
            known = {id(tensor) for tensor in inputs}
            made = [x for x in [*self.asked, *outputs] if id(x) not in known]
            if not made:
                return 0
            function = keras.Function(inputs, made, name="own")
        except Exception:  # others' code, on symbols that it may not be made for
            return None
        finally:
            self.replies = None
        with self.listening(function):
            return self._aside(function, symbols(inputs))[1]

    @contextlib.contextmanager
    def _without_nodes(self, parts):
        """Let layers go straight to their `call`, so that no node is made for them."""
        kinds = [type(part) for part in parts]
        for part, kind in zip(parts, kinds, strict=True):
            object.__setattr__(part, "__class__", self.straight(kind))
        try:
            yield
        finally:
            for part, kind in zip(parts, kinds, strict=True):
                object.__setattr__(part, "__class__", kind)

    def uncalled(self):
        """Give entries for the weights of layers that no call has reached."""
        seen = {id(weight) for call in self.calls for weight in call.weights}
        entries = []
        for part in self.parts:
            weights = [w for w in _own_weights(part) if id(w) not in seen]
            if weights:
                entries.append(self._entry(part, None, weights, 0, 0))
        return entries


def _straight(kind):
    """Make a class of layers that go straight to `call`, symbols or not."""
    return type(
        kind.__name__, (kind,), {"__call__": lambda self, *a, **k: self.call(*a, **k)}
    )


def symbols(structure):
    """Put a new `keras.KerasTensor` in the place of each tensor of a structure."""

    def symbol(leaf):
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            return leaf
        dtype = keras.backend.standardize_dtype(leaf.dtype)
        return keras.KerasTensor(tuple(leaf.shape), dtype, name="symbol")

    return keras.tree.map_structure(symbol, structure)


def _roots(structure, inputs):
    """Put a new `keras.Input` in the place of each tensor, and list it."""

    def root(leaf):
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        name = f"symbol_{len(inputs)}"
        inputs.append(keras.Input(batch_shape=leaf.shape, dtype=leaf.dtype, name=name))
        return inputs[-1]

    return keras.tree.map_structure(root, symbols(structure))


def _size(tensor):
    bits = re.search(r"\d+", tensor.dtype)
    return math.prod(n or 1 for n in tensor.shape) * (int(bits[0]) // 8 if bits else 1)


def _total(calls, start=0):
    counts = [call.count for call in calls]
    return None if None in counts else sum(counts, start)


def _is_repeated(part, kinds=(keras.layers.RNN, keras.layers.TimeDistributed)):
    return isinstance(part, kinds) and macs.is_of_keras(part)


def _refuse_to_build(layer, *args, **kwargs):
    raise ValueError(
        f"the layer {layer.name!r} has not been built: call the model once on data"
    )


def _weights(part):
    return part.weights if isinstance(part, keras.Layer) else []


def _own_weights(part):
    others = {id(w) for other in _parts(part) for w in _weights(other)}
    return [weight for weight in _weights(part) if id(weight) not in others]


def _parts(part):
    """Give the layers and operations that a layer or operation holds itself."""
    found, seen = [], {id(part)}
    values = list(vars(part).values())
    for value in values:  # grows on the way
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, keras.Operation):
            found.append(value)
        elif isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            values.extend(value)
    if isinstance(part, keras.Sequential):
        # it runs a functional model of its layers, which is no layer of its own
        listed = {id(layer) for layer in part.layers}
        found = [
            other
            for other in found
            if id(other) in listed or not isinstance(other, keras.Function)
        ]
    return found


def _within(model):
    """Give a model and all that is within it, each once."""
    found = {id(model): model}
    queue = [model]
    for part in queue:  # grows on the way
        for other in _parts(part):
            if id(other) not in found:
                found[id(other)] = other
                queue.append(other)
    return found.values()
