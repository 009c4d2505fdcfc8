"""Layer-sequential unit-variance initialisation."""

import dataclasses
import math

import keras
import numpy as np
from keras import ops

from .columns import in_columns
from .full_precision import in_full_precision
from .kernels import parts_of
from .lsuv_targets import run_with, targets_of


@dataclasses.dataclass(frozen=True)
class LayerVariance:
    """The variance of a layer's outputs before its activation, on the batch.

    Attributes:
        path: Where the layer is found in the model.
        before: Variance with the weights as they were.
        after: Variance now.
        steps: How often the kernel was scaled.
        note: What there is to say beside, empty if all is well.

    Example:

    >>> LayerVariance("logits", before=0.25, after=1.0, steps=1).note
    ''
    """

    path: str
    before: float
    after: float
    steps: int
    note: str = ""


@dataclasses.dataclass(frozen=True)
class VarianceReport:
    """What `lsuv` did; its text is a table.

    Attributes:
        layers: A `LayerVariance` for each layer, in the order of computation.
        left_alone: Pairs of a layer's path and the reason why it was left alone.

    Example:

    >>> print(VarianceReport((LayerVariance("logits", 0.25, 1.0, 1),), ()))
    layer   before  after  steps
    logits  0.25    1      1
    """

    layers: tuple
    left_alone: tuple

    def __str__(self):
        rows = [("layer", "before", "after", "steps", "")]
        rows += [
            (
                row.path,
                f"{row.before:.4g}",
                f"{row.after:.4g}",
                str(row.steps),
                row.note,
            )
            for row in self.layers
        ]
        lines = in_columns(rows)
        lines += [f"left alone: {path}: {reason}" for path, reason in self.left_alone]
        return "\n".join(lines)


def lsuv(model, batch, *, tolerance=1e-3, max_steps=10, orthonormal=True, seed=None):
    """Initialise a model so that each layer's outputs have variance 1 on a batch.

    Layer-sequential unit-variance: the kernels of Dense, EinsumDense and convolutions
    become orthonormal, and then each, in the order of computation, is divided by the
    standard deviation of its layer's outputs until their variance is 1. The variance
    is that of all outputs of the layer before its activation. The model runs as in
    inference: dropout is off, and batch norms use their moving statistics.

    Use it before training. It makes deep networks without norms train; behind a norm
    it changes little. Biases stay as they are: the method is meant for zeros. A layer
    that is used several times is scaled where it is used first. The kernels of
    recurrent cells and embeddings are left alone.

    Args:
        model: A model, or a layer. It is built by the batch if it is not yet.
        batch: Inputs as the model takes them: an array, or a structure of arrays. A
            few hundred examples will do.
        tolerance: How far from 1 a variance may be, above 0.
        max_steps: How often a kernel may be scaled, at least 1. Once is enough where
            biases are zero.
        orthonormal: Whether kernels are made orthonormal first. `False` keeps the
            directions of the present ones.
        seed: Integer seed of the orthonormal kernels.

    Returns:
        `VarianceReport`, with each layer's variance before and after; `str` of it is
        a table.

    Raises:
        ValueError: If there is no kernel to initialise, an argument is out of range,
            or a layer's outputs are all the same on the batch or not finite. The
            model's weights are then as they were.

    Example:

    >>> import numpy as np
    >>> images = np.random.default_rng(0).normal(size=(32, 8, 8, 3))
    >>> model = keras.Sequential(
    ...     [
    ...         keras.layers.Conv2D(6, 3, activation="relu", name="convolution"),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(4, name="logits"),
    ...     ]
    ... )
    >>> report = lsuv(model, images, seed=1)
    >>> [(row.path, round(row.after, 3)) for row in report.layers]
    [('convolution', 1.0), ('logits', 1.0)]

    Reference:
        Mishkin, Matas, 2015, https://arxiv.org/abs/1511.06422
    """
    if not tolerance > 0 or max_steps < 1:
        raise ValueError(
            "lsuv needs a tolerance above 0 and at least one step, received "
            f"tolerance={tolerance}, max_steps={max_steps}."
        )
    batch = keras.tree.map_structure(ops.convert_to_tensor, batch)
    try:
        parts_of(model)
    except ValueError:  # not built yet
        model(batch, training=False)
    targets, left_alone = targets_of(model)
    before = run_with(model, batch, targets, _measure)
    kept = [
        (variable, ops.convert_to_numpy(variable))
        for target in targets
        for variable in target.variables
    ]
    try:
        if orthonormal:
            _make_orthonormal(targets, keras.random.SeedGenerator(seed))
        done = run_with(model, batch, targets, _Scale(tolerance, max_steps))
        after = run_with(model, batch, targets, _measure)
    except Exception:
        for variable, value in kept:
            variable.assign(value)
        raise
    rows = [
        LayerVariance(path, before[path], after[path], *done[path]) for path in done
    ]
    left_alone += [(t.path, "it was not used") for t in targets if t.path not in done]
    return VarianceReport(tuple(rows), tuple(left_alone))


def _make_orthonormal(targets, generator):
    for target in targets:
        for kernel in target.kernels:
            shape = tuple(kernel.variable.shape)
            units = [axis for axis in range(len(shape)) if axis not in kernel.axes]
            order = [*kernel.axes, *units]
            value = _orthonormal(kernel, generator).reshape([shape[i] for i in order])
            kernel.variable.assign(np.transpose(value, np.argsort(order)))


def _orthonormal(kernel, generator):
    """Draw a matrix (inputs, units), orthonormal among units of the same inputs."""
    shape = kernel.variable.shape
    inputs = math.prod(shape[axis] for axis in kernel.axes)
    groups = getattr(kernel.owner, "groups", 1)
    depthwise = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    if kernel.attribute == "depthwise_kernel" or isinstance(kernel.owner, depthwise):
        groups = shape[-2]
    drawn = keras.random.normal(
        (groups, inputs, kernel.units // groups), seed=generator
    )
    left, _, right = np.linalg.svd(
        ops.convert_to_numpy(drawn).astype("float64"), full_matrices=False
    )
    each = left if inputs >= kernel.units // groups else right
    return np.moveaxis(each, 0, 1).reshape(inputs, kernel.units).astype("float32")


def _measure(target, variance_of_outputs):
    return variance_of_outputs()


@dataclasses.dataclass(frozen=True)
class _Scale:
    """Divide a kernel by the deviation of what comes out, until it is 1."""

    tolerance: float
    max_steps: int

    def __call__(self, target, variance_of_outputs):
        """Give how often the kernel was scaled, and a note."""
        kernel = target.variables[-1]
        variance = variance_of_outputs()
        for step in range(self.max_steps):
            _check_alive(target, variance)
            if abs(variance - 1) <= self.tolerance:
                return step, ""
            value = in_full_precision(lambda: ops.convert_to_numpy(kernel))
            _assign(kernel, value / math.sqrt(variance))
            last, variance = variance, variance_of_outputs()
            if abs(variance - last) < 0.1 * abs(1 - last):
                _assign(kernel, value)
                return step, "its outputs hardly follow the scale of its kernel"
        close = abs(variance - 1) <= self.tolerance
        return self.max_steps, "" if close else "not there after all steps"


def _assign(variable, value):
    """Assign to a variable, within a call of a layer too."""
    in_full_precision(lambda: variable.assign(value))


def _check_alive(target, variance):
    if variance > 0 and math.isfinite(variance):
        return
    raise ValueError(
        f"lsuv cannot scale {target.path}: the variance of its outputs on this batch "
        f"is {variance}. The batch is all alike or not finite, or what comes before "
        "this layer gives the same for all of it, such as units that are all off."
    )
