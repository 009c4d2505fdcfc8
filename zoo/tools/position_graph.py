"""A network as rules of positions: its layers, and what each of them looks at."""

import dataclasses
import math
from fractions import Fraction

import keras
import numpy as np

from .layer_rules import WHOLE, drops_positions, rules
from .position_rules import Alike, Misfit, Unknown

FAR = 1024  # strides in an image that no border reaches across
LARGEST = 2**22  # positions; what looks farther is taken to see everything


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of a layer.

    Args:
        inputs: Numbers of the tensors that it takes; the image is 0, the output of the
            first node 1 and so on.
        rules: One for each axis of positions.

    Example:

    >>> Node((0,), (Alike(), Alike())).inputs
    (0,)
    """

    inputs: tuple
    rules: tuple


@dataclasses.dataclass(frozen=True)
class Look:
    """What the answers for an image need of it, along one axis.

    Args:
        low: Array of the first position that each answer needs.
        high: Array of the last.
        before: Array that tells which answers need what lies before the image.
        after: Array that tells which need what lies behind it.

    Example:

    >>> none = np.zeros(2, bool)
    >>> Look(np.array([0, 1]), np.array([2, 3]), none, none).high.tolist()
    [2, 3]
    """

    low: np.ndarray
    high: np.ndarray
    before: np.ndarray
    after: np.ndarray


class PositionGraph:
    """The layers of a network, as rules of positions.

    Attributes: `axes`, the number of axes of positions; `sizes_known`, the size of the
    image along each, `None` where any will do; `nodes`; `whole`, the names of the
    layers that see everything.

    Args:
        model: Functional or sequential model of one image and one answer, which may
            hold others.

    Raises:
        ValueError: If the model is of another kind, has no axes of positions, or a
            layer of which nobody knows how far it looks.

    Example:

    >>> image = keras.Input((9, None, 3))
    >>> graph = PositionGraph(keras.Model(image, keras.layers.Conv2D(2, 5)(image)))
    >>> graph.sizes(1, 20), graph.stride(1), graph.sizes_known
    ([20, 16], 1, (9, None))
    """

    def __init__(self, model):
        shape = shape_of(model)
        self.axes = len(shape) - 2
        self.sizes_known = shape[1:-1]
        self.nodes = []
        self.whole = []
        outputs = self._read(model, [0])
        output = outputs[0] if len(outputs) == 1 else None
        if output is None:
            raise ValueError(
                f"{model.name} gives {len(outputs)} outputs, expected one with an "
                "answer for each position; cut it with keras.Model(model.input, ...)."
            )
        self.output = output
        self._distances = [self._distances_along(axis) for axis in range(self.axes)]
        self._strides = [self._stride_along(axis) for axis in range(self.axes)]

    def _read(self, model, inputs):
        """Add the nodes of a model; give the numbers of its outputs."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self._apply(layer, inputs)
            return inputs
        config = model.get_config() if isinstance(model, keras.Function) else {}
        if not {"layers", "input_layers", "output_layers"} <= config.keys():
            raise Unknown(
                f"{model.name} is no functional or sequential model: nobody knows how "
                "far it looks."
            )
        parts = {part.name: part for part in model.operations}
        begins = [end[:2] for end in _ends(config["input_layers"])]
        known = {begin: [x] for begin, x in zip(begins, inputs, strict=True)}
        calls = [
            ((entry["name"], index), list(_tensors(node)))
            for entry in config["layers"]
            for index, node in enumerate(entry["inbound_nodes"])
        ]
        while calls:  # a layer that is called twice may be called before others
            later = []
            for call, taken in calls:
                if any(x[:2] not in known for x in taken):
                    later.append((call, taken))
                    continue
                values = [known[name, index][place] for name, index, place in taken]
                known[call] = self._apply(parts[call[0]], values)
            calls = later
        ends = []
        for name, index, place in _ends(config["output_layers"]):
            # Keras counts the making of a functional model as its first call here
            index -= isinstance(parts[name], keras.Function)
            ends.append(known[name, index][place])
        return ends

    def _apply(self, part, values):
        """Add a layer that is called on tensors; give the numbers of its outputs."""
        if isinstance(part, keras.Model) and not all(x is None for x in values):
            return self._read(part, values)
        inputs = tuple(x for x in values if x is not None)
        if not inputs:  # behind what has seen everything
            return [None]
        found = rules(part, self.axes)
        if found == WHOLE:
            self.whole.append(part.name)
            if drops_positions(part):
                return [None]
            inputs, found = inputs[:1], (Alike(),) * self.axes
        self.nodes.append(Node(inputs, found))
        return [len(self.nodes)]

    def distances(self, axis):
        """Tell how many positions of the image lie between those of each tensor.

        Args:
            axis: Which axis of positions.

        Returns:
            List of `Fraction`s, that of the image first.
        """
        return self._distances[axis]

    def _distances_along(self, axis):
        found = [Fraction(1)]
        for node in self.nodes:
            given = {found[x] for x in node.inputs}
            if len(given) != 1:
                raise Unknown("maps are joined whose positions lie differently far")
            found.append(given.pop() * node.rules[axis].factor)
        return found

    def stride(self, axis):
        """Tell by how much an image may be shifted so that its answers shift as well.

        Args:
            axis: Which axis of positions.

        Returns:
            The smallest number of positions, of which any multiple will do.
        """
        return self._strides[axis]

    def _stride_along(self, axis):
        distances = self._distances[axis]
        found = math.lcm(*(distance.numerator for distance in distances))
        for node in self.nodes:
            period = distances[node.inputs[0]] * node.rules[axis].period
            found = math.lcm(found, period.numerator)
        return found

    def sizes(self, axis, size):
        """Give the number of positions of each tensor.

        Args:
            axis: Which axis of positions.
            size: Number of positions of the image.

        Returns:
            List, that of the image first.

        Raises:
            Misfit: If maps cannot be joined at this size, or none are left.
        """
        found = [size]
        for node in self.nodes:
            found.append(node.rules[axis].size([found[x] for x in node.inputs]))
            if found[-1] < 1:
                raise Misfit(f"no position is left of {size}")
        return found

    def is_regular(self, axis, size):
        """Tell whether every tensor grows as the image does, from a size on.

        Args:
            axis: Which axis of positions.
            size: Number of positions of the image.

        Returns:
            Whether an image that is a stride larger has larger maps in proportion.
        """
        stride = self.stride(axis)
        try:
            pairs = zip(
                self.sizes(axis, size), self.sizes(axis, size + stride), strict=True
            )
        except Misfit:
            return False
        grown = [more - few for few, more in pairs]
        return grown == [stride / distance for distance in self.distances(axis)]

    def look(self, axis, size):
        """Tell what the answers for an image need of it.

        Args:
            axis: Which axis of positions.
            size: Number of positions of the image.

        Returns:
            `Look`.
        """
        sizes = self.sizes(axis, size)
        answers = np.arange(sizes[self.output])
        needed = {self.output: (answers, answers)}
        before, after = np.zeros((2, len(answers)), bool)
        for number in range(self.output, 0, -1):
            if number not in needed:
                continue
            node = self.nodes[number - 1]
            given = [sizes[x] for x in node.inputs]
            spans = node.rules[axis].needs(*needed[number], given)
            for x, span in zip(node.inputs, spans, strict=True):
                _widen(needed, x, span)
        for number, (low, high) in needed.items():
            before |= low < 0
            after |= high >= sizes[number]
        return Look(*needed[0], before, after)


def shape_of(model):
    """Give the shape of the one image that a model takes.

    Args:
        model: Keras model.

    Returns:
        Tuple `(batch, ..., channels)`, `None` where any size will do.

    Raises:
        ValueError: If the model has not been built, takes several inputs, or none with
            one to three axes of positions.

    Example:

    >>> shape_of(keras.Sequential([keras.Input((9, None, 3)), keras.layers.ReLU()]))
    (None, 9, None, 3)
    """
    try:
        inputs = model.inputs or []
    except AttributeError:
        inputs = []
    if len(inputs) != 1 or not 3 <= len(inputs[0].shape) <= 5:
        shapes = [tuple(x.shape) for x in inputs]
        raise ValueError(
            f"{model.name} takes inputs of shapes {shapes}, expected one of (batch, "
            "..., channels) with one to three axes of positions; call a model that "
            "has not been built on data first."
        )
    return tuple(inputs[0].shape)


def _widen(needed, number, span):
    if span is None:
        return
    if number in needed:
        low, high = needed[number]
        span = np.minimum(low, span[0]), np.maximum(high, span[1])
    needed[number] = span


def _ends(tree):
    """Give the triples of a config that name tensors, whatever they are nested in."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if len(tree) == 3 and isinstance(tree[0], str):
        yield tuple(tree)
        return
    for branch in tree:
        yield from _ends(branch)


def _tensors(tree):
    """Give the triples that name the tensors a layer was called on, in their order."""
    if isinstance(tree, dict):
        if tree.get("class_name") == "__keras_tensor__":
            yield tuple(tree["config"]["keras_history"])
            return
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for branch in tree:
            yield from _tensors(branch)
