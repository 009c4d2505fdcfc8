"""Put a constraint on the kernels of built layers, each with the axes of its units."""

import dataclasses
import random
import sys
import warnings

import keras

from .columns import in_columns
from .constraints import NormConstraint
from .kernels import parts_of, survey


@dataclasses.dataclass(frozen=True)
class ConstraintReport:
    """What `constrain` did; its text is a table.

    Attributes:
        matched: The kernels that now have the constraint, each a `Kernel` with
            `path`, `owner`, `attribute`, `variable`, `axes` and `units`.
        unsaved: Paths of those of them whose layer forgets the constraint when it is
            saved.
        left_alone: Paths of all other trainable variables.
        unknown: Pairs of a layer's path and the reason why its kernel was left alone.

    Example:

    >>> layer = keras.layers.Dense(3)
    >>> layer.build((None, 4))
    >>> constrain(layer, "unit_norm", verbose=False).matched[0].axes
    (0,)
    """

    matched: tuple
    unsaved: tuple
    left_alone: tuple
    unknown: tuple

    def __str__(self):
        rows = [("kernel", "layer", "shape", "axes", "units")]
        rows += [
            (
                kernel.path + " (not saved)" * (kernel.path in self.unsaved),
                type(kernel.owner).__name__,
                str(tuple(kernel.variable.shape)),
                str(kernel.axes),
                str(kernel.units),
            )
            for kernel in self.matched
        ]
        lines = in_columns(rows)
        lines += [f"left alone: {path}: {reason}" for path, reason in self.unknown]
        if self.left_alone:
            lines.append(f"left alone: {_by_name(self.left_alone)}")
        return "\n".join(lines)


def constrain(layer, constraint, *, verbose=True):
    """Put a constraint on every kernel of a layer or model, with the right axes.

    A constraint sees only a tensor. This asks each layer which axes of its kernels run
    over the weights that come into one unit, and gives the constraint to the layer as
    well as to its variables: it acts from the next training step on, in a model that
    is compiled and was trained already, too, and it survives saving and loading.
    Weights are not changed here, and biases and the scales of norms are left alone.

    A layer inside a compiled model must be constrained through the model, which has to
    compile its training step anew.

    Args:
        layer: A built layer or model. Layers inside it are found, too.
        constraint: `MaxNorm`, `UnitNorm` or `MinMaxNorm` with `axis="auto"`; or any
            constraint of Keras, or its name, whose `axis` is then replaced if it has
            one; or `None` to take constraints away.
        verbose: Whether to write the table of what was matched.

    Returns:
        `ConstraintReport`; `str` of it is the table.

    Raises:
        TypeError: If `layer` is no layer or `constraint` no constraint.
        ValueError: If the layer is not built, or has no kernel whose units are known;
            if the constraint has axes already; or if two kernels that a layer gives
            one constraint have the same shape and different axes.

    Example:

    >>> from kerasmith.layers import MaxNorm
    >>> model = keras.Sequential(
    ...     [keras.Input((9, 9, 3)), keras.layers.Conv2DTranspose(8, 3, name="up")]
    ... )
    >>> report = constrain(model, MaxNorm(2.0))
    kernel     layer            shape         axes       units
    up.kernel  Conv2DTranspose  (3, 3, 8, 3)  (0, 1, 3)  8
    left alone: bias (1)
    >>> model.get_layer("up").kernel_constraint.axis
    (0, 1, 3)
    """
    constraint = _checked(constraint)
    parts = parts_of(layer)
    kernels, unknown = survey(layer)
    if not kernels:
        reasons = "".join(f" {part.name}: {reason}." for _, part, reason in unknown)
        raise ValueError(
            f"constrain found no kernel in {type(layer).__name__} {layer.name!r}: give "
            f"it a layer with one, such as Dense, a convolution or attention.{reasons}"
        )
    givers = _givers(parts, kernels)
    plan = _plan(kernels, givers, constraint)
    for kernel in kernels:
        kernel.variable.constraint = plan[kernel.path]
        name = _argument(kernel)
        if name is not None:
            setattr(kernel.owner, name, plan[kernel.path])
    for path, giver, name in givers:
        inside = next(kernel.path for kernel in kernels if _lies_in(kernel, path))
        setattr(giver, name, plan[inside])
    for _, part in parts:
        if isinstance(part, keras.Model):
            part.train_function = None

    report = _report(layer, kernels, unknown, _unsaved(parts, kernels))
    if verbose:
        sys.stdout.write(f"{report}\n")
    return report


def _checked(constraint):
    """Give the constraint itself, if it is one that leaves the axes to the layers."""
    if constraint is None:
        return None
    constraint = keras.constraints.get(constraint)
    if not isinstance(constraint, keras.constraints.Constraint):
        raise TypeError(
            "constrain takes a keras.constraints.Constraint, its name, or None, "
            f"received {constraint!r}."
        )
    if isinstance(constraint, NormConstraint) and constraint.axis != "auto":
        raise ValueError(
            "constrain chooses the axes for each kernel, received a "
            f"{type(constraint).__name__} with axis={constraint.axis}: leave axis out, "
            "or set kernel_constraint of that layer by hand."
        )
    return constraint


# ---- which constraint each kernel gets -----------------------------------------------


def _plan(kernels, givers, constraint):
    """Map each kernel's path to its constraint.

    A layer that gives its one constraint to several kernels gets one that knows the
    axes of all of their shapes.
    """
    plan = {}
    for kernel in kernels:
        giver = next((path for path, *_ in givers if _lies_in(kernel, path)), None)
        together = [kernel]
        if giver is not None:
            together = [other for other in kernels if _lies_in(other, giver)]
        plan[kernel.path] = _with_axes(constraint, together)
    return plan


def _with_axes(constraint, kernels):
    if constraint is None or "axis" not in constraint.get_config():
        return constraint
    all_axes = {kernel.axes for kernel in kernels}
    axis = list(all_axes.pop())
    if all_axes:
        axis = _by_shape(constraint, kernels)
    return type(constraint).from_config({**constraint.get_config(), "axis": axis})


def _by_shape(constraint, kernels):
    """Map shapes to axes, as pairs of lists."""
    shapes = {}
    for kernel in kernels:
        shape = tuple(kernel.variable.shape)
        other = shapes.setdefault(shape, kernel)
        if other.axes != kernel.axes:
            raise ValueError(
                f"{kernel.path} and {other.path} share one constraint and the shape "
                f"{shape}, but the inputs of a unit lie on axes {kernel.axes} of the "
                f"one and {other.axes} of the other: no constraint can tell them apart "
                "once they are loaded. Choose sizes that differ."
            )
    if not isinstance(constraint, NormConstraint):
        paths = ", ".join(kernel.path for kernel in kernels)
        raise ValueError(
            f"{type(constraint).__name__} of Keras has one axis for all kernels, but "
            f"{paths} need different ones: take the constraint of this name from "
            "kerasmith.layers."
        )
    return [[list(shape), list(kernel.axes)] for shape, kernel in shapes.items()]


# ---- where layers keep constraints ---------------------------------------------------


def _argument(kernel):
    """Give the attribute in which a kernel's owner keeps its constraint, if any."""
    candidates = (
        kernel.attribute.removesuffix("_kernel") + "_constraint",
        "depthwise_constraint",  # the kernel of DepthwiseConv1D and 2D
    )
    return next((name for name in candidates if hasattr(kernel.owner, name)), None)


# the attention of Keras has only the second; `_unsaved` tells if it does not hold
_HELD = ("kernel_constraint", "_kernel_constraint")


def _givers(parts, kernels):
    """Give layers that build the layers inside them with one constraint, outer first.

    Attention does: its configuration has a constraint, and its projections get it.
    Each comes with its path and the attribute that holds the constraint.
    """
    owners = {id(kernel.owner) for kernel in kernels}
    return [
        (path, part, held[0])
        for path, part in parts
        if (held := [name for name in _HELD if name in vars(part)])
        and id(part) not in owners
        and any(_lies_in(kernel, path) for kernel in kernels)
    ]


def _lies_in(kernel, path):
    return kernel.path.startswith(f"{path}." if path else "")


# ---- what is told --------------------------------------------------------------------


def _report(layer, kernels, unknown, unsaved):
    if unsaved:
        warnings.warn(
            f"The constraint acts now, but the layers that hold {', '.join(unsaved)} "
            "build their parts anew without it when they are loaded: call constrain "
            "again after loading, or let get_config of these layers hold it.",
            stacklevel=3,
        )
    matched = {id(kernel.variable) for kernel in kernels}
    return ConstraintReport(
        matched=tuple(kernels),
        unsaved=unsaved,
        left_alone=tuple(
            variable.path
            for variable in layer.trainable_variables
            if id(variable) not in matched
        ),
        unknown=tuple((path or part.name, reason) for path, part, reason in unknown),
    )


def _unsaved(parts, kernels):
    """Give the paths of kernels whose constraint is lost on the way through a file."""
    lost = [kernel.path for kernel in kernels if _argument(kernel) is None]
    asked = []
    for path, part in parts:
        inside = [kernel for kernel in kernels if _lies_in(kernel, path)]
        composed = any(kernel.owner is not part for kernel in inside)
        within = any(path.startswith(f"{other}." if other else "") for other in asked)
        if not composed or within or _is_graph(part):
            continue
        asked.append(path)
        again = _constraints_of_copy(part)
        lost += [
            kernel.path
            for kernel in inside
            if again.get(kernel.path.removeprefix(f"{path}." if path else ""))
            != keras.constraints.serialize(kernel.variable.constraint)
        ]
    return tuple(dict.fromkeys(lost))


def _is_graph(layer):
    """Tell whether a layer is a model that is saved layer by layer."""
    graph = getattr(layer, "inputs", None) is not None
    return isinstance(layer, keras.Model) and graph


def _constraints_of_copy(layer):
    """Map the path of each kernel to its constraint, of a layer saved and loaded."""
    state = random.getstate()
    try:
        saved = keras.saving.serialize_keras_object(layer)
        kernels, _ = survey(keras.saving.deserialize_keras_object(saved))
    except (TypeError, ValueError, NotImplementedError):
        return {}
    finally:
        random.setstate(state)
    return {
        kernel.path: keras.constraints.serialize(kernel.variable.constraint)
        for kernel in kernels
    }


def _by_name(paths):
    """Count variables by the last part of their paths."""
    names = [path.rpartition("/")[2] for path in paths]
    return ", ".join(f"{name} ({names.count(name)})" for name in sorted(set(names)))
